"""Observed shares with their intervals, what was expected, and what simple methods would say."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy

from napari_atomicity.ui.widgets.plot import Plot, end_of

_LINE: Final = 17
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


class ExpectedChart(Plot):
    """One bar a class: corrected share and interval, with marks of what it is held against."""

    left = 42.0

    def __init__(self) -> None:
        super().__init__(
            (400, 240),
            220,
            "Bar and whisker: share with what the model confuses taken out, and its 95 % interval; line: share of the "
            "labels as they are; diamond: what is expected; hollow: what diameter or intensity alone would say",
        )
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)
        self._rows: list[dict[Any, Any]] = []

    def show_ratios(self, table: pd.DataFrame, colours: dict[str, str], theme: dict[str, str]) -> None:
        """Draw the `table` of `pipeline.Ratios`."""
        self._rows = table.to_dict("records")
        self.show_in(colours, theme)

    def paint(self, painter: QPainter) -> None:
        """Axis, bars, marks, legend."""
        self.top = self._paint_legend(painter)
        if not self._rows:
            return
        names = ("high", "counted", "expected", "diameter", "intensity")
        most = float(np.nanmax([[row[name] for name in names] for row in self._rows]))
        self.ends = len(self._rows), end_of(_TICKS, most)
        self.percent_axis(painter)
        for i, row in enumerate(self._rows):
            self._paint_class(painter, row, i)

    def _paint_class(self, painter: QPainter, row: dict[Any, Any], i: int) -> None:
        left, right = i + 0.06, i + 0.40
        if np.isfinite(row["share"]):
            painter.fillRect(QRectF(self.place(left, row["share"]), self.place(right, 0)), self.colour(row["label"]))
            low, high = (self.place((left + right) / 2, row[name]) for name in ("low", "high"))
            painter.setPen(QPen(self.text, 1.4))
            painter.drawLine(low, high)
            for end in (low, high):
                painter.drawLine(end - QPointF(4, 0), end + QPointF(4, 0))
        if np.isfinite(row["counted"]):
            painter.setPen(QPen(self.text, 1.4, Qt.PenStyle.DotLine))
            start, end = (self.place(x, row["counted"]) for x in (left, right))
            painter.drawLine(start - QPointF(3, 0), end + QPointF(3, 0))
        for name, at in _AT.items():
            if np.isfinite(row[name]):
                self._paint_mark(painter, name, self.place(i + at, row[name]))
        self.below(painter, i + 0.5, str(row["label"]))

    def _paint_mark(self, painter: QPainter, name: str, at: QPointF) -> None:
        m, x, y = _MARK, at.x(), at.y()
        shapes = {
            "expected": [(x, y - m - 1), (x + m + 1, y), (x, y + m + 1), (x - m - 1, y)],
            "diameter": [(x - m, y - m), (x + m, y - m), (x + m, y + m), (x - m, y + m)],
            "intensity": [(x, y - m - 1), (x + m, y + m - 1), (x - m, y + m - 1)],
        }
        painter.setPen(QPen(self.text, 1.4))
        painter.setBrush(self.text if name == "expected" else Qt.BrushStyle.NoBrush)
        painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in shapes[name]]))
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _paint_legend(self, painter: QPainter) -> float:
        """In as many lines as it needs; gives where it ends."""
        x, y = self.left, 9.0
        for mark, words in _LEGEND.items():
            if mark in _AT and not any(np.isfinite(row[mark]) for row in self._rows):
                continue
            wide = painter.fontMetrics().horizontalAdvance(words)
            if x > self.left and x + 17 + wide > self.width():
                x, y = self.left, y + _LINE
            if mark == "bar":
                painter.fillRect(QRectF(x, y - 4, 10, 8), QColor("#8a94a3"))
            elif mark == "line":
                painter.setPen(QPen(self.text, 1.4, Qt.PenStyle.DotLine))
                painter.drawLine(QPointF(x - 2, y), QPointF(x + 12, y))
            else:
                self._paint_mark(painter, mark, QPointF(x + 5, y))
            painter.setPen(self.text)
            painter.drawText(QRectF(x + 17, y - 9, wide + 4, 18), Qt.AlignmentFlag.AlignVCenter, words)
            x += wide + 34
        return y + _LINE
