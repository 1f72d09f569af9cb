"""Curves with bands in the colours of the classes, painted with Qt: a plotting library would stall the window."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

_LEFT, _TOP, _BOTTOM, _RIGHT = 34, 22, 34, 62
_TICKS: Final = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0)


class Curves(QWidget):
    """Mean over a distance, one curve a label, each with the band of its interval."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumHeight(170)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Mean over the clusters of a class and the 95 % interval of that mean; 1: as dense as on average"
        )
        self._rows = pd.DataFrame()
        self._title = self._under = ""
        self._colours: dict[str, str] = {}
        self._theme = {"text": "#ffffff", "grid": "#808080", "background": "#000000"}

    def show_curves(
        self, rows: pd.DataFrame, title: str, under: str, colours: dict[str, str], theme: dict[str, str]
    ) -> None:
        """Draw `rows` (columns label, radius, mean, low, high, clusters)."""
        self._rows, self._title, self._under = rows, title, under
        self._colours, self._theme = colours, theme
        self.update()

    def sizeHint(self) -> QSize:
        """Wide enough for two radii."""
        return QSize(340, 190)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Axes, bands, curves, names."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        if len(self._rows):
            self._paint(painter)
        painter.end()

    def _paint(self, painter: QPainter) -> None:
        far = float(self._rows["radius"].max())
        # one wild interval must not press all curves to the floor
        highest = float(np.nanmax(np.append(self._rows["mean"].to_numpy(dtype=float), 1.0)))
        top = next((tick for tick in _TICKS if tick >= highest), highest)
        self._paint_axes(painter, far, top)
        for i, (label, part) in enumerate(self._rows.groupby("label", sort=False)):
            self._paint_curve(painter, i, str(label), part, far, top)

    def _place(self, x: float, y: float, far: float, top: float) -> QPointF:
        width, height = self.width() - _LEFT - _RIGHT, self.height() - _TOP - _BOTTOM
        return QPointF(_LEFT + x / far * width, _TOP + height * (1 - min(y, top) / top))

    def _paint_axes(self, painter: QPainter, far: float, top: float) -> None:
        text, grid = QColor(self._theme["text"]), QColor(self._theme["grid"])
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for value in sorted({0.0, 1.0, top}):
            left = self._place(0, value, far, top)
            painter.setPen(QPen(grid, 1, Qt.PenStyle.DashLine if value == 1.0 else Qt.PenStyle.SolidLine))
            painter.drawLine(left, self._place(far, value, far, top))
            painter.setPen(text)
            painter.drawText(QRectF(0, left.y() - 8, _LEFT - 4, 16), right, f"{value:g}")
        middle = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        for value in np.arange(0, far + 0.01, 0.5):
            under = self._place(float(value), 0, far, top)
            painter.drawText(QRectF(under.x() - 15, under.y() + 2, 30, 14), middle, f"{value:g}")
        width = self.width() - _LEFT - _RIGHT
        painter.drawText(QRectF(_LEFT, self.height() - 17, width, 16), middle, self._under)
        painter.drawText(QRectF(4, 2, self.width() - 4, _TOP), Qt.AlignmentFlag.AlignLeft, self._title)

    def _paint_curve(self, painter: QPainter, i: int, label: str, part: Any, far: float, top: float) -> None:
        colour = QColor(self._colours.get(label, "#b0b0b0"))
        known = part[part["mean"].notna()]
        radius = known["radius"].tolist()
        band = QColor(colour)
        band.setAlpha(50)
        if len(known) and known["low"].notna().all():
            upper = [self._place(x, y, far, top) for x, y in zip(radius, known["high"], strict=True)]
            lower = [self._place(x, y, far, top) for x, y in zip(radius, known["low"], strict=True)]
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(band)
            painter.drawPolygon(QPolygonF([*upper, *reversed(lower)]))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colour, 2))
        painter.drawPolyline(
            QPolygonF([self._place(x, y, far, top) for x, y in zip(radius, known["mean"], strict=True)])
        )
        painter.drawText(QPointF(self.width() - _RIGHT + 8, _TOP + 10 + 15 * i), label)
