"""One window that many tests use, put back between them; where that is not whole, the next test gets a new one.

A new window costs more than most tests do. What a test left behind is taken off as closing the window takes it off,
and what there is then is compared with what there was at first: layers, docks, parts of the window, what listens.
"""

from __future__ import annotations

import gc
import logging
import weakref
from collections import Counter
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from qtpy.QtCore import QByteArray, QCoreApplication, QEvent, QObject, Qt
from qtpy.QtWidgets import QApplication, QWidget

_log = logging.getLogger(__name__)


class SharedViewer:
    """Keeps the window; `take` gives it, `put_back` makes it fit for the next test, or closes it."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self.viewer: Any = None
        self._first: _First | None = None
        self._services: weakref.ref[Any] | None = None
        self._made = 0

    def take(self, qtbot: Any, show: bool) -> Any:
        """The window, as it is when it was just opened."""
        from napari.settings import get_settings

        get_settings().reset()
        self._look()
        if self.viewer is None:
            self._make(show)
            if show:
                qtbot.wait_exposed(self.viewer.window._qt_window, timeout=5000)
            _finish_deleting()
            self._first = _First(self.viewer)
        return self.viewer

    def put_back(self, failed: bool) -> None:
        """Take off what a test left; closes the window where the test failed, closed it or changed it for good."""
        from napari.settings import get_settings

        if failed:
            self.close("the test failed")
            return
        if not hasattr(self.viewer.window, "_qt_window"):
            self.close("the test closed it")
            return
        get_settings().reset()
        self._services = _end_of_services(self.viewer)
        self.viewer.layers.clear()
        self._first.restore()

    def _look(self) -> None:
        """Whether all was put back; now, for until now pytest held what the test before was given."""
        if self.viewer is None:
            return
        gc.collect()
        gc.freeze()  # what lives on is not looked through for each test anew
        self._first.values_back()  # some follow the mouse
        left = self._first.left()
        if self._services is not None and self._services() is not None:
            left.append("services")
        if left:
            self.close(", ".join(left))

    def close(self, why: str) -> None:
        """Close the window, as napari's own fixture does, and look whether it is gone for good."""
        from napari._qt.qt_viewer import QtViewer

        if self.viewer is None:
            return
        _log.info("the window is given up: %s", why)
        self._first = None
        viewer, self.viewer = self.viewer, None
        if hasattr(viewer.window, "_qt_window"):
            with patch.object(viewer.window._qt_window, "_save_current_window_settings"):
                viewer.close()
        else:
            viewer.close()
        del viewer
        self._open.close()
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        leaked = len(QtViewer._instances)
        QtViewer._instances.clear()
        assert why == "the test failed" or not leaked, "a window that was closed is still held"

    def _make(self, show: bool) -> None:
        from app_model import Application
        from napari import Viewer
        from napari._app_model._app import NapariApplication, _napari_names
        from napari._qt._qapp_model.qactions import init_qactions
        from napari.plugins import _initialize_plugins

        name = f"shared_{self._made}"
        self._made += 1
        model = NapariApplication(name)
        model.injection_store.namespace = _napari_names

        def forget() -> None:
            Application.destroy(name)
            _initialize_plugins.cache_clear()
            init_qactions.cache_clear()

        _initialize_plugins.cache_clear()
        init_qactions.cache_clear()
        self._open.callback(forget)
        self._open.enter_context(patch.object(NapariApplication, "get_app_model", return_value=model))
        # as napari's own fixture does: no thread for the status bar, no console
        self._open.enter_context(patch("napari._qt.threads.status_checker.StatusChecker.start", _nothing))
        self._open.enter_context(patch("napari._qt.qt_viewer.QtViewer._get_console", _no_console))
        self._open.enter_context(patch("napari._qt.qt_main_window.SHOW_QT_WARNING", False))
        self.viewer = Viewer(show=show, show_welcome_screen=False)


