"""How islands, clusters, keys and patches of the map of features are painted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QFontInfo, QPainter, QPainterPath, QPen, QPixmap, QPolygonF

from napari_atomicity.insight.cluster_card import as_grey
from napari_atomicity.style import OTHER_COLOUR
from napari_atomicity.ui.feature_map.placements import Placement
from napari_atomicity.ui.feature_map.view import Places, Size, View
from napari_atomicity.ui.widgets.thumbnails import grey_picture

#: height of the window's text in napari as it comes
_USUAL_PX: Final = 12
_FAINT_RADIUS: Final = 1.9
_PATCH_PX: Final = 92
_PAD: Final = 8


@dataclass(frozen=True)
class Style:
    """Colours of the theme (background, text, grid) and of the labels, as ``#rrggbb``."""

    theme: Mapping[str, str]
    labels: Mapping[str, str]

    def of_label(self, label: str) -> QColor:
        """Colour of a class."""
        return QColor(self.labels.get(label, OTHER_COLOUR))


@dataclass(frozen=True, eq=False)
class Tooltip:
    """What is said of the cluster under the mouse: patches with a word for each, and lines of text."""

    patches: tuple[tuple[str, npt.NDArray[np.float32]], ...]
    lines: tuple[str, ...]
    colour: QColor


def small(painter: QPainter, bold: bool = False, size: int = 11) -> None:
    """The font of plots: `size` px where the window's text has its usual size, larger or smaller with it."""
    font = QFont(painter.font())
    font.setPixelSize(max(round(size * QFontInfo(font).pixelSize() / _USUAL_PX), 7))
    font.setBold(bold)
    painter.setFont(font)


def paint_library(painter: QPainter, look: Placement, style: Style, view: View, size: Size, ratio: float = 1.0) -> None:
    """The classes of the library as soft islands with their clusters as faint dots."""
    for island in look.islands:
        for outlines, strength, line in zip(island.outlines, (26, 34), (90, 0), strict=True):
            path = QPainterPath()
            path.setFillRule(Qt.FillRule.OddEvenFill)
            for outline in outlines:
                path.addPolygon(QPolygonF([QPointF(x, y) for x, y in view.to_pixels(outline, size)]))
                path.closeSubpath()
            painter.setBrush(_faded(style.of_label(island.label), strength))
            painter.setPen(QPen(_faded(style.of_label(island.label), line), 1.0) if line else Qt.PenStyle.NoPen)
            painter.drawPath(path)
    _paint_dots(painter, view.to_pixels(look.feature_map.xy, size), look.feature_map.library.labels, style, ratio)


def _paint_dots(painter: QPainter, places: Places, labels: Sequence[str], style: Style, ratio: float) -> None:
    """Each library cluster as a dot, which is painted once a class: an ellipse takes four times as long."""
    middle = _FAINT_RADIUS + 1
    dots = {}
    for label in set(labels):
        dots[label], one = _blank(2 * middle, ratio)
        one.setPen(Qt.PenStyle.NoPen)
        one.setBrush(_faded(style.of_label(label), 120))
        one.drawEllipse(QPointF(middle, middle), _FAINT_RADIUS, _FAINT_RADIUS)
        one.end()
    for (x, y), label in zip((places - middle).tolist(), labels, strict=True):
        painter.drawPixmap(QPointF(x, y), dots[label])


