"""Unsaved work is written to the disk in the background, a moment after every change."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.utils.notifications import show_warning
from psygnal import Signal
from qtpy.QtCore import QCoreApplication, QTimer

from napari_atomicity.document.options import ImageOptions
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import ImageState
from napari_atomicity.project import Project, SavedImage
from napari_atomicity.project.recovery import Recorder
from napari_atomicity.ui.project.conversion import project_of, saved_image_of

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.document.review import Review
    from napari_atomicity.ui.workspace.solo import Solo
    from napari_atomicity.ui.workspace.workspace import Workspace

#: from a change to the start of writing; with the writing itself no more than 5 s of work are ever at risk
PAUSE_S: Final = 2.0
_LOOK_AGAIN_MS: Final = 50
_TRY_AGAIN_MS: Final = 15_000
_log = logging.getLogger(__name__)

#: what of a document is saved: its states, which of them is in force, and what was chosen
Mark = tuple[tuple[ImageState, ...], int, ImageOptions]


class Autosave:
    """Keeps the unsaved work of one viewer; `changed` tells that there is something new to say about it.

    On the interface thread only references are collected, for documents are made of values that never change; what
    they refer to is written by a thread, and only what was not written before.
    """

    changed = Signal()

    def __init__(self, workspace: Workspace, solo: Solo) -> None:
        self._solo = solo
        self._workspace = weakref.ref(workspace)
        self._recorder = Recorder()
        self._saved: weakref.WeakKeyDictionary[Document, Mark] = weakref.WeakKeyDictionary()
        self._open: dict[Document, tuple[Review, str]] = {}
        #: images that were taken off the viewer with unsaved work
        self.closed: list[SavedImage] = []
        self._written: list[Any] = []
        self._thread: threading.Thread | None = None
        self._waiting = False
        #: when unsaved work was last written, and why it could not be
        self.when: datetime | None = None
        self.problem = ""
        #: whether a person knows of the problem
        self._told = False
        #: longest time that one autosave took of the interface thread, in s
        self.longest = 0.0
        self._finished: list[Any] = []
        workspace.changed.connect(self._on_changed)
        viewer, application = workspace.viewer, QCoreApplication.instance()
        if viewer is not None:
            weakref.finalize(viewer, _end, self)
        if application is not None:
            there = weakref.ref(self)
            application.aboutToQuit.connect(lambda: _flush(there()))

    # ------------------------------------------------------------------ what there is to keep

    @property
    def unsaved(self) -> bool:
        """Whether anything would be lost without it."""
        workspace = self._workspace()
        return bool(self.closed) or any(
            self._is_unsaved(group.document) for group in (workspace.groups if workspace else ())
        )

    @property
    def folder(self) -> Path | None:
        """Where unsaved work is kept; None where there is none."""
        return self._recorder.folder

    @property
    def writing(self) -> bool:
        """Whether a thread writes now."""
        return self._thread is not None

    @property
    def done(self) -> bool:
        """Whether all that was to be written has been."""
        return not self._waiting and not self.writing

    def _is_unsaved(self, document: Document) -> bool:
        mark = mark_of(document)
        return _has_work(document) and self._saved.get(document) != mark

    def saved(self, marks: dict[Document, Mark]) -> None:
        """Documents are in a project file as they were when these `marks` were made."""
        self._saved.update(marks)
        self._on_changed()

    def take_back(self, saved: SavedImage) -> None:
        """An image that was taken off is in the viewer again, with its work."""
        self.closed = [kept for kept in self.closed if kept is not saved]
        self._on_changed()

    def then(self, do: Any) -> None:
        """Call `do` once what there is now has been written."""
        self._finished.append(do)
        self._on_changed()

    # ------------------------------------------------------------------ when it is written

    def _on_changed(self) -> None:
        workspace = self._workspace()
        if workspace is None:
            return
        self._notice_closed(workspace)
        if not self._waiting:
            self._waiting = True
            self._later(int(PAUSE_S * 1000), Autosave._write)

    def _notice_closed(self, workspace: Workspace) -> None:
        """An image that was taken off the viewer, or went with it, leaves its unsaved work here."""
        now = {group.document: (group.review, group.name) for group in workspace.groups}
        for document, (review, name) in self._open.items():
            if document not in now and self._is_unsaved(document):
                self.closed.append(saved_image_of(review, name))
        self._open = now

    def _later(self, milliseconds: int, do: Any) -> None:
        there = weakref.ref(self)
        QTimer.singleShot(milliseconds, lambda: do(found) if (found := there()) is not None else None)

    def _capture(self) -> tuple[Project | None, list[Any]]:
        """What is to be written, None for nothing; and what it can be told apart by."""
        workspace = self._workspace()
        groups = [] if workspace is None else [group for group in workspace.groups if self._is_unsaved(group.document)]
        seen: list[Any] = [*self.closed, *(mark_of(group.document) for group in groups)]
        if not seen:
            return None, seen
        if workspace is None:
            return Project(tuple(self.closed)), seen
        return project_of(workspace, self._solo, groups, self.closed), seen

    def _write(self) -> None:
        if self._thread is not None:
            self._later(_LOOK_AGAIN_MS, Autosave._write)
            return
        start = time.perf_counter()
        self._waiting = False
        project, seen = self._capture()
        self.longest = max(self.longest, time.perf_counter() - start)
        if seen == self._written and not self.problem:
            self._call_finished()
            return
        self._thread = threading.Thread(target=self._write_now, args=(project, seen), name="autosave")
        self._thread.start()
        self._later(_LOOK_AGAIN_MS, Autosave._look)

    def _write_now(self, project: Project | None, seen: list[Any]) -> None:
        try:
            if project is None:
                self._recorder.clear()
            else:
                self._recorder.record(project)
            self._written, self.problem = seen, ""
            self.when = None if project is None else datetime.now()
        except InputError as error:
            self.problem = str(error)
        except Exception:
            _log.exception("Unsaved work could not be written")
            self.problem = "Unsaved work could not be kept by a fault of napari-atomicity; save the project yourself."

    def _look(self) -> None:
        """Whether the thread has come to its end."""
        if self._thread is None:
            return
        if self._thread.is_alive():
            self._later(_LOOK_AGAIN_MS, Autosave._look)
            return
        self._thread = None
        if not self.problem and not self._waiting:  # else what changed since it began is still to be written
            self._call_finished()
        elif not self._waiting:
            self._waiting = True
            self._later(_TRY_AGAIN_MS, Autosave._write)
        if self.problem and not self._told:  # once, though every attempt names another file
            show_warning(f"Unsaved work is not kept at the moment: {self.problem}")
        self._told = bool(self.problem)
        self.changed.emit()

    def _call_finished(self) -> None:
        waiting, self._finished = self._finished, []
        for do in waiting:
            do()

    def flush(self) -> None:
        """Write now and wait for it. Nothing is shown: the window may be gone, or what removes it another thread."""
        if self._thread is not None:
            self._thread.join()  # and `_look`, which is due, says what came of it
        project, seen = self._capture()
        if seen != self._written:
            self._write_now(project, seen)
        if not self.problem:
            self._call_finished()

    def close(self) -> None:
        """Write what is left, and let go of the folder."""
        self.flush()
        self._recorder.close()


def mark_of(document: Document) -> Mark:
    """What of a document belongs into a project, to be compared."""
    steps, now = document.steps
    return tuple(state for _, state in steps), now, document.options


def _has_work(document: Document) -> bool:
    """Whether anything was done that a person would miss: a search that found nothing is none."""
    states = [state for _, state in document.steps[0]]
    first = states[0].micrograph.pixel_size_nm
    return len(states) > 1 and any(
        len(state.table) or len(state.table.removed) or state.micrograph.pixel_size_nm != first for state in states
    )


def _flush(autosave: Autosave | None) -> None:
    if autosave is not None:
        autosave.flush()


def _end(autosave: Autosave) -> None:
    try:
        autosave.close()
    except Exception:
        _log.exception("Unsaved work could not be written at the end")
