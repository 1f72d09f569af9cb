"""Selecting and dragging in the gallery with the mouse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from qtpy.QtCore import QPoint, QPointF, QRectF, Qt, QTimer
from qtpy.QtGui import QMouseEvent, QPainter

from napari_atomicity.ui.gallery.page import Page
from napari_atomicity.ui.gallery.painting import Look, paint_band, paint_carried
from napari_atomicity.wording import counted

#: a shorter way is a click
_CLICK_PX: Final = 6
#: so near to the upper or lower end, the page moves on
_EDGE_PX: Final = 28
_SCROLL_MS: Final = 30


class Mouse:
    """What the mouse is doing: nothing, a click, a box around pictures, or carrying the selected ones to a label."""

    def __init__(self, view: Page) -> None:
        self._view = view
        self.doing: Literal["nothing", "click", "box", "carry"] = "nothing"
        #: the label that is offered at a place of the screen outside the pictures
        self.label_at: Callable[[QPoint], str | None] = lambda _: None
        #: where what is carried would be dropped
        self.target: str | None = None
        #: on the page; where the mouse was pressed and where it is now, in the view
        self._from, self._pressed, self._to = QPointF(), QPointF(), QPointF()
        self._index: int | None = None
        self._keys = Qt.KeyboardModifier.NoModifier
        self._before: frozenset[int] = frozenset()
        self._scrolling = QTimer(view)
        self._scrolling.setInterval(_SCROLL_MS)
        self._scrolling.timeout.connect(self._on_edge)

    @property
    def _adds(self) -> bool:
        return bool(self._keys & (Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier))

    def press(self, event: QMouseEvent) -> None:
        """Begin."""
        if event.button() != Qt.MouseButton.LeftButton or self._view.message:
            return
        view = self._view
        self.doing, self._keys = "click", event.modifiers()
        self._pressed = self._to = event.position()
        self._from = view.on_page(event.position())
        self._index, self._before = view.picture_under(event.position()), view.selected
        index = self._index
        if index is None:
            return
        if self._keys & Qt.KeyboardModifier.ShiftModifier:
            view.pick_up_to(index, add=bool(self._keys & Qt.KeyboardModifier.ControlModifier))
            view.stand_at(index, anchor=False, reveal=False)
            return
        if self._keys & Qt.KeyboardModifier.ControlModifier:
            view.toggle(index)
        elif int(view.contents.ids[index]) not in view.selected:
            view.pick([index])  # one of several that are selected: they may be dragged, the release decides
        # the page stays under the mouse
        view.stand_at(index, reveal=False)

    def move(self, at: QPointF) -> None:
        """Go on."""
        if self.doing == "nothing":
            return
        self._to = at
        if self.doing == "click" and (at - self._pressed).manhattanLength() > _CLICK_PX:
            self._begin()
        if self.doing == "box":
            self._pick_box()
        elif self.doing == "carry":
            self.target = self._label_under(at)
        self._view.port.update()

    def release(self, event: QMouseEvent) -> None:
        """End."""
        if event.button() != Qt.MouseButton.LeftButton or self.doing == "nothing":
            return
        doing, target, view = self.doing, self.target, self._view
        if doing == "box":
            self._pick_box()
        chosen = view.preview
        self.stop()
        if doing == "carry":
            if target:
                view.dropped.emit(target)
        elif doing == "box":
            view.picked.emit(chosen)
        elif doing == "click":
            self._click()

    def give_up(self) -> bool:
        """Drop nothing, and select what was selected before; gives whether there was anything to give up."""
        if self.doing not in ("box", "carry"):
            return False
        box = self.doing == "box"
        self.stop()
        if box:
            self._view.picked.emit(self._before)
        return True

    def paint(self, painter: QPainter, look: Look) -> None:
        """The box, or what is carried."""
        if self.doing == "box":
            paint_band(painter, self._box().translated(0, -self._view.top), look)
        elif self.doing == "carry":
            what = counted(len(self._view.selected), "cluster")
            words = f"label {what} as {self.target}" if self.target else f"drop {what} on a class"
            paint_carried(painter, self._to, words, look)

    # ------------------------------------------------------------------ parts

    def _begin(self) -> None:
        """The way is long enough: pictures are carried, from anywhere else a box is drawn."""
        on_picture = self._index is not None and self._view.grid.picture(self._index).contains(self._from)
        if self._index is not None and on_picture and not self._adds:
            self.doing = "carry"
            self._view.port.setCursor(Qt.CursorShape.ClosedHandCursor)
        else:
            self.doing = "box"
        self._scrolling.start()

    def _click(self) -> None:
        """Pressed and released at one place."""
        if self._index is not None:
            if not self._adds:
                self._view.pick([self._index])
            return
        group = self._view.heading_at(self._to)
        if group is not None:
            self._view.folded.emit(self._view.contents.groups[group].label)
        elif not self._adds:
            self._view.pick(())

    def _box(self) -> QRectF:
        return QRectF(self._from, self._view.on_page(self._to)).normalized()

    def _pick_box(self) -> None:
        within = self._view.contents.ids[self._view.grid.within(self._box())]
        # the rings over the image follow at the end: thousands of them take napari longer than a move of the mouse
        self._view.preview = frozenset(within.tolist()) | (self._before if self._adds else frozenset())

    def _label_under(self, at: QPointF) -> str | None:
        if not self._view.port.rect().contains(at.toPoint()):
            return self.label_at(self._view.port.mapToGlobal(at.toPoint()))
        group = self._view.group_under(at)
        label = "" if group is None else self._view.contents.groups[group].label
        # a slip of the hand within a group is no label
        begun = None if self._index is None else self._view.contents.label(self._index)
        return label if label and label != begun else None

    def _on_edge(self) -> None:
        """The mouse is held at the upper or lower end."""
        height, y = self._view.port.height(), self._to.y()
        far = min(y - _EDGE_PX, 0) + max(y - height + _EDGE_PX, 0)
        # beyond it are the buttons of the labels
        if far and -_EDGE_PX <= y <= height + _EDGE_PX:
            self._view.bar.setValue(self._view.bar.value() + round(far))
            self.move(self._to)

    def stop(self) -> None:
        """Do nothing any more."""
        self.doing, self.target, self._view.preview = "nothing", None, None
        self._scrolling.stop()
        self._view.port.unsetCursor()
        self._view.port.update()
