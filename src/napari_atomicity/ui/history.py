"""All steps that were made on the image in hand; a click puts another one in force."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem

from napari_atomicity.ui.actions import single
from napari_atomicity.ui.widgets.panel import Panel

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document


class HistoryPanel(Panel):
    """The list of steps, with the one in force marked."""

    title = "History"

    def build(self) -> None:
        """The list."""
        self.list = QListWidget()
        self.list.setObjectName("history")
        self.list.setToolTip(
            "Click a step to go there; later steps stay in the list until something new is done. Heat maps are not kept"
        )
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setMinimumHeight(160)
        self.list.itemClicked.connect(self._go)
        self.list.itemActivated.connect(self._go)
        self.page.addWidget(self.list, 1)
        self._shown: tuple[object, ...] = ()

    def show_document(self, document: Document | None) -> None:
        """Show the steps; only what changed is written."""
        states, now = document.steps if document is not None else ([], -1)
        steps = [(name, state.when) for name, state in states]
        shown = (document, tuple(steps), now)
        self.list.setEnabled(document is not None and not self.workspace.work.busy)
        if shown == self._shown:
            return
        self._shown = shown
        while self.list.count() > len(steps):
            self.list.takeItem(self.list.count() - 1)
        for row, (name, when) in enumerate(steps):
            item = self.list.item(row)
            if item is None:
                item = QListWidgetItem()
                self.list.addItem(item)
            self._show_step(item, name, when, row - now)
        if now >= 0:
            self.list.setCurrentRow(now)
            self.list.scrollToItem(self.list.item(now))

    def status(self, document: Document) -> str:
        """How many steps there are."""
        n = len(document.history)
        return f"{n} step{'' if n == 1 else 's'}"

    def _show_step(self, item: QListWidgetItem, name: str, when: float, distance: int) -> None:
        text = f"{'▶' if not distance else ' '}  {_clock(when, '%H:%M:%S')}  {name}"
        if item.text() != text:
            item.setText(text)
        font = item.font()
        if font.bold() != (not distance) or font.italic() != (distance > 0):
            font.setBold(not distance)
            font.setItalic(distance > 0)
            item.setFont(font)
        state = "in force" if not distance else "undone" if distance > 0 else "before"
        item.setToolTip(f"{name} ({_clock(when, '%Y-%m-%d %H:%M:%S')}, {state})")

    def _go(self, item: QListWidgetItem) -> None:
        single.go_to(self.workspace, self.list.row(item))


def _clock(when: float, form: str) -> str:
    """A time in words; a dash where a project of an earlier version does not know it."""
    return "–" if math.isnan(when) else time.strftime(form, time.localtime(when))
