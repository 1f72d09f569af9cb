"""Which part of the map is in view, and what lies nearest to a place in it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from psygnal import Signal

Places = npt.NDArray[np.float64]
Size = tuple[int, int]


class View:
    """Centre and zoom, shared by the map before and after, so that they show the same part.

    At a zoom of 1 the whole map fits; y points up. Signal: `changed`.
    """

    changed = Signal()
    _ZOOM = (0.6, 60.0)

    def __init__(self) -> None:
        self._low, self._high = np.array([-1.0, -1.0]), np.array([1.0, 1.0])
        self.centre = np.zeros(2)
        self.zoom = 1.0

    def fit(self, low: Places, high: Places) -> None:
        """Another map with these corners, seen whole."""
        if not (np.array_equal(low, self._low) and np.array_equal(high, self._high)):
            self._low, self._high = low, high
            self.reset()

    def reset(self) -> None:
        """The whole map."""
        self.centre, self.zoom = (self._low + self._high) / 2, 1.0
        self.changed.emit()

    def scale(self, size: Size) -> float:
        """Pixels a unit of the map, in a widget of that width and height."""
        return float((np.array(size) / (self._high - self._low)).min()) * self.zoom

    def to_pixels(self, places: npt.NDArray[np.floating], size: Size) -> Places:
        """(n, 2) pixels (right, down) of places on the map."""
        return np.array(size) / 2 + (places - self.centre) * self.scale(size) * (1, -1)

    def to_map(self, pixels: Places, size: Size) -> Places:
        """The inverse of `to_pixels`."""
        return np.asarray(self.centre + (pixels - np.array(size) / 2) / self.scale(size) * (1, -1))

    def zoom_at(self, pixel: Places, size: Size, factor: float) -> None:
        """Zoom, with the place under `pixel` staying there."""
        before = self.to_map(pixel, size)
        self.zoom = float(np.clip(self.zoom * factor, *self._ZOOM))
        self.centre = self.centre + before - self.to_map(pixel, size)
        self.changed.emit()

    def pan(self, pixels: Places, size: Size) -> None:
        """Move the map by so many pixels."""
        self.centre = self.centre - pixels / self.scale(size) * (1, -1)
        self.changed.emit()


def nearest(points: Places, pixel: Places, within: float) -> int | None:
    """Row of the point nearest to `pixel`, where it lies within so many pixels."""
    if not len(points):
        return None
    distance = np.hypot(*(points - pixel).T)
    row = int(distance.argmin())
    return row if distance[row] <= within else None
