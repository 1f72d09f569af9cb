"""Where images come from: a folder, its images one by one, another computer, or Nion Swift."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_atomicity.live import send_frame
from napari_atomicity.ui.live.service import LiveWatch
from napari_atomicity.ui.live.settings import sources
from napari_atomicity.ui.widgets.controls import button, narrow, say


class SourceChoice(QWidget):
    """What is chosen goes to the watch at once; while it runs nothing can be changed."""

    def __init__(self, watch: LiveWatch) -> None:
        super().__init__()
        self.watch = watch
        self.page = QVBoxLayout(self)
        self.page.setContentsMargins(0, 0, 0, 0)
        self._build_place()
        self._build_receiver()
        self.where = QLabel()
        self.where.setWordWrap(True)
        self.where.setToolTip("Where images are received, and what the other computer needs")
        self.page.addWidget(self.where)
        self.show_settings()

    def _build_place(self) -> None:
        self.source = QComboBox()
        narrow(self.source)
        self.source.setToolTip("Where images come from")
        for source, words in sources().items():
            self.source.addItem(words, source)
        self.source.currentIndexChanged.connect(lambda _: self.watch.choose(source=self.source.currentData()))
        self.pace = QDoubleSpinBox()
        self.pace.setRange(0.0, 3600.0)
        self.pace.setDecimals(1)
        self.pace.setPrefix("every ")
        self.pace.setSuffix(" s")
        self.pace.setToolTip("Seconds between two images")
        self.pace.valueChanged.connect(lambda seconds: self.watch.choose(pace_s=seconds))
        # one below the other: in large letters two side by side would be cut off
        self.page.addWidget(self.source)
        self.page.addWidget(self.pace)
        self.folder = QLineEdit()
        self.folder.editingFinished.connect(self.keep)
        self.browse = button("Browse…", "Choose the folder", self._ask)
        _row(self.page, self.folder, self.browse)

    def _build_receiver(self) -> None:
        self.receiver = QWidget()
        rows = QVBoxLayout(self.receiver)
        rows.setContentsMargins(0, 0, 0, 0)
        self.port = QSpinBox()
        self.port.setRange(1, 65_535)
        self.port.setPrefix("port ")
        self.port.setToolTip("Port of this computer that images are received at")
        self.port.valueChanged.connect(lambda port: self.watch.choose(port=port))
        self.is_open = QCheckBox("From the network")
        self.is_open.setToolTip(
            "Receive from other computers of the network; else from programs on this computer alone. Whoever knows the "
            "token can send, and nothing is encrypted"
        )
        self.is_open.toggled.connect(lambda on: self.watch.choose(is_open=on))
        rows.addWidget(self.port)
        rows.addWidget(self.is_open)
        self.token = QLineEdit()
        self.token.setReadOnly(True)
        self.token.setToolTip("Token: whoever sends has to know it")
        self.copy = button("Copy", "Copy the token", self._copy)
        _row(rows, self.token, self.copy)
        self.page.addWidget(self.receiver)

    def show_settings(self) -> None:
        """Show what is chosen."""
        settings, busy = self.watch.settings, self.watch.busy
        with _silent(self.pace, self.port, self.source, self.is_open):
            self.pace.setValue(settings.pace_s)
            self.port.setValue(settings.port)
            self.source.setCurrentIndex(max(self.source.findData(settings.source), 0))
            self.is_open.setChecked(settings.is_open)
        words = "folder that the microscope writes to" if settings.has_files else "folder for images and tables"
        self.folder.setPlaceholderText(words)
        self.folder.setToolTip(
            f"{words[:1].upper()}{words[1:]}; it may not exist yet" + (", or be on a network" * settings.has_files)
        )
        if not self.folder.hasFocus():
            self.folder.setText(settings.place)
        for control in (self.source, self.pace, self.folder, self.browse, self.port, self.is_open):
            control.setEnabled(not busy)
        self.pace.setVisible(settings.source == "replay")
        receives = settings.source == "receive"
        self.receiver.setVisible(receives)
        self.token.setText(settings.token)
        script = Path(send_frame.__file__)
        words = f"Receiving at {self.watch.address}. " if self.watch.address else ""
        say(self.where, f"{words}Copy {script} to the computer that sends." if receives else "")

    def keep(self) -> None:
        """Take over the folder that stands in the line."""
        settings, folder = self.watch.settings, self.folder.text().strip()
        self.watch.choose(**{"folder" if settings.has_files else "into": folder})

    def _ask(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder", self.folder.text())
        if folder:
            self.folder.setText(folder)
            self.keep()

    def _copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.watch.settings.token)


@contextmanager
def _silent(*controls: QWidget) -> Iterator[None]:
    """What is shown within was not chosen by a person."""
    for control in controls:
        control.blockSignals(True)
    try:
        yield
    finally:
        for control in controls:
            control.blockSignals(False)


def _row(page: QVBoxLayout, *widgets: QWidget) -> None:
    row = QHBoxLayout()
    row.setSpacing(6)
    for widget in widgets:
        row.addWidget(widget)
    page.addLayout(row)
