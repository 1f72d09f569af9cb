"""The offer to bring back work left unsaved, or taken off with its image; it takes no room where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout

from napari_atomicity.ui.panel import button

if TYPE_CHECKING:
    from napari_atomicity.ui.bench import Bench


class Offer(QFrame):
    """Says what was left unsaved, with restore, discard and later."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench
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
        self.bench.sessions.changed.connect(self._show)
        self.bench.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        if not isalive(self):
            return
        sessions, free = self.bench.sessions, not self.bench.work.busy
        left, taken_off = sessions.left, sessions.taken_off
        self.setVisible(bool(left or taken_off))
        self.discard.setVisible(bool(left))
        if left:
            more = f" ({len(left) - 1} more after this one)" if len(left) > 1 else ""
            self.text.setText(f"{left[0].sentence}{more}")
        elif taken_off:
            self.text.setText(f"{taken_off[0].name} was taken off with unsaved work.")
        for widget in (self.restore, self.discard, self.later):
            widget.setEnabled(free)

    def _restore(self) -> None:
        sessions = self.bench.sessions
        if sessions.left:
            sessions.restore(sessions.left[0])
        elif sessions.taken_off:
            sessions.bring_back(sessions.taken_off[0])

    def _discard(self) -> None:
        if self.bench.sessions.left:
            self.bench.sessions.discard(self.bench.sessions.left[0])

    def _later(self) -> None:
        self.bench.sessions.later()
