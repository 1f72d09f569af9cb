"""Colours of the napari theme, for plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel


def plot_colours(viewer: ViewerModel | None) -> dict[str, str]:
    """Background, text and grid colours of the theme of a viewer, as ``#rrggbb``; of the dark one where it is gone."""
    from napari.utils.theme import get_theme

    theme: Any = get_theme("dark" if viewer is None else viewer.theme)
    return {
        "background": theme.background.as_hex(),
        "text": theme.text.as_hex(),
        "grid": theme.secondary.as_hex(),
    }


def accent(viewer: ViewerModel | None) -> str:
    """The colour of what is chosen in the theme of a viewer, as ``#rrggbb``."""
    from napari.utils.theme import get_theme

    theme: Any = get_theme("dark" if viewer is None else viewer.theme)
    return str(theme.current.as_hex())
