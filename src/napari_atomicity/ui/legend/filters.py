"""Which clusters are seen, by confidence and flag; and whether the legend lies on the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_atomicity.document.ring_filter import CONFIDENCES, FLAG_CHOICES
from napari_atomicity.ui.widgets.controls import button, narrow

if TYPE_CHECKING:
    from napari_atomicity.ui.context import Context
    from napari_atomicity.ui.workspace.layer_group import LayerGroup


class FilterBar(QWidget):
    """Two boxes of choices, how many clusters are seen, and a way back to all of them."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.confidence, self.flag = QComboBox(), QComboBox()
        tip = "Hides the rings of all other clusters; no number and no file changes"
        for name, (words, _, _) in CONFIDENCES.items():
            self.confidence.addItem(words, name)
        for name, words in FLAG_CHOICES.items():
            self.flag.addItem(words, name)
        for box in (self.confidence, self.flag):
            narrow(box)
            box.setMinimumContentsLength(8)
            box.setToolTip(tip)
            box.activated.connect(lambda _: self._choose())
        self.seen = QLabel()
        self.seen.setToolTip("Clusters whose rings are drawn; a selected one is always drawn")
        self.all = button("Show all", "Show the rings of all clusters again", self._show_all)
        self.on_image = QCheckBox("Legend on image")
        self.on_image.setToolTip("The legend in a corner of the image; it answers to clicks like this one")
        self.on_image.clicked.connect(context.legend.set_wanted)
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.setSpacing(4)
        for widgets in ((QLabel("Show"), self.confidence, self.flag), (self.seen, self.all, None, self.on_image)):
            row = QHBoxLayout()
            for widget in widgets:
                if widget is None:
                    row.addStretch(1)
                else:
                    row.addWidget(widget, 1 if isinstance(widget, QComboBox) else 0)
            page.addLayout(row)

    def show_group(self, group: LayerGroup) -> None:
        """Show what is asked for of the clusters of a document."""
        rings = group.rings
        self.confidence.setCurrentIndex(self.confidence.findData(rings.confidence))
        self.flag.setCurrentIndex(self.flag.findData(rings.flag))
        self.seen.setText(seen_words(group))
        self.all.setVisible(rings.active)
        self.on_image.setChecked(self._context.legend.wanted)

    def _choose(self) -> None:
        group = self._context.workspace.group
        if group is not None:
            group.rings.choose(self.confidence.currentData(), self.flag.currentData())

    def _show_all(self) -> None:
        group = self._context.workspace.group
        if group is not None:
            group.rings.show_all()


def seen_words(group: LayerGroup) -> str:
    """``87 of 122 shown``."""
    table = group.document.table
    return f"{int(group.rings.seen(table).sum())} of {len(table)} shown"
