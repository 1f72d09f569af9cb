"""Bright features narrower than a cluster: detached single atoms, with their integrated intensities.

A search for clusters throws them away. Here they are sought at their own width, apart from the clusters, and kept with
the intensity below which one would be missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage, spatial

from napari_atomicity.detection.detect import check_pixel_size
from napari_atomicity.detection.finding import averaged
from napari_atomicity.detection.gaps import without_gaps
from napari_atomicity.detection.repair import repaired
from napari_atomicity.errors import InputError

Vector = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

_GRID_NM: Final = 0.03
#: coarser pixels do not show an atom as a peak
_COARSEST_NM: Final = 0.07
#: the image of an atom is a peak of about this standard deviation; what responds more to the second one is wider
_SIGMA_NM: Final = 0.085
_WIDE_NM: Final = 0.19
#: standard deviations of the filter's response to the support around
_THRESHOLD: Final = 4.5
_TILE_NM: Final = 3.0
#: from a cluster's rim, from the side of the image, and from another atom
_FROM_CLUSTER_NM: Final = 0.4
_FROM_SIDE_NM: Final = 0.5
_APART_NM: Final = 0.22
#: an atom's signal is summed as far as this, on the mean image of all of them, over the level of a ring further out
_SUM_NM: Final = 0.3
_RING_NM: Final = (0.36, 0.48)
_ALONE_NM: Final = 0.6


@dataclass(frozen=True, eq=False)
class Atoms:
    """Features as narrow as an atom.

    Attributes
    ----------
    y_px, x_px
        (n,) centres in pixels of the image.
    intensity
        (n,) background-subtracted integrated intensities, counts·nm².
    limit
        (n,) intensity from which on a feature at that place is found.
    noise
        (n,) standard deviation of an intensity there by noise and support.
    """

    y_px: Vector
    x_px: Vector
    intensity: Vector
    limit: Vector
    noise: Vector


def find_atoms(
    image: npt.NDArray[np.floating],
    pixel_size_nm: float,
    clusters_px: npt.NDArray[np.floating] | None = None,
    radius_nm: npt.NDArray[np.floating] | None = None,
) -> Atoms:
    """Find features as narrow as an atom, apart from clusters.

    Parameters
    ----------
    image
        (y, x) micrograph in counts; nan where there is no data.
    pixel_size_nm
        Side of a pixel, nm.
    clusters_px, radius_nm
        (m, 2) centres of clusters, y and x in pixels, and (m,) their radii; none where None.

    Raises
    ------
    InputError
        Where pixels are too coarse to show an atom.
    """
    check_pixel_size(pixel_size_nm)
    if pixel_size_nm > _COARSEST_NM:
        raise InputError(
            f"At {pixel_size_nm:.3g} nm per pixel single atoms cannot be told from noise; they need "
            f"{_COARSEST_NM:g} nm or finer."
        )
    filled = without_gaps(repaired(image, pixel_size_nm).image, pixel_size_nm)
    factor = max(1, int(_GRID_NM / pixel_size_nm + 0.25))
    coarse = averaged(filled, factor)
    grid = pixel_size_nm * factor
    narrow, wide = _response(coarse, _SIGMA_NM / grid), _response(coarse, _WIDE_NM / grid)
    noise = _noise(narrow, max(8, int(_TILE_NM / grid)))
    peak = (narrow == ndimage.maximum_filter(narrow, 3)) & (narrow > _THRESHOLD * noise) & (narrow > wide)
    y, x = np.nonzero(peak)
    keep = _allowed(y, x, coarse.shape, grid, None if clusters_px is None else clusters_px / factor, radius_nm)
    y, x = y[keep], x[keep]
    strength = narrow[y, x].astype(np.float64)
    first = _strongest_apart(y, x, strength, _APART_NM / grid)
    y, x, strength = y[first], x[first], strength[first]
    worth = _worth(coarse, narrow, y, x, grid)
    places = np.stack([y, x]).astype(np.float64) * factor + (factor - 1) / 2
    local = noise[y, x].astype(np.float64) * worth
    return Atoms(places[0], places[1], strength * worth, _THRESHOLD * local, local)


def _response(image: Image, sigma_px: float) -> Image:
    """Scale-normalised Laplacian of Gaussian, positive on bright peaks."""
    return np.asarray(-(sigma_px**2) * ndimage.gaussian_laplace(image, sigma_px), dtype=np.float32)


def _noise(response: Image, tile: int) -> Image:
    """Robust standard deviation of the response around every pixel, from the lower half of it: atoms fill the upper."""
    height, width = (max(1, n // tile) for n in response.shape)
    spread = np.empty((height, width))
    for i, row in enumerate(np.array_split(response, height, axis=0)):
        for j, part in enumerate(np.array_split(row, width, axis=1)):
            low, middle = np.percentile(part, (15.87, 50))
            spread[i, j] = middle - low
    spread = ndimage.median_filter(spread, 3, mode="nearest")
    zoomed = ndimage.zoom(spread, (response.shape[0] / height, response.shape[1] / width), order=1, mode="nearest")
    at_least = max(0.3 * float(np.median(spread)), 1e-20)
    return np.asarray(np.maximum(zoomed[: response.shape[0], : response.shape[1]], at_least), dtype=np.float32)


def _allowed(
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    shape: tuple[int, ...],
    grid_nm: float,
    clusters: npt.NDArray[np.floating] | None,
    radius_nm: npt.NDArray[np.floating] | None,
) -> npt.NDArray[np.bool_]:
    """Which places lie away from clusters and the sides."""
    side = _FROM_SIDE_NM / grid_nm
    keep = (y > side) & (x > side) & (y < shape[0] - 1 - side) & (x < shape[1] - 1 - side)
    if clusters is None or not len(clusters) or not len(y):
        return np.asarray(keep)
    radius = np.full(len(clusters), 0.8) if radius_nm is None else np.nan_to_num(np.asarray(radius_nm), nan=0.8)
    reach = (radius + _FROM_CLUSTER_NM) / grid_nm
    tree = spatial.cKDTree(np.column_stack([y, x]))
    for near in tree.query_ball_point(clusters, reach):
        keep[near] = False
    return np.asarray(keep)


def _strongest_apart(
    y: npt.NDArray[np.int64], x: npt.NDArray[np.int64], strength: Vector, apart_px: float
) -> npt.NDArray[np.int64]:
    """Rows of the strongest features among those that lie nearer than they can."""
    if len(y) < 2:
        return np.arange(len(y))
    alive = np.ones(len(y), dtype=bool)
    pairs = spatial.cKDTree(np.column_stack([y, x])).query_pairs(apart_px, output_type="ndarray")
    for one, other in pairs[np.argsort(-strength[pairs].max(axis=1))]:
        if alive[one] and alive[other]:
            alive[one if strength[one] < strength[other] else other] = False
    return np.flatnonzero(alive)


def _worth(coarse: Image, narrow: Image, y: npt.NDArray[np.int64], x: npt.NDArray[np.int64], grid_nm: float) -> float:
    """Integrated intensity over the filter's response, counts·nm², from the mean image of features that stand alone."""
    reach = int(np.ceil(_RING_NM[1] / grid_nm))
    alone = np.ones(len(y), dtype=bool)
    if len(y) > 1:
        places = np.column_stack([y, x])
        nearest = np.asarray(spatial.cKDTree(places).query(places, k=2)[0])[:, 1]
        alone = nearest > _ALONE_NM / grid_nm
    rows = np.flatnonzero(alone if alone.sum() >= 5 else np.ones(len(y), dtype=bool))
    inside = (y[rows] >= reach) & (x[rows] >= reach)
    inside &= (y[rows] < coarse.shape[0] - reach) & (x[rows] < coarse.shape[1] - reach)
    rows = rows[inside]
    span = np.arange(-reach, reach + 1)
    distance = np.hypot(span[:, None], span[None]) * grid_nm
    ring = (distance >= _RING_NM[0]) & (distance <= _RING_NM[1])
    summed = distance <= _SUM_NM
    if not len(rows):  # what a peak of the usual width would give
        peak = np.exp(-0.5 * (distance / _SIGMA_NM) ** 2).astype(np.float32)
        return float(peak.sum() * grid_nm**2 / _response(peak, _SIGMA_NM / grid_nm)[reach, reach])
    windows = coarse[y[rows, None, None] + span[:, None], x[rows, None, None] + span]
    signal = windows - np.median(windows[:, ring], axis=1)[:, None, None]
    strength = narrow[y[rows], x[rows]]
    total = signal[:, summed].sum(axis=1) * grid_nm**2
    # a sum over a sum: bright ones count more, as they are known better
    return float(max(total.sum(), 0.0) / strength.sum())