def _blank(side: float, ratio: float) -> tuple[QPixmap, QPainter]:
    """A clear square for a mark, and what paints it."""
    pixmap = QPixmap(round(side * ratio), round(side * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    return pixmap, painter


def paint_labels(painter: QPainter, look: Placement, style: Style, view: View, size: Size) -> None:
    """The names of the islands, moved apart where they would cover each other."""
    small(painter, bold=True, size=12)
    taken: list[QRectF] = []
    for island in look.islands:
        x, y = view.to_pixels(np.array([island.peak]), size)[0]
        width = painter.fontMetrics().horizontalAdvance(island.label) + 8
        room = QRectF(x - width / 2, y - 9, width, 18)
        while any(room.intersects(other) for other in taken):
            room.translate(0, 5)
        taken.append(room)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_faded(QColor(style.theme["background"]), 190))
        painter.drawRoundedRect(room, 4, 4)
        painter.setPen(_readable(style.of_label(island.label), style))
        painter.drawText(room, Qt.AlignmentFlag.AlignCenter, island.label)


class Marks:
    """Marks of clusters, painted once a colour and kind: discs, squares where a person labelled, crossed outliers."""

    def __init__(self, radius: float, ratio: float, style: Style) -> None:
        self.radius, self._ratio, self._style = radius, ratio, style
        self._painted: dict[tuple[int, int, int, bool, bool], QPixmap] = {}

    def paint(
        self,
        painter: QPainter,
        places: Places,
        rgba: npt.NDArray[np.float32],
        squares: npt.NDArray[np.bool_],
        crossed: npt.NDArray[np.bool_],
    ) -> None:
        """Draw clusters at pixel `places` (n, 2)."""
        shift = self.radius + 2
        colours = np.round(rgba[:, :3] * 255).astype(int).tolist()
        flags = np.column_stack([squares, crossed]).tolist()
        for (x, y), (r, g, b), (square, cross) in zip(places.tolist(), colours, flags, strict=True):
            painter.drawPixmap(
                QPointF(x - shift, y - shift), self._mark(r // 4 * 4, g // 4 * 4, b // 4 * 4, square, cross)
            )

    def _mark(self, red: int, green: int, blue: int, square: bool, crossed: bool) -> QPixmap:
        known = self._painted.get((red, green, blue, square, crossed))
        if known is not None:
            return known
        side = 2 * self.radius + 4
        pixmap, painter = _blank(side, self._ratio)
        colour, ground = QColor(red, green, blue), QColor(self._style.theme["background"])
        middle, radius = QPointF(side / 2, side / 2), self.radius
        painter.setBrush(ground if crossed else colour)
        painter.setPen(QPen(colour, 1.5) if crossed else QPen(QColor(self._style.theme["text"]), 1.4) if square
                       else QPen(_faded(ground, 220), 1.0))  # fmt: skip
        if square:
            painter.drawRect(
                QRectF(middle.x() - radius + 0.5, middle.y() - radius + 0.5, 2 * radius - 1, 2 * radius - 1)
            )
        else:
            painter.drawEllipse(middle, radius, radius)
        if crossed:
            arm = 0.55 * radius
            painter.setPen(QPen(colour, 1.3))
            painter.drawLine(middle + QPointF(-arm, -arm), middle + QPointF(arm, arm))
            painter.drawLine(middle + QPointF(-arm, arm), middle + QPointF(arm, -arm))
        painter.end()
        self._painted[red, green, blue, square, crossed] = pixmap
        return pixmap


def paint_rings(painter: QPainter, places: Places, radius: float, style: Style) -> None:
    """Rings around the selected clusters."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in ((style.theme["background"], 4.0), (style.theme["text"], 1.8)):
        painter.setPen(QPen(QColor(colour), width))
        for x, y in places.tolist():
            painter.drawEllipse(QPointF(x, y), radius + 3, radius + 3)


def paint_lasso(painter: QPainter, outline: list[QPointF], style: Style) -> None:
    """The outline that is being drawn."""
    text = QColor(style.theme["text"])
    painter.setBrush(_faded(text, 25))
    painter.setPen(QPen(text, 1.2, Qt.PenStyle.DashLine))
    painter.drawPolygon(QPolygonF(outline))


def paint_card(painter: QPainter, card: Tooltip, at: QPointF, style: Style, size: Size) -> None:
    """Patches and words in a small frame beside the mouse, wholly within the widget."""
    small(painter)
    words = max(painter.fontMetrics().horizontalAdvance(line) for line in card.lines)
    width = max(words, len(card.patches) * (_PATCH_PX + 6) - 6) + 2 * _PAD
    height = _PATCH_PX + 16 + 15 * len(card.lines) + 2 * _PAD
    left = at.x() + 16 if at.x() + 16 + width < size[0] else at.x() - 16 - width
    top = min(max(at.y() - height / 2, 2), max(size[1] - height - 2, 2))
    room = QRectF(min(max(left, 2), max(size[0] - width - 2, 2)), top, width, height)
    painter.setPen(QPen(card.colour, 1.5))
    painter.setBrush(_faded(QColor(style.theme["background"]), 240))
    painter.drawRoundedRect(room, 5, 5)
    painter.setPen(QColor(style.theme["text"]))
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    for i, (word, patch) in enumerate(card.patches):
        box = QRectF(room.x() + _PAD + i * (_PATCH_PX + 6), room.y() + _PAD, _PATCH_PX, _PATCH_PX)
        painter.drawImage(box, grey_picture(as_grey(patch)))
        painter.drawText(QRectF(box.x(), box.bottom() + 1, _PATCH_PX, 15), Qt.AlignmentFlag.AlignCenter, word)
    for i, line in enumerate(card.lines):
        y = room.y() + _PAD + _PATCH_PX + 18 + 15 * i
        painter.drawText(QRectF(room.x() + _PAD, y, room.width(), 15), Qt.AlignmentFlag.AlignLeft, line)


def _faded(colour: QColor, alpha: int) -> QColor:
    faded = QColor(colour)
    faded.setAlpha(alpha)
    return faded


def _readable(colour: QColor, style: Style) -> QColor:
    """The colour as text: darker on a light ground, lighter on a dark one."""
    light = QColor(style.theme["background"]).lightness() > 128
    return colour.darker(165) if light else colour.lighter(125)
