"""Qualities of the images of a session, one strip each: what is usual, and what has left its band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_atomicity.live.quality import STRIPS, band
from napari_atomicity.ui.widgets.controls import line_height, with_window_font

#: images that a strip shows
_SHOWN: Final = 120
#: what is out of its band, and what is reached, on a dark and on a light ground
OUT: Final = ("#ff9d3b", "#a34a00")
GOOD: Final = ("#4ec36b", "#1a6e31")
_GAP: Final = 4
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


def is_light(theme: Mapping[str, str]) -> bool:
    """Whether the ground of a theme is light: its text is dark."""
    return QColor(theme["text"]).lightnessF() < 0.5


class QualityStrips(QWidget):
    """A line a quality: its name, its course, and its newest value; orange where it is out of its band."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "How the images differ from the first ones of the session, the newest at the right. The shaded band is "
            "what is usual; orange is out of it"
        )
        self.setAccessibleName("Quality of the images over time")
        with_window_font(self)
        self.series: dict[str, list[float | None]] = {}
        self._text, self._out = QColor("#ffffff"), QColor(OUT[0])

    def show_qualities(self, qualities: Sequence[Mapping[str, float | None]], theme: Mapping[str, str]) -> None:
        """Show the qualities of images.

        Parameters
        ----------
        qualities
            Of each, the newest last.
        theme
            Of `theme.plot_colours`.
        """
        self.series = {name: [one.get(name) for one in qualities] for name in STRIPS}
        self._text, self._out = QColor(theme["text"]), QColor(OUT[is_light(theme)])
        self.setFixedHeight(len(STRIPS) * self._row)
        self.update()

    @property
    def _row(self) -> int:
        return line_height(self) + _GAP

    def sizeHint(self) -> QSize:
        """Of a narrow dock."""
        return QSize(320, len(STRIPS) * self._row)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """All strips."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics = self.fontMetrics()
        left = max(metrics.horizontalAdvance(strip.name) for strip in STRIPS.values()) + 10
        values = {name: self._value(name) for name in STRIPS}
        right = max(metrics.horizontalAdvance(value) for value in values.values()) + 10
        for row, (name, strip) in enumerate(STRIPS.items()):
            top = row * self._row
            usual = band(self.series.get(name, []), strip)
            newest = next((v for v in reversed(self.series.get(name, [])) if v is not None), None)
            is_out = usual is not None and newest is not None and not usual[1] <= newest <= usual[2]
            painter.setPen(self._out if is_out else self._text)
            painter.drawText(QRectF(0, top, left, self._row), _LEFT, strip.name)
            painter.drawText(QRectF(self.width() - right, top, right, self._row), _RIGHT, values[name])
            room = QRectF(left, top + 2, self.width() - left - right, self._row - 4)
            self._draw(painter, room, self.series.get(name, [])[-_SHOWN:], usual, is_out)

    def _value(self, name: str) -> str:
        newest = next((v for v in reversed(self.series.get(name, [])) if v is not None), None)
        return "not known" if newest is None else f"{newest:.3g} {STRIPS[name].unit}"

    def _draw(
        self,
        painter: QPainter,
        room: QRectF,
        values: Sequence[float | None],
        usual: tuple[float, float, float] | None,
        is_out: bool,
    ) -> None:
        known = [(at, value) for at, value in enumerate(values) if value is not None]
        if not known:
            return
        ends = [value for _, value in known] + (list(usual[1:]) if usual is not None else [])
        low, high = min(ends), max(ends)
        span = (high - low) or 1.0

        def height(value: float) -> float:
            return float(room.bottom() - (value - low) / span * room.height())

        if usual is not None:
            shade = QColor(self._text)
            shade.setAlphaF(0.10)
            painter.fillRect(
                QRectF(room.left(), height(usual[2]), room.width(), height(usual[1]) - height(usual[2])), shade
            )
        step = room.width() / max(len(values) - 1, 1)
        points = [QPointF(room.left() + step * at, height(value)) for at, value in known]
        painter.setPen(QPen(self._out if is_out else self._text, 1.4))
        painter.drawPolyline(QPolygonF(points))
        painter.setBrush(self._out if is_out else self._text)
        painter.drawEllipse(points[-1], 2.2, 2.2)
        painter.setBrush(Qt.BrushStyle.NoBrush)
