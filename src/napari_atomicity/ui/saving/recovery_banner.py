"""The offer to bring back work left unsaved, or taken off with its image; it takes no room where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout

from napari_atomicity.ui.widgets.controls import button

if TYPE_CHECKING:
    from napari_atomicity.ui.context import Context


class RecoveryBanner(QFrame):
    """Says what was left unsaved, with restore, discard and later."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.project, self.workspace = context.project, context.workspace
        self.setObjectName("offer")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.restore = button("Restore", "Bring the work back as it was", self._restore)
        self.discard = button("Discard", "Offer it no more; a copy is kept aside", self._discard)
        self.later = button("Later", "Ask again at the next start", self._later)
        row = QHBoxLayout()
        for widget in (self.restore, self.discard, self.later):
            row.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        column.addWidget(self.text)
        column.addLayout(row)
        self.project.offered = True
        self.project.changed.connect(self._show)
        self.workspace.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        if not isalive(self):
            return
        project, idle = self.project, not self.workspace.work.busy
        left, taken_off = project.left, project.taken_off
        self.setVisible(bool(left or taken_off))
        self.discard.setVisible(bool(left))
        if left:
            more = f" ({len(left) - 1} more after this one)" if len(left) > 1 else ""
            self.text.setText(f"{left[0].sentence}{more}")
        elif taken_off:
            self.text.setText(f"{taken_off[0].name} was taken off with unsaved work.")
        for widget in (self.restore, self.discard, self.later):
            widget.setEnabled(idle)

    def _restore(self) -> None:
        project = self.project
        if project.left:
            project.restore(project.left[0])
        elif project.taken_off:
            project.bring_back(project.taken_off[0])

    def _discard(self) -> None:
        if self.project.left:
            self.project.discard(self.project.left[0])

    def _later(self) -> None:
        self.project.later()
