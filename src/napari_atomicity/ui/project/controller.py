"""Projects of one viewer: which file is open, what a person still has to decide, and what was left unsaved before."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.utils.notifications import (
    Notification,
    NotificationSeverity,
    notification_manager,
    show_info,
    show_warning,
)
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_atomicity.errors import InputError
from napari_atomicity.progress import Steps
from napari_atomicity.project import (
    Project,
    SavedImage,
    UnclearImage,
    open_steps,
    outside_sentence,
    save_steps,
)
from napari_atomicity.project.files import with_suffix
from napari_atomicity.project.images import Answer
from napari_atomicity.project.recovery import Unsaved, set_aside, taken, unsaved
from napari_atomicity.ui.project.autosave import Autosave, mark_of
from napari_atomicity.ui.project.conversion import Restorer, project_of
from napari_atomicity.ui.project.merging import Merging
from napari_atomicity.ui.project.project_file import ProjectFile, would_cost
from napari_atomicity.ui.project.recent import remember
from napari_atomicity.wording import counted

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.ui.workspace.solo import Solo
    from napari_atomicity.ui.workspace.workspace import Workspace

_TABLES: Final = (".csv", ".parquet")


@dataclass(frozen=True, eq=False)
class PendingProject:
    """A project that waits for a person's word on images that are missing or changed."""

    path: Path
    unclear: tuple[UnclearImage, ...]
    answers: dict[str, Answer]
    recovered: Unsaved | None


