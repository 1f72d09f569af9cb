"""The map of features as a picture: islands, clusters on top, lasso and click, and a patch under the mouse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from psygnal import Signal
from qtpy.QtCore import QEvent, QPointF, QSize, Qt
from qtpy.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPixmap, QWheelEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_atomicity.ui.feature_map import painting as paint
from napari_atomicity.ui.feature_map.placements import Placement
from napari_atomicity.ui.feature_map.view import Places, Size, View, nearest
from napari_atomicity.ui.widgets.controls import with_window_font

_REACH_PX: Final = 9
_CLICK_PX: Final = 4
_MANY: Final = (400, 1500)
_RADII: Final = (4.6, 3.6, 2.8)
_TIP: Final = (
    "Draw around clusters or click one to select it, here and in the image; Shift adds. The wheel zooms, the middle "
    "button moves the map. Clusters near each other look alike to the model; how far apart islands lie means nothing."
)


class MapCanvas(QWidget):
    """One map; signal `picked` with the rows that a person chose and whether they add to the selection."""

    picked = Signal(object, bool)

    def __init__(self, view: View, describe: Callable[[int, bool], paint.Tooltip | None]) -> None:
        super().__init__()
        self._view = view
        #: what the mouse over a cluster, or over one of the library, shows
        self.describe = describe
        #: where the library lies; None where only `message` is shown
        self.placement: Placement | None = None
        self.map_style = paint.Style({"background": "#262930", "text": "#ffffff", "grid": "#808080"}, {})
        self.message = ""
        self.xy: Places = np.empty((0, 2))
        self.rgba = np.empty((0, 4), dtype=np.float32)
        self._square = self._crossed = self.selected = np.empty(0, dtype=bool)
        self._marks = paint.Marks(_RADII[0], 1.0, self.map_style)
        self._ground: QPixmap | None = None
        self._top: QPixmap | None = None
        self._outline: list[QPointF] = []
        self._dragged: QPointF | None = None
        self._mouse: QPointF | None = None
        self._hover: tuple[int, bool] | None = None
        self._card: paint.Tooltip | None = None
        self.setMouseTracking(True)
        with_window_font(self)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setMinimumSize(220, 200)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setToolTip(_TIP)
        self.setToolTipDuration(8000)
        view.changed.connect(self._redraw)

    def sizeHint(self) -> QSize:
        """Room to draw in."""
        return QSize(380, 340)

    @property
    def extent_px(self) -> Size:
        """Width and height."""
        return self.width(), self.height()

    # ------------------------------------------------------------------ what is shown

    def show_map(self, look: Placement | None, style: paint.Style, message: str = "") -> None:
        """The library and its colours; without one, a sentence."""
        self.placement, self.map_style, self.message = look, style, message
        self._redraw()

    def show_clusters(
        self,
        xy: npt.NDArray[np.floating],
        rgba: npt.NDArray[np.float32],
        square: npt.NDArray[np.bool_],
        crossed: npt.NDArray[np.bool_],
    ) -> None:
        """Clusters at places of the map, (n, 2), with their colours; `square` and `crossed` say how they are marked."""
        self.xy, self.rgba, self._square, self._crossed = np.asarray(xy, np.float64), rgba, square, crossed
        if len(self.selected) != len(xy):
            self.selected = np.zeros(len(xy), dtype=bool)
        self._hover = self._card = None
        self._redraw_top()

    def move_clusters(self, xy: npt.NDArray[np.floating]) -> None:
        """The same clusters at other places."""
        self.xy = np.asarray(xy, np.float64)
        self._redraw_top()

    def show_selection(self, selected: npt.NDArray[np.bool_]) -> None:
        """Which clusters are selected, (n,)."""
        if not np.array_equal(selected, self.selected):
            self.selected = selected
            self.update()

    def _redraw(self) -> None:
        self._ground = None
        self._redraw_top()

    def _redraw_top(self) -> None:
        self._top = None
        self.update()

    @property
    def _places(self) -> Places:
        return self._view.to_pixels(self.xy, self.extent_px)

    # ------------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Islands and clusters from pictures made before; selection, outline and card anew."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(self.map_style.theme["background"]))
        if self.placement is None:
            painter.setPen(QColor(self.map_style.theme["text"]))
            middle = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(24, 24, -24, -24), middle, self.message)
            return
        self._draw_pictures()
        assert self._ground is not None
        assert self._top is not None
        painter.drawPixmap(0, 0, self._ground)
        chosen = np.flatnonzero(self.selected)
        painter.setOpacity(0.4 if len(chosen) else 1.0)
        painter.drawPixmap(0, 0, self._top)
        painter.setOpacity(1.0)
        if len(chosen):
            places = self._places[chosen]
            paint.paint_rings(painter, places, self._marks.radius, self.map_style)
            self._marks.paint(painter, places, self.rgba[chosen], self._square[chosen], self._crossed[chosen])
        paint.paint_labels(painter, self.placement, self.map_style, self._view, self.extent_px)
        if len(self._outline) > 1:
            paint.paint_lasso(painter, self._outline, self.map_style)
        if self._card is not None and self._mouse is not None:
            paint.paint_card(painter, self._card, self._mouse, self.map_style, self.extent_px)

    def _draw_pictures(self) -> None:
        ratio = self.devicePixelRatioF()
        size = self.size() * ratio
        assert self.placement is not None
        if self._ground is None or self._ground.size() != size:
            self._top = None
            self._ground, painter = _picture(size, ratio)
            paint.paint_library(painter, self.placement, self.map_style, self._view, self.extent_px, ratio)
            painter.end()
        if self._top is None:
            radius = _RADII[int(np.searchsorted(_MANY, len(self.xy)))]
            self._marks = paint.Marks(radius, ratio, self.map_style)
            self._top, painter = _picture(size, ratio)
            self._marks.paint(painter, self._places, self.rgba, self._square, self._crossed)
            painter.end()

    # ------------------------------------------------------------------ what a person does

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Begin an outline, or to move the map."""
        if event is None or self.placement is None:
            return
        if event.button() == Qt.MouseButton.LeftButton:
            self._outline, self._card = [event.position()], None
        elif event.button() == Qt.MouseButton.MiddleButton:
            self._dragged = event.position()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Go on with the outline or the move, or show what is under the mouse."""
        if event is None or self.placement is None:
            return
        self._mouse = event.position()
        if self._dragged is not None:
            moved, self._dragged = self._mouse - self._dragged, self._mouse
            self._view.pan(np.array([moved.x(), moved.y()]), self.extent_px)
        elif self._outline:
            self._outline.append(self._mouse)
            self.update()
        else:
            self._look_under_mouse()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Choose what the outline holds, or what was clicked."""
        if event is None:
            return
        if event.button() == Qt.MouseButton.MiddleButton:
            self._dragged = None
        if event.button() != Qt.MouseButton.LeftButton or not self._outline:
            return
        drawn = np.array([[point.x(), point.y()] for point in self._outline])
        self._outline = []
        self.update()
        add = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if np.ptp(drawn, axis=0).max() <= _CLICK_PX:
            row = nearest(self._places, drawn[0], _REACH_PX)
            rows = np.array([] if row is None else [row], dtype=np.int64)
        else:
            from skimage.measure import points_in_poly

            rows = np.flatnonzero(points_in_poly(self._places, drawn))
        if len(rows) or not add:
            self.picked.emit(rows, add)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Zoom about the mouse."""
        if event is not None and self.placement is not None:
            at = np.array([event.position().x(), event.position().y()])
            self._view.zoom_at(at, self.extent_px, 1.2 ** (event.angleDelta().y() / 120))
            event.accept()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Escape gives an outline up."""
        if event is not None and event.key() == Qt.Key.Key_Escape and self._outline:
            self._outline = []
            self.update()
        elif event is not None:
            super().keyPressEvent(event)

    def leaveEvent(self, event: QEvent | None) -> None:
        """Nothing is under the mouse any more."""
        self._hover = self._card = self._mouse = None
        self.update()

    def _look_under_mouse(self) -> None:
        assert self.placement is not None
        assert self._mouse is not None
        at = np.array([self._mouse.x(), self._mouse.y()])
        row, library = nearest(self._places, at, _REACH_PX), False
        if row is None:
            library = True
            row = nearest(self._view.to_pixels(self.placement.feature_map.xy, self.extent_px), at, _REACH_PX - 3)
        hover = None if row is None else (row, library)
        if hover != self._hover:
            self._hover, self._card = hover, None if hover is None else self.describe(*hover)
        if hover is not None or self._card is None:
            self.update()


def _picture(size: QSize, ratio: float) -> tuple[QPixmap, QPainter]:
    pixmap = QPixmap(size)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    return pixmap, painter
