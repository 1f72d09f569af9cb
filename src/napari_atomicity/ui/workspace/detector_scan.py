"""The scan of the detector in a viewer: its image beside the micrograph, and the active area as labels to correct."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer
from psygnal import Signal

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph, contrast_limits
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_atomicity.ui.workspace.workspace import Workspace

_ACTIVE: Final = 1
_COLOUR: Final = "#3ddc84"
#: room between the micrograph and the scan, as part of the micrograph's width
_APART: Final = 0.05


@dataclass(frozen=True, eq=False)
class OpenedScan:
    """A scan that was read.

    Attributes
    ----------
    micrograph
        The scan.
    active
        (y, x) where the detector was found; nowhere where it was not.
    remark
        One sentence where it was not.
    """

    micrograph: Micrograph
    active: npt.NDArray[np.bool_]
    remark: str = ""


class DetectorView:
    """The scan that is open, if any, and the layers that show it. Signal: `changed`."""

    changed = Signal()

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = weakref.ref(workspace)
        self.opened: OpenedScan | None = None
        #: what a person entered: voltage, angles, ratio of the currents, as text
        self.entries: dict[str, str] = {}
        self._image: weakref.ref[Image] | None = None
        self._labels: weakref.ref[Labels] | None = None
        workspace.viewer.layers.events.removed.connect(self._on_removed)  # type: ignore[union-attr]

    @property
    def active(self) -> npt.NDArray[np.bool_] | None:
        """(y, x) the area as a person left it; None where it is as it was found."""
        labels = self._labels() if self._labels is not None else None
        if self.opened is None or labels is None:
            return None
        drawn = np.asarray(labels.data) > 0
        same = drawn.shape == self.opened.active.shape and bool((drawn == self.opened.active).all())
        return None if same and not self.opened.remark else drawn

    def show(self, opened: OpenedScan) -> None:
        """Lay a scan beside the micrograph in hand, with its area over it."""
        self.forget()
        workspace = self._workspace()
        viewer = None if workspace is None else workspace.viewer
        if workspace is None or viewer is None:
            return
        chosen = viewer.layers.selection.active
        place = _beside(workspace.image, opened.micrograph.shape_yx)
        frame = opened.micrograph.frame(0)
        limits = contrast_limits(frame) or (float(np.nanmin(frame)), float(np.nanmax(frame)) + 1)
        ours = {"napari_atomicity_overlay": True}
        image = Image(frame, name="detector scan", metadata=ours, contrast_limits=limits, **place)
        labels = Labels(
            opened.active.astype(np.uint8),
            name="active area of the detector",
            opacity=0.35,
            colormap={0: "transparent", _ACTIVE: _COLOUR, None: _COLOUR},
            metadata=ours,
            **place,
        )
        labels.brush_size = max(3, min(opened.micrograph.shape_yx) // 25)
        self.opened, self._image, self._labels = opened, weakref.ref(image), weakref.ref(labels)
        for layer in (image, labels):
            viewer.add_layer(layer)
        labels.events.labels_update.connect(self._on_painted)
        labels.events.paint.connect(self._on_painted)
        if chosen is not None and chosen in viewer.layers:
            viewer.layers.selection.active = chosen
        self._look(image)
        self.changed.emit()

    def edit(self) -> None:
        """Take the area in hand, with the brush."""
        workspace, labels = self._workspace(), self._labels() if self._labels is not None else None
        viewer = None if workspace is None else workspace.viewer
        if viewer is not None and labels is not None and labels in viewer.layers:
            viewer.layers.selection.active = labels
            labels.visible = True
            _leave_out_box_of_brush(viewer)
            labels.mode, labels.selected_label = "paint", _ACTIVE
            self._look(labels)

    def _look(self, layer: Layer) -> None:
        """Bring the scan into view."""
        workspace = self._workspace()
        viewer = None if workspace is None else workspace.viewer
        if viewer is None:
            return
        low, high = np.asarray(layer.extent.world)[:, -2:]
        camera, (tall, wide) = viewer.scene.camera, viewer.canvas.size
        camera.center = (0.0, *((low + high) / 2).tolist())
        camera.zoom = 0.9 * float(min(tall / (high - low)[0], wide / (high - low)[1]))

    def find_anew(self) -> None:
        """Show the area as it was found."""
        labels = self._labels() if self._labels is not None else None
        if labels is not None and self.opened is not None:
            labels.mode = "pan_zoom"  # new pixels under a brush end the drawing of vispy once the layer is gone
            labels.data = self.opened.active.astype(np.uint8)
            self.changed.emit()
        elif self.opened is not None:  # a person took the layer off
            self.show(self.opened)

    def forget(self) -> None:
        """Take the scan off."""
        workspace = self._workspace()
        viewer = None if workspace is None else workspace.viewer
        layers = [ref() for ref in (self._image, self._labels) if ref is not None]
        self.opened, self._image, self._labels = None, None, None
        for layer in layers:
            if viewer is not None and layer is not None and layer in viewer.layers:
                layer.mode = "pan_zoom"
                viewer.layers.remove(layer)
        self.changed.emit()

    def _on_removed(self, event: Any) -> None:
        layer: Layer = event.value
        if self._image is not None and layer is self._image():
            self.forget()
        elif self._labels is not None and layer is self._labels():
            self._labels = None
            self.changed.emit()

    def _on_painted(self, _: object = None) -> None:
        self.changed.emit()


def scan_steps(path: Path) -> Steps[OpenedScan]:
    """Read a scan and find the detector on it; where none is found the scan is shown all the same.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        Where it cannot be read.
    """
    from napari_atomicity.counting.detector_area import find_active_area
    from napari_atomicity.io import read

    yield Progress(0, 2, "Reading the scan of the detector")
    micrograph = read(path)
    yield Progress(1, 2, "Finding the detector")
    frame = micrograph.frame(0)
    try:
        area = find_active_area(frame)
    except InputError as error:
        return OpenedScan(micrograph, np.zeros(frame.shape, dtype=bool), str(error))
    return OpenedScan(micrograph, area.active)


def _beside(image: Image | None, shape: tuple[int, int]) -> dict[str, Any]:
    """Where a scan lies: to the right of the micrograph, as tall as it, in its units."""
    if image is None:
        return {"scale": (1.0, 1.0), "units": ("nm", "nm"), "axis_labels": ("y", "x")}
    height, width = image.data.shape[-2:]
    scale, place = np.asarray(image.scale)[-2:], np.asarray(image.translate)[-2:]
    side = float(height * scale[0] / shape[0])
    return {
        "scale": (side, side),
        "translate": (float(place[0]), float(place[1] + width * scale[1] * (1 + _APART))),
        "units": image.units[-2:],
        "axis_labels": image.axis_labels[-2:],
    }


def _leave_out_box_of_brush(viewer: ViewerModel) -> None:
    """Leave out what napari 0.9 draws behind its circle even where the layer has gone, which may end the program."""
    brush = getattr(viewer.canvas.overlays, "_brush_circle", None)
    if brush is not None:
        brush.box = False
