"""Repeated frames of one field: how far their counts agree, and what changes from frame to frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyqtgraph as pg
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox

from napari_atomicity.pipeline import Repeatability, repeatability_steps
from napari_atomicity.progress import Steps
from napari_atomicity.ui.widgets.controls import button, narrow, say
from napari_atomicity.ui.widgets.html import html_table
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.widgets.plot import Plot
from napari_atomicity.ui.widgets.theme import plot_colours
from napari_atomicity.ui.workspace.scopes import SCOPES, groups_in

if TYPE_CHECKING:
    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.document.document import Document

_INTENSITY: Final = "#4f9dff"
_COUNT: Final = "#ff9d3b"
_MARGIN: Final = 1.25
_HOW: Final = (
    "Open a stack of the same field, or several images of it, and count the atoms; then compare. What repeats tell is "
    "precision, how far counts agree; an error that all frames share is not seen."
)


class FrameChart(Plot):
    """Intensities and counts of all clusters of each frame beside the mean of all frames, in %."""

    def __init__(self) -> None:
        super().__init__((340, 150), 150, "Mean over the clusters of a frame, and its 95 % interval")

    def show_frames(self, table: pd.DataFrame, theme: Mapping[str, str]) -> None:
        """Draw the frames.

        Parameters
        ----------
        table
            Of `Precision.frames`.
        theme
            Of `theme.plot_colours`.
        """
        self.clear({}, theme)
        self.words.setText(
            f"<span style='color:{_INTENSITY}'>●</span> intensity, <span style='color:{_COUNT}'>■</span> count, "
            "beside the mean of all frames (%)"
        )
        x = table["frame"].to_numpy(dtype=float)
        reach = 1.0
        for name, colour, symbol in (("gain", _INTENSITY, "o"), ("atoms", _COUNT, "s")):
            y, error = 100 * table[name].to_numpy(dtype=float) - 100, 196 * table[f"{name}_se"].to_numpy(dtype=float)
            shown = np.isfinite(y)
            pen = pg.mkPen(colour)
            bars = pg.ErrorBarItem(x=x[shown], y=y[shown], height=2 * error[shown], beam=0.15, pen=pen)
            self.axes.addItem(bars)
            self.axes.addItem(
                pg.PlotDataItem(x[shown], y[shown], pen=pen, symbol=symbol, symbolSize=6, symbolBrush=colour,
                                symbolPen=None)
            )  # fmt: skip
            reach = max([reach, *(np.abs(y[shown]) + error[shown])])
        self.axes.addItem(pg.InfiniteLine(0.0, angle=0, pen=pg.mkPen(theme["grid"], style=Qt.PenStyle.DashLine)))
        self.axes.setLabel("bottom", "frame", color=theme["text"])
        self.axes.show_between((x.min() - 0.5, x.max() + 0.5), (-_MARGIN * reach, _MARGIN * reach))


class SpreadChart(Plot):
    """Standard deviation of the count of each cluster between frames, and what the model states."""

    def __init__(self) -> None:
        super().__init__((340, 150), 150, "A spot a cluster; the line is what the model states, its running median")

    def show_clusters(self, table: pd.DataFrame, theme: Mapping[str, str]) -> None:
        """Draw the clusters.

        Parameters
        ----------
        table
            Of `Precision.by_cluster`.
        theme
            Of `theme.plot_colours`.
        """
        self.clear({}, theme)
        table = table.dropna(subset=["n_atoms", "n_atoms_sd"]).sort_values("n_atoms")
        self.words.setText(
            f"<span style='color:{_INTENSITY}'>●</span> standard deviation between frames, "
            f"<span style='color:{_COUNT}'>—</span> stated (atoms)"
        )
        if table.empty:
            return
        x, y = table["n_atoms"].to_numpy(dtype=float), table["n_atoms_sd"].to_numpy(dtype=float)
        stated = table["stated_sd"].rolling(max(len(table) // 10, 1), min_periods=1, center=True).median()
        self.axes.addItem(pg.ScatterPlotItem(x, y, size=5, brush=_INTENSITY, pen=None))
        self.axes.addItem(pg.PlotCurveItem(x, stated.to_numpy(dtype=float), pen=pg.mkPen(_COUNT, width=2)))
        self.axes.setLabel("bottom", "atoms, mean of the frames", color=theme["text"])
        top = float(np.nanquantile(np.append(y, stated), 0.98))
        self.axes.show_as_far_as(float(x.max()) * 1.05, max(top * _MARGIN, 0.1))


class RepeatabilityPanel(Panel):
    """Compare repeated frames: a stack, or images that were taken of one field."""

    title = "Repeatability"

    def build(self) -> None:
        """Which images, the button, the finding, the plots, the numbers."""
        self.scope = QComboBox()
        self.scope.setToolTip("Which frames are repeats of one field")
        for name, words in SCOPES.items():
            self.scope.addItem(f"the frames of {words}", name)
        narrow(self.scope)
        self.align = QCheckBox("Find shifts")
        self.align.setToolTip(
            "Find out how the frames lie to each other; without it they lie on one another as they are"
        )
        self.align.setChecked(True)
        self.run = button("Compare repeats", "Find the same clusters in all frames and compare their counts", self._run)
        self.row(self.scope)
        self.row(self.align, self.run).setStretch(1, 1)
        self.finding = self.note("Precision: how far repeats agree")
        self.finding.setStyleSheet("font-weight: bold;")
        self.by_frame, self.by_cluster = FrameChart(), SpreadChart()
        self.page.addWidget(self.by_frame)
        self.page.addWidget(self.by_cluster)
        self.numbers = self.note("One standard deviation, relative; in brackets the 95 % interval")
        self.remarks = self.note("What a person must know about these repeats")
        self._work = self.workspace.new_work()
        self._work.finished.connect(self._on_finished)

    @property
    def result(self) -> Repeatability | None:
        """What the repeats said last; it outlives the panel."""
        return None if self.context.repeats is None else self.context.repeats[0]

    def show_document(self, document: Document | None) -> None:
        """Show the last result, and whether it is still of what is there."""
        groups = groups_in(self.workspace, self._scope)
        self.run.setEnabled(bool(groups) and not self._work.busy)
        for chart in (self.by_frame, self.by_cluster):
            chart.setVisible(self.result is not None)
        if self.result is None:
            for note in (self.finding, self.numbers):
                say(note, "")
            say(self.remarks, _HOW)
            return
        theme = plot_colours(self.workspace.viewer)
        self.by_frame.show_frames(self.result.precision.frames, theme)
        self.by_cluster.show_clusters(self.result.precision.by_cluster, theme)
        say(self.finding, self.result.precision.sentence)
        say(self.numbers, _numbers(self.result))
        tables = [group.document.table for group in self.workspace.groups]
        stale = any(all(made_of is not table for table in tables) for made_of in self._made_of)
        changed = ("The clusters changed since then; compare again.",) if stale else ()
        say(self.remarks, "\n".join((*changed, *self.result.remarks)))

    def status(self, document: Document) -> str:
        """The finding."""
        return "not compared yet" if self.result is None else self.result.precision.sentence

    @property
    def _made_of(self) -> list[ClusterTable]:
        return [] if self.context.repeats is None else self.context.repeats[1]

    @property
    def _scope(self) -> str:
        return str(self.scope.currentData())

    def _run(self) -> None:
        for group in self.workspace.groups:
            group.clusters.sync_from_layer()
        states = [group.document.state for group in groups_in(self.workspace, self._scope)]
        align, context = self.align.isChecked(), self.context

        def steps() -> Steps[Repeatability]:
            return (yield from repeatability_steps(states, align))

        def take(result: Repeatability) -> None:
            context.repeats = result, [state.table for state in states]

        self._work.start("Compare repeats", steps, take)
        self.show_now()

    def _on_finished(self, _: Any) -> None:
        if isalive(self):
            self.show_now()


def _numbers(result: Repeatability) -> str:
    found = result.precision
    rows = [
        ("count", _percent(found.count)),
        ("intensity", _percent(found.intensity)),
        ("count, change a frame", _percent(found.atom_drift)),
        ("intensity, change a frame", _percent(found.gain_drift)),
        ("spread over stated uncertainty", str(found.honesty)),
        ("agreement of labels (Cohen's kappa)", str(found.kappa)),
        ("clusters seen twice or more", str(found.clusters)),
    ]
    return html_table(rows)


def _percent(estimate: Any) -> str:
    if not np.isfinite(estimate.value):
        return "not known"
    value, low, high = (100 * part for part in (estimate.value, estimate.low, estimate.high))
    return f"{value:.2g} % ({low:.2g} to {high:.2g})"