class _First:
    """What a window is at first."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._model = _values(viewer)
        self._callbacks = [(kept, list(kept)) for kept in _lists(viewer)]
        self._keys = dict(viewer.keymap)
        main = viewer.window._qt_window
        self._title, self._size = main.windowTitle(), main.size()
        self._places: QByteArray = main.saveState()
        self._state = main.windowState()
        self._parts = _parts(main)
        self._windows = _windows()

    def restore(self) -> None:
        """Put back all that is known how to."""
        from napari._qt.dialogs.qt_notification import NapariQtNotification

        viewer, main = self._viewer, self._viewer.window._qt_window
        viewer.window.remove_dock_widget("all")
        for part in main.findChildren(QWidget):
            if type(part).__module__.startswith("napari_atomicity") or isinstance(part, NapariQtNotification):
                # as napari does with the panel of a dock: it is gone with whoever knows it last
                part.hide()
                part.setParent(None)
        for part in main.findChildren(QObject, options=Qt.FindChildOption.FindDirectChildrenOnly):
            if type(part).__module__.startswith("napari_atomicity"):
                part.deleteLater()
        for window in _windows() - self._windows:
            window.close()
        _finish_deleting()
        for kept, first in self._callbacks:
            kept[:] = first
        viewer.keymap.clear()
        viewer.keymap.update(self._keys)
        main.setWindowState(self._state)
        main.resize(self._size)
        main.restoreState(self._places)
        self.values_back()
        main.setWindowTitle(self._title)
        _finish_deleting()

    def values_back(self) -> None:
        """Put back what the viewer says of itself."""
        for owner, name, value in self._model:
            if getattr(owner, name) != value:
                setattr(owner, name, value)

    def left(self) -> list[str]:
        """What is not as it was, in words."""
        main = self._viewer.window._qt_window
        QApplication.processEvents()
        said = [f"{count} {name} more" for name, count in (_parts(main) - self._parts).items()]
        said += [
            f"{name} is {getattr(owner, name)}" for owner, name, value in self._model if getattr(owner, name) != value
        ]
        said += [f"{type(window).__name__} stayed" for window in _windows() - self._windows]
        if self._viewer.window.dock_widgets:
            said.append("docks")
        return said


def _values(model: Any) -> list[tuple[Any, str, Any]]:
    """Whatever a viewer says of itself and of its parts, with who says it."""
    from napari.utils.events import EventedModel

    found = []
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, EventedModel):
            found += _values(value)
        elif isinstance(value, str | bool | int | float | tuple) and not field.frozen and name != "size":
            found.append((model, name, value))
    for overlay in getattr(model, "overlays", {}).values():
        found += _values(overlay)
    return found


def _lists(viewer: Any) -> list[list[Any]]:
    return [
        viewer.mouse_move_callbacks,
        viewer.mouse_wheel_callbacks,
        viewer.mouse_drag_callbacks,
        viewer.mouse_double_click_callbacks,
    ]


def _parts(main: QWidget) -> Counter[str]:
    """All that the window is made of, by kind."""
    return Counter(type(part).__name__ for part in main.findChildren(QObject))


def _windows() -> set[QWidget]:
    """Windows that stand for themselves; the list of a combo box goes with the box."""
    return {window for window in QApplication.topLevelWidgets() if window.parent() is None}


def _end_of_services(viewer: Any) -> weakref.ref[Any] | None:
    """Let the services of a viewer go as if it were gone; gives a reference, which ought to be dead soon."""
    from napari_atomicity.ui import context

    services = context._CONTEXTS.pop(viewer, None)
    if services is None:
        return None
    for end in list(weakref.finalize._registry):
        waits = end.peek()
        if waits is not None and waits[0] is viewer and waits[1].__module__.startswith("napari_atomicity"):
            end()
    return weakref.ref(services)


def _finish_deleting() -> None:
    QApplication.processEvents()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _no_console(*_: Any) -> QWidget:
    console = QWidget()
    console._update_theme = _nothing
    return console
