"""Progress of the work that runs, with Stop, undo and redo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QWidget,
)

from napari_atomicity.progress import Progress
from napari_atomicity.ui.actions import single
from napari_atomicity.ui.context import context_of
from napari_atomicity.ui.widgets.controls import AfterPainting, button

if TYPE_CHECKING:
    import napari


class ProgressStrip(QWidget):
    """Progress of the work that runs, cancel, undo and redo."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.workspace = context_of(viewer).workspace
        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.bar.setToolTip("How far the work has come")
        self.stop = button("Stop", "Stop the work; nothing is changed by what was not finished", self._stop)
        self.undo = button("↶ Undo", "Take back the last step (Ctrl+Z on the cluster layer)", self._undo)
        self.redo = button("↷ Redo", "Bring back the step that was taken back (Ctrl+Shift+Z)", self._redo)
        self.setObjectName("strip")
        self.undo.setObjectName("undo")
        self.redo.setObjectName("redo")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget, stretch in ((self.undo, 0), (self.redo, 0), (self.bar, 1), (self.stop, 0)):
            row.addWidget(widget, stretch)
        self._alone = True
        work = self.workspace.work
        work.progressed.connect(self._on_progress)
        self._due = AfterPainting(self, self._show)
        self.workspace.changed.connect(self._on_changed)
        self._show()

    def show_steps(self, shown: bool) -> None:
        """With undo and redo, or without: the strip then takes no room while nothing runs."""
        self._alone = shown
        self._show()

    def _stop(self) -> None:
        self.bar.setFormat("Stopping…")
        self.stop.setEnabled(False)
        self.workspace.work.stop()

    def _undo(self) -> None:
        single.undo(self.workspace)

    def _redo(self) -> None:
        single.redo(self.workspace)

    def _on_progress(self, progress: Progress) -> None:
        if not isalive(self) or not self.stop.isEnabled():
            return
        self.bar.setRange(0, max(progress.total, 0))
        self.bar.setValue(progress.done)
        self.bar.setFormat(progress.what)

    def _on_changed(self) -> None:
        if isalive(self):
            self._due.start()

    def _show(self) -> None:
        work, document = self.workspace.work, self.workspace.document
        was_busy = self.stop.isVisibleTo(self)
        if work.busy != was_busy or not work.busy:
            self.bar.setRange(0, 0 if work.busy else 1)
            self.bar.setValue(0)
            self.bar.setFormat(work.title if work.busy else "")
            self.stop.setEnabled(work.busy)
        self.bar.setVisible(work.busy)
        self.stop.setVisible(work.busy)
        for each in (self.undo, self.redo):
            each.setVisible(self._alone)
        self.setVisible(self._alone or work.busy)
        for each, name in (
            (self.undo, single.undo_name(self.workspace)),
            (self.redo, document.redo_name if document else ""),
        ):
            each.setEnabled(bool(name) and not work.busy)
            each.setToolTip(f"{each.text()[2:]}: {name}" if name else f"Nothing to {each.text()[2:].lower()}")
