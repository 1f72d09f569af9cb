"""napari's layer controls folded under a heading: what they set is seldom needed, and the image needs the room."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QToolButton

_NAME = "layer controls"


def fold_layer_controls(viewer: Any) -> QToolButton:
    """Hide napari's layer controls, with a heading above the list of layers that opens and closes them.

    Parameters
    ----------
    viewer
        A viewer with its window. napari has no public name for its own docks.

    Returns
    -------
    The heading; it follows where they are opened from the Window menu.
    """
    controls, layers = viewer.window._qt_viewer.dockLayerControls, viewer.window._qt_viewer.dockLayerList
    heading = QToolButton()
    heading.setObjectName("fold")
    heading.setText(_NAME)
    heading.setToolTip("Show or hide napari's layer controls: contrast, colours, opacity of the chosen layer")
    heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    heading.setStyleSheet("QToolButton { border: none; padding: 3px 2px; }")
    heading.setCheckable(True)
    shown = controls.toggleViewAction()

    # not `controls.setVisible` itself: PySide6 does not see that it takes whether the heading is checked
    def open_or_close(wanted: bool) -> None:
        controls.setVisible(wanted)

    heading.clicked.connect(open_or_close)

    def follow(opened: bool) -> None:
        heading.setChecked(opened)
        heading.setArrowType(Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow)

    shown.toggled.connect(follow)
    controls.hide()
    follow(not controls.isHidden())
    layers.widget().layout().insertWidget(0, heading)
    return heading
