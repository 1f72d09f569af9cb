"""A guided tour: bubbles beside the widgets of the window, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QPoint, QRect, Qt
from qtpy.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen, QPolygon
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_atomicity.ui.widgets.controls import AfterPainting

_WIDE: Final = 300
_GAP: Final = 18


@dataclass(frozen=True)
class Stop:
    """One bubble: what it points at, what it says, and what is to be done before it comes."""

    target: Callable[[], QWidget | None]
    title: str
    text: str
    before: Callable[[], object] = lambda: None


class Bubble(QFrame):
    """What a stop says, with Back, Next and Skip; Tab, Enter and Escape work them."""

    def __init__(self, window: QWidget, colour: str) -> None:
        super().__init__(window)
        self.setObjectName("bubble")
        self.setStyleSheet(f"#bubble {{ border: 2px solid {colour}; border-radius: 4px; }}")
        self.setAutoFillBackground(True)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.title, self.text, self.count = QLabel(), QLabel(), QLabel()
        self.title.setStyleSheet("font-weight: bold;")
        self.text.setWordWrap(True)
        self.back, self.next, self.skip = QPushButton("Back"), QPushButton("Next"), QPushButton("Skip")
        row = QHBoxLayout()
        row.addWidget(self.count)
        row.addStretch(1)
        for each in (self.skip, self.back, self.next):
            each.setAutoDefault(True)  # so that Enter presses it
            row.addWidget(each)
        page = QVBoxLayout(self)
        page.setContentsMargins(12, 10, 12, 10)
        page.addWidget(self.title)
        page.addWidget(self.text)
        page.addLayout(row)
        self.setFixedWidth(_WIDE)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Escape skips the rest."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.skip.click()
        else:
            super().keyPressEvent(event)


class Pointer(QWidget):
    """A frame around a target, with a tip that leads from the bubble to it; the mouse goes through."""

    def __init__(self, window: QWidget, colour: str) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._colour = QColor(colour)
        self._target, self._bubble = QRect(), QRect()

    def show_at(self, target: QRect, bubble: QRect) -> None:
        """Point from one to the other."""
        self._target, self._bubble = target, bubble
        self.update()

    def paintEvent(self, _: QPaintEvent | None) -> None:
        """Frame and tip, in the colour of what is chosen."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._colour, 3))
        painter.drawRoundedRect(self._target.adjusted(-3, -3, 3, 3), 4, 4)
        if self._bubble.intersects(self._target):
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._colour)
        painter.drawPolygon(_tip(self._bubble, self._target))


