"""Many images: a folder or dataset as a list, counted as a whole, one image at a time for review."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.compat import isalive
from qtpy.QtCore import QModelIndex, QSortFilterProxyModel, Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QAbstractItemView, QComboBox, QFileDialog, QTableView

from napari_atomicity.ui.dataset.service import Listed, many_images_of
from napari_atomicity.ui.dataset.table import ImageTable
from napari_atomicity.ui.widgets.controls import button, line_height, narrow, say, with_window_font
from napari_atomicity.ui.widgets.panel import Panel

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document

_HOW: Final = (
    "Open a folder of images, or drop it on the window. Analyse all counts every image of it into a dataset, a table "
    "that other programs open too. Images without a count stay in the list, with the reason."
)
_SESSIONS: Final = {
    "none": "each image by itself",
    "folder": "images of a folder calibrate each other",
}
_LINES: Final = 14


class ManyImagesPanel(Panel):
    """The images of a folder or dataset, and what can be done with all of them."""

    title = "Many images"

    def build(self) -> None:
        """Open, the list, how to count, count."""
        self.service = many_images_of(self.workspace)
        self.folder = button("Open folder…", "Open a folder of images, or a dataset, as a list", self._ask)
        self.overview = button("Overview", "Open the overview of the dataset in a browser", self._overview)
        self.row(self.folder, self.overview).setStretch(0, 1)
        self.facts = self.note("How many images came out how")
        self.model = ImageTable()
        self.sorted = QSortFilterProxyModel()
        self.sorted.setSourceModel(self.model)
        self.sorted.setSortRole(Qt.ItemDataRole.UserRole)
        self.table = QTableView()
        self.table.setToolTip("A click opens an image with its clusters; a heading sorts")
        self.table.setModel(self.sorted)
        self.table.setSortingEnabled(True)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setMinimumHeight(line_height(self.table, _LINES))
        header = self.table.verticalHeader()
        if header is not None:
            header.hide()
        self.table.clicked.connect(self._open)
        self.table.activated.connect(self._open)
        with_window_font(self.table)
        self.page.addWidget(self.table, 1)
        self.sessions = QComboBox()
        self.sessions.setToolTip("Whether images were taken under the same settings of the microscope")
        for name, words in _SESSIONS.items():
            self.sessions.addItem(words, name)
        narrow(self.sessions)
        self.run = button("Analyse all", "Find clusters and count atoms on every image of the folder", self._run)
        self.row(self.sessions, self.run).setStretch(0, 1)
        self.remarks = self.note("What this is, and where it is written")
        self._shown: Listed | None = None
        self.service.changed.connect(self._on_changed)

    def show_document(self, document: Document | None) -> None:
        """Show the list."""
        listed = self.service.listed
        if listed is not self._shown:
            self._shown = listed
            self.model.show(listed)
            # in the order of the paths, as the list comes
            self.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
            self.table.resizeColumnsToContents()
        dataset = None if listed is None else listed.dataset
        self.table.setVisible(listed is not None)
        self.overview.setVisible(dataset is not None)
        for widget in (self.sessions, self.run):
            widget.setVisible(listed is not None and dataset is None)
        self.run.setEnabled(not self.workspace.work.busy)
        say(self.facts, "" if listed is None else _facts(listed))
        if listed is None:
            say(self.remarks, _HOW)
        elif dataset is None:
            say(self.remarks, f"The dataset is written to {listed.output}; one that was begun there goes on.")
        else:
            say(self.remarks, f"Labels that you give are kept in {dataset.folder.labels}.")

    def status(self, document: Document) -> str:
        """How many images."""
        return "no list open" if self.service.listed is None else _facts(self.service.listed)

    # ------------------------------------------------------------------ what a person does

    def _ask(self) -> None:
        listed = self.service.listed
        begin = "" if listed is None else str(listed.path.parent)
        chosen = QFileDialog.getExistingDirectory(self, "Open a folder of images, or a dataset", begin)
        if chosen:
            self.service.open(Path(chosen))

    def _run(self) -> None:
        self.service.count_all(str(self.sessions.currentData()))

    def _open(self, index: QModelIndex) -> None:
        self.service.open_image(self.model.row(self.sorted.mapToSource(index).row()))

    def _overview(self) -> None:
        listed = self.service.listed
        if listed is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(listed.path / "overview.html")))

    def _on_changed(self) -> None:
        if isalive(self):
            self.show_now()


def _facts(listed: Listed) -> str:
    n = len(listed.rows)
    if listed.dataset is None:
        return f"{listed.path.name}: {n:,} images, not counted"
    counted = [row for row in listed.rows if row["status"] == "counted"]
    classes = listed.dataset.facts.classes
    names = [(f"count_{size}", f"Pt{size}") for size in classes] + [("count_other", "other")]
    counts = {label: sum(row[name] or 0 for row in counted) for name, label in names}
    total = sum(counts.values())
    shares = ", ".join(f"{label} {100 * k / total:.0f} %" for label, k in counts.items() if k) if total else ""
    return f"{listed.path.name}: {n:,} images, {len(counted):,} counted, {total:,} clusters. {shares}".strip()
