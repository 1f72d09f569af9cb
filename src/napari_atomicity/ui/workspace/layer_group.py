"""One document in its viewer: its image and the layers that show what was found and counted."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

import numpy as np
from napari.layers import Image, Layer
from napari.utils.notifications import show_warning
from qtpy.QtCore import QTimer

from napari_atomicity.document.document import Document
from napari_atomicity.document.review import Review
from napari_atomicity.document.ring_filter import RingFilter
from napari_atomicity.ui.layers.anchors import AnchorLayer
from napari_atomicity.ui.layers.clusters import ClusterLayer
from napari_atomicity.ui.layers.heat_maps import HeatMaps
from napari_atomicity.ui.layers.tracks import TrackLayer
from napari_atomicity.ui.workspace.micrographs import calibration_of
from napari_atomicity.ui.workspace.review_look import ReviewLook

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: scale and unit are changed one after the other
_RESCALED_MS: Final = 15
#: pixel sizes that differ by less are the same
_SAME: Final = 1e-6


class LayerGroup:
    """One document with its image and the layers that show it."""

    def __init__(self, viewer: ViewerModel, image: Image, document: Document) -> None:
        self.document = document
        self.image = weakref.ref(image)
        self.rings = RingFilter()
        self.clusters = ClusterLayer(viewer, image, document, self.rings)
        self.maps = HeatMaps(viewer, image, document)
        self.anchors = AnchorLayer(viewer, image, document)
        self.tracks = TrackLayer(viewer, image, document)
        self.review = Review(document)
        self.look = ReviewLook(image, self.review, self.maps)
        self._viewer = weakref.ref(viewer)
        self.clusters.under = lambda: self.maps.layers
        self._pixel_size_nm = document.micrograph.pixel_size_nm
        self._rescaled = QTimer()
        self._rescaled.setSingleShot(True)
        self._rescaled.setInterval(_RESCALED_MS)
        self._rescaled.timeout.connect(self._follow_scale)
        for event in (image.events.scale, image.events.units):
            event.connect(self._on_scale)
        if self._pixel_size_nm is not None:
            viewer.canvas.overlays.scale_bar.visible = True
        document.table_changed.connect(self._show_scale)
        document.table_changed.connect(self._show_pixels)

    @property
    def name(self) -> str:
        """Name of the image layer."""
        image = self.image()
        return self.document.micrograph.name if image is None else image.name

    @property
    def layers_in_use(self) -> list[Layer]:
        """Layers that work on the document must find there."""
        return [layer for layer in (self.image(), self.clusters.points) if layer is not None]

    @property
    def layers(self) -> list[Layer]:
        """The image and all layers that show the document."""
        made = [layer for layer in (self.anchors.points, self.tracks.tracks) if layer is not None]
        return [*self.layers_in_use, *made, *self.maps.layers]

    def shows(self, layer: Layer) -> bool:
        """Whether the layer is one of those that show the document."""
        ours = (self.clusters.points, self.anchors.points, self.tracks.tracks)
        return layer in ours or layer in self.maps.layers

    def forget(self, layer: Layer) -> None:
        """A person took a layer off."""
        if self.clusters.points is layer:
            self.clusters.forget_layer()
        self.maps.forget(layer)
        self.anchors.forget(layer)
        self.tracks.forget(layer)

    def _show_pixels(self) -> None:
        """The pixels that the table belongs to: undoing "Other pixels" brings the old ones back into the layer."""
        image, data = self.image(), self.document.micrograph.data
        if image is None or image.rgb or image.multiscale or image.ndim != data.ndim:
            return
        if image.data is not data:
            image.data = data

    def _on_scale(self, _: object = None) -> None:
        self._rescaled.start()

    def _follow_scale(self) -> None:
        """What a person corrects in napari, scale or unit, is the pixel size from then on: one step of the history."""
        image, now = self.image(), self.document.micrograph.pixel_size_nm
        if image is None or self.document.micrograph.refusal:
            return
        calibration = calibration_of(image)
        size = calibration.pixel_size_nm
        if calibration.refusal:
            show_warning(f"{image.name}: {calibration.refusal}")
        elif size is not None and (now is None or abs(size / now - 1) > _SAME):
            self.document.calibrate(size)

    def _show_scale(self) -> None:
        """A new pixel size becomes the layer's scale, and with it the scale bar's."""
        size, image, viewer = self.document.micrograph.pixel_size_nm, self.image(), self._viewer()
        if size == self._pixel_size_nm or image is None or viewer is None:
            return
        self._pixel_size_nm = size
        stack = image.ndim - 2
        image.units = (*image.units[:stack], *("pixel" if size is None else "nm",) * 2)
        mirrored = np.where(image.scale[stack:] < 0, -1.0, 1.0)
        image.scale = np.array([*image.scale[:stack], *(size or 1.0) * mirrored])
        viewer.canvas.overlays.scale_bar.visible = size is not None
        viewer.fit_to_view()