class Tour(QObject):
    """Leads through `stops` until a person comes to the end or skips the rest.

    Parameters
    ----------
    window
        The window over which the bubbles lie.
    colour
        Of the bubbles' frames, as ``#rrggbb``.
    stops
        In the order in which they come.
    """

    def __init__(self, window: QWidget, colour: str, stops: Sequence[Stop]) -> None:
        super().__init__(window)
        self._stops, self.at = stops, 0
        self.pointer, self.bubble = Pointer(window, colour), Bubble(window, colour)
        # methods, which Qt holds weakly: a function would keep the window alive by way of this tour
        self.bubble.back.clicked.connect(self._back)
        self.bubble.next.clicked.connect(self._next)
        self.bubble.skip.clicked.connect(self.end)
        self._due = AfterPainting(self.bubble, self._place)
        self._watched: QWidget | None = None
        window.installEventFilter(self)

    @property
    def _window(self) -> QWidget:
        """The window; not kept, since it keeps the tour."""
        window = self.parent()
        assert isinstance(window, QWidget)
        return window

    def go(self, at: int) -> None:
        """Show the stop with this number; beyond the last one the tour is over."""
        if at >= len(self._stops):
            self.end()
            return
        self.at = max(at, 0)
        stop = self._stops[self.at]
        bubble = self.bubble
        bubble.title.setText(stop.title)
        bubble.text.setText(stop.text)
        bubble.count.setText(f"{self.at + 1} of {len(self._stops)}")
        bubble.back.setEnabled(self.at > 0)
        bubble.skip.setVisible(self.at < len(self._stops) - 1)
        bubble.next.setText("Next" if self.at < len(self._stops) - 1 else "Done")
        bubble.setAccessibleName(f"{stop.title}. {stop.text}")
        stop.before()
        self._place()
        bubble.next.setFocus(Qt.FocusReason.OtherFocusReason)

    def follow(self) -> None:
        """What the bubble points at may have come, gone or moved."""
        if isalive(self.bubble):
            self._due.start()

    def _back(self) -> None:
        self.go(self.at - 1)

    def _next(self) -> None:
        self.go(self.at + 1)

    def end(self) -> None:
        """Take the bubbles away."""
        if not isalive(self) or not isalive(self.bubble):
            return
        self._watch(None)
        for part in (self.bubble, self.pointer):
            part.hide()
            part.deleteLater()
        self.deleteLater()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the window and the target."""
        moved = (QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.Show, QEvent.Type.Hide, QEvent.Type.LayoutRequest)
        if event is not None and event.type() in moved:
            self.follow()
        return False

    def _watch(self, target: QWidget | None) -> None:
        if target is self._watched:
            return
        if self._watched is not None and isalive(self._watched):
            self._watched.removeEventFilter(self)
        self._watched = target
        if target is not None:
            target.installEventFilter(self)

    def _place(self) -> None:
        """Put the bubble beside its target; where that is not on the screen, into the middle of the window."""
        if not isalive(self):
            return
        target = self._stops[self.at].target()
        shown = target is not None and not target.visibleRegion().isEmpty()
        self._watch(target)
        room, bubble = self._window.rect().adjusted(8, 8, -8, -8), self.bubble
        bubble.setFixedHeight(max(bubble.heightForWidth(_WIDE), bubble.sizeHint().height()))
        if target is not None and shown:
            rect = target.visibleRegion().boundingRect()
            # by way of the screen: the target may lie in a window of its own
            rect.moveTopLeft(self._window.mapFromGlobal(target.mapToGlobal(rect.topLeft())))
            bubble.move(_beside(rect, bubble.rect(), room))
            self.pointer.setGeometry(self._window.rect())
            self.pointer.show_at(rect, bubble.geometry())
            self.pointer.raise_()
        else:
            bubble.move(room.center() - bubble.rect().center())
        self.pointer.setVisible(shown)
        bubble.show()
        bubble.raise_()


def _beside(target: QRect, bubble: QRect, room: QRect) -> QPoint:
    """Where the bubble goes: left of its target, else right, else below or above; within a large one."""
    tall, wide = bubble.height(), bubble.width()
    y = min(max(target.center().y() - tall // 2, room.top()), room.bottom() - tall)
    if target.left() - _GAP - wide >= room.left():
        return QPoint(target.left() - _GAP - wide, y)
    if target.right() + _GAP + wide <= room.right() and target.width() < room.width() // 3:
        return QPoint(target.right() + _GAP, y)
    x = min(max(target.center().x() - wide // 2, room.left()), room.right() - wide)
    if target.bottom() + _GAP + tall <= room.bottom():
        return QPoint(x, target.bottom() + _GAP)
    if target.top() - _GAP - tall >= room.top():
        return QPoint(x, target.top() - _GAP - tall)
    return QPoint(x, min(target.bottom(), room.bottom()) - tall - 3 * _GAP)


def _tip(bubble: QRect, target: QRect) -> QPolygon:
    """A triangle from the side of the bubble that is nearest to the target."""
    y = min(max(target.center().y(), bubble.top() + 14), bubble.bottom() - 14)
    x = min(max(target.center().x(), bubble.left() + 14), bubble.right() - 14)
    if bubble.right() < target.left():
        points = [QPoint(bubble.right(), y - 9), QPoint(bubble.right(), y + 9), QPoint(target.left() - 3, y)]
    elif bubble.left() > target.right():
        points = [QPoint(bubble.left(), y - 9), QPoint(bubble.left(), y + 9), QPoint(target.right() + 3, y)]
    elif bubble.top() > target.bottom():
        points = [QPoint(x - 9, bubble.top()), QPoint(x + 9, bubble.top()), QPoint(x, target.bottom() + 3)]
    else:
        points = [QPoint(x - 9, bubble.bottom()), QPoint(x + 9, bubble.bottom()), QPoint(x, target.top() - 3)]
    return QPolygon(points)
