"""Colours of the clusters on the map of features: by label, by image, or by any number of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import OTHER_PROBABILITY, UNITS, class_sizes_of, probability_column
from napari_atomicity.style import UNLABELLED, label_colours, rgb
from napari_atomicity.ui.feature_map.points import MappedClusters

#: of images, told apart by every eye (Wong, Nat. Methods 8, 441, 2011)
_IMAGES: Final = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2")
_NOTHING: Final = (0.56, 0.56, 0.56, 1.0)
_COLUMNS: Final = {
    "confidence": "confidence",
    "n_atoms": "atoms",
    "n_atoms_sd": "uncertainty of atoms",
    "diameter_nm": "diameter",
    "intensity": "intensity",
}
#: a few clusters must not take the whole scale: it goes from this quantile to the opposite one
_CLIPPED: Final = 0.02


@dataclass(frozen=True, eq=False)
class Colouring:
    """Colours of clusters and what explains them.

    Attributes
    ----------
    rgba
        (n, 4) from 0 to 1.
    key
        Words with their colour (``#rrggbb``), for classes; empty for numbers.
    title, low, high
        Of the colour bar; empty for classes.
    """

    rgba: npt.NDArray[np.float32]
    key: tuple[tuple[str, str], ...] = ()
    title: str = ""
    low: str = ""
    high: str = ""


def choices(clusters: MappedClusters | None) -> list[tuple[str, str]]:
    """Words and name of everything that clusters can be coloured by."""
    offered = [("label", "label"), ("my labels", "annotation"), ("flag", "flag")]
    if clusters is not None and len(clusters.documents) > 1:
        offered.append(("image", "image"))
    offered += [(words, name) for name, words in _COLUMNS.items()]
    if clusters is not None:
        sizes = class_sizes_of(clusters.rows)
        offered += [(f"probability of {n_atoms} atoms", probability_column(n_atoms)) for n_atoms in sizes]
        offered += [("probability of none of them", OTHER_PROBABILITY)] if sizes else []
    offered.append(("distance from the library", "distance"))
    offered += [("position x", "x_nm"), ("position y", "y_nm"), ("frame", "frame")]
    return offered


def colouring(clusters: MappedClusters, by: str, class_sizes: Sequence[int]) -> Colouring:
    """Colours of `clusters` by a column, by ``image``, or by ``distance`` from the library."""
    if by in ("label", "annotation"):
        labels = clusters.final_labels if by == "label" else clusters.rows["annotation"].to_numpy(dtype=object)
        return _named(labels, label_colours(labels, class_sizes), "not labelled")
    if by == "flag":
        flags = clusters.rows["flag"].to_numpy(dtype=object)
        return _named(flags, _palette(flags, ("ok", "outside", "touching", "border", "saturated")), "")
    if by == "image":
        names = np.array(clusters.names, dtype=object)[clusters.document]
        return _named(names, _palette(names, clusters.names), "")
    values = clusters.after.distance if by == "distance" else clusters.rows[by].to_numpy(dtype=float)
    return _numbers(values, {name: words for words, name in choices(clusters)}.get(by, by), UNITS.get(by, ""))


def _named(labels: npt.NDArray[np.object_], rgba: npt.NDArray[np.float32], nothing: str) -> Colouring:
    names, first, count = np.unique(labels.astype(str), return_index=True, return_counts=True)
    # by number of atoms: Pt8 comes before Pt19
    order = sorted(range(len(names)), key=lambda i: (not names[i], len(names[i]), names[i]))
    key = tuple((f"{names[i] or nothing or 'none'} {count[i]}", _hex(rgba[first[i]])) for i in order)
    return Colouring(rgba, key)


def _palette(values: npt.NDArray[np.object_], names: Sequence[str]) -> npt.NDArray[np.float32]:
    colours = {name: rgb(_IMAGES[i % len(_IMAGES)]) for i, name in enumerate(names)}
    found = [(*colours.get(str(value), rgb(UNLABELLED)), 1.0) for value in values]
    return np.array(found, dtype=np.float32).reshape(-1, 4)


def _numbers(values: npt.NDArray[np.float64], title: str, unit: str) -> Colouring:
    rgba = np.tile(np.array(_NOTHING, dtype=np.float32), (len(values), 1))
    known = np.isfinite(values)
    if not known.any():
        return Colouring(rgba, (("no values", _hex(rgba[0])),) if len(rgba) else ())
    low, high = np.quantile(values[known], [_CLIPPED, 1 - _CLIPPED])
    rgba[known] = ramp(np.clip((values[known] - low) / max(high - low, 1e-12), 0, 1))
    return Colouring(rgba, (), f"{title} ({unit})" if unit else title, f"{low:.3g}", f"{high:.3g}")


def ramp(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Viridis for `values` (n,) from 0 to 1."""
    from napari.utils.colormaps import ensure_colormap

    return np.asarray(ensure_colormap("viridis").map(values), dtype=np.float32)


def _hex(rgba: npt.NDArray[np.float32]) -> str:
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in rgba[:3])
