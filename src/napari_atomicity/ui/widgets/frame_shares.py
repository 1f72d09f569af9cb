"""The chart of the frames of a counted stack, with the key to its colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from psygnal import Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_atomicity.ui.actions import annotate
from napari_atomicity.ui.widgets.bars import swatch
from napari_atomicity.ui.widgets.frame_chart import FrameChart
from napari_atomicity.ui.widgets.frame_series import FrameSeries
from napari_atomicity.ui.widgets.label_buttons import colours_of

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document

_TIP: Final = "Above: clusters of each frame. Below: class shares. Click a frame, or use the arrow keys, to go there."


class FrameShares(QWidget):
    """Clusters and class shares of each frame. Signal: `chosen` with the frame that a person clicked."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[Any, ...] = ()
        self.chart = FrameChart()
        self.chart.setToolTip(_TIP)
        self.chart.chosen.connect(self.chosen.emit)
        self.key = QLabel()
        self.key.setWordWrap(True)
        self.key.setToolTip("Colours of the classes, from the bottom of the chart to its top")
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.addWidget(self.chart, 1)
        page.addWidget(self.key)

    def forget(self) -> None:
        """Hold on to no table that is not shown."""
        self._shown = ()

    def show_document(self, document: Document, frame: int, theme: Mapping[str, str]) -> None:
        """Draw a counted stack; only what changed.

        Parameters
        ----------
        document
            Of the stack.
        frame
            That is shown.
        theme
            Of `theme.plot_colours`.
        """
        self.chart.setFont(self.key.font())
        now = (document.table, document.state.bundle, theme)
        if now != self._shown:
            self._shown = now
            labels = annotate.labels_of(document)
            series = FrameSeries.of(document.table, labels, document.micrograph.n_frames)
            colours = colours_of(series.labels)
            self.chart.show_series(series, colours, theme)
            self.key.setText(" &nbsp; ".join(f"{swatch(label, colours)} {label}" for label in series.labels))
        self.chart.show_frame(frame)
