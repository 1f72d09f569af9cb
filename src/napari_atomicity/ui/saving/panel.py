"""Save and restore: the project file, unsaved work, and what a person has to decide after opening one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QComboBox, QFileDialog, QListWidget

from napari_atomicity.project import outside_sentence
from napari_atomicity.ui.actions.project import ask_open, save, save_as
from napari_atomicity.ui.project.recent import recent_projects
from napari_atomicity.ui.saving.recovery_banner import RecoveryBanner
from napari_atomicity.ui.widgets.controls import button, line_height, narrow, say
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.workspace.camera import centre_on

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.ui.project.controller import ProjectController

_ROWS: Final = 6
#: so many of the last projects are offered
_OFFERED: Final = 8


class SavingPanel(Panel):
    """The project file of the window, and unsaved work."""

    title = "Save and restore"

    def build(self) -> None:
        """Unsaved work of before, the file and its buttons, images to decide on, differences of a merge."""
        self.offer = RecoveryBanner(self.context)
        self.page.addWidget(self.offer)
        self.file = self.note("The file that Save writes to")
        self.kept = self.note("Unsaved work is written in the background and offered again after a crash")
        self.save = button("Save", "Write everything to the project file", lambda: save(self.context.project))
        self.save_as = button(
            "Save as…", "Write everything to a new project file", lambda: save_as(self.context.project)
        )
        self.open = button(
            "Open…",
            "Open a project; the project or table of a colleague on an image that is open is merged into yours",
            lambda: ask_open(self.context.project),
        )
        self.row(self.save, self.save_as, self.open)
        self.recent = QComboBox()
        self.recent.setToolTip("Open one of the last projects")
        narrow(self.recent)
        self.recent.activated.connect(self._open_recent)
        self.page.addWidget(self.recent)
        self._build_unclear()
        self._build_conflicts()
        self.context.project.changed.connect(self._on_changed)
        # "saved 3 s ago" grows older without anything happening
        self._clock = self.startTimer(5000)

    def _build_unclear(self) -> None:
        """What is asked about an image that is missing or changed."""
        self.why = self.note("An image of the project that is being opened")
        projects = self.context.project
        self.read = button("Read them", "Let this window read images in these folders", projects.allow)
        self.anyway = button("Open it anyway", "Positions and your labels stay; predictions go", self._anyway)
        self.choose = button("Choose the file…", "Say where the image is now", self._find)
        self.without = button(
            "Without pixels",
            "Clusters and labels come back, on a blank image; saving keeps all of it",
            projects.without,
        )
        self.leave = button("Leave it out", "Open the rest; the file keeps all of it", self._leave)
        self.stop = button("Do not open", "Open nothing", projects.dismiss)
        self.row(self.read, self.anyway, self.choose)
        self.row(self.without, self.leave, self.stop)

    def _build_conflicts(self) -> None:
        """The list of differences that a merge found."""
        self.about = self.note("Where the two projects differ")
        self.conflicts = QListWidget()
        self.conflicts.setObjectName("conflicts")
        self.conflicts.setWordWrap(True)
        self.conflicts.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.conflicts.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.conflicts.setToolTip("Choosing one shows it in the image; several can be chosen")
        self.conflicts.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.conflicts.currentRowChanged.connect(self._show_difference)
        self.page.addWidget(self.conflicts)
        self.theirs = button("Take theirs", "Take the other version of the chosen ones", lambda: self._decide(True))
        self.mine = button("Keep mine", "Keep your version of the chosen ones", lambda: self._decide(False))
        self.all = button("Choose all", "Choose all differences", self.conflicts.selectAll)
        self.row(self.theirs, self.mine, self.all)

    # ------------------------------------------------------------------ showing

    def show_document(self, document: Document | None) -> None:
        """Show the file, what is kept, and what is to be decided."""
        idle = not self.workspace.work.busy
        say(self.file, status_text(self.context.project))
        say(self.kept, kept_text(self.context.project))
        self.save.setEnabled(idle and bool(self.workspace.groups))
        self.save_as.setEnabled(idle and bool(self.workspace.groups))
        self.open.setEnabled(idle)
        self._show_recent(idle)
        self._show_unclear(idle)
        self._show_conflicts(idle)

    def status(self, document: Document) -> str:
        """Whether the work is in a file."""
        return "unsaved changes" if self.context.project.autosave.unsaved else "saved"

    def _show_recent(self, idle: bool) -> None:
        paths = recent_projects()[:_OFFERED]
        names = ["Recent projects…", *(path.name for path in paths)]
        if names != [self.recent.itemText(i) for i in range(self.recent.count())]:
            self.recent.clear()
            self.recent.addItems(names)
        self._recent = paths
        self.recent.setVisible(bool(paths))
        self.recent.setEnabled(idle)

    def _show_unclear(self, idle: bool) -> None:
        asked = self.context.project.asked.unclear if self.context.project.asked is not None else ()
        outside = outside_sentence(asked)
        say(self.why, outside or (asked[0].why if asked else ""))
        for widget in (self.read, self.anyway, self.choose, self.without, self.leave, self.stop):
            widget.setVisible(bool(asked))
            widget.setEnabled(idle)
        self.read.setVisible(bool(outside))
        self.anyway.setVisible(bool(asked) and not outside and asked[0].path is not None)
        for widget in (self.choose, self.leave):
            widget.setVisible(bool(asked) and not outside)

    def _show_conflicts(self, idle: bool) -> None:
        conflicts = self.context.project.merging.conflicts
        texts = [conflict.sentence for _, conflict in conflicts]
        if texts != [item.text() for i in range(self.conflicts.count()) if (item := self.conflicts.item(i))]:
            self.conflicts.clear()
            self.conflicts.addItems(texts)
        many = f"{len(texts)} differences" if len(texts) != 1 else "One difference"
        say(self.about, f"{many} between the two; your version stays until you choose." if texts else "")
        self.conflicts.setFixedHeight(line_height(self.conflicts, 2 * min(max(len(texts), 2), _ROWS)) + 8)
        for widget in (self.conflicts, self.theirs, self.mine, self.all):
            widget.setVisible(bool(texts))
            widget.setEnabled(idle)

    def timerEvent(self, event: object) -> None:
        """Say anew how long ago it was."""
        if self.isVisible():
            say(self.file, status_text(self.context.project))
            say(self.kept, kept_text(self.context.project))

    # ------------------------------------------------------------------ what a person does

    def _open_recent(self, index: int) -> None:
        self.recent.setCurrentIndex(0)
        if 1 <= index <= len(self._recent):
            self.context.project.open(self._recent[index - 1])

    def _anyway(self) -> None:
        asked = self.context.project.asked
        if asked is not None and asked.unclear:
            self.context.project.answer(asked.unclear[0].key, asked.unclear[0].path)

    def _find(self) -> None:
        asked = self.context.project.asked
        if asked is None or not asked.unclear:
            return
        path, _ = QFileDialog.getOpenFileName(self, f"Where is {asked.unclear[0].name}?", str(asked.path.parent))
        if path:
            self.context.project.answer(asked.unclear[0].key, Path(path))

    def _leave(self) -> None:
        asked = self.context.project.asked
        if asked is not None and asked.unclear:
            self.context.project.answer(asked.unclear[0].key, None)

    def _decide(self, theirs: bool) -> None:
        rows = sorted(index.row() for index in self.conflicts.selectedIndexes())
        self.context.project.merging.decide(rows, theirs)

    def _show_difference(self, row: int) -> None:
        """Centre the view on a difference, and select its cluster."""
        viewer, conflicts = self.workspace.viewer, self.context.project.merging.conflicts
        if viewer is None or not 0 <= row < len(conflicts):
            return
        document, conflict = conflicts[row][0](), conflicts[row][1]
        group = next((group for group in self.workspace.groups if group.document is document), None)
        image = group.image() if group is not None else None
        if document is None or image is None:
            return
        centre_on(viewer, image, conflict.place)
        document.select([] if conflict.id is None else [conflict.id])


def status_text(project: ProjectController) -> str:
    """The file and when it was written."""
    if project.path is None:
        return "Not in a project file yet."
    when = "" if project.saved_at is None else f", saved {ago(project.saved_at)}"
    changes = "; changed since" if project.autosave.unsaved else ""
    return f"{project.path.name}{when}{changes}."


def kept_text(project: ProjectController) -> str:
    """State of the background saving, in words."""
    autosave = project.autosave
    if autosave.problem:
        return f"⚠ Unsaved work is not kept: {autosave.problem}"
    if not autosave.unsaved:
        return "No unsaved changes." if project.path is not None else ""
    if autosave.when is None:
        return "Unsaved changes will be kept in a moment."
    return f"Unsaved changes are kept in the background, last {ago(autosave.when)}."


def ago(when: datetime) -> str:
    """How long ago, as people say it: ``3 s ago``, ``12 min ago``, ``at 14:32``."""
    seconds = (datetime.now() - when).total_seconds()
    if seconds < 2:
        return "just now"
    if seconds < 60:
        return f"{seconds:.0f} s ago"
    return f"{seconds / 60:.0f} min ago" if seconds < 3600 else f"at {when:%H:%M}"
