"""Curves with bands in the colours of the classes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPolygonF

from napari_atomicity.ui.widgets.plot import Plot, end_of

_TICKS: Final = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0)


class Curves(Plot):
    """Mean over a distance, one curve a label, each with the band of its interval."""

    left, top, right, bottom = 34.0, 22.0, 62.0, 34.0

    def __init__(self) -> None:
        tip = "Mean over the clusters of a class and the 95 % interval of that mean; 1: as dense as on average"
        super().__init__((340, 190), 170, tip)
        self._rows = pd.DataFrame()
        self._title = self._under = ""

    def show_curves(
        self, rows: pd.DataFrame, title: str, under: str, colours: dict[str, str], theme: dict[str, str]
    ) -> None:
        """Draw `rows` (columns label, radius, mean, low, high, clusters)."""
        self._rows, self._title, self._under = rows, title, under
        self.show_in(colours, theme)

    def paint(self, painter: QPainter) -> None:
        """Axes, bands, curves, names."""
        if not len(self._rows):
            return
        # one wild interval must not press all curves to the floor
        highest = float(np.nanmax(np.append(self._rows["mean"].to_numpy(dtype=float), 1.0)))
        self.ends = float(self._rows["radius"].max()), end_of(_TICKS, highest)
        self._paint_axes(painter)
        for i, (label, part) in enumerate(self._rows.groupby("label", sort=False)):
            self._paint_curve(painter, i, str(label), part)

    def _paint_axes(self, painter: QPainter) -> None:
        far, high = self.ends
        for value in sorted({0.0, 1.0, high}):
            style = Qt.PenStyle.DashLine if value == 1.0 else Qt.PenStyle.SolidLine
            self.level(painter, value, f"{value:g}", style)
        for value in np.arange(0, far + 0.01, 0.5):
            self.below(painter, float(value), f"{value:g}")
        under = QRectF(self.left, self.height() - 17, self.width() - self.left - self.right, 16)
        painter.drawText(under, Qt.AlignmentFlag.AlignHCenter, self._under)
        painter.drawText(QRectF(4, 2, self.width() - 4, self.top), Qt.AlignmentFlag.AlignLeft, self._title)

    def _paint_curve(self, painter: QPainter, i: int, label: str, part: Any) -> None:
        colour, known = self.colour(label), part[part["mean"].notna()]
        mean, low, high = (
            [self.place(x, y) for x, y in zip(known["radius"], known[name], strict=True)]
            for name in ("mean", "low", "high")
        )
        if len(known) and known["low"].notna().all():
            band = QColor(colour)
            band.setAlpha(50)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(band)
            painter.drawPolygon(QPolygonF([*high, *reversed(low)]))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        x, y = self.width() - self.right + 6, self.top + 6 + 15 * i
        for pen in self.pens(colour, 2):
            painter.setPen(pen)
            painter.drawPolyline(QPolygonF(mean))
            painter.drawLine(QPointF(x, y), QPointF(x + 11, y))
        painter.setPen(self.text)
        painter.drawText(QPointF(x + 16, y + 4), label)
