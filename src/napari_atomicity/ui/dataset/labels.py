"""Labels that persons give to images of datasets: written into the dataset in the background, the newest last."""

from __future__ import annotations

import logging
import threading
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from napari.utils.notifications import show_warning
from qtpy.QtCore import QCoreApplication, QObject

from napari_atomicity.dataset.folder import Folder
from napari_atomicity.dataset.review import save_labels
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.widgets.controls import later

if TYPE_CHECKING:
    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.document.document import Document
    from napari_atomicity.ui.workspace.workspace import Workspace

#: from a label to its writing, and from a failure to the next attempt
_PAUSE_MS: Final = 500
_TRY_AGAIN_MS: Final = 15_000
_FAULT: Final = "this is a fault of napari-atomicity; save a project until it is mended."
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Reviewed:
    """An image of a dataset: its clusters as they are now, and as they were last written."""

    folder: Folder
    image: str
    newest: ClusterTable
    written: ClusterTable
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def waits(self) -> bool:
        """Whether the dataset does not hold the newest labels yet."""
        return self.written is not self.newest

    def write(self) -> str:
        """Write the newest labels where they are not written yet; gives what hinders it, empty where nothing does."""
        with self._lock:  # a slow write of older labels ends before that of newer ones begins
            table = self.newest
            if table is self.written:
                return ""
            try:
                save_labels(self.folder, self.image, table)
            except InputError as error:
                return str(error)
            except Exception:
                _log.exception("Labels could not be written")
                return _FAULT
            self.written = table
            return ""


class LabelKeeper(QObject):
    """Writes the labels of those images of a viewer that come from a dataset, until the disk has them."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._open: weakref.WeakKeyDictionary[Document, _Reviewed] = weakref.WeakKeyDictionary()
        #: images that were closed before their labels could be written
        self._closed: list[_Reviewed] = []
        #: whether a person knows that labels cannot be written
        self._told = False
        self._work = workspace.new_work()
        self._work.finished.connect(lambda _: self._save_later())
        self._due = later(self, _PAUSE_MS, self._save)
        workspace.removed.connect(self._on_removed)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self._flush)

    def document_of(self, folder: Folder, image: str) -> Document | None:
        """The document that shows this image of this dataset; None where none does."""
        found = (one for one, known in self._open.items() if known.image == image and _same(known.folder, folder))
        return next(found, None)

    def keep(self, document: Document, folder: Folder, image: str) -> None:
        """From now on write what a person labels in `document`, which is as the dataset has it."""
        self._open[document] = _Reviewed(folder, image, document.table, document.table)
        document.table_changed.connect(self._save_later)

    def finish(self, folder: Folder, image: str) -> None:
        """Write what waits of an image that was closed, before it is read again.

        Raises
        ------
        InputError
            Where it still cannot be written.
        """
        for known in self._closed:
            if known.image == image and _same(known.folder, folder) and (problem := known.write()):
                raise InputError(f"Its last labels are not in the dataset yet: {problem}")

    # ------------------------------------------------------------------ when they are written

    def _waiting(self) -> list[_Reviewed]:
        for document, known in self._open.items():
            known.newest = document.table
        self._closed = [known for known in self._closed if known.waits]
        return [known for known in (*self._open.values(), *self._closed) if known.waits]

    def _save_later(self) -> None:
        if self._waiting() and not self._due.isActive():
            self._due.start(_TRY_AGAIN_MS if self._told else _PAUSE_MS)

    def _save(self) -> None:
        """Write what changed; what changes meanwhile is written next."""
        waiting = self._waiting()
        if self._work.busy or not waiting:
            return

        def steps() -> Steps[str]:
            problem = ""
            for done, known in enumerate(waiting):
                yield Progress(done, len(waiting), "Saving labels")
                problem = known.write() or problem
            return problem

        self._work.start("Save labels", steps, self._say)

    def _say(self, problem: str) -> None:
        if problem and not self._told:  # once, though every attempt fails in the same way
            show_warning(f"Labels are not in the dataset yet, and are written as soon as they can be: {problem}")
        self._told = bool(problem)

    def _on_removed(self, group: Any) -> None:
        """An image that is closed: its last labels are written at once, or else later."""
        known = self._open.pop(group.document, None)
        if known is None:
            return
        known.newest = group.document.table
        if problem := known.write():
            self._closed.append(known)
            self._say(problem)
            self._save_later()

    def _flush(self) -> None:
        """The program ends: nothing can be shown any more."""
        for known in self._waiting():
            known.write()


def _same(one: Folder, other: Folder) -> bool:
    return one.path.resolve() == other.path.resolve()
