"""The watch of one viewer: it outlives the panel that shows it. What it computes, another process computes."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.layers import Image, Layer
from napari.utils.notifications import show_warning
from psygnal import Signal

from napari_atomicity.errors import InputError
from napari_atomicity.io.napari_hooks import as_layer
from napari_atomicity.live.apart import apart_steps
from napari_atomicity.live.feed import feed_of
from napari_atomicity.live.opening import opened_steps
from napari_atomicity.live.order import Order, Update
from napari_atomicity.live.pictures import Picture
from napari_atomicity.live.seen import SeenImages
from napari_atomicity.live.session import LiveSession
from napari_atomicity.live.watching import Look
from napari_atomicity.pipeline import Settings
from napari_atomicity.pipeline.count import model_steps
from napari_atomicity.progress import Steps
from napari_atomicity.style import colours
from napari_atomicity.ui.live.settings import WatchSettings, own_address

if TYPE_CHECKING:
    from napari_atomicity.pipeline import ImageState
    from napari_atomicity.ui.workspace.workspace import Workspace

#: pictures that are kept; older images can still be opened
_PICTURES: Final = 150
#: sentences that are kept
_SAID: Final = 20


class LiveWatch:
    """A watch and what it has found. Signal: `changed` whenever there is something new to show."""

    changed = Signal()

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = weakref.ref(workspace)
        self.work = workspace.new_work()
        self.opening = workspace.new_work()
        self.settings = WatchSettings()
        self.look: Look | None = None
        self.pictures: OrderedDict[str, Picture] = OrderedDict()
        self.newest: str = ""
        self.said: list[str] = []
        self.colours: Mapping[str, str] = {}
        #: what is or was done last; None before anything was
        self.order: Order | None = None
        #: where images are received; empty while they are not
        self.address = ""
        self._seen = SeenImages()
        self._closing = threading.Event()
        self.work.finished.connect(self._on_finished)
        self.opening.finished.connect(lambda _: self.changed.emit())

    def choose(self, **values: Any) -> None:
        """New values for fields of `WatchSettings`."""
        settings = replace(self.settings, **values)
        if settings != self.settings:
            self.settings = settings
            self.changed.emit()

    @property
    def busy(self) -> bool:
        """Whether a watch runs."""
        return self.work.busy

    @property
    def is_closing(self) -> bool:
        """Whether it was asked to end, and has an image in hand yet."""
        return self.busy and self._closing.is_set()

    # ------------------------------------------------------------------ the watch

    def start(self, model: str, sensitivity: float) -> None:
        """Begin to watch, or go on where a watch of the same folder was.

        Parameters
        ----------
        model, sensitivity
            As in `Settings`.
        """
        from napari_atomicity.counting.bundle import load_card

        settings = Settings(model=model, sensitivity=sensitivity, adapt="off")
        try:
            order = self.settings.order(settings)
            card = load_card(model)
        except InputError as error:
            show_warning(str(error))
            return
        self.colours = colours(card.class_sizes, card.element)
        self._begin("Watch", order, [])

    def stop(self) -> None:
        """End the watch once the image in hand is counted; asked for once more, at once."""
        if self._closing.is_set():
            self.work.stop()
        self._closing.set()
        self.changed.emit()

    def settle(self) -> None:
        """Count all images of the session once more together, as ``analyse --session`` does."""
        if self.order is None or self.busy:
            return
        done = f"All images were counted together; tables and reports are in {self.order.target}."
        self._begin("Count together", replace(self.order, source="none"), [done])

    def _begin(self, title: str, order: Order, at_the_end: list[str]) -> None:
        if self.order is None or self.order.target != order.target:
            self.look, self.newest = None, ""
            self.pictures.clear()
        self.order, self.said, self._seen = order, [], SeenImages()
        closing = self._closing = threading.Event()

        def steps() -> Steps[Update]:
            with feed_of(order) as feed:
                return (yield from apart_steps(order, closing.is_set, feed.turn))

        def take(update: Update) -> None:
            self._take(update)
            self.said = [*self.said, *at_the_end][-_SAID:]

        self.work.start(title, steps, take, meanwhile=self._take)
        self.changed.emit()

    def open(self, sha256: str) -> None:
        """Open an image of the session in the viewer, counted, to be corrected and reviewed like any other.

        Parameters
        ----------
        sha256
            Of the image.
        """
        order, seen = self.order, self._seen.images.get(sha256)
        if order is None or seen is None or self._is_shown(Path(seen.path)):
            return

        def steps() -> Steps[ImageState | None]:
            bundle = yield from model_steps(order.settings.model)
            session = LiveSession(order.target, order.settings, bundle, order.reading)
            known = session.ledger.images.get(sha256)
            return None if known is None else (yield from opened_steps(session, known))

        def take(state: ImageState | None) -> None:
            if state is None:
                show_warning(f"{seen.name} is no longer where it was; bring it back and open it again.")
            else:
                self._show(state)

        self.opening.start(f"Open {seen.name}", steps, take)

    # ------------------------------------------------------------------ parts of it

    def _take(self, update: Update) -> None:
        for seen in update.noted:
            self._seen.keep(seen)
        if update.picture is not None:
            self.newest, picture = update.picture
            self.pictures[self.newest] = picture
            self.pictures.move_to_end(self.newest)
            while len(self.pictures) > _PICTURES:
                self.pictures.popitem(last=False)
        if update.address is not None:
            host, port = update.address
            self.address = f"{own_address() if self.settings.is_open else host}, port {port}"
        if update.look is not None:
            self.look = replace(update.look, images=self._seen.counted, failed=self._seen.failed)
            self.said = [*self.said, *update.look.said][-_SAID:]
        self.said = [*self.said, *update.said][-_SAID:]
        self.changed.emit()

    def _on_finished(self, _: str) -> None:
        self.address = ""
        self.changed.emit()

    def _is_shown(self, path: Path) -> bool:
        """Take the image of a file in hand where it is open already."""
        workspace = self._workspace()
        for group in [] if workspace is None else workspace.groups:
            image = group.image()
            if workspace is not None and image is not None and group.document.micrograph.provenance.path == path:
                workspace.choose(image)
                return True
        return False

    def _show(self, state: ImageState) -> None:
        workspace = self._workspace()
        viewer = None if workspace is None else workspace.viewer
        if workspace is None or viewer is None:
            return
        layer = Layer.create(*as_layer(state.micrograph))
        viewer.add_layer(layer)
        document = workspace.document_of(layer) if isinstance(layer, Image) else None
        if document is not None:
            settings = state.settings_in_force
            document.choose(model=settings.model, adapt=settings.adapt, sensitivity=settings.sensitivity)
            document.apply("Counted in the watch", replace(state, micrograph=document.micrograph), document.state)


_WATCHES: weakref.WeakKeyDictionary[Workspace, LiveWatch] = weakref.WeakKeyDictionary()


def live_watch_of(workspace: Workspace) -> LiveWatch:
    """The one watch of a workspace."""
    watch = _WATCHES.get(workspace)
    if watch is None:
        watch = _WATCHES[workspace] = LiveWatch(workspace)
    return watch
