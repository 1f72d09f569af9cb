"""All pairs of atoms of two metals that explain the intensity of one cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor

from napari_atomicity.ui.widgets.plot import Plot

if TYPE_CHECKING:
    from napari_atomicity.pipeline import AlloyCount

_RIDGE: Final = "#4f9dff"
_KNOWN: Final = "#ff9d3b"
_DOTTED: Final = Qt.PenStyle.DotLine
_MARGIN: Final = 1.15


class RidgeChart(Plot):
    """All pairs of atoms of two metals that explain the intensity of one cluster, and where it is known to lie."""

    def __init__(self) -> None:
        super().__init__((340, 230), 230, "Every pair within the band explains the intensity of this cluster")

    def show_alloy(self, found: AlloyCount, row: int, sizes: tuple[int, ...], theme: Mapping[str, str]) -> None:
        """Draw the ridge of one cluster.

        Parameters
        ----------
        found
            Of `pipeline.alloy_of_image`.
        row
            Which of its clusters.
        sizes
            Atoms of each class, drawn as lines of equal size.
        theme
            Of `theme.plot_colours`.
        """
        self.clear({}, theme)
        one, line = found.table.iloc[row], found.ridge(row)
        reach = _MARGIN * float(line["high"].iloc[0])
        known = bool(one["settled"])
        if known:
            reach = max(reach, _MARGIN * float(one["n_guest"] + 2 * one["n_guest_sd"]))
        part = line["fraction"].to_numpy()
        edges = [
            pg.PlotCurveItem(line[end].to_numpy() * (1 - part), line[end].to_numpy() * part, pen=None)
            for end in ("low", "high")
        ]
        shade = QColor(_RIDGE)
        shade.setAlpha(70)
        self.axes.addItem(pg.FillBetweenItem(*edges, brush=shade))
        grey = QColor(theme["grid"])
        for size in (size for size in sizes if size < 2 * reach):
            self.axes.addItem(
                pg.PlotCurveItem(np.array([0.0, size]), np.array([size, 0.0]), pen=pg.mkPen(grey, style=_DOTTED))
            )
        self.axes.addItem(
            pg.PlotCurveItem(line["n_host"].to_numpy(), line["n_guest"].to_numpy(), pen=pg.mkPen(_RIDGE, width=2))
        )
        words = f"<span style='color:{_RIDGE}'>—</span> pairs as good as each other, band 95 %"
        if known:
            x, y = np.array([one["n_host"]]), np.array([one["n_guest"]])
            wide, high = 2 * np.array([one["n_host_sd"]]), 2 * np.array([one["n_guest_sd"]])
            self.axes.addItem(pg.ErrorBarItem(x=x, y=y, width=wide, height=high, pen=pg.mkPen(_KNOWN)))
            self.axes.addItem(pg.ScatterPlotItem(x, y, size=8, brush=_KNOWN, pen=None))
            words += f", <span style='color:{_KNOWN}'>●</span> known"
        self.words.setText(f"{words}; dotted: sizes of the model. Up: atoms of {found.pair.guest}")
        self.axes.setLabel("bottom", f"atoms of {found.pair.host}", color=theme["text"])
        self.axes.show_as_far_as(reach, reach)
