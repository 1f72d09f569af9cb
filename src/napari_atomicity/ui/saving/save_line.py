"""Open and save in one line of the workbench, with whether there is unsaved work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_atomicity.ui.actions.project import save
from napari_atomicity.ui.saving.panel import kept_text, status_text
from napari_atomicity.ui.widgets.controls import AfterPainting, button
from napari_atomicity.ui.widgets.open_menu import menu_button, open_menu

if TYPE_CHECKING:
    from napari_atomicity.ui.context import Context
    from napari_atomicity.ui.project.controller import ProjectController

#: a longer file name is cut in its middle
_LONGEST = 26


class SaveLine(QWidget):
    """The buttons Open and Save project, and what is saved."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.workspace, self.project = context.workspace, context.project
        self.open, self.menu = menu_button(
            "Open", "Another image, a sample, or a project", lambda owner: open_menu(owner, context)
        )
        self.save = button("Save project", "Write everything to the project file", lambda: save(self.project))
        self.state = QLabel()
        self.state.setWordWrap(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.open)
        row.addWidget(self.save)
        row.addWidget(self.state, 1)
        self._due = AfterPainting(self, self.show_now)
        self.workspace.changed.connect(self._on_changed)
        self.project.changed.connect(self._on_changed)
        self.show_now()

    def show_now(self) -> None:
        """Show whether there is unsaved work."""
        idle = not self.workspace.work.busy
        self.open.setEnabled(idle)
        self.save.setEnabled(idle and bool(self.workspace.groups))
        self.state.setText(saved_text(self.project))
        self.state.setToolTip(f"{status_text(self.project)} {kept_text(self.project)}".strip())

    def _on_changed(self) -> None:
        if isalive(self):
            self._due.start()


def saved_text(project: ProjectController) -> str:
    """In a few words: ``monday.atomicity, saved``."""
    unsaved = project.autosave.unsaved
    if project.autosave.problem:
        return "⚠ unsaved work is not kept"
    if project.path is None:
        return "not saved yet" if unsaved else ""
    name = project.path.name
    if len(name) > _LONGEST:
        name = f"{name[:12]}…{name[13 - _LONGEST :]}"
    return f"{name}, {'unsaved changes' if unsaved else 'saved'}"
