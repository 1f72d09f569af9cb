"""A counted image as a small picture with rings, made off the interface thread and painted on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_atomicity.micrograph import contrast_limits
from napari_atomicity.style import OTHER_COLOUR

if TYPE_CHECKING:
    from napari_atomicity.pipeline import ImageState

#: pixels along the longer side
_SIDE: Final = 480


@dataclass(frozen=True, eq=False)
class Picture:
    """Grey levels of an image and the rings on it, in parts of its height and width.

    Attributes
    ----------
    name
        Of the image.
    grey
        (h, w) grey levels.
    rings
        (n, 3) y and x of the centre and the radius, in pixels of the picture.
    labels
        (n,) what decides the colour.
    """

    name: str
    grey: npt.NDArray[np.uint8]
    rings: npt.NDArray[np.float64]
    labels: tuple[str, ...]


def picture_of(state: ImageState) -> Picture:
    """The first frame of a counted image as a picture."""
    image, table = state.micrograph.frame(0), state.table
    step = max(1, -(-max(image.shape) // _SIDE))
    height, width = (side // step for side in image.shape)
    small = np.nan_to_num(image[: height * step, : width * step]).reshape(height, step, width, step).mean(axis=(1, 3))
    low, high = contrast_limits(small) or (0.0, 1.0)
    grey = np.clip((small - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    first = table.take(table.rows["frame"].to_numpy() == 0)
    y, x = first.centres_px.T
    radius = np.maximum(first.rows["diameter_nm"].to_numpy(dtype=float) / 2, 0.3)
    radius = (radius + 0.25) / state.micrograph.calibrated_pixel_size_nm
    rings = np.column_stack([y + 0.5, x + 0.5, radius]) / step
    return Picture(state.micrograph.name, np.ascontiguousarray(grey), rings, tuple(map(str, first.final_labels)))


class PictureView(QWidget):
    """Shows a picture as large as the room allows."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(220)
        self.setToolTip("The newest image, or the one that was chosen in the list, with a ring a cluster")
        self.setAccessibleName("Picture of an image with its clusters")
        self.picture: Picture | None = None
        self._colours: Mapping[str, str] = {}

    def show_picture(self, picture: Picture | None, colours: Mapping[str, str]) -> None:
        """Show a picture.

        Parameters
        ----------
        picture
            None for nothing.
        colours
            Of the labels.
        """
        self.picture, self._colours = picture, colours
        self.update()

    def sizeHint(self) -> QSize:
        """Square, of a narrow dock."""
        return QSize(320, 300)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """The image, then its rings."""
        if self.picture is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        grey = self.picture.grey
        height, width = grey.shape
        zoom = min(self.width() / width, self.height() / height)
        left, top = (self.width() - zoom * width) / 2, (self.height() - zoom * height) / 2
        image = QImage(grey.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(left, top, zoom * width, zoom * height), image)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for (y, x, radius), label in zip(self.picture.rings, self.picture.labels, strict=True):
            painter.setPen(QPen(QColor(self._colours.get(label, OTHER_COLOUR)), 1.6))
            painter.drawEllipse(QPointF(left + zoom * x, top + zoom * y), zoom * radius, zoom * radius)
