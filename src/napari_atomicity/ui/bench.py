"""What belongs to one viewer: its documents, the layers that show them, and the work that runs."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image, Layer
from napari.utils.notifications import show_warning
from psygnal import Signal

from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import measure_steps
from napari_atomicity.progress import drain
from napari_atomicity.ui import edits
from napari_atomicity.ui.document import Document
from napari_atomicity.ui.explaining import Explainer
from napari_atomicity.ui.keyboard import Keyboard
from napari_atomicity.ui.layers import ClusterLayer
from napari_atomicity.ui.overlays import HeatMaps
from napari_atomicity.ui.place import Place
from napari_atomicity.ui.sessions import Sessions
from napari_atomicity.ui.sources import micrograph_of
from napari_atomicity.ui.workers import Work

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_atomicity.clusters import ClusterTable

_MEASURE_AT_ONCE: Final = 16
_SMALL_IMAGE_PX: Final = 2200 * 2200


class Bench:
    """Documents of one viewer by image layer (the object, never its name), and which of them is in hand.

    Signals: `active_changed` when another document comes into hand, `changed` for everything about it.
    """

    active_changed = Signal()
    changed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._places: weakref.WeakKeyDictionary[Image, Place] = weakref.WeakKeyDictionary()
        self._refused: weakref.WeakKeyDictionary[Image, str] = weakref.WeakKeyDictionary()
        self._active: weakref.ref[Image] | None = None
        #: all work of this viewer, that of open docks too
        self.works: weakref.WeakSet[Work] = weakref.WeakSet()
        self.work = self.new_work()
        self.measuring = self.new_work()
        self.explainer = Explainer(self)
        self.keyboard = Keyboard(self)
        #: the dock with the table of keys, once it was shown
        self.keys_dock: weakref.ref[Any] | None = None
        self._to_measure: list[tuple[Document, list[int]]] = []
        self.measuring.finished.connect(self._measure_next)
        self.work.started.connect(lambda _: self.changed.emit())
        self.work.finished.connect(lambda _: self.changed.emit())
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.selection.events.active.connect(self._on_active)
        viewer.dims.events.current_step.connect(self._on_frame)
        for layer in viewer.layers:
            self._adopt(layer)
        self._on_active()
        self.sessions = Sessions(self)

    # ------------------------------------------------------------------ what is there

    @property
    def viewer(self) -> ViewerModel | None:
        """The viewer; None once it is gone."""
        return self._viewer()

    @property
    def images(self) -> list[Image]:
        """Image layers that are micrographs, in the order of the layer list."""
        viewer = self.viewer
        return [] if viewer is None else [layer for layer in viewer.layers if layer in self._places]

    @property
    def image(self) -> Image | None:
        """The image layer in hand."""
        return self._active() if self._active is not None else None

    @property
    def places(self) -> list[Place]:
        """All documents with their layers, in the order of the layer list."""
        return [self._places[image] for image in self.images]

    @property
    def place(self) -> Place | None:
        """The document in hand with its layers."""
        image = self.image
        return self._places[image] if image is not None and image in self._places else None

    @property
    def document(self) -> Document | None:
        """The document in hand; None while no micrograph is open."""
        return self.place.document if self.place is not None else None

    @property
    def clusters(self) -> ClusterLayer | None:
        """Keeper of the points layer in hand."""
        return self.place.clusters if self.place is not None else None

    @property
    def maps(self) -> HeatMaps | None:
        """Keeper of the heat maps in hand."""
        return self.place.maps if self.place is not None else None

    @property
    def refusal(self) -> str:
        """Why the active layer is no micrograph; empty where it is one or there is none."""
        viewer = self.viewer
        layer = viewer.layers.selection.active if viewer is not None else None
        return self._refused.get(layer, "") if isinstance(layer, Image) else ""

    def new_work(self) -> Work:
        """A piece of work beside the others, which the bench knows as long as its owner holds it."""
        work = Work()
        self.works.add(work)
        return work

    def maps_of(self, document: Document) -> HeatMaps | None:
        """Keeper of the heat maps of a document; None once its image is gone."""
        return next((place.maps for place in self._places.values() if place.document is document), None)

    @property
    def frame(self) -> int:
        """Frame of the stack that is shown; 0 for a single image."""
        viewer, document, image = self.viewer, self.document, self.image
        if viewer is None or document is None or image is None or document.micrograph.n_frames == 1:
            return 0
        return int(viewer.dims.current_step[viewer.dims.ndim - image.ndim])

    def document_of(self, image: Image) -> Document | None:
        """The document of an image layer; None for other layers."""
        return self._places[image].document if image in self._places else None

    def choose(self, image: Image) -> None:
        """Take another image in hand."""
        viewer = self.viewer
        if viewer is not None and image in viewer.layers:
            viewer.layers.selection.active = image

    # ------------------------------------------------------------------ layers come and go

    def _on_inserted(self, event: Any) -> None:
        self._adopt(event.value)
        if self.document is None:
            self._on_active()
        self.changed.emit()

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        place = self._places.pop(layer, None) if isinstance(layer, Image) else None
        if place is not None:
            for work in (self.work, self.measuring, self.explainer.work):
                if work.owner is place.document:
                    work.stop()
            self._to_measure = [(document, ids) for document, ids in self._to_measure if document is not place.document]
            place.document.drop()
        for other in self._places.values():
            other.forget(layer)
        if self.document is None:
            self._active = None
            self._on_active()
        self.changed.emit()

    def _adopt(self, layer: Layer) -> None:
        viewer = self.viewer
        if viewer is None or not isinstance(layer, Image) or layer in self._places or _is_ours(layer):
            return
        try:
            document = Document(micrograph_of(layer))
        except InputError as error:
            self._refused[layer] = str(error)
            return
        place = self._places[layer] = Place(viewer, layer, document)
        place.review.changed.connect(self._on_document)
        document.table_changed.connect(self._on_document)
        document.state_changed.connect(self._on_document)
        document.selection_changed.connect(self._on_document)
        there = weakref.ref(document)
        document.measuring_wanted.connect(lambda ids: self._measure(there(), ids))
        layer.events.data.connect(self._on_pixels)

    def _on_pixels(self, event: Any) -> None:
        """Other pixels in the same layer: what was measured and predicted on the old ones goes."""
        layer = event.source
        document = self.document_of(layer)
        if document is None:
            return
        try:
            micrograph = micrograph_of(layer)
        except InputError as error:
            show_warning(str(error))
            return
        if micrograph.data is not document.micrograph.data:
            document.replace_pixels(micrograph)

    def _on_active(self, _: Any = None) -> None:
        viewer = self.viewer
        if viewer is None:
            return
        layer = viewer.layers.selection.active
        chosen = self._image_behind(layer)
        if chosen is not None:
            self.keyboard.attach(layer, clusters=layer is self._places[chosen].clusters.points)
        if chosen is None and self.document is None:
            chosen = next(iter(reversed(self.images)), None)
        if chosen is None or (self._active is not None and chosen is self._active()):
            return
        self._active = weakref.ref(chosen)
        self.active_changed.emit()
        self.changed.emit()

    def _on_frame(self, _: Any = None) -> None:
        if self.document is not None and self.document.micrograph.n_frames > 1:
            self.changed.emit()

    def _image_behind(self, layer: Layer | None) -> Image | None:
        if isinstance(layer, Image) and layer in self._places:
            return layer
        return next((image for image, place in self._places.items() if layer is not None and place.shows(layer)), None)

    def _on_document(self, *_: Any) -> None:
        self.changed.emit()

    # ------------------------------------------------------------------ measuring what a person placed

    def _measure(self, document: Document | None, ids: list[int]) -> None:
        if document is None or document.micrograph.pixel_size_nm is None or document.micrograph.refusal:
            return
        micrograph, table = document.micrograph, document.table
        height, width = micrograph.shape_yx
        inside = table.rows["y_px"].between(-0.5, height - 0.5) & table.rows["x_px"].between(-0.5, width - 0.5)
        ids = [i for i in ids if i in set(table.ids[inside.to_numpy()].tolist())]
        at_once = isinstance(micrograph.data, np.ndarray) and height * width <= _SMALL_IMAGE_PX
        if at_once and len(ids) <= _MEASURE_AT_ONCE:
            _take_measurement(document, table, drain(measure_steps(micrograph, table, ids)), ids)
        elif ids:
            self._to_measure.append((document, ids))
            self._measure_next()

    def _measure_next(self, _: str = "") -> None:
        if self.measuring.busy or not self._to_measure:
            return
        document, ids = self._to_measure.pop(0)
        table, micrograph = document.table, document.micrograph

        def take(done: ClusterTable) -> None:
            if document.micrograph is micrograph:
                _take_measurement(document, table, done, ids)
            else:  # on other pixels, or at another pixel size
                self._measure(document, ids)

        self.measuring.start("Measure", lambda: measure_steps(micrograph, table, ids), take, document)


def _take_measurement(document: Document, before: ClusterTable, measured: ClusterTable, ids: list[int]) -> None:
    """Fill in what was measured, for those of `ids` that are still where they were."""
    was, now = before.rows.set_index("id"), document.table.rows.set_index("id")
    where = ["frame", "y_px", "x_px"]
    still = [i for i in ids if i in now.index and bool((now.loc[[i], where] == was.loc[[i], where]).all(axis=None))]
    rows = measured.rows.set_index("id").loc[still]
    values = {name: rows[name].to_numpy() for name in ("diameter_nm", "intensity", "flag")}
    document.amend(edits.measure(document.table, still, values))


def _is_ours(layer: Layer) -> bool:
    return bool(layer.metadata.get("napari_atomicity_overlay"))


_BENCHES: weakref.WeakKeyDictionary[ViewerModel, Bench] = weakref.WeakKeyDictionary()


def bench_of(viewer: Any) -> Bench:
    """The one bench of a viewer; also for the proxy that napari gives to widgets."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    bench = _BENCHES.get(viewer)
    if bench is None:
        bench = _BENCHES[viewer] = Bench(viewer)
    return bench
