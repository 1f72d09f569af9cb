"""Colours: of classes, from the shared palette, and of the napari theme for plots."""

from __future__ import annotations

from typing import Any

from napari_atomicity.style import UNLABELLED, label_colours, rgb, ring_colours

__all__ = ["UNLABELLED", "label_colours", "plot_colours", "rgb", "ring_colours"]


def plot_colours(viewer: Any) -> dict[str, str]:
    """Background, text and grid colours of the theme of a viewer, as ``#rrggbb``; of the dark one where it is gone."""
    from napari.utils.theme import get_theme

    theme: Any = get_theme("dark" if viewer is None else viewer.theme)
    return {
        "background": theme.background.as_hex(),
        "text": theme.text.as_hex(),
        "grid": theme.secondary.as_hex(),
    }
