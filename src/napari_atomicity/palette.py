"""One fixed colour a class, told apart by every eye and on a dark grey-scale image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from colorsys import hls_to_rgb
from typing import Final

from napari_atomicity.clusters import OTHER, class_label

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
