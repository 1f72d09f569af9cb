"""One fixed colour a class, told apart by every eye and on a dark grey-scale image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
#: for the classes of other models, in order of size
_SPARE: Final = ("#4f9dff", "#ff7fd0", "#6fd36f", "#c9a27a", "#b7e3ff", "#d06bff")
_OTHER: Final = "#909090"


def colours(class_sizes: Sequence[int]) -> dict[str, str]:
    """Colour (``#rrggbb``) of each label of a model, and of ``other``.

    A class keeps its colour whichever other classes a model or an image has.

    Parameters
    ----------
    class_sizes
        Atoms of each class of the model.
    """
    unknown = sorted(set(class_sizes) - set(_KNOWN))
    spare = {size: _SPARE[i % len(_SPARE)] for i, size in enumerate(unknown)}
    return {class_label(size): _KNOWN.get(size) or spare[size] for size in class_sizes} | {OTHER: _OTHER}
