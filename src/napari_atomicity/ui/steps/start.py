"""What an empty window says: open an image, a sample, a project or a folder, or watch one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_atomicity.ui.actions.opening import ask_images, open_files
from napari_atomicity.ui.actions.project import ask_open
from napari_atomicity.ui.help import show_help
from napari_atomicity.ui.project.recent import recent
from napari_atomicity.ui.widgets.controls import AfterPainting, button, say
from napari_atomicity.ui.widgets.open_menu import RECENT, folder_of, menu_button, sample_menu
from napari_atomicity.ui.workspace.docks import open_dock

if TYPE_CHECKING:
    from napari_atomicity.ui.context import Context

_ABOUT = "Count the atoms of metal clusters on a STEM image."
_HOW = "Open an image here, or drop its file on the window. Then press Analyse."
_LINK = (
    "QPushButton { border: none; background: transparent; text-align: left; padding: 2px; text-decoration: underline; }"
)


class StartPage(QWidget):
    """The ways to begin, and the files that were opened last; gone once an image is open.

    Parameters
    ----------
    context
        The services of the viewer.
    tour
        What shows the tour.
    """

    def __init__(self, context: Context, tour: Callable[[], object]) -> None:
        super().__init__()
        self.context, self.workspace = context, context.workspace
        about, how = QLabel(_ABOUT), QLabel(_HOW)
        about.setStyleSheet("font-weight: bold;")
        for label in (about, how):
            label.setWordWrap(True)
        project = context.project
        self.image = button(
            "Open an image…",
            "Micrographs as TIFF, DM3, DM4, EMD, SER, MRC …",
            lambda: ask_images(project, folder_of(context)),
        )
        self.sample, self.samples = menu_button(
            "Open a sample",
            "Simulated micrographs that come along; what is on them is known",
            lambda owner: sample_menu(owner, context),
        )
        self.project = button("Open a project…", "Work that was saved before", lambda: ask_open(project))
        viewer = context.workspace.viewer
        self.folder = button(
            "Open a folder of images…",
            "All of them as a list, counted at once",
            lambda: open_dock(viewer, "Many images"),
        )
        self.watch = button(
            "Watch a folder…",
            "At the microscope: count each image as it comes",
            lambda: open_dock(viewer, "Live"),
        )
        self.tour = button("Show the tour", "Five hints on the sample, in a minute", tour)
        self.guide = button("User guide", "What each step does", lambda: show_help(self.workspace.viewer))
        self.refusal = QLabel()
        self.refusal.setWordWrap(True)
        self._head = QLabel("Opened last")
        self._recent = QVBoxLayout()
        self._recent.setSpacing(0)
        self._shown: list[Path] = []
        self._build(about, how)
        self._due = AfterPainting(self, self.show_now)
        self.workspace.changed.connect(self._on_changed)
        context.project.changed.connect(self._on_changed)
        self.show_now()

    def _build(self, about: QLabel, how: QLabel) -> None:
        page = QVBoxLayout(self)
        page.setContentsMargins(10, 10, 10, 10)
        page.setSpacing(8)
        self.image.setStyleSheet("font-weight: bold; padding: 6px;")
        ways = (self.image, self.sample, self.project, self.folder, self.watch)
        for widget in (about, how, self.refusal, *ways, self._head):
            page.addWidget(widget)
        page.addLayout(self._recent)
        page.addSpacing(6)
        for link in (self.tour, self.guide):
            link.setStyleSheet(_LINK)
            link.setCursor(Qt.CursorShape.PointingHandCursor)
            page.addWidget(link, 0, Qt.AlignmentFlag.AlignLeft)
        page.addStretch(1)

    def show_now(self) -> None:
        """Show the recent files, and why what is open cannot be counted."""
        idle = not self.workspace.work.busy
        say(self.refusal, self.workspace.refusal)
        for each in (self.image, self.sample, self.project, self.tour):
            each.setEnabled(idle)
        if self.workspace.document is None:
            self._show_recent(recent()[:RECENT])
        for row in range(self._recent.count()):
            self._link(row).setEnabled(idle)

    def _show_recent(self, paths: list[Path]) -> None:
        self._head.setVisible(bool(paths))
        if paths == self._shown:
            return
        self._shown = paths
        while self._recent.count():
            self._link(0).deleteLater()
            self._recent.takeAt(0)
        for path in paths:
            link = button(path.name, str(path), partial(open_files, self.context.project, [path]))
            link.setObjectName("recent")
            link.setStyleSheet(_LINK)
            link.setCursor(Qt.CursorShape.PointingHandCursor)
            self._recent.addWidget(link, 0, Qt.AlignmentFlag.AlignLeft)

    def _link(self, row: int) -> QWidget:
        item = self._recent.itemAt(row)
        link = item.widget() if item is not None else None
        assert link is not None
        return link

    def _on_changed(self) -> None:
        if isalive(self):
            self._due.start()
