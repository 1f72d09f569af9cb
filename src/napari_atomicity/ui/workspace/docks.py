"""Our panels as docks of the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QDockWidget

PLUGIN: Final = "napari-atomicity"


def open_dock(viewer: ViewerModel | None, name: str, tabify: bool = False) -> QDockWidget | None:
    """Open the panel called `name` in the manifest, or bring it to the front; gives its dock, None without a window.

    Parameters
    ----------
    tabify
        Whether a panel that is opened anew lies behind tabs with those on its side, in place of below them.
    """
    window = getattr(viewer, "window", None)
    if window is None:
        return None
    dock: QDockWidget = window.add_plugin_dock_widget(PLUGIN, name, tabify=tabify)[0]
    dock.show()  # it may be there, hidden
    dock.raise_()
    return dock
