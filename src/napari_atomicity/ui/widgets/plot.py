"""What plots have in common: margins, scales, lines with their numbers, and words, in the colours of the theme."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

_MIDDLE = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class Plot(QWidget):
    """A plot over two axes from zero, painted with Qt itself: a plotting library would stall the window for 0.2 s."""

    #: margins in pixels: for numbers at the left, a title above, numbers or names below
    left, top, right, bottom = 40.0, 22.0, 0.0, 20.0

    def __init__(self, size: tuple[int, int], at_least: int, tip: str) -> None:
        super().__init__()
        self._size = size
        self.setMinimumHeight(at_least)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(tip)
        #: where both axes end
        self.ends = (1.0, 1.0)
        self.colours: dict[str, str] = {}
        self._theme = {"text": "#ffffff", "grid": "#808080"}

    def show_in(self, colours: dict[str, str], theme: dict[str, str]) -> None:
        """Paint it anew, with the colours of labels and of a theme (of `theme.plot_colours`)."""
        self.colours, self._theme = colours, theme
        self.update()

    def sizeHint(self) -> QSize:
        """Wide enough for six classes."""
        return QSize(*self._size)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """All of it, in a small font."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        self.paint(painter)
        painter.end()

    def paint(self, painter: QPainter) -> None:
        """Axes and what is shown."""
        raise NotImplementedError

    def place(self, x: float, y: float) -> QPointF:
        """Where a value lies, in pixels; what is higher than the axis lies at its end."""
        width, height = self.width() - self.left - self.right, self.height() - self.top - self.bottom
        far, high = self.ends
        return QPointF(self.left + x / far * width, self.top + height * (1 - min(y, high) / high))

    @property
    def text(self) -> QColor:
        """Of words and numbers."""
        return QColor(self._theme["text"])

    def colour(self, label: object) -> QColor:
        """Of a label; grey for one that has none."""
        return QColor(self.colours.get(str(label), "#b0b0b0"))

    def pens(self, colour: QColor, width: float) -> tuple[QPen, ...]:
        """To draw a line with, one over the other: on a light background pale colours need a dark edge."""
        edge = self.text
        if edge.lightness() > 127:
            return (QPen(colour, width),)
        edge.setAlpha(100)
        return QPen(edge, width + 1.0), QPen(colour, width)

    def level(self, painter: QPainter, y: float, number: str, style: Any = Qt.PenStyle.SolidLine) -> None:
        """A line across at `y`, with its number."""
        start = self.place(0, y)
        painter.setPen(QPen(QColor(self._theme["grid"]), 1, style))
        painter.drawLine(start, self.place(self.ends[0], y))
        painter.setPen(self.text)
        painter.drawText(QRectF(0, start.y() - 8, self.left - 5, 16), _RIGHT, number)

    def percent_axis(self, painter: QPainter) -> None:
        """Lines at nothing, at half and at the whole of the height, in %."""
        for part in (0, 0.5, 1):
            self.level(painter, part * self.ends[1], f"{100 * part * self.ends[1]:.0f} %")

    def below(self, painter: QPainter, x: float, words: str) -> None:
        """A number or name under the axis, its middle at `x`."""
        at = self.place(x, 0)
        painter.setPen(self.text)
        painter.drawText(QRectF(at.x() - 40, at.y() + 2, 80, 16), _MIDDLE, words)


def end_of(ticks: Sequence[float], highest: float) -> float:
    """Where an axis ends that must reach `highest`."""
    return next((tick for tick in ticks if tick >= highest), highest)