class ProjectController:
    """Saving, opening, merging and bringing back; `changed` tells panels that there is something new to show."""

    changed = Signal()

    def __init__(self, workspace: Workspace, solo: Solo) -> None:
        self._solo = solo
        self._workspace = weakref.ref(workspace)
        self.autosave = Autosave(workspace, solo)
        self.autosave.changed.connect(self.changed.emit)
        #: file that was opened or saved last, and when it was written
        self.file: ProjectFile | None = None
        self.saved_at: datetime | None = None
        self.asked: PendingProject | None = None
        self.merging = Merging(workspace)
        self.merging.changed.connect(self.changed.emit)
        #: whether a panel offers it
        self.offered = False
        #: work that was left unsaved by windows that are gone
        self.left: list[Unsaved] = []
        self._not_now: list[SavedImage] = []
        #: folders outside a project's own that a person let it read, or read from themselves, in this window
        self.allowed: set[Path] = set()
        there = weakref.ref(self)
        QTimer.singleShot(0, lambda: found.look() if (found := there()) is not None else None)

    @property
    def workspace(self) -> Workspace:
        """The workspace that it belongs to."""
        workspace = self._workspace()
        assert workspace is not None
        return workspace

    # ------------------------------------------------------------------ saving

    @property
    def path(self) -> Path | None:
        """The file that "Save" writes to; None once all its images have left and others have come."""
        documents = [group.document for group in self.workspace.groups]
        return None if self.file is None or (documents and not self.file.is_of(documents)) else self.file.path

    def save(self, path: Path | None = None) -> bool:
        """Write all open images to `path`, or to the file that is open.

        What else may be in that file is kept under another name.
        """
        workspace, target = self.workspace, path or self.path
        if target is None:
            return False
        for group in workspace.groups:
            group.clusters.sync_from_layer()
        if not workspace.groups:
            show_warning("There is nothing to save yet: open a micrograph first.")
            return False
        target = with_suffix(target)
        self.allowed |= {
            Path(path).parent for one in workspace.groups if (path := one.document.micrograph.provenance.path)
        }
        project = project_of(workspace, self._solo, workspace.groups)
        marks = {group.document: mark_of(group.document) for group in workspace.groups}
        keep = would_cost(self.file, target, list(marks))

        def apply(saved: tuple[Path, Path | None]) -> None:
            written, kept = saved
            self.file, self.saved_at = ProjectFile(written, list(marks)), datetime.now()
            self.autosave.saved(marks)
            remember(written)
            show_info(f"Saved {written.name}: {counted(len(project.images), 'image')}.")
            if kept is not None:
                show_warning(f"{written.name} held something that is not open here; that version is now {kept.name}.")
            self.changed.emit()

        return workspace.work.start("Save the project", lambda: save_steps(project, target, keep), apply)

    # ------------------------------------------------------------------ opening

    def open(self, path: Path) -> bool:
        """Open a project file, or merge the table in a CSV or Parquet file into the image in hand."""
        if path.suffix.lower() in _TABLES:
            return self.merging.open_table(path)
        return self._open(PendingProject(path, (), {}, None))

    def answer(self, key: str, answer: Answer) -> bool:
        """What a person says about an unclear image: the file to take, open it without its pixels, or leave it out."""
        return self._answered({key: answer})

    def allow(self) -> bool:
        """The project may read the folders that it asks for, and so may others until the window closes."""
        if self.asked is None:
            return False
        self.allowed |= {path.parent for one in self.asked.unclear for path in one.outside}
        return self._open(self.asked)

    def without(self) -> bool:
        """Bring back the clusters of all images that are asked about together, without the pixels."""
        asked = () if self.asked is None else self.asked.unclear
        first = [one for one in asked if one.outside] or list(asked[:1])
        return self._answered({one.key: "without" for one in first})

    def _answered(self, answers: dict[str, Answer]) -> bool:
        asked = self.asked
        if asked is None:
            return False
        answers = {**asked.answers, **answers}
        rest = tuple(one for one in asked.unclear if one.key not in answers)
        wanted = replace(asked, unclear=rest, answers=answers)
        if not rest:  # the question stands until the project is open: other work may run, and reading may fail
            return self._open(wanted)
        self.asked = wanted
        self.changed.emit()
        return True

    def dismiss(self) -> None:
        """Do not open the project that waits for an answer."""
        self.asked = None
        self.changed.emit()

    def _open(self, wanted: PendingProject) -> bool:
        have = [group.document.micrograph for group in self.workspace.groups]
        allowed = frozenset(self.allowed)

        def steps() -> Steps[Project]:
            if wanted.recovered is None:
                return (yield from open_steps(wanted.path, have, wanted.answers, allowed))
            with taken(wanted.recovered):
                return (yield from open_steps(wanted.path, have, wanted.answers, allowed))

        return self.workspace.work.start("Open the project", steps, lambda project: self._land(wanted, project, have))

    def _ask(self, wanted: PendingProject, unclear: Sequence[UnclearImage]) -> None:
        """Have a person decide; what lies outside of the project's folder first, and that with one click."""
        self.asked = replace(wanted, unclear=tuple(sorted(unclear, key=lambda one: not one.outside)))
        if outside := outside_sentence(unclear):
            may_it = (("Read them", lambda _: self.allow()), ("Without pixels", lambda _: self.without()))
            warning = Notification(outside, NotificationSeverity.WARNING, may_it)  # type: ignore[arg-type]  # called with itself
            notification_manager.dispatch(warning)
        else:
            show_warning(f"{unclear[0].why} Decide in Save and restore.")
        self.changed.emit()

    def _land(self, wanted: PendingProject, project: Project, have: Sequence[Any]) -> None:
        if project.unclear:
            self._ask(wanted, project.unclear)
            return
        self.asked = None
        landing, fresh = Restorer(self.workspace), not any(mark_of(p.document)[0][1:] for p in self.workspace.groups)
        shown = [self._land_image(landing, image, have) for image in project.images]
        in_hand = shown[project.in_hand] if project.in_hand < len(shown) else None
        group = next((one for one in self.workspace.groups if one.document is in_hand), None)
        if group is not None and (image := group.image()) is not None:
            self.workspace.choose(image)
            if group.clusters.points is not None and self.workspace.viewer is not None:
                # where the keys of the clusters work, and the selection shows
                self.workspace.viewer.layers.selection.active = group.clusters.points
        if fresh:  # the last word: another image in hand is seen whole
            landing.look(project)
        self._opened(wanted, project, [one for one in shown if one is not None], fresh)

    def _land_image(self, landing: Restorer, saved: SavedImage, have: Sequence[Any]) -> Document | None:
        """One image: into its layer where that is open already, merged where something was done there."""
        there = None if saved.match is None else have[saved.match]
        document = next((p.document for p in self.workspace.groups if p.document.micrograph is there), None)
        if document is None:
            return landing.show(saved)
        if len(document.table) or len(document.table.removed):
            self.merging.merge(document, saved.name, saved.state.table, saved.state.micrograph.pixel_size_nm)
        else:
            landing.fill(document, saved)
        return document

    def _opened(self, wanted: PendingProject, project: Project, shown: list[Document], fresh: bool) -> None:
        for remark in project.remarks:
            show_warning(remark)
        left_out = [key for key, path in wanted.answers.items() if path is None]
        if wanted.recovered is not None:
            one = wanted.recovered
            # it is offered until this window has it on the disk itself
            self.autosave.then(lambda: self._aside(one))
            self.left = [each for each in self.left if each != one]
        else:
            remember(wanted.path)
            if fresh and not left_out:
                self.file = ProjectFile(wanted.path, shown)
                self.autosave.saved({document: mark_of(document) for document in shown})
        show_info(
            f"Opened {counted(len(shown), 'image')}." + (" The image left out stays in the file." if left_out else "")
        )
        self.changed.emit()

    # ------------------------------------------------------------------ unsaved work of windows that are gone

    def look(self) -> None:
        """Look for work that was left unsaved, and say so."""
        self.left = unsaved()
        if self.left:
            if not self.offered:  # else it stands in the window already
                show_info(f"{self.left[0].sentence} Restore it in Save and restore.")
            self.changed.emit()

    def restore(self, one: Unsaved) -> bool:
        """Bring unsaved work back."""
        return self._open(PendingProject(one.folder, (), {}, one))

    @property
    def taken_off(self) -> list[SavedImage]:
        """Unsaved work on images that were taken off this viewer, newest first, but for what was put off."""
        return [image for image in reversed(self.autosave.closed) if image not in self._not_now]

    def bring_back(self, saved: SavedImage) -> None:
        """The image with its work as it was when it was taken off; into its layer where it was opened again."""
        mine, landing = saved.state.micrograph, Restorer(self.workspace)
        untouched = [group.document for group in self.workspace.groups if not mark_of(group.document)[0][1:]]
        again = next((document for document in untouched if _same_image(document.micrograph, mine)), None)
        if again is None:
            landing.show(saved)
        else:
            landing.fill(again, saved)
        self.autosave.take_back(saved)
        show_info(f"{saved.name} is back as it was.")
        self.changed.emit()

    def discard(self, one: Unsaved) -> None:
        """Offer it no more; it is kept aside."""
        self.left = [each for each in self.left if each != one]
        self._aside(one)
        self.changed.emit()

    def later(self) -> None:
        """Say no more about it until the next start."""
        self.left, self._not_now = [], list(self.autosave.closed)
        self.changed.emit()

    def _aside(self, one: Unsaved) -> None:
        try:
            set_aside(one)
        except InputError as error:
            show_warning(str(error))


def _same_image(one: Micrograph, other: Micrograph) -> bool:
    """Whether two micrographs are one array, or come from the same place of one file."""
    a, b = one.provenance, other.provenance
    same_file = a.path is not None and (a.path, a.image_index) == (b.path, b.image_index)
    return one.data is other.data or (same_file and one.data.shape == other.data.shape)
