"""Table ⇄ points layer: what the table says is drawn, what a person does to the points goes into the table."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from napari.layers import Image, Layer
from napari.utils.notifications import show_warning
from qtpy.QtCore import QTimer

from napari_atomicity.ui.layers import ring_style
from napari_atomicity.ui.layers.by_hand import edit_of, untouched
from napari_atomicity.ui.layers.cluster_points import ClusterPoints
from napari_atomicity.ui.layers.places import follow, geometry, positions

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.utils.events import Event

    from napari_atomicity.document.document import Document
    from napari_atomicity.document.ring_filter import RingFilter

#: no pixel size is that
_NOTHING_DRAWN: Final = -1.0
#: between two things that napari takes long for
PAUSE_MS: Final = 30


class ClusterLayer:
    """The points layer of one document; made when there is something to show, and again after a person deleted it."""

    def __init__(self, viewer: ViewerModel, image: Image, document: Document, rings: RingFilter) -> None:
        self._viewer = weakref.ref(viewer)
        self._image = weakref.ref(image)
        self.document = document
        self.rings = rings
        self.points: ClusterPoints | None = None
        #: layers that lie between the image and the rings
        self.under: Callable[[], Sequence[Layer]] = tuple
        self._writing = False
        #: whether a person changed how the rings look, with napari's controls of the layer
        self._spoiled = False
        #: pixel size (nm) that the rings were drawn for; nothing was drawn yet while it is -1
        self._drawn_for: float | None = _NOTHING_DRAWN
        document.table_changed.connect(self.draw)
        document.selection_changed.connect(self._draw_selection)
        rings.changed.connect(self._on_rings)
        for event in ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels"):
            getattr(image.events, event).connect(self._follow_image)
        self._zoomed = QTimer()
        self._zoomed.setSingleShot(True)
        self._zoomed.setInterval(PAUSE_MS)
        self._zoomed.timeout.connect(self._follow_zoom)
        viewer.scene.camera.events.zoom.connect(self._on_zoom)
        self._handed_out = QTimer()
        self._handed_out.setSingleShot(True)
        self._handed_out.timeout.connect(self.sync_from_layer)

    # ------------------------------------------------------------------ table → layer

    def draw(self) -> None:
        """Show the table; makes the layer where it is missing."""
        viewer, image = self._viewer(), self._image()
        if viewer is None or image is None or image not in viewer.layers:
            return
        if self.points is not None and self.points.ndim != image.ndim and self.points in viewer.layers:
            # a single image became a stack, or the other way round: napari's points cannot follow
            viewer.layers.remove(self.points)
            self.points = None
        if self.points is None or self.points not in viewer.layers:
            if not len(self.document.table):
                return
            self.make()
            return
        self._writing = True
        try:
            self._write(self.points)
        finally:
            self._writing = False
        self._draw_selection(self.document.selection)

    def make(self) -> ClusterPoints:
        """The points layer, made anew over the image where there is none."""
        viewer, image = self._viewer(), self._image()
        assert viewer is not None
        assert image is not None
        if self.points is not None and self.points in viewer.layers:
            return self.points
        points: ClusterPoints = ClusterPoints(
            positions(self.document, image.ndim),
            ndim=image.ndim,
            name="clusters",
            opacity=1.0,
            blending="translucent_no_depth",
            border_width_is_relative=True,
            canvas_size_limits=(7, 10000),
            visible=False,
            **geometry(image),
        )
        self._drawn_for = _NOTHING_DRAWN
        self._write(points)
        points.events.data.connect(self._on_data)
        points.events.features.connect(self._on_features)
        points.handed_out = self._handed_out.start
        points.events.visible.connect(self._on_zoom)
        for look in ("size", "symbol", "border_width", "border_color", "face_color"):
            getattr(points.events, look).connect(self._on_look)
        points.selected_data.events.items_changed.connect(self._on_selection)
        self.points = points
        active = viewer.layers.selection.active
        below = [image, *(layer for layer in self.under() if layer in viewer.layers)]
        viewer.layers.insert(1 + max(viewer.layers.index(layer) for layer in below), points)
        # napari activates what is new; clusters of an image that is not in hand do not take it
        viewer.layers.selection.active = points if active in (None, image) else active
        self._draw_selection(self.document.selection)
        later_visible(points)
        return points

    @property
    def taken_off(self) -> bool:
        """Whether there are clusters, and a person took their layer off the viewer."""
        return self.points is None and len(self.document.table) > 0

    def forget_layer(self) -> None:
        """The points layer is gone from the viewer; the table stays."""
        self.points = None

    def _write(self, points: ClusterPoints) -> None:
        """Positions, features and looks together, in this one place: nothing can come apart."""
        table, pixel = self.document.table, self.document.micrograph.pixel_size_nm
        places = positions(self.document, points.ndim)
        same = np.array_equal(points.data, places) and self._drawn_for == pixel
        if not same:
            # indices of the old rows mean nothing for the new ones
            points.selected_data.clear()
            with points.events.data.blocker():
                points.data = places
        if not points.visible and (not same or self._spoiled):
            # napari would draw the new looks at the old indices; a layer that is hidden does not `refresh`
            points.set_view_slice()
        # what the writer of tables needs besides the features
        points.metadata.update(table=table, micrograph=self.document.micrograph)
        if same and not self._spoiled and tuple(points.rows.columns) == tuple(table.rows.columns):
            ring_style.draw_changes(points, table, pixel, self._zoom)
        else:
            points.features = table.rows.copy()
            if len(table):
                ring_style.draw_all(points, table, pixel, self._zoom)
                self._drawn_for = pixel
        self._spoiled = False
        self._draw_seen(points)

    @property
    def _zoom(self) -> float:
        """Pixels of the screen for each pixel of the image."""
        viewer, image = self._viewer(), self._image()
        if viewer is None or image is None:
            return 1.0
        return float(viewer.scene.camera.zoom * abs(image.scale[-1]))

    def _on_zoom(self, _: object = None) -> None:
        self._zoomed.start()

    def _follow_zoom(self) -> None:
        points, viewer = self.points, self._viewer()
        if points is None or viewer is None or points not in viewer.layers or not self._drawn or not points.visible:
            return  # a hidden layer does not know its points; once it is shown this is done
        self._writing = True
        try:
            ring_style.follow_zoom(points, self.document.table, self.document.micrograph.pixel_size_nm, self._zoom)
        finally:
            self._writing = False

    @property
    def _drawn(self) -> bool:
        """Whether the layer shows as many points as there are clusters: what napari did meanwhile comes first."""
        return self.points is not None and len(self.points.data) == len(self.document.table) > 0

    def _draw_seen(self, points: ClusterPoints) -> None:
        """Hide the rings that a person does not want; what is selected is always seen, whatever led to it."""
        table = self.document.table
        seen = self.rings.seen(table)
        seen[table.rows_of(self.document.selection)] = True
        if len(seen) == len(points.data) and not np.array_equal(points.shown, seen):
            points.shown = seen

    def _draw_selection(self, ids: frozenset[int]) -> None:
        if self.points is None:
            return
        self._draw_seen(self.points)
        rows = set(self.document.table.rows_of(ids).tolist()) - {-1}
        if rows != set(self.points.selected_data):
            self._writing = True
            try:
                self.points.selected_data = rows
            finally:
                self._writing = False

    def _follow_image(self) -> None:
        follow(self.points, self._image())

    def _on_rings(self) -> None:
        """What is hidden is not selected any more; a label or Delete must not reach it."""
        table = self.document.table
        hidden = set(table.ids[~self.rings.seen(table)].tolist())
        self.document.select(self.document.selection - hidden)
        if self.points is not None:
            self._draw_seen(self.points)

    # ------------------------------------------------------------------ layer → table

    def _on_selection(self) -> None:
        if self.points is not None and not self._writing:
            ids, shown = self.document.table.ids, self.points.shown
            self.document.select(ids[i] for i in self.points.selected_data if i < len(ids) and shown[i])
            # napari's key for all of a layer selects what is hidden too
            self._draw_selection(self.document.selection)

    def _on_look(self, _: object = None) -> None:
        self._spoiled |= not self._writing

    def _on_data(self, event: Event) -> None:
        if not self._writing and str(getattr(event, "action", "")).lower().endswith("ed"):
            self.sync_from_layer()

    def _on_features(self, _: object = None) -> None:
        self.sync_from_layer()

    def sync_from_layer(self) -> None:
        """Bring what was done to the points and their labels into the table; what it cannot take is put back."""
        points, document = self.points, self.document
        if points is None or self._writing or untouched(points, document):
            return
        edit = edit_of(points, document)
        for sentence in edit.refused:
            show_warning(sentence)
        if edit.name:
            document.edit(edit.name, edit.table, edit.fresh)
        else:  # the same clusters in another order, for one: the looks belong to the rows of the table
            self.draw()


def later_visible(layer: Layer, wanted: Callable[[], bool] = lambda: True) -> None:
    """Show a new layer a moment after it was added: adding and first painting take napari 60 ms each.

    Parameters
    ----------
    layer
        The new layer.
    wanted
        Whether it is still to be shown when the moment has come.
    """
    layer_ref = weakref.ref(layer)

    def show() -> None:
        if (layer := layer_ref()) is not None and wanted():
            layer.visible = True

    QTimer.singleShot(PAUSE_MS, show)
