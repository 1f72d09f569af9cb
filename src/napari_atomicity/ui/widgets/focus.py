"""A frame around the control that has the keyboard: napari's style shows none."""

from __future__ import annotations

import weakref
from typing import ClassVar, Final

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QApplication, QWidget

_WIDTH_PX: Final = 2


class FocusFrame(QWidget):
    """Lies over the control in one of `roots` that the keyboard went to; a click with the mouse shows none."""

    roots: ClassVar[weakref.WeakSet[QWidget]] = weakref.WeakSet()
    _the_one: FocusFrame | None = None

    @classmethod
    def watch(cls, root: QWidget) -> None:
        """Mark the focus within a widget from now on."""
        application = QApplication.instance()
        if cls._the_one is None or not isalive(cls._the_one):
            cls._the_one = cls()
            if isinstance(application, QApplication):
                application.focusChanged.connect(cls._the_one.follow)
        cls.roots.add(root)

    def __init__(self) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._at: weakref.ref[QWidget] | None = None
        self.hide()

    @property
    def at(self) -> QWidget | None:
        """The control that it frames."""
        widget = None if self._at is None else self._at()
        return widget if widget is not None and isalive(widget) else None

    def follow(self, _: QWidget | None, now: QWidget | None) -> None:
        """The keyboard went to another control."""
        if not isalive(self):
            return
        if (before := self.at) is not None:
            before.removeEventFilter(self)
        self._at = None
        ours = now is not None and any(isalive(root) and root.isAncestorOf(now) for root in list(self.roots))
        if now is None or not ours or QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            self._leave()
            return
        self._at = weakref.ref(now)
        now.installEventFilter(self)
        self.setParent(now.parentWidget())  # what scrolls takes the frame along
        self._lie()
        self.show()
        self.raise_()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the control where it goes, and go with it."""
        if event is not None and event.type() in (QEvent.Type.Move, QEvent.Type.Resize):
            self._lie()
        elif event is not None and event.type() in (QEvent.Type.Hide, QEvent.Type.DeferredDelete):
            self._leave()
        return False

    def _lie(self) -> None:
        if (widget := self.at) is not None:
            self.setGeometry(widget.geometry().adjusted(-_WIDTH_PX, -_WIDTH_PX, _WIDTH_PX, _WIDTH_PX))

    def _leave(self) -> None:
        """Hide, and belong to nobody: a parent that is deleted would take the frame along."""
        self.hide()
        self.setParent(None)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """A line in the colour of what is chosen."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().highlight().color(), _WIDTH_PX))
        painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 3, 3)
        painter.end()
