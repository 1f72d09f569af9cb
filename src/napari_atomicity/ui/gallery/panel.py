"""The gallery: pictures of all clusters in groups of their class, to be compared, selected and labelled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent, QShowEvent
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QPushButton, QSlider, QVBoxLayout, QWidget

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.ui.actions import annotate
from napari_atomicity.ui.context import context_of
from napari_atomicity.ui.gallery.contents import ORDERS, Contents
from napari_atomicity.ui.gallery.crops import Source, side_nm
from napari_atomicity.ui.gallery.painting import Look
from napari_atomicity.ui.gallery.service import gallery_of
from napari_atomicity.ui.gallery.view import PictureView
from napari_atomicity.ui.shortcuts.bindings import name_of_key
from napari_atomicity.ui.widgets.controls import AfterPainting, make_accessible, narrow
from napari_atomicity.ui.widgets.docked import Docked
from napari_atomicity.ui.widgets.focus import mark_focus
from napari_atomicity.ui.widgets.label_buttons import LabelButtons, colours_of
from napari_atomicity.ui.widgets.progress_strip import ProgressStrip
from napari_atomicity.ui.widgets.theme import plot_colours
from napari_atomicity.ui.workspace.camera import look_at
from napari_atomicity.ui.workspace.docks import beside_workbench

if TYPE_CHECKING:
    import napari

    from napari_atomicity.document.document import Document

_SIDES: Final = {"below": "at most", "above": "at least"}
_NO_CLUSTERS: Final = "There are no clusters yet: find them first (step 2), or add them by hand."
_NONE_LEFT: Final = "No cluster is {side} {bound} % sure. Move the slider to see more."
_BOUND_TIP: Final = (
    "Show only clusters of whose label the model is that sure. Those that it has not labelled count as not sure"
)
_VIEW_TIP: Final = (
    "Click selects, Shift and Ctrl select more, as does a box drawn from beside the pictures. Drag the selected ones "
    "onto a heading or a button to label them. Double click: see it in the image. Click a heading to close its group; "
    "Ctrl and the wheel make the pictures larger."
)
_COLUMNS: Final = 6
_DELETE: Final = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
#: times as large as the smallest pictures
_LARGEST: Final = 4.0


class GalleryPanel(QWidget):
    """The dock widget: order, how sure, the pictures, and the labels that can be given."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.context = context_of(viewer)
        self.workspace = self.context.workspace
        self.gallery = gallery_of(self.workspace)
        self._shown: tuple[Any, ...] = ()
        self._build(viewer)
        make_accessible(self)
        mark_focus(self)
        self._docked = Docked(self, lambda: self.strip.show_steps(not beside_workbench(self)))
        self._due = AfterPainting(self, self.show_now)
        self.workspace.changed.connect(self._on_changed)
        self.gallery.changed.connect(self._on_choices)
        self.gallery.crops.made.connect(self._on_made)
        self.context.shortcuts.changed.connect(self._on_changed)
        viewer.events.theme.connect(self._on_theme)
        self.show_now()

    def _build(self, viewer: napari.viewer.Viewer) -> None:
        self.view = PictureView(self.gallery.crops)
        self.view.setToolTip(_VIEW_TIP)
        self.view.mouse.label_at = self._label_at
        for signal, do in (
            (self.view.picked, self._pick),
            (self.view.looked_at, self._look_at),
            (self.view.dropped, self._label),
            (self.view.folded, self.gallery.fold),
            (self.view.sized, self._size),
            (self.view.typed, self._type),
        ):
            signal.connect(do)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setToolTip("How many clusters are shown, and how many are selected")
        self.labels = LabelButtons(self.context, self._do, "the selected clusters", _COLUMNS)
        page = QVBoxLayout(self)
        page.setContentsMargins(8, 8, 8, 8)
        page.setSpacing(6)
        page.addLayout(self._order_row())
        page.addLayout(self._bound_row())
        page.addWidget(self.view, 1)
        page.addWidget(self.labels)
        page.addLayout(self._mark_row())
        self.strip = ProgressStrip(viewer)
        page.addWidget(self.strip)

    def _order_row(self) -> QHBoxLayout:
        self.order = QComboBox()
        self.order.setToolTip("What comes first in each group")
        self.order.setAccessibleName("Order of the pictures")
        narrow(self.order)
        for order, words in ORDERS.items():
            self.order.addItem(words, order)
        self.order.activated.connect(lambda row: self.gallery.choose(order=self.order.itemData(row)))
        self.backwards = QCheckBox("Backwards")
        self.backwards.setToolTip("The last ones first")
        self.backwards.clicked.connect(lambda on: self.gallery.choose(backwards=on))
        self.one_grey = QCheckBox("Same brightness")
        self.one_grey.setToolTip("One scale of grey for all, so that brightness can be compared; else each has its own")
        self.one_grey.clicked.connect(lambda on: self.gallery.choose(one_grey=on))
        return _row((self.order, 1), (self.backwards, 0), (self.one_grey, 0))

    def _bound_row(self) -> QHBoxLayout:
        self.side = QComboBox()
        for side, words in _SIDES.items():
            self.side.addItem(words, side)
        self.side.setAccessibleName("Show clusters whose label is at most or at least so sure")
        self.side.setToolTip(_BOUND_TIP)
        self.side.activated.connect(self._choose_side)
        self.bound = QSlider(Qt.Orientation.Horizontal)
        self.bound.setRange(0, 100)
        self.bound.setToolTip(_BOUND_TIP)
        self.bound.setAccessibleName("How sure, in per cent")
        self.bound.valueChanged.connect(lambda value: self.gallery.choose(bound=value))
        self.bound_words = QLabel()
        self.bound_words.setMinimumWidth(self.fontMetrics().horizontalAdvance("100 % sure "))
        return _row((QLabel("Show"), 0), (self.side, 0), (self.bound, 1), (self.bound_words, 0))

    def _mark_row(self) -> QHBoxLayout:
        self.marks = {name: QPushButton(text) for name, text in {"accept": "Accept", "clear": "Clear"}.items()}
        for name, widget in self.marks.items():
            widget.clicked.connect(partial(self._do, name))
        return _row((self.words, 1), *((widget, 0) for widget in self.marks.values()))

    # ------------------------------------------------------------------ what is shown

    def show_now(self) -> None:
        """Show the document in hand; a selection alone redraws nothing else."""
        if not self.isVisible() and self._shown:
            return  # it comes again when it is shown
        document, choices = self.workspace.document, self.gallery.choices
        self._show_choices()
        self.labels.offer(document)
        # what is painted is as large as what is written: the style of the window sizes labels alone
        self.view.setFont(self.words.font())
        now = (document, *_basis(document), choices, self._theme, self.workspace.why_no_document)
        if now != self._shown:
            self._shown = now
            self._draw(document)
        self.view.show_selection(frozenset() if document is None else document.selection)
        self._show_words(document)

    def _show_choices(self) -> None:
        choices = self.gallery.choices
        self.order.setCurrentIndex(self.order.findData(choices.order))
        self.side.setCurrentIndex(self.side.findData(choices.side))
        self.backwards.setChecked(choices.backwards)
        self.one_grey.setChecked(choices.one_grey)
        self.bound.setValue(choices.bound)
        self.bound_words.setText(f"{choices.bound} % sure")

    def _draw(self, document: Document | None) -> None:
        """Pictures, or a sentence."""
        choices = self.gallery.choices
        labels = annotate.labels_of(document)
        if document is None or not len(document.table):
            message = self.workspace.why_no_document if document is None else document.micrograph.refusal
            nothing = Contents(ClusterTable.empty(), (), choices)
            self.view.show_contents(nothing, Look(self._theme, {}, np.nan), message or _NO_CLUSTERS)
            return
        table, micrograph = document.table, document.micrograph
        contents = Contents(table, labels, choices, stack=micrograph.n_frames > 1)
        side = side_nm(table, micrograph.pixel_size_nm)
        self.gallery.crops.turn_to(Source(micrograph, table, side, choices.one_grey))
        colours = colours_of([group.label for group in contents.groups if group.label])
        message = "" if contents.n_shown else _NONE_LEFT.format(side=_SIDES[choices.side], bound=choices.bound)
        self.view.show_contents(contents, Look(self._theme, colours, side), message)

    def _show_words(self, document: Document | None) -> None:
        """``87 of 122 shown, 3 selected``."""
        n = 0 if document is None else len(document.table)
        chosen = frozenset() if document is None else document.selection
        said = [f"{self.view.contents.n_shown} of {n} shown"] if n else []
        if chosen:
            hidden = len(chosen) - len(self.view.contents.indices_of(chosen))
            where = ", not shown" if hidden == len(chosen) else f" ({hidden} of them not shown)" if hidden else ""
            said.append(f"{len(chosen)} selected{where}")
        self.words.setText(", ".join(said))
        for part in (self.order, self.backwards, self.one_grey, self.side, self.bound):
            part.setEnabled(n > 0)
        for offer in (self.labels, *self.marks.values()):
            offer.setVisible(n > 0)
            offer.setEnabled(bool(chosen))
        for name, mark in self.marks.items():
            mark.setToolTip(self.context.shortcuts.tip(name))

    @property
    def _theme(self) -> dict[str, str]:
        return plot_colours(self.workspace.viewer)

    # ------------------------------------------------------------------ what a person does

    def _choose_side(self, row: int) -> None:
        """The other side, with all clusters where all were shown."""
        side, choices = self.side.itemData(row), self.gallery.choices
        if side != choices.side:
            all_shown = choices.bound == (100 if choices.side == "below" else 0)
            bound = choices.bound if not all_shown else 100 if side == "below" else 0
            self.gallery.choose(side=side, bound=bound)

    def _pick(self, ids: frozenset[int]) -> None:
        document = self.workspace.document
        if document is not None:
            # at once: napari takes a while for the rings of thousands of clusters
            self.view.show_selection(ids, reveal=False)
            self.view.port.repaint()
            document.select(ids)
            self._show_words(document)

    def _look_at(self, cluster: int) -> None:
        look_at(self.workspace, cluster)

    def _label(self, label: str) -> None:
        self._try(lambda: annotate.label(self.workspace, label))

    def _try(self, do: Callable[[], None]) -> None:
        """Do what may be refused with a sentence."""
        try:
            do()
        except InputError as error:
            annotate.say(self.workspace, str(error))

    def _size(self, factor: float) -> None:
        self.gallery.choose(size=float(np.clip(self.gallery.choices.size * factor, 1.0, _LARGEST)))

    def _label_at(self, place: Any) -> str | None:
        """The label whose button lies at a place of the screen, where clusters can be dropped."""
        return self.labels.label_at(place)

    def _do(self, name: str, _: bool = False) -> None:
        annotate.do(self.workspace, self.context.shortcuts, name)

    def _type(self, event: QKeyEvent) -> None:
        """The keys of the layer of clusters work here as well; a key that is held does so once."""
        name = name_of_key(event.keyCombination(), self.context.shortcuts.keys)
        if name is None and event.key() not in _DELETE:
            event.ignore()
        elif event.isAutoRepeat():
            return
        elif name is None:
            self._try(lambda: annotate.delete(self.workspace))
        else:
            self._do(name)

    # ------------------------------------------------------------------ Qt

    def showEvent(self, event: QShowEvent | None) -> None:
        """Show what came while it was hidden."""
        super().showEvent(event)
        self._due.start()

    def changeEvent(self, event: QEvent | None) -> None:
        """Another size of the text."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange and self._shown:
            self._due.start()

    def _on_theme(self, _: object = None) -> None:
        self._on_changed()

    def _on_made(self) -> None:
        if isalive(self):
            self.view.port.update()

    def _on_choices(self) -> None:
        if isalive(self):
            self.show_now()

    def _on_changed(self) -> None:
        if isalive(self):
            self._due.start()


def _row(*parts: tuple[QWidget, int]) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(6)
    for widget, stretch in parts:
        row.addWidget(widget, stretch)
    return row


def _basis(document: Document | None) -> tuple[Any, ...]:
    """What of a document decides the pictures."""
    return () if document is None else (document.table, document.micrograph, document.state.bundle)
