"""Observed shares with their intervals, what was expected, and what simple methods would say."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

_LEFT, _BOTTOM, _LINE = 42, 20, 17
_TICKS: Final = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
_MARK: Final = 4.5
#: mark and words of the legend
_LEGEND: Final = {
    "bar": "corrected, 95 % interval",
    "line": "as labelled",
    "expected": "expected",
    "diameter": "by diameter alone",
    "intensity": "by intensity alone",
}
#: middle of each mark within the room of a class
_AT: Final = {"expected": 0.55, "diameter": 0.73, "intensity": 0.91}


class ExpectedChart(QWidget):
    """One bar a class: corrected share and interval, with marks of what it is held against."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumHeight(220)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)
        self.setToolTip(
            "Bar and whisker: share with what the model confuses taken out, and its 95 % interval; line: share of the "
            "labels as they are; diamond: what is expected; hollow: what diameter or intensity alone would say"
        )
        self._rows: list[dict[Any, Any]] = []
        self._top = 2.0 * _LINE
        self._colours: dict[str, str] = {}
        self._theme = {"text": "#ffffff", "grid": "#808080", "background": "#000000"}

    def show_ratios(self, table: pd.DataFrame, colours: dict[str, str], theme: dict[str, str]) -> None:
        """Draw the `table` of `pipeline.Ratios`."""
        self._rows, self._colours, self._theme = table.to_dict("records"), colours, theme
        self.update()

    def sizeHint(self) -> QSize:
        """Wide enough for six classes."""
        return QSize(400, 240)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Axis, bars, marks, legend."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        self._top = self._paint_legend(painter)
        if self._rows:
            top = self._paint_axis(painter)
            step = (self.width() - _LEFT) / len(self._rows)
            for i, row in enumerate(self._rows):
                self._paint_class(painter, row, _LEFT + i * step, step, top)
        painter.end()

    def _y(self, share: float, top: float) -> float:
        return self.height() - _BOTTOM - share / top * (self.height() - self._top - _BOTTOM)

    def _paint_axis(self, painter: QPainter) -> float:
        names = ("high", "counted", "expected", "diameter", "intensity")
        most = float(np.nanmax([[row[name] for name in names] for row in self._rows]))
        top = next((tick for tick in _TICKS if tick >= most), 1.0)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for share in (0, top / 2, top):
            y = self._y(share, top)
            painter.setPen(QColor(self._theme["grid"]))
            painter.drawLine(QPointF(_LEFT, y), QPointF(self.width(), y))
            painter.setPen(QColor(self._theme["text"]))
            painter.drawText(QRectF(0, y - 8, _LEFT - 6, 16), right, f"{100 * share:.0f} %")
        return top

    def _paint_class(self, painter: QPainter, row: dict[Any, Any], x: float, step: float, top: float) -> None:
        text, colour = QColor(self._theme["text"]), QColor(self._colours.get(str(row["label"]), "#b0b0b0"))
        left, width, base = x + 0.06 * step, 0.34 * step, self._y(0, top)
        if np.isfinite(row["share"]):
            y = self._y(row["share"], top)
            painter.fillRect(QRectF(left, y, width, base - y), colour)
            centre, low, high = left + width / 2, self._y(row["low"], top), self._y(row["high"], top)
            painter.setPen(QPen(text, 1.4))
            painter.drawLine(QPointF(centre, low), QPointF(centre, high))
            for end in (low, high):
                painter.drawLine(QPointF(centre - 4, end), QPointF(centre + 4, end))
        if np.isfinite(row["counted"]):
            y = self._y(row["counted"], top)
            painter.setPen(QPen(text, 1.4, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(left - 3, y), QPointF(left + width + 3, y))
        for name, at in _AT.items():
            if np.isfinite(row[name]):
                self._paint_mark(painter, name, QPointF(x + at * step, self._y(row[name], top)))
        painter.setPen(text)
        middle = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        painter.drawText(QRectF(x, base + 2, step, _BOTTOM), middle, str(row["label"]))

    def _paint_mark(self, painter: QPainter, name: str, at: QPointF) -> None:
        m, x, y = _MARK, at.x(), at.y()
        shapes = {
            "expected": [(x, y - m - 1), (x + m + 1, y), (x, y + m + 1), (x - m - 1, y)],
            "diameter": [(x - m, y - m), (x + m, y - m), (x + m, y + m), (x - m, y + m)],
            "intensity": [(x, y - m - 1), (x + m, y + m - 1), (x - m, y + m - 1)],
        }
        text = QColor(self._theme["text"])
        painter.setPen(QPen(text, 1.4))
        painter.setBrush(text if name == "expected" else Qt.BrushStyle.NoBrush)
        painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in shapes[name]]))
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _paint_legend(self, painter: QPainter) -> float:
        """In as many lines as it needs; gives where it ends."""
        text = QColor(self._theme["text"])
        x, y = float(_LEFT), 9.0
        for mark, words in _LEGEND.items():
            if mark in _AT and not any(np.isfinite(row[mark]) for row in self._rows):
                continue
            wide = painter.fontMetrics().horizontalAdvance(words)
            if x > _LEFT and x + 17 + wide > self.width():
                x, y = float(_LEFT), y + _LINE
            if mark == "bar":
                painter.fillRect(QRectF(x, y - 4, 10, 8), QColor("#8a94a3"))
            elif mark == "line":
                painter.setPen(QPen(text, 1.4, Qt.PenStyle.DotLine))
                painter.drawLine(QPointF(x - 2, y), QPointF(x + 12, y))
            else:
                self._paint_mark(painter, mark, QPointF(x + 5, y))
            painter.setPen(text)
            painter.drawText(QRectF(x + 17, y - 9, wide + 4, 18), Qt.AlignmentFlag.AlignVCenter, words)
            x += wide + 34
        return y + _LINE
