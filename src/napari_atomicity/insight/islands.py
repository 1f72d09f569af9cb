"""The classes of the library as islands on the map: outlines that hold most of a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.insight.feature_map import FeatureMap

#: parts of a class that its outlines hold, the wide one first
HELD: Final = (0.8, 0.4)
_GRID: Final = 120
#: smoothing, as part of the spread of all places
_SMOOTH: Final = 0.2
_MARGIN: Final = 0.1
#: no outline lies higher, in parts of the peak: of a class that lies on one point the grid would miss it
_HIGHEST: Final = 0.95


@dataclass(frozen=True, eq=False)
class Island:
    """One class of the library on the map.

    Attributes
    ----------
    label
        Of the class.
    outlines
        For each part of `HELD`, closed lines (k, 2) on the map around where that part of the class lies.
    peak
        (x, y) where it lies most densely.
    """

    label: str
    outlines: tuple[tuple[npt.NDArray[np.float64], ...], ...]
    peak: tuple[float, float]


def islands(feature_map: FeatureMap) -> list[Island]:
    """Islands of all classes of the library, in the order of the classes."""
    xy = feature_map.xy.astype(np.float64)
    labels = np.array(feature_map.library.labels)
    index = feature_map.library.class_index
    low, high = extent(xy)
    axes = [np.linspace(low[i], high[i], _GRID) for i in (0, 1)]
    width = _SMOOTH * float(xy.std())
    return [_island(str(labels[index == i][0]), xy[index == i], axes, width) for i in np.unique(index)]


def extent(xy: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lower left and upper right corner of the map with a margin."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    margin = _MARGIN * float(max(*(high - low), 1e-6))
    return low - margin, high + margin


def _island(label: str, xy: npt.NDArray[np.float64], axes: list[npt.NDArray[np.float64]], width: float) -> Island:
    from skimage.measure import find_contours

    density = _density(xy, axes, width)
    at_points = np.sort(_density_at(xy, xy, width))
    step = np.array([axis[1] - axis[0] for axis in axes])
    corner = np.array([axis[0] for axis in axes])
    outlines = []
    for held in HELD:
        level = float(at_points[int((1 - held) * len(at_points))]) * 0.999
        level = min(level, _HIGHEST * float(density.max()))
        outlines.append(tuple(corner + line * step for line in find_contours(density, level)))
    peak = np.unravel_index(int(density.argmax()), density.shape)
    return Island(label, tuple(outlines), (float(axes[0][peak[0]]), float(axes[1][peak[1]])))


def _density(xy: npt.NDArray[np.float64], axes: list[npt.NDArray[np.float64]], width: float) -> npt.NDArray[np.float64]:
    """(x, y) grid of Gaussians about the places, not normalised."""
    along = [np.exp(-0.5 * ((axis[:, None] - xy[:, i]) / width) ** 2) for i, axis in enumerate(axes)]
    return np.asarray(along[0] @ along[1].T)


def _density_at(points: npt.NDArray[np.float64], xy: npt.NDArray[np.float64], width: float) -> npt.NDArray[np.float64]:
    apart = ((points[:, None] - xy[None]) ** 2).sum(axis=2)
    return np.asarray(np.exp(-0.5 * apart / width**2).sum(axis=1))
