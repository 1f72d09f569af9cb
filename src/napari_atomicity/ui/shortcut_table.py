"""The keys on the screen."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from napari_atomicity.ui.actions.annotate import labels_of
from napari_atomicity.ui.shortcuts.table import rows
from napari_atomicity.ui.widgets.controls import say
from napari_atomicity.ui.widgets.html import Bold, html_table
from napari_atomicity.ui.widgets.panel import Panel

if TYPE_CHECKING:
    import napari

    from napari_atomicity.document.document import Document

_ABOUT: Final = (
    "The keys work while the clusters, their image, heat maps or anchors are the active layer, and act on the selected "
    "clusters. Change them in Preferences, page Atomicity."
)


class ShortcutTablePanel(Panel):
    """The table of keys as it is in force."""

    title = "Keys"

    def _stand_alone(self, _: napari.viewer.Viewer) -> None:
        """A small window: no strip, nothing to scroll."""
        self.setLayout(self.page)

    def build(self) -> None:
        """The table and where to change it."""
        self.table = self.note()
        self.about = self.note()
        say(self.about, _ABOUT)
        self.context.shortcuts.changed.connect(self._on_changed)

    def show_document(self, document: Document | None) -> None:
        """Show the keys; the classes by their names where they are known."""
        say(self.table, _table(rows(self.context.shortcuts.keys, labels_of(document))))

    def status(self, document: Document) -> str:
        """Nothing to tell."""
        return ""


def _table(shown: list[tuple[str, str, str]]) -> str:
    lines: list[tuple[str, ...]] = []
    for group, keys in groupby(shown, key=itemgetter(0)):
        lines += [(Bold(group),), *((Bold(key), does) for _, key, does in keys)]
    return html_table(lines, left=2, first_px=100, wide=False)
