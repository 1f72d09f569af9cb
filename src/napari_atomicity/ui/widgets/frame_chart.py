"""Two strips over the frames of a stack: how many clusters, and the shares of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_atomicity.ui.widgets.frame_series import FrameSeries

_NAME: Final = "Clusters by frame"
_GAP: Final = 8
#: part of the height that the upper strip takes
_UPPER: Final = 0.4
_MIDDLE: Final = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
#: frames that a key goes
_STEPS: Final = {
    Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_PageUp: -10, Qt.Key.Key_PageDown: 10,
}  # fmt: skip


class FrameChart(QWidget):
    """Counts above, shares below, a line at the frame in view. Signal: `chosen` with the frame that was clicked."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.series: FrameSeries | None = None
        self.frame = 0
        self._colours: Mapping[str, str] = {}
        self._theme: Mapping[str, str] = {"background": "#262930", "text": "#ffffff", "grid": "#414851"}
        self._strips: QPixmap | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(_NAME)

    def sizeHint(self) -> QSize:
        """A strip."""
        return QSize(420, 110)

    def minimumSizeHint(self) -> QSize:
        """Still to be read: two lines of numbers beside each strip."""
        lines = round((2 * self.fontMetrics().lineSpacing() + 2) / _UPPER)
        return QSize(200, max(78, lines))

    def show_series(self, series: FrameSeries, colours: Mapping[str, str], theme: Mapping[str, str]) -> None:
        """Draw the clusters of a stack.

        Parameters
        ----------
        series
            Clusters by frame.
        colours
            Of the labels, as ``#rrggbb``.
        theme
            Of the window.
        """
        self.series, self._colours, self._theme, self._strips = series, colours, theme, None
        self.show_frame(min(self.frame, len(series) - 1))

    def show_frame(self, frame: int) -> None:
        """Mark the frame in view."""
        self.frame = frame
        said = "" if self.series is None else f". {self.series.words(frame)}"
        if self.accessibleName() != _NAME + said:
            self.setAccessibleName(_NAME + said)
        self.update()

    # ------------------------------------------------------------------ places

    @property
    def plot(self) -> QRectF:
        """Where the strips lie, beside what is written at the left."""
        left = self.fontMetrics().horizontalAdvance("100 %") + _GAP
        return QRectF(left, 2, max(self.width() - left - 4, 1), self.height() - 4)

    def x_of(self, frame: int) -> float:
        """The middle of a frame."""
        n = 1 if self.series is None else len(self.series)
        return self.plot.left() + (frame + 0.5) * self.plot.width() / n

    def frame_at(self, x: float) -> int:
        """The frame at a place."""
        n = 1 if self.series is None else len(self.series)
        return int(np.clip((x - self.plot.left()) / self.plot.width() * n, 0, n - 1))

    # ------------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """The strips from a picture made before, and the frame in view."""
        if self.series is None:
            return
        ratio = self.devicePixelRatioF()
        if self._strips is None or self._strips.size() != self.size() * ratio:
            self._strips = QPixmap(self.size() * ratio)
            self._strips.setDevicePixelRatio(ratio)
            self._strips.fill(Qt.GlobalColor.transparent)
            inner = QPainter(self._strips)
            inner.setFont(self.font())
            self._paint_strips(inner, self.series)
            inner.end()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._strips)
        wide = max(self.plot.width() / len(self.series), 3.0)
        here = QRectF(self.x_of(self.frame) - wide / 2, self.plot.top(), wide, self.plot.height())
        for colour, width in ((self._theme["background"], 3.0), (self._theme["text"], 1.4)):
            painter.setPen(QPen(QColor(colour), width))
            painter.drawRect(here)
        if self.hasFocus():
            painter.setPen(QPen(QColor(self._theme["text"]), 1.0, Qt.PenStyle.DotLine))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _paint_strips(self, painter: QPainter, series: FrameSeries) -> None:
        plot, text = self.plot, QColor(self._theme["text"])
        upper = QRectF(plot.left(), plot.top(), plot.width(), plot.height() * _UPPER)
        lower = QRectF(plot.left(), upper.bottom() + _GAP, plot.width(), plot.height() * (1 - _UPPER) - _GAP)
        found, shares = series.merged(int(plot.width()))
        wide, most = plot.width() / len(found), max(float(found.max()), 1.0)
        # thin gaps between frames, where there is room for them
        body = wide - 1 if wide >= 4 else wide
        pale = QColor(text.red(), text.green(), text.blue(), 130)
        for i, (n, parts) in enumerate(zip(found.tolist(), shares.tolist(), strict=True)):
            x, tall = plot.left() + i * wide, upper.height() * n / most
            painter.fillRect(QRectF(x, upper.bottom() - tall, body, tall), pale)
            bottom = lower.bottom()
            for label, part in zip(series.labels, parts, strict=True):
                painter.fillRect(
                    QRectF(x, bottom - lower.height() * part, body, lower.height() * part),
                    QColor(self._colours.get(label, "#f4f4f4")),
                )
                bottom -= lower.height() * part
        painter.setPen(text)
        line = self.fontMetrics().lineSpacing()
        for words, y in ((f"{most:.0f}", upper.top()), ("0", upper.bottom() - line), ("100 %", lower.top()),
                         ("0 %", lower.bottom() - line)):  # fmt: skip
            painter.drawText(QRectF(0, y, plot.left() - _GAP / 2, line), _MIDDLE, words)

    # ------------------------------------------------------------------ what a person does

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Go to the frame."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._choose(event.position())

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Go on with the button held."""
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton:
            self._choose(event.position())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Arrows, page keys, Home and End go from frame to frame."""
        if event is None or self.series is None:
            return
        key, last = Qt.Key(event.key()), len(self.series) - 1
        ends = {Qt.Key.Key_Home: 0, Qt.Key.Key_End: last}
        if key in ends:
            self.chosen.emit(ends[key])
        elif key in _STEPS:
            self.chosen.emit(min(max(self.frame + _STEPS[key], 0), last))
        else:
            super().keyPressEvent(event)

    def event(self, event: Any) -> bool:
        """Each frame has a tool tip of its own."""
        if isinstance(event, QHelpEvent) and self.series is not None:
            QToolTip.showText(event.globalPos(), self.series.words(self.frame_at(event.pos().x())), self)
            return True
        return bool(super().event(event))

    def _choose(self, place: QPointF) -> None:
        if self.series is not None:
            self.chosen.emit(self.frame_at(place.x()))
