"""What plots have in common: words above axes of pyqtgraph, in the colours of the theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyqtgraph as pg
from napari.utils.notifications import show_warning
from qtpy.QtCore import QBuffer, QByteArray, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QMouseEvent, QPen, QWheelEvent
from qtpy.QtWidgets import QLabel, QMenu, QSizePolicy, QVBoxLayout, QWidget

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_atomically
from napari_atomicity.style import OTHER_COLOUR
from napari_atomicity.ui.actions.asking import ask_where
from napari_atomicity.ui.widgets.controls import with_window_font

#: size of the text in a plot beside that of the window
_SMALLER: Final = 0.9
#: height of a line in those of its letters
_LINE: Final = 1.35


def font_px(widget: QWidget) -> int:
    """Height in pixels of the text of a plot in a widget."""
    return max(round(_SMALLER * widget.fontInfo().pixelSize()), 8)


class Plot(QWidget):
    """A plot over two axes from zero; a drag moves it, Ctrl and the wheel zoom, a double click shows all of it.

    The menu of the right mouse button saves it as a picture.
    """

    def __init__(self, size: tuple[int, int], at_least: int, tip: str) -> None:
        super().__init__()
        self.setMinimumHeight(at_least)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(tip)
        self.words = QLabel()
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.words.setWordWrap(True)
        self.words.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.axes = _Axes(size, tip)
        with_window_font(self)
        menu = QMenu(self)
        save = menu.addAction("Save picture…", self._ask)
        # in place of pyqtgraph's own export, whose SVG fails with the newest Qt
        self.axes.scene().contextMenu = [save]
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.setSpacing(0)
        page.addWidget(self.words)
        page.addWidget(self.axes, 1)
        self._colours: Mapping[str, str] = {}
        self._theme: Mapping[str, str] = {"background": "#262930", "text": "#ffffff", "grid": "#808080"}

    def clear(self, colours: Mapping[str, str], theme: Mapping[str, str]) -> None:
        """Take everything off, before it is drawn anew in the colours of labels and of a theme."""
        self._colours, self._theme = colours, theme
        self.words.setStyleSheet(f"font-size: {font_px(self)}px; color: {theme['text']}")
        self.axes.clear_in(theme, font_px(self))

    def save(self, path: Path) -> None:
        """Write the plot as it is on the screen to a PNG.

        Raises
        ------
        InputError
            Where the file cannot be written.
        """
        drawn = QByteArray()
        buffer = QBuffer(drawn)
        buffer.open(QBuffer.OpenModeFlag.WriteOnly)
        self.grab().save(buffer, "PNG")

        def write(beside: Path) -> None:
            beside.write_bytes(drawn.data())

        write_atomically(path, write)

    def _ask(self) -> None:
        if path := ask_where(self, "Save the picture", Path.home() / "plot.png", "PNG (*.png)"):
            try:
                self.save(path)
            except InputError as error:
                show_warning(str(error))

    @property
    def text(self) -> QColor:
        """Of words and numbers."""
        return QColor(self._theme["text"])

    def colour(self, label: object) -> QColor:
        """Of a label; grey for one that has none."""
        return QColor(self._colours.get(str(label), OTHER_COLOUR))

    def pens(self, colour: QColor, width: float) -> tuple[QPen, QPen | None]:
        """To draw a line with, and what lies under it: on a light background pale colours need a dark edge."""
        edge = self.text
        if edge.lightness() > 127:
            return pg.mkPen(colour, width=width), None
        edge.setAlpha(100)
        return pg.mkPen(colour, width=width), pg.mkPen(edge, width=width + 1.0)


class _Axes(pg.PlotWidget):  # type: ignore[misc]
    """Axes that stay within what is shown, and let the wheel scroll the panel that they lie in."""

    def __init__(self, size: tuple[int, int], tip: str) -> None:
        self._size = QSize(*size)
        super().__init__(axisItems={"left": _LeftAxis("left")}, background=None)
        self.setMinimumSize(120, 60)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # no key does anything here
        self.viewport().setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFrameShape(self.Shape.NoFrame)
        self.setAntialiasing(True)
        self._from, self._ends = (0.0, 0.0), (1.0, 1.0)
        plot = self.getPlotItem()
        plot.setToolTip(tip)
        plot.hideButtons()
        plot.layout.setContentsMargins(0, 4, 10, 0)
        plot.setMenuEnabled(False, enableViewBoxMenu=True)
        for menu in (plot.ctrlMenu, plot.getViewBox().menu):
            menu.setParent(self, menu.windowFlags())  # else they outlive the plot until Python tidies up
        for side in ("left", "bottom"):
            axis = plot.getAxis(side)
            axis.setStyle(tickLength=0, tickTextOffset=3, maxTickLevel=0, hideOverlappingLabels=False)
            axis.enableAutoSIPrefix(False)
            axis.setZValue(-1)  # lines across lie under the bars

    def sizeHint(self) -> QSize:
        """Wide enough for six classes; pyqtgraph would ask for far more."""
        return self._size

    def clear_in(self, theme: Mapping[str, str], letters_px: int) -> None:
        """Take everything off and set the colours of a theme, and the height of the letters."""
        plot = self.getPlotItem()
        plot.clear()
        self.setBackground(theme["background"])
        font = QFont(self.font())
        font.setPixelSize(letters_px)
        for side in ("left", "bottom"):
            axis = plot.getAxis(side)
            axis.setTickFont(font)
            axis.setStyle(tickTextHeight=round(_LINE * letters_px), autoExpandTextSpace=side == "left")
            axis.label.setFont(font)
            axis.setPen(pg.mkPen(theme["grid"]))
            axis.setTextPen(pg.mkPen(theme["text"]))
        plot.showGrid(y=True, alpha=0.4)

    def show_as_far_as(self, far: float, high: float) -> None:
        """Both axes go from zero to here; a person can zoom in, not beyond."""
        self._from, self._ends = (0.0, 0.0), (far, high)
        self.getViewBox().setLimits(xMin=0, xMax=far, yMin=0, yMax=high)
        self._show_all()

    def show_between(self, across: tuple[float, float], up: tuple[float, float]) -> None:
        """Both axes lie between two ends; a person can zoom in, not beyond.

        Parameters
        ----------
        across, up
            Ends of the axis below and of that at the left.
        """
        self._from, self._ends = (across[0], up[0]), (across[1], up[1])
        self.getViewBox().setLimits(xMin=across[0], xMax=across[1], yMin=up[0], yMax=up[1])
        self._show_all()

    def name_below(self, names: Sequence[str]) -> None:
        """Names in the middles of 0 to 1, 1 to 2 … in place of numbers."""
        self.getPlotItem().getAxis("bottom").setTicks([[(i + 0.5, name) for i, name in enumerate(names)]])

    def show_percent(self) -> None:
        """Numbers at the left are shares."""
        self.getPlotItem().getAxis("left").percent = True

    def _show_all(self) -> None:
        (left, low), (far, high) = self._from, self._ends
        self.getViewBox().setRange(xRange=(left, far), yRange=(low, high), padding=0)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom with Ctrl only."""
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().wheelEvent(event)
        else:
            event.ignore()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show all of it again."""
        super().mouseDoubleClickEvent(event)
        self._show_all()


class _LeftAxis(pg.AxisItem):  # type: ignore[misc]
    """Numbers, or shares in %."""

    percent = False

    def boundingRect(self) -> QRectF:
        """With room for the halves of the numbers at both ends, which a grid would take away."""
        bounds: QRectF = super().boundingRect()
        return bounds.adjusted(0, -8, 0, 8)

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """One a line."""
        if self.percent:
            return [f"{100 * value:.4g} %" for value in values]
        strings: list[Any] = super().tickStrings(values, scale, spacing)
        return strings


def end_of(ticks: Sequence[float], highest: float) -> float:
    """Where an axis ends that must reach `highest`: the first of `ticks` that does."""
    return next((tick for tick in ticks if tick >= highest), highest)
