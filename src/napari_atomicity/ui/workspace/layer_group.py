"""One document in its viewer: its image and the layers that show what was found and counted."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

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
from napari_atomicity.ui.workspace.micrographs import calibration_of, pixels_of, same_size
from napari_atomicity.ui.workspace.review_look import ReviewLook

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_atomicity.micrograph import Micrograph

#: scale and unit are changed one after the other
_RESCALED_MS: Final = 15
#: axes of a stack of images
_STACK: Final = 3


class LayerGroup:
    """One document with its image and the layers that show it."""

    def __init__(self, viewer: ViewerModel, image: Image, document: Document) -> None:
        self.document = document
        self.image = weakref.ref(image)
        #: what the layer holds for pixels of micrographs that are not its own: of pictures in colour, of pyramids
        self._held: list[tuple[Any, Any, Any]] = []
        #: whether old pixels are just brought back
        self.restoring = False
        self.hold(document.micrograph)
        # before all that is drawn: the old pixels may have other axes
        document.table_changed.connect(self._show_pixels)
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
        self._axes = _Axes(image)
        for event in (image.events.scale, image.events.units):
            event.connect(self._on_scale)
        for event in (image.events.units, image.events.axis_labels):
            event.connect(self._on_axes)
        if self._pixel_size_nm is not None:
            viewer.canvas.overlays.scale_bar.visible = True
        document.table_changed.connect(self._show_scale)

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

    def hold(self, micrograph: Micrograph) -> None:
        """Note what the layer holds for a micrograph, for the day when it is to be shown again."""
        image = self.image()
        if image is not None and image.data is not micrograph.data:
            self._held.append((micrograph.data, pixels_of(image), image.data))

    def _show_pixels(self) -> None:
        """The pixels that the table belongs to: undoing "Other pixels" brings the old ones back into the layer."""
        image, data = self.image(), self.document.micrograph.data
        if image is None:
            return
        held = next((held for held in self._held if held[0] is data), None)
        if held is None and (image.rgb or image.multiscale or image.ndim > _STACK):
            return
        _, pixels, whole = held or (data, data, data)
        if pixels_of(image) is not pixels:
            self.restoring = True
            try:
                image.data = whole
                self.keep_axes()
            finally:
                self.restoring = False

    def keep_axes(self) -> None:
        """Units and names of the axes, which napari forgets when there are more or fewer of them."""
        image = self.image()
        if image is not None and image.ndim != self._axes.ndim:
            self._axes.give(image)
            self._axes = _Axes(image)

    def _on_axes(self, _: object = None) -> None:
        image = self.image()
        if image is not None and image.ndim == self._axes.ndim:
            self._axes = _Axes(image)

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
        elif size is not None and not same_size(now, size):
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


class _Axes:
    """How many axes a layer has, and units and names of the last two, which are those of an image."""

    def __init__(self, layer: Layer) -> None:
        self.ndim = layer.ndim
        self._units, self._names = layer.units[-2:], layer.axis_labels[-2:]

    def give(self, layer: Layer) -> None:
        """Give them to a layer that has another number of axes."""
        layer.units = (*layer.units[:-2], *self._units)
        layer.axis_labels = (*(("t",) if layer.ndim == _STACK else layer.axis_labels[:-2]), *self._names)
