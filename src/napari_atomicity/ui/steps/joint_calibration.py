"""Step 4: images taken under the same settings calibrate each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_atomicity.ui.actions import joint
from napari_atomicity.ui.steps.prior import deposited_text, say_deposited
from napari_atomicity.ui.widgets.controls import button, line_height, say, with_window_font
from napari_atomicity.ui.widgets.panel import Panel

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document

_IMAGE, _DEPOSITED, _STATE = range(3)
_HEADINGS: Final = ("Same settings", "Deposited", "State")
_ABOUT: Final = (
    "Tick the images taken under the same settings: they share one intensity scale, "
    "so that mixed samples and references settle the others."
)
_MOST_ROWS: Final = 8


class JointCalibrationPanel(Panel):
    """Tick the images of a session and calibrate them together."""

    title = "Calibrate images together"

    def build(self) -> None:
        """The list of images, the buttons, what does not fit."""
        about = self.note()
        say(about, _ABOUT)
        self.list = QTableWidget(0, len(_HEADINGS))
        with_window_font(self.list)
        self.list.setObjectName("session")
        self.list.setHorizontalHeaderLabels(list(_HEADINGS))
        self.list.setToolTip(
            "Space ticks an image, F2 or a double click edits its deposited sizes; "
            "an image of one known size is a reference for the others"
        )
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setTabKeyNavigation(False)
        self.list.setShowGrid(False)
        side, header = self.list.verticalHeader(), self.list.horizontalHeader()
        if side is not None and header is not None:
            side.hide()
            side.setDefaultSectionSize(self._row_px)
            for column in (_DEPOSITED, _STATE):
                header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
            header.setSectionResizeMode(_IMAGE, QHeaderView.ResizeMode.Stretch)
        self.list.itemChanged.connect(self._on_item)
        self.list.cellActivated.connect(self._take)
        self.page.addWidget(self.list)
        self.all = button("Tick all", "Tick all images that can be counted, or none", self._tick_all)
        self.run = button(
            "Calibrate together", "Find what is not found yet, and count all ticked images with one scale", self._run
        )
        self.back = button("Undo in all", "Take the last common step back in all images that took part", self._back)
        self.row(self.all, self.run, self.back)
        self.flagged = self.note("Images that contradict what they were calibrated with")
        self._shown: list[Document] = []

    @property
    def _row_px(self) -> int:
        """Height of a row, with room for its tick."""
        return max(24, line_height(self.list))

    def show_document(self, document: Document | None) -> None:
        """Show all images, whichever is in hand."""
        groups = self.workspace.groups
        self._shown = [group.document for group in groups]
        self.list.blockSignals(True)
        self.list.setRowCount(len(groups))
        self.list.setFixedHeight((1 + min(max(len(groups), 2), _MOST_ROWS)) * self._row_px + 10)
        idle = not self.workspace.work.busy
        for row, group in enumerate(groups):
            self._show_row(row, group.name, group.document, idle)
        self.list.blockSignals(False)
        ticked = joint.in_joint(self.workspace)
        self.all.setEnabled(idle and bool(groups))
        self.run.setEnabled(idle and len(ticked) >= 2)
        self.back.setEnabled(idle and bool(joint.to_undo(self.workspace)))
        misfits = [f"{group.name}: {text}" for group in self.workspace.groups for text in misfit(group.document)]
        say(self.flagged, "\n".join(misfits))

    def status(self, document: Document) -> str:
        """How many images take part."""
        n, ticked = len(self.workspace.images), len(joint.in_joint(self.workspace))
        return f"{ticked} of {n} images ticked" if n > 1 else "one image open"

    def _show_row(self, row: int, name: str, document: Document, idle: bool) -> None:
        can = not document.micrograph.refusal
        usual = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        active = usual if can and idle else Qt.ItemFlag.ItemIsSelectable
        tick = self._cell(row, _IMAGE, name, active | Qt.ItemFlag.ItemIsUserCheckable, name)
        tick.setCheckState(Qt.CheckState.Checked if document.options.in_joint else Qt.CheckState.Unchecked)
        font = tick.font()
        font.setBold(document is self.document)
        tick.setFont(font)
        sizes, about = deposited_text(document.settings), "Sizes that were deposited on this sample, where known"
        self._cell(row, _DEPOSITED, sizes, active | Qt.ItemFlag.ItemIsEditable, about)
        tip = "\n".join(misfit(document)) or document.micrograph.refusal
        self._cell(row, _STATE, state(document), usual, tip)

    def _cell(self, row: int, column: int, text: str, flags: Qt.ItemFlag, tip: str) -> QTableWidgetItem:
        item = self.list.item(row, column)
        if item is None:
            item = QTableWidgetItem()
            self.list.setItem(row, column, item)
        # what is set anew, even to the same, would take away what a person is just typing
        if item.flags() != flags:
            item.setFlags(flags)
        if item.text() != text:
            item.setText(text)
        item.setToolTip(tip)
        return item

    # ------------------------------------------------------------------ what a person does

    def _on_item(self, item: QTableWidgetItem) -> None:
        document = self._shown[item.row()]
        if item.column() == _IMAGE:
            document.set_options(in_joint=item.checkState() == Qt.CheckState.Checked)
        elif item.column() == _DEPOSITED:
            say_deposited(document, item.text())
            self.show_now()

    def _take(self, row: int, column: int) -> None:
        image = self.workspace.groups[row].image()
        if column != _DEPOSITED and image is not None:
            self.workspace.choose(image)

    def _tick_all(self) -> None:
        can = [group.document for group in self.workspace.groups if not group.document.micrograph.refusal]
        on = not all(document.options.in_joint for document in can)
        for document in can:
            document.set_options(in_joint=on)

    def _run(self) -> None:
        joint.calibrate(self.workspace)

    def _back(self) -> None:
        joint.undo(self.workspace)


def misfit(document: Document) -> list[str]:
    """The sentences about frames that contradict what they were calibrated with."""
    done = document.state.count
    found = [] if done is None else [fit.misfit for fit in done.calibrations.values() if fit.misfit]
    return list(dict.fromkeys(found))


def state(document: Document) -> str:
    """What is known about an image, in a few words."""
    if document.micrograph.refusal:
        return "cannot be counted"
    if document.micrograph.pixel_size_nm is None:
        return "pixel size needed"
    n = len(document.table)
    if not document.counted or document.state.bundle is None:
        return f"{n} clusters" if n else "no clusters found" if document.state.searched else "not searched yet"
    if misfit(document):
        return "⚠ does not fit"
    if any(fit.ambiguous for fit in document.state.calibrations.values()):
        return "⚠ undecided"
    return _shares(document)


def _shares(document: Document) -> str:
    """The two most frequent classes: ``Pt19 52 %, Pt55 44 %``."""
    most = document.ratios().sort_values("fraction", ascending=False, kind="stable").head(2)
    parts = [f"{label} {share:.0%}" for label, share in zip(most["label"], most["fraction"], strict=True) if share > 0]
    return ", ".join(parts) or f"{len(document.table)} clusters"
