"""A counted stack at a glance: clusters and class shares of each frame, and a click that goes there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_atomicity.ui.widgets.controls import say
from napari_atomicity.ui.widgets.frame_shares import FrameShares
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.widgets.theme import plot_colours
from napari_atomicity.ui.workspace.camera import show_frame

if TYPE_CHECKING:
    import napari

    from napari_atomicity.document.document import Document

_ONE_FRAME: Final = "This image has one frame. For a stack of frames, their clusters and class shares stand here."
_NO_COUNT: Final = "Find the clusters of all frames and count their atoms first (steps 2 and 3)."


class FramesPanel(Panel):
    """The chart, its key, and the frame in view in words."""

    title = "Frames"

    def __init__(self, viewer: napari.viewer.Viewer, inside: bool = False) -> None:
        super().__init__(viewer, inside)
        viewer.events.theme.connect(self._on_theme)

    def build(self) -> None:
        """Message, chart, key, words."""
        self.empty = self.note()
        self.shares = FrameShares()
        self.chart, self.key = self.shares.chart, self.shares.key
        self.shares.chosen.connect(self._go)
        self.page.addWidget(self.shares, 20)
        self.here = self.note("The frame in view")

    def show_document(self, document: Document | None) -> None:
        """Show a counted stack; only what changed is drawn."""
        message = self._message(document)
        say(self.empty, message)
        self.shares.setVisible(not message)
        if document is None or message:
            self.shares.forget()
            say(self.here, "")
            return
        self.shares.show_document(document, self.workspace.frame, plot_colours(self.workspace.viewer))
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
