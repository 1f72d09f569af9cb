"""Curves with bands in the colours of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

import numpy as np
import pandas as pd
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor

from napari_atomicity.ui.widgets.bars import swatch
from napari_atomicity.ui.widgets.plot import Plot, end_of

_TICKS: Final = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0)


class Curves(Plot):
    """Mean over a distance, one curve a label, each with the band of its interval."""

    def __init__(self) -> None:
        tip = "Mean over the clusters of a class and the 95 % interval of that mean; 1: as dense as on average"
        super().__init__((340, 165), 180, tip)
        self.rows = pd.DataFrame()

    def show_curves(
        self, rows: pd.DataFrame, title: str, under: str, colours: Mapping[str, str], theme: Mapping[str, str]
    ) -> None:
        """Draw curves.

        Parameters
        ----------
        rows
            Columns label, radius, mean, low, high.
        title, under
            Above the curves, and under the axis of the distance.
        colours
            Of the labels, as ``#rrggbb``.
        theme
            Of `theme.plot_colours`.
        """
        self.rows = rows
        self.clear(colours, theme)
        if not len(rows):
            self.words.setText(title)
            return
        # one wild interval must not press all curves to the floor
        highest = float(np.nanmax(np.append(rows["mean"].to_numpy(dtype=float), 1.0)))
        self.axes.show_as_far_as(float(rows["radius"].max()), end_of(_TICKS, highest))
        self.axes.setLabel("bottom", under, color=theme["text"])
        level = pg.InfiniteLine(1.0, angle=0, pen=pg.mkPen(theme["grid"], style=Qt.PenStyle.DashLine))
        self.axes.addItem(level, ignoreBounds=True)
        names = []
        for label, part in rows.groupby("label", sort=False):
            self._draw_curve(part[part["mean"].notna()], self.colour(label))
            names.append(f"{swatch(str(label), colours)}&nbsp;{escape(str(label))}")
        self.words.setText(f"{title}<br>{'&nbsp;&nbsp; '.join(names)}")

    def _draw_curve(self, part: pd.DataFrame, colour: QColor) -> None:
        radius = part["radius"].to_numpy(dtype=float)
        mean, low, high = (part[name].to_numpy(dtype=float) for name in ("mean", "low", "high"))
        if len(part) and np.isfinite(low).all():
            band = QColor(colour)
            band.setAlpha(50)
            ends = (pg.PlotCurveItem(radius, each, pen=None) for each in (low, high))
            self.axes.addItem(pg.FillBetweenItem(*ends, brush=band), ignoreBounds=True)
        pen, under = self.pens(colour, 2)
        self.axes.addItem(pg.PlotCurveItem(radius, mean, pen=pen, shadowPen=under, antialias=True), ignoreBounds=True)
