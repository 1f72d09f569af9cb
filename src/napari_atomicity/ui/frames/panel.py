"""A counted stack at a glance: clusters and class shares of each frame, and a click that goes there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtWidgets import QLabel

from napari_atomicity.ui.actions import annotate
from napari_atomicity.ui.frames.chart import FrameChart
from napari_atomicity.ui.frames.series import FrameSeries
from napari_atomicity.ui.widgets.bars import swatch
from napari_atomicity.ui.widgets.controls import say
from napari_atomicity.ui.widgets.label_buttons import colours_of
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.widgets.theme import plot_colours
from napari_atomicity.ui.workspace.camera import show_frame

if TYPE_CHECKING:
    import napari

    from napari_atomicity.document.document import Document

_ONE_FRAME: Final = "This image has one frame. For a stack of frames, their clusters and class shares stand here."
_NO_COUNT: Final = "Find the clusters of all frames and count their atoms first (steps 2 and 3)."
_TIP: Final = "Above: clusters of each frame. Below: class shares. Click a frame, or use the arrow keys, to go there."


class FramesPanel(Panel):
    """The chart, its key, and the frame in view in words."""

    title = "Frames"

    def __init__(self, viewer: napari.viewer.Viewer, inside: bool = False) -> None:
        self._shown: tuple[Any, ...] = ()
        super().__init__(viewer, inside)
        viewer.events.theme.connect(self._on_theme)

    def build(self) -> None:
        """Message, chart, key, words."""
        self.empty = self.note()
        self.chart = FrameChart()
        self.chart.setToolTip(_TIP)
        self.chart.chosen.connect(self._go)
        self.page.addWidget(self.chart, 20)
        self.here = self.note("The frame in view")
        self.key = QLabel()
        self.key.setWordWrap(True)
        self.key.setToolTip("Colours of the classes, from the bottom of the chart to its top")
        self.page.addWidget(self.key)

    def show_document(self, document: Document | None) -> None:
        """Show a counted stack; only what changed is drawn."""
        message = self._message(document)
        say(self.empty, message)
        self.chart.setVisible(not message)
        self.key.setVisible(not message)
        if document is None or message:
            self._shown = ()
            say(self.here, "")
            return
        theme = plot_colours(self.workspace.viewer)
        self.chart.setFont(self.key.font())
        now = (document.table, document.state.bundle, theme)
        if now != self._shown:
            self._shown = now
            labels = annotate.labels_of(document)
            series = FrameSeries.of(document.table, labels, document.micrograph.n_frames)
            colours = colours_of(series.labels)
            self.chart.show_series(series, colours, theme)
            self.key.setText(" &nbsp; ".join(f"{swatch(label, colours)} {label}" for label in series.labels))
        self.chart.show_frame(self.workspace.frame)
        assert self.chart.series is not None
        say(self.here, self.chart.series.words(self.chart.frame))

    def status(self, document: Document) -> str:
        """How many frames there are."""
        return f"{document.micrograph.n_frames} frames"

    def _message(self, document: Document | None) -> str:
        """Why nothing can be drawn; empty where it can."""
        if document is None:
            return self.workspace.why_no_document
        if document.micrograph.n_frames == 1:
            return document.micrograph.refusal or _ONE_FRAME
        return "" if document.counted or document.table.labelled.any() else document.micrograph.refusal or _NO_COUNT

    def _go(self, frame: int) -> None:
        show_frame(self.workspace, frame)

    def _on_theme(self, _: object = None) -> None:
        self._on_changed()
