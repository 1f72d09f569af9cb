"""How the gallery is painted: headings, pictures with frame and caption, what is selected, and what is being done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPen

from napari_atomicity.style import UNLABELLED
from napari_atomicity.ui.gallery.contents import Contents, Group
from napari_atomicity.ui.gallery.grid import GAP, MARGIN, Grid

_MIDDLE: Final = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
_RIGHT: Final = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight


@dataclass(frozen=True)
class Look:
    """Colours of the theme (``background``, ``text``, ``grid``), of each label, and the nm that a picture shows."""

    theme: Mapping[str, str]
    labels: Mapping[str, str]
    side_nm: float

    @property
    def text(self) -> QColor:
        """Of words, and of what is selected."""
        return QColor(self.theme["text"])

    def of_label(self, label: str) -> QColor:
        """Colour of a label."""
        return QColor(self.labels.get(label, UNLABELLED))


@dataclass(frozen=True)
class Standing:
    """What is special about a picture: whether it is selected, and whether the keyboard stands there."""

    selected: bool
    current: bool


def paint_picture(
    painter: QPainter, grid: Grid, contents: Contents, index: int, picture: QImage | None, look: Look, now: Standing
) -> None:
    """One cluster: what it looks like, in a frame of the colour of its label, with two lines below.

    Parameters
    ----------
    painter
        In the coordinates of the page.
    grid, contents, index
        Where it lies and which one it is.
    picture
        None as long as it is not made.
    look
        Colours.
    now
        Whether it is selected.
    """
    room, place = grid.room(index), grid.picture(index)
    label = contents.label(index)
    if now.selected:
        painter.setPen(QPen(look.text, 2.0))
        painter.setBrush(_faded(look.text, 50))
        painter.drawRoundedRect(room.adjusted(1, 1, -1, -1), 4, 4)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if picture is None:
        painter.fillRect(place, QColor(look.theme["grid"]))
    else:
        painter.drawImage(place, picture)
    # dotted, as the rings of clusters that are not counted in shares
    line = Qt.PenStyle.SolidLine if contents.is_sizeable(index) else Qt.PenStyle.DotLine
    painter.setPen(QPen(look.of_label(label), 2.0, line))
    painter.drawRect(place.adjusted(1, 1, -1, -1))
    _paint_caption(painter, room, grid.sizes.line, contents.caption(index), look)
    if now.selected:
        _paint_tick(painter, place, look)
    if now.current:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(look.text, 1.0, Qt.PenStyle.DashLine))
        painter.drawRect(room.adjusted(-1.5, -1.5, 1.5, 1.5))


def _paint_caption(painter: QPainter, room: QRectF, line: int, caption: tuple[str, str], look: Look) -> None:
    for i, (text, alpha) in enumerate(zip(caption, (255, 190), strict=True)):
        painter.setPen(_faded(look.text, alpha))
        # the lines lie below the picture, at the foot of the room
        place = QRectF(room.x() + MARGIN, room.bottom() - (2 - i) * line - 1, room.width() - MARGIN, line)
        width = int(place.width())
        painter.drawText(place, _MIDDLE, painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width))


def _paint_tick(painter: QPainter, place: QRectF, look: Look) -> None:
    """A tick in the corner: what is selected is not said by brightness alone."""
    box = QRectF(place.right() - 17, place.top() + 3, 14, 14)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(look.text)
    painter.drawRoundedRect(box, 3, 3)
    painter.setPen(QPen(QColor(look.theme["background"]), 2.0))
    left, low, right = box.topLeft() + QPointF(3, 7), box.topLeft() + QPointF(6, 10), box.topLeft() + QPointF(11, 4)
    painter.drawLine(left, low)
    painter.drawLine(low, right)


def paint_heading(painter: QPainter, room: QRectF, group: Group, look: Look, side_px: int, target: bool) -> None:
    """The heading of a group, with the length of 1 nm in its pictures.

    Parameters
    ----------
    painter
        In any coordinates.
    room
        Where it lies in these.
    group
        Which one.
    look
        Colours.
    side_px
        Side of a picture on the screen.
    target
        Whether what is being dragged would be dropped here.
    """
    painter.fillRect(room, QColor(look.theme["background"]))
    ground = _faded(look.text, 90 if target else 18)
    painter.fillRect(room, ground)
    painter.fillRect(QRectF(room.x(), room.y(), 6, room.height()), look.of_label(group.label))
    painter.setPen(look.text)
    text = room.adjusted(GAP + MARGIN, 0, -GAP, 0)
    arrow = "▸" if group.folded else "▾"
    font = painter.font()
    font.setBold(True)
    painter.setFont(font)
    title = f"{arrow} {group.title}"
    painter.drawText(text, _MIDDLE, title)
    wide = painter.fontMetrics().horizontalAdvance(title)
    font.setBold(False)
    painter.setFont(font)
    painter.drawText(text.adjusted(wide + 10, 0, 0, 0), _MIDDLE, group.words)
    if look.side_nm == look.side_nm and not group.folded and len(group.rows):
        _paint_bar(painter, text, side_px / look.side_nm, look)


def _paint_bar(painter: QPainter, room: QRectF, px_per_nm: float, look: Look) -> None:
    wide = painter.fontMetrics().horizontalAdvance("1 nm")
    bar = QRectF(room.right() - wide - 6 - px_per_nm, room.center().y() - 1, px_per_nm, 3)
    painter.fillRect(bar, look.text)
    painter.drawText(room, _RIGHT, "1 nm")


def paint_band(painter: QPainter, box: QRectF, look: Look) -> None:
    """The box that is drawn around pictures."""
    painter.setBrush(_faded(look.text, 40))
    painter.setPen(QPen(look.text, 1.0, Qt.PenStyle.DashLine))
    painter.drawRect(box)


def paint_carried(painter: QPainter, at: QPointF, words: str, look: Look) -> None:
    """What would happen to the clusters that are being dragged, beside the mouse."""
    wide = painter.fontMetrics().horizontalAdvance(words) + 14
    tall = painter.fontMetrics().lineSpacing() + 8
    viewport = painter.viewport()
    left = min(at.x() + 14, viewport.width() - wide - 2)
    room = QRectF(max(left, 2.0), min(at.y() + 12, viewport.height() - tall - 2.0), wide, tall)
    painter.setPen(QPen(look.text, 1.0))
    painter.setBrush(QColor(look.theme["background"]))
    painter.drawRoundedRect(room, 4, 4)
    painter.drawText(room, Qt.AlignmentFlag.AlignCenter, words)


def _faded(colour: QColor, alpha: int) -> QColor:
    faded = QColor(colour)
    faded.setAlpha(alpha)
    return faded
