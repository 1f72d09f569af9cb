"""Class shares: a bar a class with its interval, beside bars and marks of what it is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy

from napari_atomicity.report.shares import ShareSeries
from napari_atomicity.ui.widgets.plot import Plot, end_of

_TICKS: Final = (0.1, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)
_WIDE: Final = 0.36
#: room of a class that a bar and that a mark takes, a line across a bar takes none
_BAR: Final = 0.42
_MARK: Final = 0.17
_ROOMS: Final = {"bar": _BAR, "hollow": _BAR, "line": 0.0}
#: symbol of pyqtgraph
_SYMBOLS: Final = {"diamond": "d", "square": "s", "triangle": "t1"}
INTERVALS_TIP: Final = (
    "Share of each class with its 95 % interval: of the calibration where there is one (counting, telling classes "
    "apart, the scale), else of counting alone"
)
_LEGEND: Final = {"bar": "■", "hollow": "□", "line": "┄", "diamond": "◆", "square": "□", "triangle": "△"}


class ShareChart(Plot):
    """One room a class: bars and marks side by side in the order of their series, lines across the first bar."""

    def __init__(self, tip: str = INTERVALS_TIP, heading: str = "share of clusters", tall: bool = False) -> None:
        super().__init__((400, 210) if tall else (340, 122), 220 if tall else 140, tip)
        if tall:
            self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)
        self._heading = heading
        #: called with the label whose bars or marks were clicked
        self.on_pick: Callable[[str], object] | None = None
        self.axes.scene().sigMouseClicked.connect(self._on_click)
        self.axes.show_percent()
        self.labels: list[str] = []
        self.series: list[ShareSeries] = []

    def show_shares(
        self,
        labels: Sequence[str],
        series: Sequence[ShareSeries],
        colours: Mapping[str, str],
        theme: Mapping[str, str],
    ) -> None:
        """Draw shares.

        Parameters
        ----------
        labels
            Of the classes, which the numbers of the series belong to.
        series
            What is drawn, from the left.
        colours
            Of the labels, as ``#rrggbb``.
        theme
            Of `theme.plot_colours`.
        """
        self.labels, self.series = list(labels), list(series)
        self.clear(colours, theme)
        entries = [f"{_LEGEND[source.form]} {source.words}" for source in series]
        words = [self._heading, *entries] if self._heading else entries
        self.words.setText("&nbsp;&nbsp;&nbsp; ".join(text.replace(" ", "&nbsp;") for text in words))
        highest = max((source.highest for source in series), default=0.0)
        self.axes.show_as_far_as(max(len(labels), 1), end_of(_TICKS, highest))
        self.axes.name_below(self.labels)
        rooms = [_ROOMS.get(source.form, _MARK) for source in series]
        start = (1 - sum(rooms)) / 2
        middles = start + np.cumsum(rooms) - np.array(rooms) / 2
        for source, room, middle in zip(series, rooms, middles, strict=True):
            if not room:
                self._draw_lines(source, start + _BAR / 2)
            elif room == _BAR:
                self._draw_bars(source, middle - _WIDE / 2)
            else:
                self._draw_marks(source, middle)

    def _on_click(self, event: Any) -> None:
        if self.on_pick is None or event.button() != Qt.MouseButton.LeftButton:
            return
        room = int(np.floor(self.axes.getViewBox().mapSceneToView(event.scenePos()).x()))
        if 0 <= room < len(self.labels):
            self.on_pick(self.labels[room])

    def _draw_bars(self, source: ShareSeries, left: float) -> None:
        known = np.flatnonzero(np.isfinite(source.share))
        if not len(known):
            return  # pyqtgraph fails over a list of no pens
        colours = [self.colour(self.labels[i]) for i in known]
        place = {"x0": known + left, "width": _WIDE, "y0": 0, "height": source.share[known]}
        if source.form == "bar":
            self._add(pg.BarGraphItem(**place, brushes=colours, pen=pg.mkPen(None)))
        else:
            pens = [self.pens(colour, 1.5) for colour in colours]
            if any(under is not None for _, under in pens):
                self._add(pg.BarGraphItem(**place, brush=None, pens=[under for _, under in pens]))
            self._add(pg.BarGraphItem(**place, brush=None, pens=[pen for pen, _ in pens]))
        sure = known[np.isfinite(source.low[known]) & np.isfinite(source.high[known])]
        middle, share = sure + left + _WIDE / 2, source.share[sure]
        pen = pg.mkPen(self.text, width=1.3)
        reach = {"top": source.high[sure] - share, "bottom": share - source.low[sure]}
        self._add(pg.ErrorBarItem(x=middle, y=share, beam=_WIDE / 3, pen=pen, **reach))

    def _draw_lines(self, source: ShareSeries, middle: float) -> None:
        known = np.flatnonzero(np.isfinite(source.share))
        x = np.column_stack([known + middle - _BAR / 2, known + middle + _BAR / 2]).ravel()
        pen = pg.mkPen(self.text, width=1.4, style=Qt.PenStyle.DotLine)
        self._add(pg.PlotCurveItem(x, np.repeat(source.share[known], 2), connect="pairs", pen=pen))

    def _draw_marks(self, source: ShareSeries, at: float) -> None:
        known = np.flatnonzero(np.isfinite(source.share))
        inside = pg.mkBrush(self.text) if source.form == "diamond" else pg.mkBrush(None)
        look = {"symbol": _SYMBOLS[source.form], "pen": pg.mkPen(self.text, width=1.4), "brush": inside}
        self._add(pg.ScatterPlotItem(known + at, source.share[known], size=11, **look))

    def _add(self, item: pg.GraphicsObject) -> None:
        self.axes.addItem(item, ignoreBounds=True)
