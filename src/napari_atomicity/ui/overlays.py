"""Heat maps as image layers over the micrograph, one a channel, in register."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

from napari.layers import Image, Layer

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_atomicity.ui.document import Document

#: one a channel; they add up on a grey image without hiding it
_COLOURMAPS: Final = ("bop orange", "bop blue", "bop purple")


class HeatMaps:
    """The overlays of one document; made anew for every explanation."""

    def __init__(self, viewer: ViewerModel, image: Image, document: Document) -> None:
        self._viewer = weakref.ref(viewer)
        self._image = weakref.ref(image)
        self.document = document
        self.layers: list[Image] = []
        self.opacity = 0.8
        document.table_changed.connect(self._clear_stale)
        for event in ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels"):
            getattr(image.events, event).connect(self._follow_image)

    def show(self, explained: Any) -> None:
        """Lay the maps of `explained` (see `pipeline.Explained`) over the image."""
        viewer, image = self._viewer(), self._image()
        if viewer is None or image is None or image not in viewer.layers:
            return
        self.clear()
        active = viewer.layers.selection.active
        where = f", frame {explained.frame}" if self.document.micrograph.n_frames > 1 else ""
        for i, (name, plane) in enumerate(zip(explained.channel_names, explained.overlay, strict=True)):
            top = float(plane.max()) or 1.0
            layer = Image(
                plane,
                name=f"{image.name} Grad-CAM {name}{where}",
                colormap=_COLOURMAPS[i % len(_COLOURMAPS)],
                blending="additive",
                contrast_limits=(0.0, top),
                opacity=self.opacity,
                metadata={"napari_atomicity_overlay": True},
                **_geometry(image),
            )
            self.layers.append(layer)
            viewer.layers.insert(viewer.layers.index(image) + 1 + i, layer)
        viewer.layers.selection.active = active

    def clear(self) -> None:
        """Take the maps off."""
        viewer, layers = self._viewer(), list(self.layers)
        self.layers = []
        for layer in layers:
            if viewer is not None and layer in viewer.layers:
                viewer.layers.remove(layer)

    def forget(self, layer: Layer) -> None:
        """A person took one of the maps off."""
        self.layers = [kept for kept in self.layers if kept is not layer]

    def set_opacity(self, opacity: float) -> None:
        """Opacity of all maps, 0 to 1."""
        self.opacity = opacity
        for layer in self.layers:
            layer.opacity = opacity

    def _clear_stale(self) -> None:
        if self.document.attribution is None and self.layers:
            self.clear()

    def _follow_image(self) -> None:
        image = self._image()
        if image is not None:
            for layer in self.layers:
                for name, value in _geometry(image).items():
                    setattr(layer, name, value)


def _geometry(image: Image) -> dict[str, Any]:
    """Register of a (y, x) plane with the image, which may be a stack."""
    if image.ndim == 2:
        return {
            name: getattr(image, name)
            for name in ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
        }
    return {name: getattr(image, name)[-2:] for name in ("scale", "translate", "units", "axis_labels")}
