"""Class shares with intervals, beside those of another opinion."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

_LEFT, _TOP, _BOTTOM = 40, 22, 20
_TICKS: Final = (0.1, 0.2, 0.5, 1.0)


class RatioChart(QWidget):
    """Bars of the class shares in %, filled for the labels and hollow for what they are held against, with intervals.

    Painted with Qt itself: a plotting library takes 0.2 s for its first drawing, and the window would stall.
    """

    def __init__(self, filled: str = "by label", hollow: str = "by diameter alone", hollow_first: bool = False) -> None:
        super().__init__()
        words = [f"■ {filled}", f"□ {hollow}"]
        self._legend = "share of clusters    " + "    ".join(reversed(words) if hollow_first else words)
        self._left = (0.52, 0.10) if hollow_first else (0.10, 0.52)
        self.setMinimumHeight(140)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Share of each class with its 95 % interval: of the calibration where there is one (counting, telling "
            "classes apart, the scale), else of counting alone"
        )
        self._final = self._beside = pd.DataFrame({"label": [], "fraction": [], "low": [], "high": []})
        self._colours: dict[str, str] = {}
        self._theme = {"text": "#ffffff", "grid": "#808080", "background": "#000000"}

    def show_ratios(
        self, final: pd.DataFrame, beside: pd.DataFrame, colours: dict[str, str], theme: dict[str, str]
    ) -> None:
        """Draw shares (columns label, fraction, low, high): `final` filled, `beside` hollow."""
        self._final = final
        self._beside = beside.set_index("label").reindex(final["label"]).reset_index()
        self._colours, self._theme = colours, theme
        self.update()

    def sizeHint(self) -> QSize:
        """Wide enough for six classes."""
        return QSize(340, 140)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Axis, bars, intervals, legend."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        tops = [np.nan_to_num(part["high"].to_numpy(dtype=float)).max(initial=0) for part in self._parts]
        top = next((tick for tick in _TICKS if tick >= max(tops)), 1.0)
        self._paint_axis(painter, top)
        step = (self.width() - _LEFT) / max(len(self._final), 1)
        for i, (row, beside) in enumerate(zip(*(part.to_dict("records") for part in self._parts), strict=True)):
            x = _LEFT + i * step
            colour = QColor(self._colours.get(str(row["label"]), "#b0b0b0"))
            for share, left, filled in ((row, self._left[0], True), (beside, self._left[1], False)):
                self._paint_bar(painter, x + left * step, 0.36 * step, share, top, colour, filled)
            painter.setPen(QColor(self._theme["text"]))
            under = QRectF(x, self.height() - _BOTTOM + 2, step, _BOTTOM)
            painter.drawText(under, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, str(row["label"]))
        painter.end()

    @property
    def _parts(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return self._final, self._beside

    def _y(self, share: float, top: float) -> float:
        return self.height() - _BOTTOM - share / top * (self.height() - _TOP - _BOTTOM)

    def _paint_axis(self, painter: QPainter, top: float) -> None:
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for share in (0, top / 2, top):
            y = self._y(share, top)
            painter.setPen(QColor(self._theme["grid"]))
            painter.drawLine(QPointF(_LEFT, y), QPointF(self.width(), y))
            painter.setPen(QColor(self._theme["text"]))
            painter.drawText(QRectF(0, y - 8, _LEFT - 5, 16), right, f"{100 * share:.0f} %")
        middle = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        painter.drawText(QRectF(_LEFT, 0, self.width() - _LEFT, _TOP), middle, self._legend)

    def _paint_bar(
        self, painter: QPainter, x: float, width: float, share: dict[Any, Any], top: float, colour: QColor, filled: bool
    ) -> None:
        if not np.isfinite(share["fraction"]):
            return
        y, base = self._y(share["fraction"], top), self._y(0, top)
        bar = QRectF(x, y, width, base - y)
        if filled:
            painter.fillRect(bar, colour)
        else:
            painter.setPen(QPen(colour, 1.5))
            painter.drawRect(bar)
        painter.setPen(QPen(QColor(self._theme["text"]), 1.2))
        centre = x + width / 2
        painter.drawLine(QPointF(centre, self._y(share["low"], top)), QPointF(centre, self._y(share["high"], top)))
