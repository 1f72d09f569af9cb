"""A frame around the control that has the keyboard: napari's style shows none."""

from __future__ import annotations

import weakref
from typing import Final

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QApplication, QWidget

_WIDTH_PX: Final = 2


class FocusFrame(QWidget):
    """Lies over a control, and goes where that goes."""

    def __init__(self, control: QWidget) -> None:
        super().__init__(control.parentWidget())  # what scrolls takes the frame along
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.control = control
        control.installEventFilter(self)
        self._lie()
        self.show()
        self.raise_()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the control where it goes."""
        if event is not None and event.type() in (QEvent.Type.Move, QEvent.Type.Resize):
            self._lie()
        elif event is not None and event.type() == QEvent.Type.Hide:
            self.hide()
        return False

    def _lie(self) -> None:
        self.setGeometry(self.control.geometry().adjusted(-_WIDTH_PX, -_WIDTH_PX, _WIDTH_PX, _WIDTH_PX))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """A line in the colour of what is chosen."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().highlight().color(), _WIDTH_PX))
        painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 3, 3)
        painter.end()


class KeyboardFocus(QObject):
    """Frames the control that the keyboard goes to, within the widgets that are watched; a click shows no frame."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: weakref.WeakSet[QWidget] = weakref.WeakSet()
        self._frame: FocusFrame | None = None
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.focusChanged.connect(self._follow)

    @property
    def frame(self) -> FocusFrame | None:
        """The frame that is shown."""
        return self._frame if self._frame is not None and isalive(self._frame) and self._frame.isVisible() else None

    def _follow(self, _: QWidget | None, now: QWidget | None) -> None:
        """The keyboard went to another control."""
        before, self._frame = self._frame, None
        if before is not None and isalive(before):
            before.hide()
            before.deleteLater()
        ours = now is not None and any(isalive(root) and root.isAncestorOf(now) for root in list(self.roots))
        if now is not None and ours and QApplication.mouseButtons() == Qt.MouseButton.NoButton:
            self._frame = FocusFrame(now)


_WATCHERS: Final[list[KeyboardFocus]] = []


def mark_focus(root: QWidget) -> KeyboardFocus:
    """Frame the control in a widget that the keyboard goes to, from now on; gives what watches it."""
    if not _WATCHERS or not isalive(_WATCHERS[0]):
        _WATCHERS[:] = [KeyboardFocus()]
    _WATCHERS[0].roots.add(root)
    return _WATCHERS[0]
