"""Parts of the panel of the map of features: a map with its figures, the key of colours, the move, the waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from qtpy.QtCore import QRectF, QSize, Qt, QTimer
from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QSlider, QVBoxLayout, QWidget

from napari_atomicity.progress import Progress
from napari_atomicity.ui.feature_map.canvas import MapCanvas
from napari_atomicity.ui.feature_map.colouring import Colouring, ramp
from napari_atomicity.ui.feature_map.painting import Style, Tooltip, small
from napari_atomicity.ui.feature_map.placements import Figures, Placement
from napari_atomicity.ui.feature_map.view import View
from napari_atomicity.ui.widgets.controls import button, line_height, say, with_window_font
from napari_atomicity.ui.widgets.html import Bold, html_table
from napari_atomicity.wording import number

_FIGURES_TIP: Final = (
    "Of the model's features, not of the map. Silhouette: how far apart the labels lie, from -1 (mixed) to 1 (apart). "
    "Purity: part of the ten nearest neighbours with the same label. Labels come from the same model, so for the image "
    "they are kinder than for the library, whose classes are known."
)
_STEPS: Final = 50
_FRAME_MS: Final = 25


class Pane(QWidget):
    """One map with a title above and its figures below."""

    def __init__(self, view: View, describe: Callable[[int, bool], Tooltip | None]) -> None:
        super().__init__()
        self.title, self.figures = QLabel(), QLabel()
        self.title.setStyleSheet("font-weight: bold;")
        self.figures.setToolTip(_FIGURES_TIP)
        self.figures.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.canvas = MapCanvas(view, describe)
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.setSpacing(3)
        page.addWidget(self.title)
        page.addWidget(self.canvas, 1)
        page.addWidget(self.figures)

    def show_look(self, look: Placement | None, style: Style, message: str, title: str) -> None:
        """The map, or a sentence."""
        self.canvas.show_map(look, style, message)
        say(self.title, title)
        if look is None:
            say(self.figures, "")

    def show_figures(self, image: Figures | None, library: Figures) -> None:
        """Figures of the clusters of the image and of the library."""
        rows = [("clusters", image), ("library", library)]
        lines = [
            (name, "silhouette", _figure(found.silhouette), "purity", _figure(found.purity))
            for name, found in rows
            if found is not None
        ]
        say(self.figures, html_table(lines, left=5, wide=False))


def _figure(value: float) -> Bold:
    return Bold(number(round(value, 2) + 0.0, ".2f"))  # no minus before zero


class Move(QWidget):
    """A slider from before to after, and a button that lets it run."""

    def __init__(self, move: Callable[[float], None]) -> None:
        super().__init__()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setValue(_STEPS)
        self.slider.setToolTip("From where the clusters lay before the adaptation to where they lie now")
        self.slider.valueChanged.connect(lambda value: move(value / _STEPS))
        self.play = button(
            "▶ Show what changed", "Watch the clusters move to where the adaptation has put them", self._play
        )
        self._timer = QTimer(self)
        self._timer.setInterval(_FRAME_MS)
        self._timer.timeout.connect(self._step)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget, stretch in ((self.play, 0), (QLabel("before"), 0), (self.slider, 1), (QLabel("after"), 0)):
            row.addWidget(widget, stretch)

    def finish(self) -> None:
        """Stand at after."""
        self._timer.stop()
        self.slider.setValue(_STEPS)

    def _play(self) -> None:
        self.slider.setValue(0)
        self._timer.start()

    def _step(self) -> None:
        self.slider.setValue(self.slider.value() + 1)
        if self.slider.value() >= _STEPS:
            self._timer.stop()


class MapLegend(QWidget):
    """What the colours say: words with a spot of colour, or a bar for numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._colouring: Colouring | None = None
        self._style = Style({"text": "#ffffff", "grid": "#808080", "background": "#000000"}, {})
        with_window_font(self)
        self.setToolTip("Colours of the clusters. Squares: labelled by hand. Crossed: unlike every library cluster.")

    def sizeHint(self) -> QSize:
        """One line."""
        return QSize(320, self._line_px)

    def minimumSizeHint(self) -> QSize:
        """One line."""
        return QSize(0, self._line_px)

    @property
    def _line_px(self) -> int:
        return max(22, line_height(self))

    @property
    def words(self) -> str:
        """All that it says."""
        found = self._colouring
        if found is None:
            return ""
        return "  ".join(word for word, _ in found.key) or f"{found.title}: {found.low} to {found.high}"

    def show_colouring(self, colouring: Colouring, style: Style) -> None:
        """Draw the key of a colouring."""
        self._colouring, self._style = colouring, style
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Spots with words, or a colour bar."""
        found = self._colouring
        if found is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        small(painter)
        if found.key:
            self._paint_words(painter, found)
        else:
            self._paint_bar(painter, found)
        painter.end()

    def _paint_words(self, painter: QPainter, found: Colouring) -> None:
        x = 2.0
        for word, colour in found.key:
            painter.setPen(QColor(self._style.theme["grid"]))
            painter.setBrush(QColor(colour))
            painter.drawEllipse(QRectF(x, 7, 9, 9))
            painter.setPen(QColor(self._style.theme["text"]))
            width = painter.fontMetrics().horizontalAdvance(word)
            painter.drawText(QRectF(x + 13, 0, width + 2, self._line_px), Qt.AlignmentFlag.AlignVCenter, word)
            x += width + 25

    def _paint_bar(self, painter: QPainter, found: Colouring) -> None:
        painter.setPen(QColor(self._style.theme["text"]))
        middle = Qt.AlignmentFlag.AlignVCenter
        widths = [painter.fontMetrics().horizontalAdvance(text) + 8 for text in (found.title, found.low)]
        painter.drawText(QRectF(2, 0, widths[0], self._line_px), middle, found.title)
        painter.drawText(QRectF(2 + widths[0], 0, widths[1], self._line_px), middle, found.low)
        bar = QRectF(2 + sum(widths), 6, max(min(140.0, self.width() - sum(widths) - 60), 30.0), 10)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for part in np.linspace(0, 1, 11):
            red, green, blue, _ = (round(255 * float(value)) for value in ramp(np.array([part]))[0])
            gradient.setColorAt(float(part), QColor(red, green, blue))
        painter.fillRect(bar, gradient)
        painter.drawText(QRectF(bar.right() + 6, 0, 60, self._line_px), middle, found.high)


class Waiting(QWidget):
    """How far the map is, and a button to stop; there only while it is made."""

    def __init__(self, stop: Callable[[], None]) -> None:
        super().__init__()
        self.bar = QProgressBar()
        self.bar.setToolTip("How far the map is")
        self.halt = button("Stop", "Stop making the map", stop)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.bar, 1)
        row.addWidget(self.halt)

    def show_progress(self, busy: bool, progress: Progress | None) -> None:
        """Show how far it is while it is made."""
        self.setVisible(busy)
        if busy and progress is not None:
            self.bar.setRange(0, progress.total)
            self.bar.setValue(progress.done)
            self.bar.setFormat(progress.what)
