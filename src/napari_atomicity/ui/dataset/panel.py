"""Many images: a folder or dataset as a list, counted as a whole, one image at a time for review."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.compat import isalive
from qtpy.QtCore import QModelIndex, Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QSpinBox,
    QTableView,
    QWidget,
)

from napari_atomicity.counting.bundle import available
from napari_atomicity.threads import usable_cores
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
    "none": "each alone",
    "folder": "by folder",
}
#: lines that are always seen; the table takes all the room that there is
_LINES: Final = 8
_ALL: Final = 100
#: rows that the width of a column is measured by
_MEASURED: Final = 50


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
        self._build_table()
        self._build_wishes()
        self.remarks = self.note("What this is, and what will happen")
        self.run = button("Analyse all", "Find clusters and count atoms on every image of the folder", self._run)
        self.row(self.run)
        self._shown: Listed | None = None
        self.service.changed.connect(self._on_changed)

    def _build_table(self) -> None:
        self.model = ImageTable()
        self.table = QTableView()
        self.table.setToolTip("A click opens an image with its clusters; a heading sorts")
        self.table.setModel(self.model)
        self.table.setSortingEnabled(True)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setMinimumHeight(line_height(self.table, _LINES))
        for header in (self.table.verticalHeader(), self.table.horizontalHeader()):
            if header is not None:
                header.setResizeContentsPrecision(_MEASURED)
                header.setVisible(header.orientation() == Qt.Orientation.Horizontal)
        self.table.clicked.connect(self._open)
        self.table.activated.connect(self._open)
        with_window_font(self.table)
        self.page.addWidget(self.table, _ALL)

    def _build_wishes(self) -> None:
        wish = self.service.wish
        self.wishes = QWidget()
        self.page.addWidget(self.wishes)
        form = QFormLayout(self.wishes)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self.model_choice = QComboBox()
        self.model_choice.setToolTip("Which network reads the clusters")
        self.model_choice.activated.connect(lambda _: wish(model=self.model_choice.currentData()))
        self.sessions = QComboBox()
        self.sessions.setToolTip("Images taken under the same settings of the microscope calibrate each other")
        for name, words in _SESSIONS.items():
            self.sessions.addItem(words, name)
        self.sessions.activated.connect(lambda _: wish(session_by=self.sessions.currentData()))
        self.workers = QSpinBox()
        self.workers.setRange(1, usable_cores())
        self.workers.setToolTip("How many images are counted at the same time; fewer leave more of the computer to you")
        self.workers.valueChanged.connect(lambda n: wish(workers=n))
        self.output = QLineEdit()
        self.output.setToolTip("Folder that the dataset is written to; a new one, or one that was begun")
        self.output.editingFinished.connect(self._write_to)
        self.browse = button("Browse…", "Choose the folder of the dataset", self._ask_output)
        place = QHBoxLayout()
        place.addWidget(self.output, 1)
        place.addWidget(self.browse)
        self.again = QCheckBox("Try again what failed before")
        self.again.setToolTip("Also images that an earlier call could not read or count")
        self.again.toggled.connect(lambda on: wish(again=on))
        for box in (self.model_choice, self.sessions):
            narrow(box)
        form.addRow("Model", self.model_choice)
        form.addRow("Sessions", self.sessions)
        form.addRow("Processes", self.workers)
        form.addRow("Dataset", place)
        form.addRow(self.again)

    def show_document(self, document: Document | None) -> None:
        """Show the list."""
        service, listed = self.service, self.service.listed
        if listed is not self._shown:
            self._shown = listed
            self.model.show(listed)
            # in the order of the paths, as the list comes
            self.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
            self.table.resizeColumnsToContents()
        dataset = None if listed is None else listed.dataset
        self.table.setVisible(listed is not None)
        self.overview.setVisible(dataset is not None)
        outlook, busy = service.outlook, self.workspace.work.busy
        for widget in (self.wishes, self.run):
            widget.setVisible(outlook is not None)
        self.wishes.setEnabled(not busy)
        self.run.setEnabled(outlook is not None and outlook.possible and not busy)
        if outlook is not None and listed is not None:
            self._show_wishes(listed, outlook.goes_on)
        say(self.facts, "" if listed is None else listed.facts)
        if outlook is not None:
            say(self.remarks, " ".join(text for text in (service.ended, outlook.words) if text))
        elif dataset is None:
            say(self.remarks, _HOW)
        else:
            say(self.remarks, f"Labels that you give are kept in {dataset.folder.labels}.")

    def _show_wishes(self, listed: Listed, goes_on: bool) -> None:
        wishes = self.service.wishes
        names = available()
        if [self.model_choice.itemData(i) for i in range(self.model_choice.count())] != names:
            self.model_choice.clear()
            for name in names:
                self.model_choice.addItem(name, name)
        self.model_choice.setCurrentIndex(self.model_choice.findData(wishes.model))
        self.sessions.setCurrentIndex(self.sessions.findData(wishes.session_by))
        for widget in (self.workers, self.again):
            widget.blockSignals(True)
        self.workers.setValue(wishes.workers or usable_cores())
        self.again.setChecked(wishes.again)
        for widget in (self.workers, self.again):
            widget.blockSignals(False)
        self.again.setVisible(goes_on)
        if not self.output.hasFocus():
            self.output.setText(str(wishes.output(listed.path)))
            self.output.setCursorPosition(len(self.output.text()))

    def status(self, document: Document) -> str:
        """How many images."""
        return "no list open" if self.service.listed is None else self.service.listed.facts

    # ------------------------------------------------------------------ what a person does

    def _ask(self) -> None:
        listed = self.service.listed
        begin = "" if listed is None else str(listed.path.parent)
        chosen = QFileDialog.getExistingDirectory(self, "Open a folder of images, or a dataset", begin)
        if chosen:
            self.service.open(Path(chosen))

    def _ask_output(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of the dataset", str(Path(self.output.text()).parent))
        if chosen:
            self.service.wish(output=chosen)

    def _write_to(self) -> None:
        listed = self.service.listed
        if listed is not None and self.output.text().strip() != str(self.service.wishes.output(listed.path)):
            self.service.wish(output=self.output.text())

    def _run(self) -> None:
        self.service.count_all()

    def _open(self, index: QModelIndex) -> None:
        self.service.open_image(self.model.row(index.row()))

    def _overview(self) -> None:
        listed = self.service.listed
        if listed is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(listed.path / "overview.html")))

    def _on_changed(self) -> None:
        if isalive(self):
            self.show_now()
