"""The pictures of the gallery: painted where they are seen, and worked by mouse and keyboard."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from qtpy.QtWidgets import QToolTip

from napari_atomicity.ui.gallery import keyboard
from napari_atomicity.ui.gallery import painting as paint
from napari_atomicity.ui.gallery.contents import Contents
from napari_atomicity.ui.gallery.crops import Crops
from napari_atomicity.ui.gallery.mouse import Mouse
from napari_atomicity.ui.gallery.page import Page

_TIP_MS: Final = 12_000


class PictureView(Page):
    """Groups of pictures, to be looked at, selected, and dragged from group to group."""

    def __init__(self, crops: Crops) -> None:
        super().__init__(crops)
        self.mouse = Mouse(self)
        self.setToolTipDuration(_TIP_MS)
        self.port.setMouseTracking(True)

    def show_contents(self, contents: Contents, look: paint.Look, message: str) -> None:
        """These clusters, or a sentence where there are none; what is seen stays where it is."""
        if not np.array_equal(contents.ids, self.contents.ids):
            self.mouse.stop()  # what it holds may have gone
        super().show_contents(contents, look, message)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """What is seen of the page, headings last: one stays at the top."""
        painter = QPainter(self.port)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setFont(self.font())
        painter.fillRect(self.port.rect(), QColor(self.look.theme["background"]))
        if self.message:
            painter.setPen(self.look.text)
            middle = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.port.rect().adjusted(24, 24, -24, -24), middle, self.message)
        else:
            self._paint_page(painter)
        painter.end()

    def _paint_page(self, painter: QPainter) -> None:
        contents, current = self.contents, self.at if self.hasFocus() else None
        selected = self.selected if self.preview is None else self.preview
        painter.translate(0, -self.top)
        for i in self.visible.tolist():
            now = paint.Standing(int(contents.ids[i]) in selected, i == current)
            paint.paint_picture(
                painter, self.grid, contents, i, self.crops.picture(self.contents.place(i)), self.look, now
            )
        painter.resetTransform()
        for i, group in enumerate(contents.groups):
            room = self.heading_room(i)
            if room.bottom() > 0 and room.top() < self.port.height():
                target = group.label == self.mouse.target
                paint.paint_heading(painter, room, group, self.look, self.grid.sizes.side, target)
        self.mouse.paint(painter, self.look)

    # ------------------------------------------------------------------ Qt

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Another part of the page."""
        self.ask()
        self.port.update()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Other columns."""
        super().resizeEvent(event)
        self.lay_out(self.seen())

    def changeEvent(self, event: QEvent | None) -> None:
        """Another size of the text."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.lay_out(self.seen())

    def viewportEvent(self, event: Any) -> bool:
        """Each picture has a tool tip of its own."""
        if isinstance(event, QHelpEvent):
            index = self.picture_under(QPointF(event.pos()))
            QToolTip.showText(
                event.globalPos(), self.toolTip() if index is None else self.contents.sentence(index), self
            )
            return True
        return bool(super().viewportEvent(event))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Select, or begin to drag."""
        if event is not None:
            self.mouse.press(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Go on dragging."""
        if event is not None:
            self.mouse.move(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Drop, or end a box."""
        if event is not None:
            self.mouse.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Look at a cluster in the image."""
        index = None if event is None else self.picture_under(event.position())
        if index is not None:
            self.looked_at.emit(int(self.contents.ids[index]))

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Scroll; with Ctrl larger or smaller pictures."""
        if event is not None and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.sized.emit(1.15 ** (event.angleDelta().y() / 120))
            event.accept()
        else:
            super().wheelEvent(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Walk and select; all other keys are for others."""
        if event is None:
            return
        if event.key() == Qt.Key.Key_Escape and self.mouse.give_up():
            return
        if not keyboard.press(self, event):
            self.typed.emit(event)
