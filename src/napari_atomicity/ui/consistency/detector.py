"""The scan of the detector in the panel: opening, correcting and forgetting it, voltage and angles."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QFileDialog, QGridLayout, QLabel, QLineEdit

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats import SUFFIXES
from napari_atomicity.pipeline import DetectorScan, detector_steps
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.widgets.controls import button, say
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.workspace.detector_scan import OpenedScan, scan_steps
from napari_atomicity.ui.workspace.tasks import TaskRunner
from napari_atomicity.wording import percent

if TYPE_CHECKING:
    from napari_atomicity.counting.cross_sections import Annulus
    from napari_atomicity.document.document import Document

#: fields of a form: name, label, what stands in it, tip
_ENTRIES: Final = (
    ("kv", "Voltage", "kV", "Acceleration voltage of the image, kV"),
    ("convergence", "Probe", "mrad", "Semi-angle of the probe, mrad"),
    ("inner", "Inner", "mrad", "Where the detector begins, mrad"),
    ("outer", "Outer", "mrad", "Where it ends, or the column cuts it off, mrad"),
    (
        "ratio",
        "Current ratio",
        "1",
        "Beam current of the image over that of the scan, dwell times too where counts add up",
    ),
)
#: the same in a sentence
_NAMED: Final = {
    "kv": "The voltage",
    "convergence": "The convergence of the probe",
    "inner": "The inner angle of the detector",
    "outer": "The outer angle of the detector",
    "ratio": "The ratio of the currents",
}
_FILES: Final = f"Scans ({' '.join(f'*{suffix}' for suffix in SUFFIXES)})"


class DetectorPart:
    """Rows of a panel in which a person opens a scan of the detector and says how the image was taken."""

    def __init__(self, panel: Panel, work: TaskRunner) -> None:
        self.panel, self._work = panel, work
        self.view = panel.context.detector
        self.open = button("Detector scan…", "Open a scan of the beam over the detector, without specimen", self._ask)
        self.edit = button("Correct area", "Paint the active area with the brush of napari, or erase", self.view.edit)
        self.anew = button("Find anew", "The active area as it is found", self.view.find_anew)
        self.away = button("✕", "Forget the detector scan", self._forget)
        self.away.setAccessibleName("Forget the detector scan")
        panel.row(self.open, self.edit, self.anew, self.away)
        self.scan = panel.note("The scan of the detector")
        self.fields = self._fields()

    def _fields(self) -> dict[str, QLineEdit]:
        """Voltage and angles, two a line."""
        made: dict[str, QLineEdit] = {}
        grid = QGridLayout()
        for i, (name, label, unit, tip) in enumerate(_ENTRIES):
            field = made[name] = QLineEdit(self.view.entries.get(name, ""))
            field.setToolTip(tip)
            field.setPlaceholderText("1" if unit == "1" else unit)
            field.textEdited.connect(partial(self._enter, name))
            heading = QLabel(label if unit == "1" else f"{label} ({unit})")
            heading.setBuddy(field)
            grid.addWidget(heading, i // 2, 2 * (i % 2))
            grid.addWidget(field, i // 2, 2 * (i % 2) + 1)
        self.panel.page.addLayout(grid)
        return made

    def _enter(self, name: str, text: str) -> None:
        self.view.entries[name] = text

    def show_document(self, document: Document | None) -> None:
        """What is known of the detector, and the entries that go with it."""
        opened = self.view.opened
        kept = None if document is None else DetectorScan.of_numbers(document.options.detector)
        if kept is not None and not any(self.view.entries.values()):
            angles = kept.annulus
            numbers = (angles.voltage_kv, angles.convergence_mrad, angles.inner_mrad, angles.outer_mrad)
            texts = [f"{number:g}" for number in (*numbers, kept.current_ratio)]
            self.view.entries.update(dict(zip(self.fields, texts, strict=True)))
        for name, field in self.fields.items():
            if field.text() != self.view.entries.get(name, "") and not field.hasFocus():
                field.setText(self.view.entries.get(name, ""))
        for part in (self.edit, self.anew):
            part.setVisible(opened is not None)
        self.away.setVisible(opened is not None or kept is not None)
        if opened is not None:
            by_hand = self.view.active
            share = (opened.active if by_hand is None else by_hand).mean()
            found = "as found" if by_hand is None else "drawn by hand"
            words = f"{opened.micrograph.name}: the detector covers {percent(float(share))} of the scan, {found}."
            say(self.scan, words if share or not opened.remark else f"{opened.micrograph.name}: {opened.remark}")
        elif kept is not None:
            say(self.scan, f"As measured before: {kept.seen.height:.4g} counts of the whole beam.")
        else:
            say(self.scan, "")

    def _ask(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self.panel, "Open a scan of the detector", str(Path.home()), _FILES)
        if name:
            self.open_scan(Path(name))

    def open_scan(self, path: Path) -> None:
        """Read the scan in that file and show it beside the micrograph."""

        def take(opened: OpenedScan) -> None:
            self.view.show(opened)
            if opened.remark:
                show_warning(opened.remark)

        self._work.start("Open the detector scan", lambda: scan_steps(path), take)

    def _forget(self) -> None:
        self.view.forget()
        if self.panel.document is not None:
            self.panel.document.set_options(detector={})
        self.panel.show_now()

    def steps_of(self, document: Document) -> Steps[DetectorScan] | None:
        """Work that measures the detector, under what is entered; None without a scan.

        Raises
        ------
        InputError
            For entries that are missing or impossible.
        """
        kept = DetectorScan.of_numbers(document.options.detector)
        if self.view.opened is None and kept is None:
            return None
        annulus, ratio = self._annulus()
        if self.view.opened is None and kept is not None:
            again = replace(kept, annulus=annulus, current_ratio=ratio)
            return _at_once(again, document.state.model_in_force.card.element)
        assert self.view.opened is not None
        scan, element = self.view.opened.micrograph, document.state.model_in_force.card.element
        return detector_steps(scan, annulus, element, ratio, self.view.active)

    def _annulus(self) -> tuple[Annulus, float]:
        """What is entered."""
        from napari_atomicity.counting.cross_sections import Annulus

        values: dict[str, float] = {}
        for name, _, unit, _ in _ENTRIES:
            text = self.fields[name].text().strip().replace(",", ".") or ("1" if name == "ratio" else "")
            try:
                values[name] = float(text)
            except ValueError:
                what = f"{_NAMED[name]} is a number" + (f" of {unit}" if unit != "1" else "")
                raise InputError(f"{what}; enter it to use the detector scan, or forget the scan.") from None
        ratio = values.pop("ratio")
        return Annulus(*values.values()), ratio


def _at_once(kept: DetectorScan, element: str) -> Steps[DetectorScan]:
    """What was measured before, under the angles of now."""
    yield Progress(0, 0, "Reading the detector")
    kept.reference(element)  # refuses angles that the table does not hold
    return kept
