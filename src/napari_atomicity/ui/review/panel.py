"""Step 7: go through the clusters by eye, the doubtful ones first, and see how often one agrees with the model."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QProgressBar, QPushButton

from napari_atomicity.clusters import OTHER
from napari_atomicity.counting.opinions import ORDERS
from napari_atomicity.counting.review import confusion, reviewed
from napari_atomicity.errors import InputError
from napari_atomicity.ui.actions import annotate
from napari_atomicity.ui.review.wording import agreement_words, confusion_words, here_words
from napari_atomicity.ui.widgets.controls import button, narrow, say
from napari_atomicity.ui.widgets.label_buttons import LabelButtons
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.workspace.camera import look_at
from napari_atomicity.ui.workspace.docks import open_dock

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.document.review import Review

_ORDER_TIP: Final = (
    "Which clusters come first. Against diameter or intensity: where these alone would say another class. At random: "
    "only then the agreement is a fair measure of the model's accuracy."
)
_AGREEMENT_TIP: Final = (
    "With its 95 % interval (Wilson 1927). The fair check leaves out the clusters that the model was already tuned on "
    "when the queue was started: it knows them"
)
_SIGNS: Final = "○ of the model   □ labelled by you   ◇ labelled by you, against the model"


class ReviewPanel(Panel):
    """A queue of clusters, labels by buttons and keys, progress and agreement."""

    title = "Review"

    def build(self) -> None:
        """Order, the cluster at hand, labels, progress, agreement, confusion."""
        self.order = QComboBox()
        self.order.setToolTip(_ORDER_TIP)
        narrow(self.order)
        for order, words in ORDERS.items():
            self.order.addItem(words, order)
        self.order.activated.connect(self._choose)
        self.start = button("Start", "Fix the order of the clusters as they are now, and go to the first", self._start)
        self.row(self.order, self.start).setStretch(0, 1)
        self.unreviewed = QCheckBox("Only unreviewed")
        self.unreviewed.setToolTip("Pass over clusters that carry a label of yours")
        self.go_on = QCheckBox("Go on after a label")
        self.go_on.setToolTip("A label or accept leads to the next cluster of the queue")
        self.unreviewed.clicked.connect(lambda on: self._allow(unreviewed=on))
        self.go_on.clicked.connect(lambda on: self._allow(go_on=on))
        self.row(self.unreviewed, self.go_on)
        self.here = self.note("The cluster at hand and what others say of it")
        self.moves = {
            name: QPushButton(text)
            for name, text in {"previous": "◀ Back", "next": "Next ▶", "uncertain": "Next uncertain"}.items()
        }
        self.marks = {name: QPushButton(text) for name, text in {"accept": "Accept", "clear": "Clear"}.items()}
        for name, widget in (self.moves | self.marks).items():
            widget.clicked.connect(partial(self._do, name))
        self.row(*self.moves.values())
        self.labels = LabelButtons(self.context, self._do, "the selected clusters")
        self.page.addWidget(self.labels)
        self._written = False
        self.keys = button("Keys…", "", partial(self._do, "keys"))
        self.gallery = button("Gallery…", "Pictures of all clusters side by side, in groups of their class", self._open)
        self.row(*self.marks.values(), self.keys, self.gallery)
        self.bar = QProgressBar()
        self.bar.setToolTip("How many clusters carry a label of yours")
        self.page.addWidget(self.bar)
        self.signs = QLabel(_SIGNS)
        self.signs.setWordWrap(True)
        self.signs.setToolTip("What the marks around the clusters mean; the colour is that of the label that counts")
        self.page.addWidget(self.signs)
        self.agreement = self.note(_AGREEMENT_TIP)
        self.table = self.note("Rows: your labels; columns: what the model in force says")
        self.context.shortcuts.changed.connect(self._on_changed)

    def show_document(self, document: Document | None) -> None:
        """Show the queue, the cluster at hand, progress and agreement."""
        if not self.isVisible() and self._written:
            return  # it comes again when it is shown
        self._written = True
        review = self._review
        has_clusters = document is not None and len(document.table) > 0
        chosen = has_clusters and document is not None and bool(document.selection)
        for widget in (self.order, self.start, self.unreviewed, self.go_on, *self.moves.values()):
            widget.setEnabled(has_clusters)
        for widget in (self.labels, *self.marks.values()):
            widget.setEnabled(chosen)
        for name, widget in ({"keys": self.keys} | self.moves | self.marks).items():
            widget.setToolTip(self.context.shortcuts.tip(name))
        self.labels.offer(document)
        self.bar.setVisible(has_clusters)
        self.signs.setVisible(has_clusters)
        if document is None or review is None or not has_clusters:
            for note in (self.here, self.agreement, self.table):
                say(note, "")
            return
        self.order.setCurrentIndex(self.order.findData(review.order))
        self.start.setText("Start again" if review.running else "Start")
        self.unreviewed.setChecked(review.unreviewed)
        self.go_on.setChecked(review.go_on)
        n_reviewed = len(reviewed(document.table))
        self.bar.setRange(0, len(document.table))
        self.bar.setValue(n_reviewed)
        self.bar.setFormat(progress(document))
        say(self.here, here_words(document, review))
        say(self.agreement, agreement_words(document, review))
        say(self.table, confusion_words(confusion(document.table, (*annotate.labels_of(document), OTHER))))

    def status(self, document: Document) -> str:
        """``37 of 212 reviewed``."""
        return progress(document) if len(document.table) else "nothing to review yet"

    @property
    def _review(self) -> Review | None:
        return self.workspace.group.review if self.workspace.group is not None else None

    @property
    def label_buttons(self) -> dict[str, QPushButton]:
        """The button of each label."""
        return self.labels.by_label

    # ------------------------------------------------------------------ what a person does

    def _do(self, name: str, _: bool = False) -> None:
        annotate.do(self.workspace, self.context.shortcuts, name)

    def _open(self) -> None:
        open_dock(self.workspace.viewer, "Gallery")

    def _choose(self, row: int) -> None:
        if self._review is not None:
            self._review.choose(self.order.itemData(row))

    def _allow(self, **choices: bool) -> None:
        if self._review is not None:
            self._review.allow(**choices)

    def _start(self) -> None:
        from napari.utils.notifications import show_warning

        review = self._review
        if review is None:
            return
        try:
            look_at(self.workspace, review.start())
        except InputError as error:
            show_warning(str(error))


def progress(document: Document) -> str:
    """How many clusters carry a person's label."""
    return f"{len(reviewed(document.table))} of {len(document.table)} reviewed"
