"""Atoms of tracks over dose, time or frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import pyqtgraph as pg
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor

from napari_atomicity.movies import Movie, MovieSettings
from napari_atomicity.ui.widgets.plot import Plot

#: of chosen tracks, one after the other; told apart by most eyes
_COLOURS: Final = ("#4f9dff", "#ff9d3b", "#3bd17f", "#e86fd0", "#e8d44d", "#9b8cff", "#5fd3e0", "#ff6b6b")
#: tracks that are drawn thin where none is chosen, the longest ones
_MOST: Final = 80
_MARGIN: Final = 1.08


class AtomsChart(Plot):
    """Counts of single frames as spots, those of the track as a line with its error. Signal: `chosen` with a frame."""

    chosen = Signal(int)

    def __init__(self) -> None:
        tip = "Spots: counts of single frames; line and band: the track and its standard deviation. Click to go there"
        super().__init__((340, 200), 190, tip)
        self.tracks: list[int] = []
        self._unit = 1.0
        self._frames = 1
        self._here = pg.InfiniteLine(0.0, angle=90)
        # the name of the axis hangs below it
        self.axes.getPlotItem().layout.setContentsMargins(0, 4, 10, 6)
        self.axes.scene().sigMouseClicked.connect(self._on_click)

    def show_tracks(
        self, movie: Movie, settings: MovieSettings, tracks: Sequence[int], frame: int, theme: Mapping[str, str]
    ) -> None:
        """Draw the chosen tracks, or all thin where none is chosen.

        Parameters
        ----------
        movie
            What was followed.
        settings
            What a person says of the movie now.
        tracks
            Numbers of the chosen ones.
        frame
            That is shown.
        theme
            Of `theme.plot_colours`.
        """
        self.clear({}, theme)
        self._unit, words = settings.axis
        self._frames = len(movie.shifts_px)
        there = set(movie.points["track"].tolist())
        self.tracks = [track for track in tracks if track in there][: len(_COLOURS)]
        shown = self.tracks or movie.points["track"].value_counts().index[:_MOST].tolist()
        rows = movie.points[movie.points["track"].isin(shown)].sort_values("frame")
        for track, part in ((int(str(number)), part) for number, part in rows.groupby("track")):
            if self.tracks:
                self._draw(part, QColor(_COLOURS[self.tracks.index(track)]), theme)
            else:
                pen = pg.mkPen(QColor(theme["text"]), width=1)
                self.axes.addItem(pg.PlotCurveItem(*self._line(part), pen=pen))
        self._here.setPen(pg.mkPen(theme["text"], style=Qt.PenStyle.DashLine))
        self.axes.addItem(self._here, ignoreBounds=True)
        self.show_frame(frame)
        top = np.nanmax([*rows["atoms"], *(rows["n_atoms"] if self.tracks else ()), 1.0])
        self.axes.setLabel("bottom", words, color=theme["text"])
        self.axes.show_as_far_as(max((self._frames - 1) * self._unit, self._unit), float(top) * _MARGIN)
        self.words.setText(self._title(len(there)))

    def show_frame(self, frame: int) -> None:
        """Put the line at the frame that is shown."""
        self._here.setValue(frame * self._unit)

    def _title(self, all_tracks: int) -> str:
        if not self.tracks:
            some = f"the {_MOST} longest of {all_tracks} tracks" if all_tracks > _MOST else "all tracks"
            return f"Atoms of {some}; select clusters to see theirs."
        named = (f"<span style='color:{_COLOURS[at]}'>●</span>&nbsp;{track}" for at, track in enumerate(self.tracks))
        return f"Atoms of track {'&nbsp; '.join(named)}"

    def _line(self, part: pd.DataFrame) -> tuple[Any, Any]:
        return part["frame"].to_numpy(dtype=float) * self._unit, part["atoms"].to_numpy(dtype=float)

    def _draw(self, part: pd.DataFrame, colour: QColor, theme: Mapping[str, str]) -> None:
        x, atoms = self._line(part)
        sd, single = part["atoms_sd"].to_numpy(dtype=float), part["n_atoms"].to_numpy(dtype=float)
        band = QColor(colour)
        band.setAlpha(50)
        ends = (pg.PlotCurveItem(x, atoms + side * sd, pen=None) for side in (-1, 1))
        self.axes.addItem(pg.FillBetweenItem(*ends, brush=band), ignoreBounds=True)
        known = np.isfinite(single)
        self.axes.addItem(pg.ScatterPlotItem(x[known], single[known], size=4, brush=colour, pen=None))
        pen, under = self.pens(colour, 2)
        self.axes.addItem(pg.PlotCurveItem(x, atoms, pen=pen, shadowPen=under, antialias=True))

    def _on_click(self, event: Any) -> None:
        """A click goes to the frame under it."""
        place = event.scenePos()
        box = self.axes.getViewBox()
        if not box.sceneBoundingRect().contains(place):
            return
        frame = round(float(box.mapSceneToView(place).x()) / self._unit)
        self.chosen.emit(int(np.clip(frame, 0, self._frames - 1)))
