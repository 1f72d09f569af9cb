"""The window that tests share: nothing that one of them leaves reaches the next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy import API_NAME
from qtpy.QtWidgets import QLabel

from napari_atomicity.ui.context import context_of

from .app_driver import PLUGIN
from .shared_viewer import SharedViewer


@pytest.fixture
def shared(qtbot: Any, _shared: SharedViewer) -> Any:
    yield _shared
    _shared.close("this test is done")


def mess_up(viewer: Any) -> None:
    """What tests do with a window."""
    viewer.window.add_plugin_dock_widget(PLUGIN, "Atomicity")
    viewer.add_image(np.eye(4))
    viewer.title, viewer.theme, viewer.scene.camera.zoom = "another", "light", 7.0
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.mouse_move_callbacks.append(print)
    viewer.window._qt_viewer.dockLayerList.hide()
    viewer.window.resize(640, 480)


def test_what_a_test_leaves_is_taken_off_and_the_window_stays(shared: SharedViewer, qtbot: Any) -> None:
    viewer = shared.take(qtbot, show=True)
    context_of(viewer)
    before = (viewer.title, viewer.theme, viewer.window._qt_window.size(), list(viewer.mouse_move_callbacks))
    mess_up(viewer)
    qtbot.wait(50)
    shared.put_back(failed=False)
    # PySide6 keeps a panel as long as a signal of it leads to a function without a name: a new window there
    assert shared.take(qtbot, show=True) is viewer or API_NAME == "PySide6"
    viewer = shared.viewer
    assert not viewer.layers and not viewer.window.dock_widgets
    after = (viewer.title, viewer.theme, viewer.window._qt_window.size(), list(viewer.mouse_move_callbacks))
    assert after == before and viewer.scene.camera.zoom != 7.0
    assert not viewer.canvas.overlays.scale_bar.visible and viewer.window._qt_viewer.dockLayerList.isVisible()


@pytest.mark.few(1)
@pytest.mark.parametrize("what", ["services", "part of the window", "failed"])
def test_where_anything_stays_there_is_a_new_window(shared: SharedViewer, qtbot: Any, what: str) -> None:
    viewer = shared.take(qtbot, show=True)
    services = context_of(viewer)
    if what == "part of the window":
        QLabel("stays", viewer.window._qt_window)
    if what != "services":
        del services
    shared.put_back(failed=what == "failed")
    again = shared.take(qtbot, show=True)
    assert again is not viewer
