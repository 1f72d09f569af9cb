"""How clusters look in the window and in every picture: one fixed colour a class, rings, symbols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from colorsys import hls_to_rgb
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import OTHER, ClusterTable, atoms_of, class_label

#: clusters that carry no label yet
UNLABELLED: Final = "#f4f4f4"
#: of heat maps, one a channel: hues that no class has, so that light is never taken for a label; both together white
CHANNEL_COLOURS: Final = ("#f5f000", "#4a66ff")
#: width of a ring as a part of its outer diameter
RING: Final = 0.1
_UNMEASURED_NM: Final = 1.2


def rgb(colour: str) -> tuple[float, float, float]:
    """``#rrggbb`` as three numbers from 0 to 1."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def ring_colours(table: ClusterTable, class_sizes: Sequence[int]) -> npt.NDArray[np.float32]:
    """(n, 4) RGBA of the rings: hue says the label, opacity how sure the model is; a person's label is opaque.

    Parameters
    ----------
    table
        Clusters with their labels.
    class_sizes
        Atoms of each class of the model, which choose the colours.
    """
    out = label_colours(table.final_labels, class_sizes)
    if not len(table):
        return out
    chance = 1 / max(len(table.class_sizes), 2)
    confidence = table.rows["confidence"].to_numpy(dtype=float)
    opacity = 0.35 + 0.65 * np.clip((confidence - chance) / (1 - chance), 0, 1)
    out[:, 3] = np.where(table.labelled | ~np.isfinite(opacity), 1.0, opacity)
    return out


def label_colours(labels: Iterable[object], class_sizes: Sequence[int]) -> npt.NDArray[np.float32]:
    """(n, 4) opaque RGBA of labels.

    Parameters
    ----------
    labels
        As in a table: ``Pt19``, ``other``, empty.
    class_sizes
        Atoms of each class of the model, which choose the colours.
    """
    by_size = {size: rgb(colour) for size, colour in size_colours(class_sizes).items()}
    names = [str(label) for label in labels]
    known = {label: (*_label_colour(label, by_size), 1.0) for label in set(names)}
    rgba = [known[label] for label in names]
    return np.array(rgba, dtype=np.float32).reshape(-1, 4)


def symbols(table: ClusterTable) -> npt.NDArray[np.str_]:
    """(n,) ``disc``; ``square`` where a person labelled, ``diamond`` where that label is not the model's."""
    annotation, label = (table.rows[name].to_numpy(dtype=object) for name in ("annotation", "label"))
    against = table.labelled & (label != "") & (annotation != label)
    return np.select([against, table.labelled], ["diamond", "square"], "disc")


def faces(ring: npt.NDArray[np.float32], symbol: npt.NDArray[np.str_]) -> npt.NDArray[np.float32]:
    """(n, 4) RGBA inside the rings: empty for a model's label, tinted for a person's, more so against the model.

    Parameters
    ----------
    ring
        (n, 4) RGBA of the rings.
    symbol
        (n,) of `symbols`.
    """
    face = ring.copy()
    face[:, 3] = np.select([symbol == "diamond", symbol == "square"], [0.35, 0.2], 0.0)
    return face


def ring_widths(table: ClusterTable) -> npt.NDArray[np.float64]:
    """(n,) width of the rings as a part of their outer diameter: thin where a cluster is not counted."""
    return np.where((table.rows["flag"] == "ok").to_numpy(), RING, RING / 2)


def ring_diameters_nm(table: ClusterTable) -> npt.NDArray[np.float64]:
    """(n,) outer diameter of the rings: the cluster's own diameter stays visible inside."""
    inner = table.rows["diameter_nm"].to_numpy(dtype=float)
    return np.where(np.isfinite(inner), inner, _UNMEASURED_NM) / (1 - 2 * RING) * 1.1


def _label_colour(label: str, by_size: dict[int, tuple[float, float, float]]) -> tuple[float, float, float]:
    # of whatever element: the size alone decides
    atoms = atoms_of(label)
    known = by_size.get(atoms) if atoms is not None else None
    return known or rgb(OTHER_COLOUR if label else UNLABELLED)


#: the model's own classes; lightness rises from class to class, so that they differ in grey as well
_KNOWN: Final[Mapping[int, str]] = {
    19: "#cb3b32",
    30: "#be6eca",
    41: "#e78e13",
    55: "#9bd995",
    70: "#4af8f3",
}


#: for the classes of other models, in order of size; further ones go round the colour circle
_SPARE: Final = ("#4f9dff", "#ff7fd0", "#6fd36f", "#c9a27a", "#b7e3ff", "#d06bff")


_GOLDEN: Final = 0.618034


OTHER_COLOUR: Final = "#909090"


def size_colours(class_sizes: Sequence[int]) -> dict[int, str]:
    """Colour (``#rrggbb``) of each class of a model by its atoms.

    A class keeps its colour whichever other classes a model or an image has.
    """
    unknown = sorted(set(class_sizes) - set(_KNOWN))
    spare = {size: _SPARE[i] if i < len(_SPARE) else _round(i) for i, size in enumerate(unknown)}
    return {size: _KNOWN.get(size) or spare[size] for size in class_sizes}


def colours(class_sizes: Sequence[int], element: str = "Pt") -> dict[str, str]:
    """Colour (``#rrggbb``) of each label of a model, and of ``other``.

    Parameters
    ----------
    class_sizes, element
        Atoms of each class of the model, and of what.
    """
    return {class_label(size, element): colour for size, colour in size_colours(class_sizes).items()} | {
        OTHER: OTHER_COLOUR
    }


def _round(i: int) -> str:
    rgb = hls_to_rgb(i * _GOLDEN % 1, (0.55, 0.7, 0.8)[i % 3], 0.8)
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)
