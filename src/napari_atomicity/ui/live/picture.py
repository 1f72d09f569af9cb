"""A counted image as a small picture with rings, painted."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_atomicity.live.pictures import Picture
from napari_atomicity.style import OTHER_COLOUR


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
