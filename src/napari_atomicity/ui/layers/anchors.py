"""The anchors of an adaptation as rings of their own around the clusters."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from napari.layers import Image, Layer, Points

from napari_atomicity.style import label_colours
from napari_atomicity.ui.layers.clusters import later_visible
from napari_atomicity.ui.layers.places import follow, geometry, positions
from napari_atomicity.ui.layers.ring_style import diameters_px

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_atomicity.document.document import Document

#: outside the cluster's own ring, so that both are seen
_WIDER: Final = 1.5
_RING: Final = 0.035
#: columns of the layer's table
FEATURES: Final = ("id", "label", "diameter_nm", "low_nm", "high_nm", "source", "certainty", "held_back")


class AnchorLayer:
    """The anchors of one document; there while they are wanted and there are any."""

    def __init__(self, viewer: ViewerModel, image: Image, document: Document) -> None:
        self._viewer = weakref.ref(viewer)
        self._image = weakref.ref(image)
        self.document = document
        self.points: Points | None = None
        #: whether a person wants to see them
        self.wanted = False
        self._shown: tuple[object, object] | None = None
        document.table_changed.connect(self.draw)
        for event in ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels"):
            getattr(image.events, event).connect(self._follow_image)

    @property
    def anchors(self) -> pd.DataFrame | None:
        """The anchors that are still clusters of the table; None where there are none."""
        adapted = self.document.state.adaptation
        if adapted is None:
            return None
        anchors = adapted.anchors
        remaining = anchors[anchors["id"].isin(self.document.table.ids)]
        return remaining if len(remaining) else None

    def show(self, wanted: bool) -> None:
        """Lay the rings over the image, or take them off."""
        self.wanted = wanted
        self.draw()

    def draw(self) -> None:
        """Make, renew or remove the layer as the document stands."""
        viewer, image = self._viewer(), self._image()
        if viewer is None or image is None or image not in viewer.layers:
            return
        if self.points is not None and self.points.ndim != image.ndim:  # the image became a stack, or was one
            self._remove(viewer)
        anchors = self.anchors if self.wanted else None
        if anchors is None:
            self._remove(viewer)
            return
        state = (self.document.state.adaptation, self.document.table)
        if self.points is not None and self._shown == state:
            return
        points = self._insert(viewer, image) if self.points is None else self.points
        self._shown = state
        self._write(points, anchors)

    def forget(self, layer: Layer) -> None:
        """A person took the layer off: it stays off."""
        if self.points is layer:
            self.points, self.wanted = None, False

    def _insert(self, viewer: ViewerModel, image: Image) -> Points:
        active = viewer.layers.selection.active
        points: Points = Points(
            np.empty((0, image.ndim)),
            ndim=image.ndim,
            name="anchors",
            border_width_is_relative=True,
            border_width=_RING,
            blending="translucent_no_depth",
            canvas_size_limits=(9, 10000),
            visible=False,
            metadata={"napari_atomicity_overlay": True},
            **geometry(image),
        )
        self.points = points
        viewer.layers.insert(viewer.layers.index(image) + 1, points)
        # they are there to be looked at; the layer that was worked on stays in hand
        viewer.layers.selection.active = active
        later_visible(points)
        return points

    def _write(self, points: Points, anchors: pd.DataFrame) -> None:
        """The clusters' places and sizes as they are now, the features as they were when the model was tuned."""
        table = self.document.table
        rows = table.rows_of(anchors["id"])
        points.editable = True
        points.selected_data.clear()
        points.data = positions(self.document, points.ndim)[rows]
        points.features = anchors[[name for name in FEATURES if name in anchors]].reset_index(drop=True)
        points.size = _WIDER * diameters_px(self.document.table, self.document.micrograph.pixel_size_nm)[rows]
        points.symbol = np.where(anchors["held_back"].to_numpy(dtype=bool), "diamond", "disc")
        points.border_width = _RING
        points.border_color = label_colours(anchors["label"], table.class_sizes)
        points.face_color = np.zeros((len(anchors), 4), dtype=np.float32)
        points.editable = False

    def _remove(self, viewer: ViewerModel) -> None:
        points, self.points, self._shown = self.points, None, None
        if points is not None and points in viewer.layers:
            viewer.layers.remove(points)

    def _follow_image(self) -> None:
        follow(self.points, self._image())
