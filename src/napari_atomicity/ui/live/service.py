"""The watch of one viewer: it outlives the panel that shows it."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.layers import Image, Layer
from napari.utils.notifications import show_warning
from psygnal import Signal

from napari_atomicity.errors import InputError
from napari_atomicity.io.napari_hooks import as_layer
from napari_atomicity.live.advice import GOAL
from napari_atomicity.live.images import Reading
from napari_atomicity.live.opening import opened_steps
from napari_atomicity.live.session import LiveSession
from napari_atomicity.live.settling import settle_steps
from napari_atomicity.live.sources import FolderSource, FrameSource, replay_of
from napari_atomicity.live.watching import Look, look_at, watch_steps, write_summary
from napari_atomicity.pipeline import Settings
from napari_atomicity.pipeline.count import model_steps
from napari_atomicity.progress import Milestone, Progress, Steps
from napari_atomicity.project.recovery import Lock
from napari_atomicity.style import colours
from napari_atomicity.ui.live.picture import Picture, picture_of

if TYPE_CHECKING:
    from napari_atomicity.pipeline import ImageState
    from napari_atomicity.ui.workspace.workspace import Workspace

#: pictures that are kept; older images can still be opened
_PICTURES: Final = 150
_LOCK: Final = "watch.lock"


@dataclass(frozen=True)
class WatchSettings:
    """What a person set for a watch.

    Attributes
    ----------
    folder
        That the microscope writes to.
    output
        Where tables go; beside the folder where None.
    goal
        Half width of the shares that is wanted.
    pixel_size_nm
        Instead of what the files say; None where they are believed.
    replay_s
        Seconds between two images of the folder, shown as if they came now; None for a watch.
    large
        Whether the dock is to be read from a distance.
    """

    folder: str = ""
    output: Path | None = None
    goal: float = GOAL
    pixel_size_nm: float | None = None
    replay_s: float | None = None
    large: bool = False

    @property
    def target(self) -> Path:
        """Where tables go."""
        folder = Path(self.folder).expanduser()
        return self.output or folder.with_name(f"{folder.name or 'folder'}-watch")


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
        self.session: LiveSession | None = None
        self.colours: Mapping[str, str] = {}
        self._source: FrameSource | None = None
        self._lock: Lock | None = None
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

    # ------------------------------------------------------------------ the watch

    def start(self, model: str, sensitivity: float) -> None:
        """Begin to watch, or go on where a watch of the same folder was.

        Parameters
        ----------
        model, sensitivity
            As in `Settings`.
        """
        chosen = self.settings
        if not chosen.folder.strip():
            show_warning("Choose the folder that the microscope writes to.")
            return
        settings = Settings(model=model, sensitivity=sensitivity, adapt="off")
        self.said = []

        def steps() -> Steps[Look]:
            session = yield from self._session_steps(chosen, settings)
            folder = Path(chosen.folder).expanduser()
            if chosen.replay_s is not None:
                source: FrameSource = replay_of(folder, chosen.replay_s)
            else:
                source = FolderSource(folder, session.ledger.knows)
            self._source = source
            look = yield from _with_pictures_steps(watch_steps(source, session, chosen.goal), self._keep)
            write_summary(session, look)
            return look

        self.work.start("Watch a folder", steps, self._take, meanwhile=self._take)
        self.changed.emit()

    def stop(self) -> None:
        """End the watch once the image in hand is counted."""
        if self._source is not None and not self._source.ended:
            self._source.close()
        else:  # asked for once more: not even what is left to count again is waited for
            self.work.stop()

    def settle(self) -> None:
        """Count all images of the session once more together, as ``analyse --session`` does."""
        session = self.session
        if session is None or self.busy:
            return

        def steps() -> Steps[tuple[Look, list[str]]]:
            self._hold(session.folder)
            _, sentences = yield from settle_steps(session)
            look = look_at(session, self.settings.goal)
            write_summary(session, look)
            return look, sentences

        def take(result: tuple[Look, list[str]]) -> None:
            self._take(result[0])
            self.said = [*result[1], f"All images were counted together; tables and reports are in {session.folder}."]

        self.work.start("Count together", steps, take)
        self.changed.emit()

    def open(self, sha256: str) -> None:
        """Open an image of the session in the viewer, counted, to be corrected and reviewed like any other.

        Parameters
        ----------
        sha256
            Of the image.
        """
        session = self.session
        seen = None if session is None else session.ledger.images.get(sha256)
        if session is None or seen is None or self._is_shown(Path(seen.path)):
            return

        def steps() -> Steps[ImageState | None]:
            return (yield from opened_steps(session, seen))

        def take(state: ImageState | None) -> None:
            if state is None:
                show_warning(f"{seen.name} is no longer where it was; bring it back and open it again.")
            else:
                self._show(state)

        self.opening.start(f"Open {seen.name}", steps, take)

    # ------------------------------------------------------------------ parts of it

    def _session_steps(self, chosen: WatchSettings, settings: Settings) -> Steps[LiveSession]:
        target = chosen.target
        if target.absolute() == Path(chosen.folder).expanduser().absolute():
            raise InputError("The watched folder cannot be the one that is written to; choose another one.")
        bundle = yield from model_steps(settings.model)
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"The folder {target} cannot be made ({error.strerror}); choose another one.") from error
        self._hold(target)
        session = LiveSession(target, settings, bundle, Reading(chosen.pixel_size_nm))
        self.colours = colours(bundle.card.class_sizes, bundle.card.element)
        if self.session is None or self.session.folder != target:
            self.pictures.clear()
        self.session = session
        return session

    def _hold(self, target: Path) -> None:
        lock = Lock(target / _LOCK)
        if not lock.take():
            raise InputError(f"Another watch writes to {target}; end that one, or choose another folder.")
        self._lock = lock

    def _keep(self, sha256: str, picture: Picture) -> None:
        self.pictures[sha256] = picture
        self.pictures.move_to_end(sha256)
        while len(self.pictures) > _PICTURES:
            self.pictures.popitem(last=False)
        self.newest = sha256

    def _take(self, look: Look) -> None:
        self.look = replace(look, newest=None)
        self.said = [*self.said, *look.said][-20:]
        self.changed.emit()

    def _on_finished(self, _: str) -> None:
        self._source = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
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


def _with_pictures_steps(steps: Steps[Look], keep: Callable[[str, Picture], None]) -> Steps[Look]:
    """The same work; the picture of each image is made where it is counted, in the thread of the work."""
    try:
        while True:
            try:
                progress: Progress = next(steps)
            except StopIteration as end:
                result: Look = end.value
                return result
            if isinstance(progress, Milestone) and progress.result.newest is not None:
                counted = progress.result.newest
                if counted.state is not None:
                    keep(counted.seen.sha256, picture_of(counted.state))
            yield progress
    finally:
        steps.close()


_WATCHES: weakref.WeakKeyDictionary[Workspace, LiveWatch] = weakref.WeakKeyDictionary()


def live_watch_of(workspace: Workspace) -> LiveWatch:
    """The one watch of a workspace."""
    watch = _WATCHES.get(workspace)
    if watch is None:
        watch = _WATCHES[workspace] = LiveWatch(workspace)
    return watch
