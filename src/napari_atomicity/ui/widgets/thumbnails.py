"""Small pictures of clusters side by side, with a scale bar, contours and a caption under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QPointF, QRect, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QHelpEvent, QImage, QPainter, QPainterPath, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_atomicity.counting.patches import NM_PER_PX
from napari_atomicity.ui.widgets.controls import with_window_font

_GAP: Final = 8
_BAR_NM: Final = 1.0
#: of the contours, outermost first
_WIDTHS: Final = (1.2, 2.2)
_WRAP = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap)
_HALO: Final = QColor(0, 0, 0, 150)


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """One picture.

    Attributes
    ----------
    grey
        (h, w) grey levels at 0.05 nm a pixel.
    caption
        Lines under it; the first stands out.
    frame
        Colour of its frame; none where empty.
    contours
        Per level, outermost first, lines as (k, 2) places (y, x) in pixels.
    contour_colour
        Their colour.
    tip
        Shown while the mouse rests on it.
    """

    grey: npt.NDArray[np.uint8]
    caption: tuple[str, ...] = ()
    frame: str = ""
    contours: Sequence[Sequence[npt.NDArray[np.float64]]] = ()
    contour_colour: str = "#ffffff"
    tip: str = ""


class Thumbnails(QWidget):
    """A row of pictures, as large as the room allows."""

    def __init__(self, at_least: int, largest_px: int, scale_bar: bool) -> None:
        super().__init__()
        self.shown: tuple[Thumbnail, ...] = ()
        self._at_least, self._largest, self._bar = at_least, largest_px, scale_bar
        self._text = "#ffffff"
        with_window_font(self)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_pictures(self, shown: Sequence[Thumbnail], text_colour: str) -> None:
        """Show these and no others."""
        self.shown, self._text = tuple(shown), text_colour
        self.setVisible(bool(shown))
        self.updateGeometry()
        self.update()

    # ------------------------------------------------------------------ room

    def _side(self, width: int) -> int:
        n = max(len(self.shown), self._at_least)
        return int(min((width - (n - 1) * _GAP) / n, self._largest))

    def _line_px(self) -> int:
        return self.fontMetrics().lineSpacing()

    def hasHeightForWidth(self) -> bool:
        """The pictures are square."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Picture and caption, which has two lines at least: nothing below shall jump when the second one comes."""
        side, line = self._side(width), self._line_px()
        room = QRect(0, 0, side, 10 * line)
        rest = ["\n".join(shown.caption[1:]) for shown in self.shown]
        tallest = max([self.fontMetrics().boundingRect(room, _WRAP, text).height() for text in rest if text] + [line])
        return side + line + tallest + 8

    def sizeHint(self) -> QSize:
        """Of a narrow dock."""
        return QSize(320, self.heightForWidth(320))

    def minimumSizeHint(self) -> QSize:
        """Still to be recognised."""
        return QSize(200, 60)

    def _place(self, index: int) -> QRectF:
        side = self._side(self.width())
        return QRectF(index * (side + _GAP), 1, side, side)

    def event(self, event: Any) -> bool:
        """Each picture has a tool tip of its own."""
        if isinstance(event, QHelpEvent):
            here = (shown.tip for i, shown in enumerate(self.shown) if self._place(i).contains(QPointF(event.pos())))
            QToolTip.showText(event.globalPos(), next(here, ""), self)
            return True
        return super().event(event)

    # ------------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Pictures, contours, scale bars, captions."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for index, shown in enumerate(self.shown):
            place = self._place(index)
            painter.drawImage(place, grey_picture(shown.grey))
            self._paint_contours(painter, place, shown)
            if self._bar:
                self._paint_bar(painter, place, place.width() / (shown.grey.shape[1] * NM_PER_PX))
            if shown.frame:
                painter.setPen(QPen(QColor(shown.frame), 2))
                painter.drawRect(place.adjusted(1, 1, -1, -1))
            self._paint_caption(painter, place, shown.caption)
        painter.end()

    def _paint_contours(self, painter: QPainter, place: QRectF, shown: Thumbnail) -> None:
        if not shown.contours:
            return
        painter.save()
        painter.setClipRect(place)
        scale = place.width() / shown.grey.shape[1]
        for lines, width in zip(shown.contours, _WIDTHS, strict=True):
            path = QPainterPath()
            for line in lines:
                # the middle of a pixel lies half a pixel from the rim of the picture
                places = (line[:, ::-1] + 0.5) * scale + (place.x(), place.y())
                path.moveTo(*places[0])
                for x, y in places[1:]:
                    path.lineTo(x, y)
                path.closeSubpath()
            inside = QColor(shown.contour_colour)
            inside.setAlpha(40)
            painter.fillPath(path, inside)
            for colour, wide in ((_HALO, width + 1.6), (QColor(shown.contour_colour), width)):
                painter.strokePath(path, QPen(colour, wide))
        painter.restore()

    def _paint_bar(self, painter: QPainter, place: QRectF, px_per_nm: float) -> None:
        length = _BAR_NM * px_per_nm
        bar = QRectF(place.right() - length - 7, place.bottom() - 10, length, 3)
        painter.fillRect(bar.adjusted(-1, -1, 1, 1), _HALO)
        painter.fillRect(bar, QColor("white"))
        above = QRectF(bar.x() - 20, bar.y() - self._line_px() - 1, length + 40, self._line_px())
        for colour, shift in ((_HALO, 1), (QColor("white"), 0)):
            painter.setPen(colour)
            painter.drawText(above.translated(shift, shift), Qt.AlignmentFlag.AlignCenter, f"{_BAR_NM:g} nm")

    def _paint_caption(self, painter: QPainter, place: QRectF, caption: tuple[str, ...]) -> None:
        first, *others = caption or ("",)
        colour = QColor(self._text)
        painter.setPen(colour)
        head = QRectF(place.x(), place.bottom() + 3, place.width(), self._line_px())
        painter.drawText(head, Qt.AlignmentFlag.AlignLeft, first)
        colour.setAlpha(190)
        painter.setPen(colour)
        rest = QRectF(place.x(), head.bottom(), place.width(), self.height() - head.bottom())
        painter.drawText(rest, _WRAP, "\n".join(others))


def grey_picture(levels: npt.NDArray[np.uint8]) -> QImage:
    """(h, w) grey levels as a picture."""
    height, width = levels.shape
    # a copy: the picture must not outlive the bytes that it looks at
    return QImage(levels.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()
