"""Class shares with intervals, beside those of another opinion."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen

from napari_atomicity.ui.widgets.plot import Plot, end_of

_TICKS: Final = (0.1, 0.2, 0.5, 1.0)
_WIDE: Final = 0.36


class ShareChart(Plot):
    """Bars of the class shares with intervals, filled for the labels and hollow for what they are held against."""

    def __init__(self, filled: str = "by label", hollow: str = "by diameter alone", hollow_first: bool = False) -> None:
        super().__init__(
            (340, 140),
            140,
            "Share of each class with its 95 % interval: of the calibration where there is one (counting, telling "
            "classes apart, the scale), else of counting alone",
        )
        words = [f"■ {filled}", f"□ {hollow}"]
        self._legend = "share of clusters    " + "    ".join(reversed(words) if hollow_first else words)
        self._left = (0.52, 0.10) if hollow_first else (0.10, 0.52)
        self._final = self._beside = pd.DataFrame({"label": [], "fraction": [], "low": [], "high": []})

    def show_ratios(
        self, final: pd.DataFrame, beside: pd.DataFrame, colours: dict[str, str], theme: dict[str, str]
    ) -> None:
        """Draw shares (columns label, fraction, low, high): `final` filled, `beside` hollow."""
        self._final = final
        self._beside = beside.set_index("label").reindex(final["label"]).reset_index()
        self.show_in(colours, theme)

    def paint(self, painter: QPainter) -> None:
        """Axis, bars, intervals, legend."""
        parts = self._final, self._beside
        most = max(np.nan_to_num(part["high"].to_numpy(dtype=float)).max(initial=0) for part in parts)
        self.ends = max(len(self._final), 1), end_of(_TICKS, float(most))
        self.percent_axis(painter)
        painter.drawText(QRectF(0, 0, self.width(), self.top), Qt.AlignmentFlag.AlignHCenter, self._legend)
        for i, (row, beside) in enumerate(zip(*(part.to_dict("records") for part in parts), strict=True)):
            for share, left, filled in ((row, self._left[0], True), (beside, self._left[1], False)):
                self._paint_bar(painter, i + left, share, self.colour(row["label"]), filled)
            self.below(painter, i + 0.5, str(row["label"]))

    def _paint_bar(self, painter: QPainter, x: float, share: dict[Any, Any], colour: QColor, filled: bool) -> None:
        if not np.isfinite(share["fraction"]):
            return
        bar = QRectF(self.place(x, share["fraction"]), self.place(x + _WIDE, 0))
        if filled:
            painter.fillRect(bar, colour)
        else:
            for pen in self.pens(colour, 1.5):
                painter.setPen(pen)
                painter.drawRect(bar)
        painter.setPen(QPen(self.text, 1.2))
        centre = x + _WIDE / 2
        painter.drawLine(self.place(centre, share["low"]), self.place(centre, share["high"]))
