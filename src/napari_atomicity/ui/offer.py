"""The offer to bring back work that was left unsaved; it takes no room where there is none."""

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
        left, free = self.bench.sessions.left, not self.bench.work.busy
        self.setVisible(bool(left))
        if left:
            more = f" ({len(left) - 1} more after this one)" if len(left) > 1 else ""
            self.text.setText(f"{left[0].sentence}{more}")
        for widget in (self.restore, self.discard, self.later):
            widget.setEnabled(free)

    def _restore(self) -> None:
        if self.bench.sessions.left:
            self.bench.sessions.restore(self.bench.sessions.left[0])

    def _discard(self) -> None:
        if self.bench.sessions.left:
            self.bench.sessions.discard(self.bench.sessions.left[0])

    def _later(self) -> None:
        self.bench.sessions.later()
