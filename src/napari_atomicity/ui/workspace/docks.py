"""Our panels as docks of the window: one of each, behind tabs beside the workbench, strips under the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QTabBar, QWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel

PLUGIN: Final = "napari-atomicity"
#: panel of all steps, by its name in the manifest
WORKBENCH: Final = "Atomicity"
#: what napari writes behind the name of a panel: opened from its menus, and by the name of the plug-in
_ENDINGS: Final = (" (Atomicity)", f" ({PLUGIN})")
_AREA: Final = Qt.DockWidgetArea.RightDockWidgetArea
_BELOW: Final = Qt.DockWidgetArea.BottomDockWidgetArea
#: what runs along the frames of a stack lies under the image, where napari's slider runs along them too
_UNDER_THE_IMAGE: Final = ("Frames",)
#: of such a strip at first, in lines of text
_STRIP_LINES: Final = 13


def open_dock(viewer: ViewerModel | None, name: str) -> QDockWidget | None:
    """Open the panel called `name` in the manifest, or bring it to the front; gives its dock, None without a window."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # the proxy that napari hands out lets nobody place a dock
    window = getattr(viewer, "window", None)
    if window is None:
        return None
    dock = find_dock(window, name)
    if dock is None:
        dock = window.add_dock_widget(_made(viewer, name), name=f"{name}{_ENDINGS[0]}", tabify=True)
    dock.show()  # it may be there, hidden
    settle(dock)
    return dock


def find_dock(window: Any, name: str) -> QDockWidget | None:
    """The dock of the panel `name`, however it was opened; None where it is not there."""
    for ending in _ENDINGS:
        panel = window.dock_widgets.get(f"{name}{ending}")
        if panel is not None:
            return dock_of(panel)
    return None


def dock_of(panel: QWidget) -> QDockWidget | None:
    """The dock that a panel fills; None for a panel that is not in one."""
    dock = panel.parent()
    return dock if isinstance(dock, QDockWidget) else None


def settle(dock: QDockWidget | None) -> None:
    """Bring a dock to the front; at its first time behind a tab beside the workbench, or beside our other panels.

    Where a person puts it later, or put it in an earlier window, it stays.
    """
    main = dock.parent() if dock is not None and isalive(dock) else None
    if dock is None or not isinstance(main, QMainWindow):
        return
    if not dock.property("settled"):
        dock.setProperty("settled", True)
        dock.setWindowTitle(_name(dock))  # what stands on the tab
        if isinstance(bar := dock.titleBarWidget(), QLabel):  # napari's; it writes the name of the plug-in behind
            for words in bar.findChildren(QLabel):
                words.setText(_name(dock))
        under = _name(dock) in _UNDER_THE_IMAGE and main.dockWidgetArea(dock) in (_AREA, _BELOW)
        if under and not dock.isFloating():
            _lay_under_the_image(main, dock)
        beside = None if under else _neighbour(main, dock)
        if beside is not None and not dock.isFloating():
            main.tabifyDockWidget(beside, dock)
            for bar in main.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
                bar.setElideMode(Qt.TextElideMode.ElideNone)
    dock.raise_()


def _lay_under_the_image(main: QMainWindow, dock: QDockWidget) -> None:
    """A strip below the image alone: what lies left and right of the image keeps its height."""
    main.setCorner(Qt.Corner.BottomRightCorner, _AREA)
    main.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
    main.addDockWidget(_BELOW, dock)
    main.resizeDocks([dock], [_STRIP_LINES * dock.fontMetrics().lineSpacing()], Qt.Orientation.Vertical)


def tabs_beside(panel: QWidget) -> list[QDockWidget]:
    """The other docks behind whose tabs a panel lies; some may be hidden."""
    dock = dock_of(panel)
    main = dock.parent() if dock is not None else None
    return list(main.tabifiedDockWidgets(dock)) if dock is not None and isinstance(main, QMainWindow) else []


def beside_workbench(panel: QWidget) -> bool:
    """Whether a panel lies behind a tab next to the one of the workbench, or as a strip under the image beside it."""
    dock = dock_of(panel)
    main = dock.parent() if dock is not None else None
    if dock is not None and isinstance(main, QMainWindow) and main.dockWidgetArea(dock) == _BELOW:
        return any(_name(other) == WORKBENCH and not other.isHidden() for other in main.findChildren(QDockWidget))
    return any(_name(other) == WORKBENCH and not other.isHidden() for other in tabs_beside(panel))


def _made(viewer: Any, name: str) -> QWidget:
    """The panel as the manifest says; napari itself would give it another name than its menus do, and open it twice."""
    from npe2 import PluginManager

    widgets = PluginManager.instance().get_manifest(PLUGIN).contributions.widgets or []
    panel = next(widget for widget in widgets if widget.display_name == name)
    made: QWidget = panel.get_callable()(viewer)
    return made


def _name(dock: QDockWidget) -> str:
    """The name of one of our panels by its dock; empty for the docks of others."""
    full = dock.objectName()
    return next((full.removesuffix(ending) for ending in _ENDINGS if full.endswith(ending)), "")


def _neighbour(main: QMainWindow, dock: QDockWidget) -> QDockWidget | None:
    """The dock to lie beside: the workbench, else another panel of ours; None where a person keeps `dock` elsewhere."""
    shown = [
        other
        for other in main.findChildren(QDockWidget)
        if other is not dock and _name(other) and not other.isFloating() and not other.isHidden()
    ]
    at = main.dockWidgetArea(dock)
    shown = [other for other in shown if at in (_AREA, main.dockWidgetArea(other))]
    return next(iter(sorted(shown, key=lambda other: _name(other) != WORKBENCH)), None)
