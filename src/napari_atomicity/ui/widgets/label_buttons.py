"""A button for each label, in its colour, with its key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QGridLayout, QPushButton, QWidget

from napari_atomicity.clusters import OTHER, atoms_of
from napari_atomicity.style import OTHER_COLOUR, size_colours
from napari_atomicity.ui.actions.annotate import labels_of
from napari_atomicity.ui.widgets.controls import button

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.ui.context import Context

_COLUMNS: Final = 4


class LabelButtons(QWidget):
    """The classes of the model in hand, and other; a click calls `do` with the name of the key beside the label."""

    def __init__(self, context: Context, do: Callable[[str], object], what: str, columns: int = _COLUMNS) -> None:
        super().__init__()
        self._context, self._do, self._what, self._columns = context, do, what, columns
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self._offered: tuple[object, ...] = ()
        self.by_label: dict[str, QPushButton] = {}

    def offer(self, document: Document | None) -> None:
        """Make the buttons anew where the model has other classes, or a person has chosen other keys."""
        labels, keys = (*labels_of(document), OTHER), self._context.shortcuts.keys
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
            tip = f"Label {self._what} as {label}" + (f" ({key})" if key else "")
            widget = button(f"{label}  {key}".rstrip(), tip, partial(self._do, name))
            widget.setStyleSheet(f"QPushButton {{ border-left: 6px solid {colours[label]}; padding: 3px 4px; }}")
            self._grid.addWidget(widget, i // self._columns, i % self._columns)
            self.by_label[label] = widget

    def label_at(self, place: QPoint) -> str | None:
        """The label whose button lies at a place of the screen; None where there is none."""
        for label, widget in self.by_label.items():
            if widget.isVisible() and widget.rect().contains(widget.mapFromGlobal(place)):
                return label
        return None


def colours_of(labels: Sequence[str]) -> dict[str, str]:
    """Colour (``#rrggbb``) of each label."""
    sizes = {label: atoms_of(label) or 0 for label in labels if label != OTHER}
    known = size_colours(tuple(sizes.values()))
    return {label: known[size] for label, size in sizes.items()} | {OTHER: OTHER_COLOUR}
