"""Class probabilities of one cluster as bars, and its place among all clusters as strips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_atomicity.insight.standing import Standing
from napari_atomicity.style import OTHER_COLOUR
from napari_atomicity.ui.widgets.controls import line_height, with_window_font
from napari_atomicity.wording import chance

_ROW: Final = 18
_STRIP: Final = 22
_BINS: Final = 60
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class _Chart(QWidget):
    """Rows of one height, painted."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        with_window_font(self)
        self._text = QColor("#ffffff")
        self._rows = 0

    @property
    def row_px(self) -> int:
        """Height of a row, which grows with the text."""
        return max(_ROW, line_height(self) - 2)

    def changeEvent(self, event: QEvent | None) -> None:
        """Another size of the text asks for other rows."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.setFixedHeight(max(self._rows * self.row_px, 1))

    def _show(self, rows: int, text_colour: str) -> None:
        self._text, self._rows = QColor(text_colour), rows
        self.setFixedHeight(max(rows * self.row_px, 1))
        self.setVisible(rows > 0)
        self.update()

    def sizeHint(self) -> QSize:
        """Of a narrow dock."""
        return QSize(320, max(self._rows * self.row_px, 1))

    def minimumSizeHint(self) -> QSize:
        """Still to be read."""
        return QSize(240, max(self._rows * self.row_px, 1))

    def _faint(self, opacity: float) -> QColor:
        colour = QColor(self._text)
        colour.setAlphaF(opacity)
        return colour

    def _bold(self, painter: QPainter, bold: bool) -> None:
        font = painter.font()
        font.setBold(bold)
        painter.setFont(font)


class ChanceBars(_Chart):
    """One bar a class, in its colour; the label that the model gave is bold, that of a person has a square."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip(
            "Calibrated probability of each class, and of being none of them (other). Bold: the label that the model "
            "gave. ■: the label that you gave."
        )
        self.chances: list[tuple[str, float]] = []
        self._colours: Mapping[str, str] = {}
        self._label = self._annotation = ""

    def show_chances(
        self, chances: list[tuple[str, float]], label: str, annotation: str, colours: Mapping[str, str], text: str
    ) -> None:
        """Show probabilities, what the model and a person made of them."""
        self.chances, self._label, self._annotation, self._colours = chances, label, annotation, colours
        self._show(len(chances), text)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """A row a class: label, bar, percent."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        names = [label for label, _ in self.chances]
        metrics = self.fontMetrics()
        left = max([metrics.horizontalAdvance(f"■ {name}") for name in names], default=0) + 14
        right = metrics.horizontalAdvance("< 100 %") + 8
        for row, (label, probability) in enumerate(self.chances):
            top = row * self.row_px
            self._bold(painter, label == self._label)
            painter.setPen(self._text)
            name = f"■ {label}" if label == self._annotation else label
            painter.drawText(QRectF(0, top, left - 6, self.row_px), _RIGHT, name)
            trough = QRectF(left, top + 3, self.width() - left - right, self.row_px - 6)
            painter.fillRect(trough, self._faint(0.09))
            bar = QRectF(trough.x(), trough.y(), trough.width() * probability, trough.height())
            painter.fillRect(bar, QColor(self._colours.get(label, OTHER_COLOUR)))
            if probability >= 0.005:
                painter.setPen(QPen(self._faint(0.35), 1))
                painter.drawRect(bar)
            painter.setPen(self._text)
            painter.drawText(QRectF(trough.right(), top, right, self.row_px), _RIGHT, chance(probability))
        painter.end()


class Strips(_Chart):
    """One strip a quantity: how all clusters of the frame are spread over it, and where this one lies."""

    @property
    def row_px(self) -> int:
        """A line of text and the strip below it."""
        return super().row_px + _STRIP + 5

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip(
            "Grey: all clusters of this frame. In colour: those that count as the same class. The mark: this cluster."
        )
        self.standings: list[Standing] = []
        self._colour = QColor(OTHER_COLOUR)

    def show_standings(self, standings: list[Standing], colour: str, text: str) -> None:
        """Show where a cluster of class colour `colour` stands."""
        self.standings, self._colour = standings, QColor(colour)
        self._show(len(standings), text)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """A row a quantity: value and words, below them the strip."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for row, standing in enumerate(self.standings):
            head = QRectF(0, row * self.row_px, self.width(), super().row_px)
            self._bold(painter, False)
            name = f"{standing.quantity.name}  "
            painter.setPen(self._faint(0.75))
            painter.drawText(head, _LEFT, name)
            painter.drawText(head, _RIGHT, standing.words)
            self._bold(painter, True)
            painter.setPen(self._text)
            indent = self.fontMetrics().horizontalAdvance(name)
            painter.drawText(head.adjusted(indent, 0, 0, 0), _LEFT, standing.text)
            self._paint_strip(painter, standing, QRectF(4, head.bottom(), self.width() - 8, _STRIP))
        painter.end()

    def _paint_strip(self, painter: QPainter, standing: Standing, place: QRectF) -> None:
        low, high = bounds(standing.values)
        counts, edges = np.histogram(np.clip(standing.values, low, high), _BINS, (low, high))
        own, _ = np.histogram(np.clip(standing.fellows, low, high), edges)
        tallest = max(int(counts.max()), 1)
        step = place.width() / _BINS
        floor = place.bottom() - 1
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        # a square root keeps single clusters visible beside a crowd
        for heights, colour in ((counts, self._faint(0.3)), (own, self._colour)):
            for i in np.flatnonzero(heights):
                tall = max(np.sqrt(heights[i] / tallest) * (place.height() - 7), 2)
                painter.fillRect(QRectF(place.x() + i * step, floor - tall, max(step - 1, 1), tall), colour)
        painter.fillRect(QRectF(place.x(), floor, place.width(), 1), self._faint(0.4))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if np.isfinite(standing.value):
            self._paint_mark(painter, place, (np.clip(standing.value, low, high) - low) / (high - low))

    def _paint_mark(self, painter: QPainter, place: QRectF, share: float) -> None:
        x = place.x() + float(share) * place.width()
        painter.setPen(QPen(self._text, 1.6))
        painter.drawLine(QPointF(x, place.top() + 5), QPointF(x, place.bottom()))
        painter.setBrush(self._text)
        painter.setPen(Qt.PenStyle.NoPen)
        top = place.top()
        painter.drawPolygon(QPolygonF([QPointF(x - 4.5, top), QPointF(x + 4.5, top), QPointF(x, top + 6)]))
        painter.setBrush(Qt.BrushStyle.NoBrush)


def bounds(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Range of a strip: a few far-off values are drawn at its ends, so that they do not squeeze the rest."""
    low, high = np.percentile(values, [0.5, 99.5])
    room = 0.03 * (high - low) or max(abs(high), 1.0) * 0.05
    return float(low - room), float(high + room)


def swatch(label: str, colours: Mapping[str, str], shape: str = "●") -> str:
    """A dot in the colour of a label, as rich text."""
    return f'<span style="color:{colours.get(label, OTHER_COLOUR)}; font-size:large">{shape}</span>'
