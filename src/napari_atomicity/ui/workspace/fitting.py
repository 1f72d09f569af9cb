"""Shows the image in hand whole, until a person moves or zooms the view; then each image keeps its view."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QTimer

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_atomicity.ui.workspace.solo import Solo
    from napari_atomicity.ui.workspace.workspace import Workspace

#: so much of the canvas the image fills
_FILLS: Final = 0.96
View = tuple[tuple[float, ...], float]


class Fitting:
    """Fits the view when another image comes into hand and when the canvas becomes larger or smaller.

    Where a person moved or zoomed the view, or a step of the work did so to show a cluster, it stays. Another image
    that comes into hand is seen whole at its first time, and later as it was left. Where several images are seen at
    once, only a new one changes the view.
    """

    def __init__(self, workspace: Workspace, solo: Solo) -> None:
        self._workspace, self._solo = weakref.ref(workspace), solo
        #: views of images that are not in hand, as a person left them
        self._left: weakref.WeakKeyDictionary[Image, View] = weakref.WeakKeyDictionary()
        self._known: weakref.WeakSet[Image] = weakref.WeakSet(workspace.images)
        self._image = weakref.ref(workspace.image) if workspace.image is not None else None
        self._fitting = self._due = False
        self._moved = not _in_the_middle(workspace.viewer, workspace.image)
        workspace.active_changed.connect(self._on_image)
        viewer = workspace.viewer
        if viewer is not None:
            viewer.scene.camera.events.center.connect(self._on_moved)
            viewer.scene.camera.events.zoom.connect(self._on_moved)
            viewer.events.reset_view.connect(self._on_reset)
            viewer.canvas.events.size.connect(self._on_room)

    @property
    def _alone(self) -> bool:
        """Whether only the image in hand is seen."""
        workspace = self._workspace()
        if workspace is None or workspace.viewer is None:
            return False
        return len(workspace.images) < 2 or (self._solo.wanted and not workspace.viewer.canvas.grid.enabled)

    # ------------------------------------------------------------------ what happens

    def _on_image(self) -> None:
        workspace = self._workspace()
        viewer, image = (workspace.viewer, workspace.image) if workspace is not None else (None, None)
        if viewer is None or image is None:
            return
        camera, before = viewer.scene.camera, self._image() if self._image is not None else None
        new = image not in self._known
        self._known.add(image)
        self._image = weakref.ref(image)
        if not self._alone:
            self._due = new and not self._moved
        else:
            if before is not None and before is not image:
                self._left.pop(before, None)
                if self._moved:
                    self._left[before] = tuple(camera.center), camera.zoom
            left = self._left.pop(image, None)
            self._moved = left is not None
            self._due = left is None
            if left is not None:
                self._set(camera, *left)
        self._later()

    def _on_moved(self, _: Any = None) -> None:
        if not self._fitting:
            self._moved, self._due = True, False

    def _on_reset(self, _: Any = None) -> None:
        """Napari fits all that is open, also what is hidden: the image in hand alone is meant."""
        if not self._fitting:
            self._moved, self._due = False, True
            self._later()

    def _on_room(self, _: Any = None) -> None:
        if not self._moved:
            self._due = True
            self._later()

    # ------------------------------------------------------------------ the view

    def _later(self) -> None:
        """Once the layers and the docks have found their places; what sets the view until then goes before."""
        there = weakref.ref(self)
        QTimer.singleShot(0, lambda: found._fit() if (found := there()) is not None else None)

    def _fit(self) -> None:
        workspace = self._workspace()
        viewer, image = (workspace.viewer, workspace.image) if workspace is not None else (None, None)
        if not self._due or viewer is None or image is None or image not in viewer.layers:
            return
        self._due = False
        flat = viewer.dims.ndisplay == 2 and tuple(viewer.dims.displayed) == (
            viewer.dims.ndim - 2,
            viewer.dims.ndim - 1,
        )
        if not self._alone or not flat:
            self._fitting = True
            viewer.fit_to_view()
            self._fitting = False
            return
        low, high = image.extent.world[:, -2:]
        zoom = _FILLS * float(np.min(np.divide(np.maximum(viewer.canvas.size, 1), np.maximum(high - low, 1e-12))))
        self._set(viewer.scene.camera, (0.0, *((low + high) / 2).tolist()), zoom)

    def _set(self, camera: Any, center: tuple[float, ...], zoom: float) -> None:
        self._fitting = True
        camera.center, camera.zoom = center, zoom
        self._fitting = False


def _in_the_middle(viewer: ViewerModel | None, image: Image | None) -> bool:
    """Whether the view stands where napari places it when an image is opened; True where there is none."""
    if viewer is None or image is None:
        return True
    low, high = image.extent.world[:, -2:]
    return bool(np.allclose(viewer.scene.camera.center[-2:], (low + high) / 2, atol=1e-3 * float(np.max(high - low))))
