"""A button for each label that clusters can be given, in its colour and with its key."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QGridLayout, QPushButton, QWidget

from napari_atomicity.clusters import OTHER, atoms_of
from napari_atomicity.errors import InputError
from napari_atomicity.style import OTHER_COLOUR, size_colours
from napari_atomicity.ui.actions import annotate
from napari_atomicity.ui.widgets.controls import button

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.ui.context import Context


class LabelButtons(QWidget):
    """Buttons that label the selected clusters, `columns` of them side by side."""

    def __init__(self, context: Context, columns: int = 4) -> None:
        super().__init__()
        self._context, self._columns = context, columns
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self._offered: tuple[object, ...] = ()
        #: button of each label
        self.by_label: dict[str, QPushButton] = {}

    def offer(self, document: Document | None) -> None:
        """The labels of the model of a document; nothing happens where they are there already."""
        labels = (*annotate.labels_of(document), OTHER)
        keys = self._context.shortcuts.keys
        if (labels, keys) == self._offered:
            return
        self._offered = labels, keys
        for widget in self.by_label.values():
            self._grid.removeWidget(widget)
            widget.deleteLater()
        self.by_label = {}
        colours = colours_of(labels)
        for i, label in enumerate(labels):
            name = "other" if label == OTHER else f"class_{i + 1}"
            key = keys.get(name, "")
            tip = f"Label the selected clusters as {label}" + (f" ({key})" if key else "")
            widget = button(f"{label}  {key}".rstrip(), tip, partial(self._label, label))
            widget.setStyleSheet(f"QPushButton {{ border-left: 6px solid {colours[label]}; padding: 3px 4px; }}")
            self._grid.addWidget(widget, i // self._columns, i % self._columns)
            self.by_label[label] = widget

    def label_at(self, place: QPoint) -> str | None:
        """The label whose button lies at a place of the screen; None where there is none."""
        for label, widget in self.by_label.items():
            if widget.isVisible() and widget.rect().contains(widget.mapFromGlobal(place)):
                return label
        return None

    def _label(self, label: str) -> None:
        try:
            annotate.label(self._context.workspace, label)
        except InputError as error:
            annotate.say(self._context.workspace, str(error))


def colours_of(labels: Sequence[str]) -> dict[str, str]:
    """Colour (``#rrggbb``) of each label."""
    sizes = {label: atoms_of(label) or 0 for label in labels if label != OTHER}
    known = size_colours(tuple(sizes.values()))
    return {label: known[size] for label, size in sizes.items()} | {OTHER: OTHER_COLOUR}
