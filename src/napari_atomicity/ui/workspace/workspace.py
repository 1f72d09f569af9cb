"""What belongs to one viewer: its documents, the layers that show them, and the work that runs."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

from napari.layers import Image, Layer
from napari.utils.notifications import show_warning
from psygnal import Signal

from napari_atomicity.document.document import Document
from napari_atomicity.errors import InputError
from napari_atomicity.ui.layers.clusters import ClusterLayer
from napari_atomicity.ui.layers.heat_maps import HeatMaps
from napari_atomicity.ui.workspace.layer_group import LayerGroup
from napari_atomicity.ui.workspace.measuring import Measuring
from napari_atomicity.ui.workspace.micrographs import micrograph_of, same_pixels
from napari_atomicity.ui.workspace.tasks import TaskRunner

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.utils.events import Event

_NO_IMAGE: Final = "Open a micrograph first: drop a file on the window, or File > Open Sample > Atomicity."


class Workspace:
    """Documents of one viewer by image layer (the object, never its name), and which of them is in hand.

    Signals: `active_changed` when another document comes into hand, `changed` for everything about it; `inserted` when
    a layer came, `removed` with the group of an image that was taken off, `layer_active` with a layer that shows a
    document, and whether it is the one of its clusters.
    """

    active_changed = Signal()
    changed = Signal()
    inserted = Signal()
    removed = Signal(object)
    layer_active = Signal(object, bool)

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._groups: weakref.WeakKeyDictionary[Image, LayerGroup] = weakref.WeakKeyDictionary()
        self._refused: weakref.WeakKeyDictionary[Image, str] = weakref.WeakKeyDictionary()
        self._active: weakref.ref[Image] | None = None
        #: all work of this viewer, that of open docks too
        self.works: weakref.WeakSet[TaskRunner] = weakref.WeakSet()
        self.work = self.new_work()
        self.measuring = Measuring()
        self.works.add(self.measuring)
        self.work.started.connect(lambda _: self.changed.emit())
        self.work.finished.connect(lambda _: self.changed.emit())
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.selection.events.active.connect(self._on_active)
        viewer.dims.events.current_step.connect(self._on_frame)

    def begin(self) -> None:
        """Take up the layers that are there already, once everybody listens."""
        viewer = self.viewer
        for layer in viewer.layers if viewer is not None else ():
            self._adopt(layer)
        self._on_active()

    # ------------------------------------------------------------------ what is there

    @property
    def viewer(self) -> ViewerModel | None:
        """The viewer; None once it is gone."""
        return self._viewer()

    @property
    def images(self) -> list[Image]:
        """Image layers that are micrographs, in the order of the layer list."""
        viewer = self.viewer
        layers = [] if viewer is None else list(viewer.layers)
        return [layer for layer in layers if isinstance(layer, Image) and layer in self._groups]

    @property
    def image(self) -> Image | None:
        """The image layer in hand."""
        return self._active() if self._active is not None else None

    @property
    def groups(self) -> list[LayerGroup]:
        """All documents with their layers, in the order of the layer list."""
        return [self._groups[image] for image in self.images]

    @property
    def group(self) -> LayerGroup | None:
        """The document in hand with its layers."""
        image = self.image
        return self._groups[image] if image is not None and image in self._groups else None

    @property
    def document(self) -> Document | None:
        """The document in hand; None while no micrograph is open."""
        return self.group.document if self.group is not None else None

    @property
    def clusters(self) -> ClusterLayer | None:
        """Keeper of the points layer in hand."""
        return self.group.clusters if self.group is not None else None

    @property
    def maps(self) -> HeatMaps | None:
        """Keeper of the heat maps in hand."""
        return self.group.maps if self.group is not None else None

    @property
    def can_act(self) -> bool:
        """Whether a step may be started: there is a document, it can be counted, and no work runs."""
        document = self.document
        return document is not None and not document.micrograph.refusal and not self.work.busy

    @property
    def why_no_document(self) -> str:
        """What to tell a person while no document is in hand."""
        return self.refusal or _NO_IMAGE

    @property
    def refusal(self) -> str:
        """Why the active layer is no micrograph; empty where it is one or there is none."""
        viewer = self.viewer
        layer = viewer.layers.selection.active if viewer is not None else None
        return self._refused.get(layer, "") if isinstance(layer, Image) else ""

    def new_work(self) -> TaskRunner:
        """A piece of work beside the others, which the workspace knows as long as its owner holds it."""
        work = TaskRunner()
        self.works.add(work)
        return work

    def maps_of(self, document: Document) -> HeatMaps | None:
        """Keeper of the heat maps of a document; None once its image is gone."""
        return next((group.maps for group in self._groups.values() if group.document is document), None)

    @property
    def frame(self) -> int:
        """Frame of the stack that is shown; 0 for a single image."""
        viewer, document, image = self.viewer, self.document, self.image
        if viewer is None or document is None or image is None or document.micrograph.n_frames == 1:
            return 0
        frame = round(float(image.world_to_data(viewer.dims.point[-image.ndim :])[-3]))
        return min(max(frame, 0), document.micrograph.n_frames - 1)

    def document_of(self, image: Image) -> Document | None:
        """The document of an image layer; None for other layers."""
        return self._groups[image].document if image in self._groups else None

    def choose(self, image: Image) -> None:
        """Take another image in hand."""
        viewer = self.viewer
        if viewer is not None and image in viewer.layers:
            viewer.layers.selection.active = image

    # ------------------------------------------------------------------ layers come and go

    def _on_inserted(self, event: Event) -> None:
        self._adopt(event.value)
        if self.document is None:
            self._on_active()
        self.inserted.emit()
        self.changed.emit()

    def _on_removed(self, event: Event) -> None:
        layer = event.value
        group = self._groups.pop(layer, None) if isinstance(layer, Image) else None
        if group is not None:
            for work in list(self.works):
                if work.owner is group.document:
                    work.stop()
            self.measuring.forget(group.document)
            self.removed.emit(group)
            group.document.drop()
        for other in self._groups.values():
            other.forget(layer)
        if self.document is None:
            self._active = None
            self._on_active()
        self.changed.emit()

    def _adopt(self, layer: Layer) -> None:
        viewer = self.viewer
        if viewer is None or not isinstance(layer, Image) or layer in self._groups or _is_ours(layer):
            return
        try:
            document = Document(micrograph_of(layer))
        except InputError as error:
            self._refused[layer] = str(error)
            return
        group = self._groups[layer] = LayerGroup(viewer, layer, document)
        group.review.changed.connect(self._on_document)
        group.rings.changed.connect(self._on_document)
        group.maps.changed.connect(self._on_document)
        document.table_changed.connect(self._on_document)
        document.state_changed.connect(self._on_document)
        document.selection_changed.connect(self._on_document)
        document_ref = weakref.ref(document)
        document.measuring_wanted.connect(lambda ids: self.measuring.measure(document_ref(), ids))
        layer.events.data.connect(self._on_pixels)

    def _on_pixels(self, event: Event) -> None:
        """Other pixels in the same layer: what was measured and predicted on the old ones goes."""
        layer = event.source
        group = self._groups.get(layer)
        if group is None or group.restoring:
            return
        group.keep_axes()
        try:
            micrograph = micrograph_of(layer)
        except InputError as error:
            show_warning(str(error))
            return
        if not same_pixels(micrograph.data, group.document.micrograph.data):
            group.hold(micrograph)
            group.document.replace_pixels(micrograph)

    def _on_active(self, _: object = None) -> None:
        viewer = self.viewer
        if viewer is None:
            return
        layer = viewer.layers.selection.active
        chosen = self._image_behind(layer)
        if chosen is not None:
            self.layer_active.emit(layer, layer is self._groups[chosen].clusters.points)
        if chosen is None and self.document is None:
            chosen = next(iter(reversed(self.images)), None)
        if chosen is None or (self._active is not None and chosen is self._active()):
            return
        self._active = weakref.ref(chosen)
        self.active_changed.emit()
        self.changed.emit()

    def _on_frame(self, _: object = None) -> None:
        if self.document is not None and self.document.micrograph.n_frames > 1:
            self.changed.emit()

    def _image_behind(self, layer: Layer | None) -> Image | None:
        if isinstance(layer, Image) and layer in self._groups:
            return layer
        return next((image for image, group in self._groups.items() if layer is not None and group.shows(layer)), None)

    def _on_document(self, *_: object) -> None:
        self.changed.emit()


def _is_ours(layer: Layer) -> bool:
    return bool(layer.metadata.get("napari_atomicity_overlay"))
