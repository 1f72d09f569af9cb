"""Step 3: label every cluster with its atom count."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_warning
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QWidget

from napari_atomicity.counting.describe import classes
from napari_atomicity.counting.store import models
from napari_atomicity.ui import actions
from napari_atomicity.ui.chart import RatioChart
from napari_atomicity.ui.panel import Panel, button, narrow, say

if TYPE_CHECKING:
    import pandas as pd

    from napari_atomicity.ui.document import Document

_USUAL = "dual"
_MODELS = {"dual": "dual (raw + local contrast)", "single": "single (raw intensity)"}


class ClassifyPanel(Panel):
    """Choose model and prior knowledge, label, see the shares."""

    title = "Count atoms"

    def build(self) -> None:
        """Model, what is known, the button, the legend, the chart."""
        self.model = QComboBox()
        self.model.setToolTip("Which network reads the clusters")
        narrow(self.model)
        self._offered: tuple[list[str], str] = ([], "")
        self.model.activated.connect(lambda i: self._choose(model=self.model.itemData(i)))
        self.deposited = QLineEdit()
        self.deposited.setPlaceholderText("optional, for example 19, 55")
        self.deposited.setToolTip("Sizes in atoms that were deposited, where known; only these are then expected")
        self.deposited.editingFinished.connect(self._set_deposited)
        self.scale = QLineEdit()
        self.scale.setPlaceholderText("optional, counts·nm² per atom")
        self.scale.setToolTip(
            "Integrated intensity of one atom in this image, where you know it from a standard; "
            "otherwise it is found from the clusters themselves"
        )
        self.scale.editingFinished.connect(self._set_scale)
        self.manage = button("Models…", "What each model is and how well it counts; import and export", self._manage)
        which = QHBoxLayout()
        which.addWidget(self.model, 1)
        which.addWidget(self.manage)
        form = self.form()
        form.addRow("Model", which)
        form.addRow("Deposited", self.deposited)
        form.addRow("One atom", self.scale)
        self.run = button("Count atoms", "Label every cluster with the class of its atom count", self._run)
        self.row(self.run)
        self.remarks = self.note()
        self.legend = Legend()
        self.page.addWidget(self.legend)
        self.chart = RatioChart()
        self.page.addWidget(self.chart)

    def show_document(self, document: Document | None) -> None:
        """Show model, shares and remarks."""
        usable = document is not None and not document.micrograph.refusal
        self.run.setEnabled(usable and not self.bench.work.busy)
        for widget in (self.model, self.deposited, self.scale):
            widget.setEnabled(usable and not self.bench.work.busy)
        shown = document is not None and document.classified and document.state.bundle is not None
        self.legend.setVisible(shown)
        self.chart.setVisible(shown)
        self._offer(document)
        if document is None:
            say(self.remarks, "")
            return
        self._show_settings(document)
        say(self.remarks, _remarks(document))
        if shown:
            self._show_shares(document)

    def status(self, document: Document) -> str:
        """How many clusters carry a label."""
        labelled = int((document.table.rows["label"] != "").sum())
        if not labelled:
            return "not counted yet"
        source = "adapted model" if document.state.adaptation is not None else "base model"
        return f"{labelled} of {len(document.table)} labelled, {source}"

    def _show_settings(self, document: Document) -> None:
        settings = document.settings
        self.model.setCurrentIndex(self.model.findData(settings.model))
        if not self.deposited.hasFocus():
            self.deposited.setText(", ".join(map(str, settings.deposited)))
        if not self.scale.hasFocus():
            self.scale.setText("" if settings.scale is None else f"{settings.scale:g}")

    def _show_shares(self, document: Document) -> None:
        from napari_atomicity.counting.ratios import class_ratios
        from napari_atomicity.palette import colours
        from napari_atomicity.ui.theme import plot_colours

        card = document.state.bundle.card
        final = class_ratios(document.table, card)
        known = colours(card.class_sizes, card.element)
        self.legend.show_shares(final, known)
        theme = plot_colours(self.bench.viewer.theme if self.bench.viewer is not None else "dark")
        self.chart.show_ratios(final, class_ratios(document.table, card, by="diameter"), known, theme)

    # ------------------------------------------------------------------ what a person does

    def _run(self) -> None:
        actions.classify(self.bench)

    def _offer(self, document: Document | None) -> None:
        """The models on the disk as they are now, and the chosen one even where it is gone."""
        from napari_atomicity.counting.bundle import available

        names = available()
        chosen = document.settings.model if document is not None else _USUAL
        missing = chosen if chosen not in names else ""
        if (names, missing) == self._offered:
            return
        self._offered = names, missing
        self.model.clear()
        for model in models():
            if model.name in names and not model.problem:
                about = f"{model.name} ({classes(model.card)})" if model.card is not None else model.name
                self.model.addItem(_MODELS.get(model.name, about) if model.bundled else about, model.name)
        if missing:
            path = Path(missing)
            there = path.with_suffix(".safetensors").is_file()
            self.model.addItem(path.stem if there else f"{path.stem} (not there any more)", missing)

    def _manage(self) -> None:
        viewer: Any = self.bench.viewer
        if viewer is not None:
            viewer.window.add_plugin_dock_widget("napari-atomicity", "Models", tabify=True)

    def _choose(self, **values: Any) -> None:
        if self.document is not None:
            self.document.choose(**values)

    def _set_deposited(self) -> None:
        # sizes may carry the element, of whichever model: 19, Pt55
        parts = re.split(r"[\s,;]+", self.deposited.text().strip())
        sizes = [re.fullmatch(r"[A-Za-z]{0,2}([0-9]+)", part) for part in parts if part]
        if all(sizes):
            self._choose(deposited=tuple(int(size[1]) for size in sizes if size))
        else:
            show_warning("Deposited sizes are whole numbers of atoms, separated by commas, for example 19, 55.")

    def _set_scale(self) -> None:
        text = self.scale.text().strip().replace(",", ".")
        try:
            self._choose(scale=float(text) if text else None)
        except ValueError:
            show_warning("The intensity of one atom is a number of counts·nm²; leave it empty if you do not know it.")


class Legend(QWidget):
    """Colour, count and share of each class."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(1)
        self._grid.setColumnStretch(3, 1)
        self._cells: dict[tuple[int, int], QLabel] = {}

    def show_shares(self, shares: pd.DataFrame, colours: dict[str, str]) -> None:
        """Show shares (columns label, count, fraction, low, high)."""
        for column, text in enumerate(("", "class", "clusters", "share (95 % interval)")):
            self._cell(0, column).setText(text)
        for row, share in enumerate(shares.to_dict("records"), start=1):
            swatch = self._cell(row, 0)
            swatch.setText("●")
            swatch.setStyleSheet(f"color: {colours.get(str(share['label']), '#b0b0b0')}; font-size: 15px;")
            self._cell(row, 1).setText(str(share["label"]))
            self._cell(row, 2).setText(str(share["count"]))
            interval = f"{share['fraction']:.1%} ({share['low']:.1%} to {share['high']:.1%})"
            self._cell(row, 3).setText("–" if np.isnan(share["fraction"]) else interval)
        for (row, _), label in self._cells.items():
            label.setVisible(row <= len(shares))

    def _cell(self, row: int, column: int) -> QLabel:
        if (row, column) not in self._cells:
            label = QLabel()
            if column == 2:
                label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self._cells[row, column] = label
            self._grid.addWidget(label, row, column)
        return self._cells[row, column]


def _remarks(document: Document) -> str:
    """What a person must know about the labels."""
    rows = document.table.rows
    remarks = []
    missing = int((rows["label"] == "").sum())
    if document.classified and missing:
        remarks.append(f"{missing} placed or moved since then; count again to label them.")
    calibration = document.state.classified.calibration if document.state.classified is not None else None
    if document.classified and calibration is not None and calibration.ambiguous:
        best = " or ".join(f"{c['dominant']} ({c['probability']:.0%})" for c in calibration.candidates[:2])
        remarks.append(f"This image alone does not settle which: mostly {best}. Give the deposited sizes if known.")
    not_counted = int(rows["flag"].isin(["border", "touching", "saturated"]).sum())
    if document.classified and not_counted:
        remarks.append(f"{not_counted} cut off, touching or saturated: labelled, but left out of the shares.")
    return "\n".join(remarks)
