"""Colours: of classes, from the shared palette, and of the napari theme for plots."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.palette import OTHER_COLOUR, size_colours

#: clusters that carry no label yet
UNLABELLED: Final = "#f4f4f4"


def rgb(colour: str) -> tuple[float, float, float]:
    """``#rrggbb`` as three numbers from 0 to 1."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def ring_colours(table: ClusterTable, class_sizes: Sequence[int]) -> npt.NDArray[np.float32]:
    """(n, 4) RGBA of the rings: hue says the label, opacity how sure the model is; a person's label is opaque."""
    out = label_colours(table.final_labels, class_sizes)
    if not len(table):
        return out
    chance = 1 / max(len(table.class_sizes), 2)
    confidence = table.rows["confidence"].to_numpy(dtype=float)
    opacity = 0.35 + 0.65 * np.clip((confidence - chance) / (1 - chance), 0, 1)
    annotated = (table.rows["annotation"] != "").to_numpy()
    out[:, 3] = np.where(annotated | ~np.isfinite(opacity), 1.0, opacity)
    return out


def label_colours(labels: Iterable[object], class_sizes: Sequence[int]) -> npt.NDArray[np.float32]:
    """(n, 4) opaque RGBA of labels."""
    by_size = {size: rgb(colour) for size, colour in size_colours(class_sizes).items()}
    names = [str(label) for label in labels]
    known = {label: (*_label_colour(label, by_size), 1.0) for label in set(names)}
    found = [known[label] for label in names]
    return np.array(found, dtype=np.float32).reshape(-1, 4)


def _label_colour(label: str, by_size: dict[int, tuple[float, float, float]]) -> tuple[float, float, float]:
    # of whatever element: the size alone decides
    atoms = re.search(r"[0-9]+$", label)
    known = by_size.get(int(atoms[0])) if atoms else None
    return known or rgb(OTHER_COLOUR if label else UNLABELLED)


def plot_colours(theme_name: str) -> dict[str, str]:
    """Background, text and grid colours of a napari theme, as ``#rrggbb``."""
    from napari.utils.theme import get_theme

    theme: Any = get_theme(theme_name)
    return {
        "background": theme.background.as_hex(),
        "text": theme.text.as_hex(),
        "grid": theme.secondary.as_hex(),
    }
