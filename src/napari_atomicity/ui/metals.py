"""Metals and alloys: what counts mean in another metal, and which sizes and compositions explain a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from napari.utils.notifications import show_info, show_warning
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLineEdit

from napari_atomicity.errors import InputError
from napari_atomicity.metals import class_set_of, unit_name
from napari_atomicity.metals.elements import NAMES
from napari_atomicity.pipeline import AlloyCount, MetalCount, alloy_of_image, metal_count, metal_text, scale_remarks
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.actions.metals import card_of, doubt_of, load_fractions, say_exponent, say_metal
from napari_atomicity.ui.widgets.controls import button, narrow, say
from napari_atomicity.ui.widgets.html import html_table
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.widgets.ridge_chart import RidgeChart
from napari_atomicity.ui.widgets.theme import plot_colours

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document

#: clusters that are reckoned while a person waits; the table that is saved holds all
_MOST: Final = 40
_HOW: Final = (
    "Say what the clusters are made of: a metal, or atomic fractions such as Co=0.25±0.05. Total intensity cannot "
    "separate size from composition; choose a second metal to see the pairs that explain a cluster equally well."
)


class MetalsPanel(Panel):
    """What the clusters are made of, what their counts then mean, and size with composition of an alloy."""

    title = "Metals and alloys"

    def build(self) -> None:
        """What is said, what follows, the ridge, the files."""
        form = self.form()
        self.metal, self.exponent = QLineEdit(), QLineEdit()
        self.metal.setPlaceholderText("as the model; Au, or Co=0.25±0.05")
        self.metal.setToolTip("A metal, or atomic fractions of an alloy with their errors; the same as in Count atoms")
        self.metal.editingFinished.connect(lambda: say_metal(self.asked_about, self.metal.text()))
        self.exponent.setPlaceholderText("1.46-1.7")
        self.exponent.setToolTip(
            "Power of the atomic number with which the signal of an atom grows: a range, or one value where you know "
            "it for your detector. At usual dark-field angles 1.46 to 1.7"
        )
        self.exponent.editingFinished.connect(lambda: say_exponent(self.asked_about, self.exponent.text()))
        self.guest = QComboBox()
        self.guest.setToolTip("The second metal of the clusters: shows which sizes and compositions explain a cluster")
        self.guest.addItem("none", "")
        for symbol, name in NAMES.items():
            self.guest.addItem(f"{symbol} ({name})", symbol)
        narrow(self.guest)
        self.guest.activated.connect(lambda at: self._choose_guest(str(self.guest.itemData(at))))
        form.addRow("Metal", self.metal)
        form.addRow("Exponent", self.exponent)
        form.addRow("Second metal", self.guest)
        self.finding = self.note("What the counts are")
        self.finding.setStyleSheet("font-weight: bold;")
        self.remarks = self.note("What a person must know about these numbers")
        self.numbers = self.note("In the middle of the selected clusters, or of all; one standard deviation")
        self.alloy = self.note("Size and composition")
        self.chart = RidgeChart()
        self.page.addWidget(self.chart)
        self.load = button(
            "Fractions…", "Measured atomic fractions of the second metal: a CSV with id, fraction", self._ask
        )
        self.forget = button("✕", "Forget the measured fractions", self._forget)
        self.forget.setAccessibleName("Forget the measured fractions")
        self.forget.setFixedWidth(28)
        self.save = button("Save table…", "Equivalents, atoms and compositions of all clusters as CSV", self._ask_where)
        files = QHBoxLayout()
        for widget in (self.load, self.forget, self.save):
            files.addWidget(widget)
        self.page.addLayout(files)
        self.class_set = self.note("The sizes that the chosen model tells apart, and where they come from")
        self.result: AlloyCount | None = None

    def show_document(self, document: Document | None) -> None:
        """Show what is said of the document in hand, and what follows."""
        can_act = self.can_act
        counted = document is not None and document.counted and document.state.bundle is not None
        for widget in (self.metal, self.exponent, self.guest):
            widget.setEnabled(document is not None)
        self.load.setEnabled(can_act and counted)
        self.save.setEnabled(can_act and counted)
        self.forget.setVisible(document is not None and bool(document.options.guest_fractions))
        self.result = None
        self._show_said(document)
        self._show_class_set(document)
        if document is None or not counted:
            say(self.finding, doubt_of(document) if document is not None else "")
            for note in (self.numbers, self.alloy):
                say(note, "")
            self.chart.setVisible(False)
            say(self.remarks, _HOW)
            return
        metals = metal_count(document.as_said)
        element, guest = document.state.model_in_force.card.element, document.options.guest
        plain = f"Counts are {unit_name(element)}: the composition is not known." if guest else ""
        say(self.finding, metals.sentence if metals else plain or f"Counts are atoms of {element}.")
        say(self.remarks, "\n".join(scale_remarks(document.as_said)) if metals or guest else "")
        say(self.numbers, _numbers(metals, document) if metals else "")
        self._show_alloy(document)

    def status(self, document: Document) -> str:
        """What the clusters are said to be made of."""
        return metal_text(document.settings) or "as the model"

    # ------------------------------------------------------------------ showing

    def _show_said(self, document: Document | None) -> None:
        """The fields; what a person is just typing stays."""
        settings = document.settings if document is not None else None
        if not self.is_typing(self.metal):
            self.metal.setText(metal_text(settings) if settings is not None else "")
        if not self.is_typing(self.exponent):
            ends = dict.fromkeys(settings.exponent) if settings is not None else {}
            self.exponent.setText("-".join(f"{end:g}" for end in ends))
        guest = document.options.guest if document is not None else ""
        self.guest.setCurrentIndex(max(self.guest.findData(guest), 0))

    def _show_class_set(self, document: Document | None) -> None:
        card = card_of(document) if document is not None else None
        known = None if card is None else class_set_of(card.element, card.class_sizes)
        if known is not None:
            say(self.class_set, "\n".join(f"{heading}: {text}" for heading, text in known.facts))
        else:
            say(self.class_set, f"The model {card.name} knows {', '.join(card.labels)}." if card is not None else "")

    def _show_alloy(self, document: Document) -> None:
        """Size and composition of the selected clusters, or of some of all of them."""
        guest = document.options.guest
        self.chart.setVisible(False)
        say(self.alloy, "")
        if not guest:
            return
        state = document.as_said
        try:
            self.result = self._alloy_of(document, _some(document))
        except InputError as error:
            say(self.alloy, str(error))
            return
        row = self.result.shown()[len(self.result.shown()) // 2]
        say(self.alloy, self.result.sentence)
        self.chart.setVisible(True)
        sizes = state.table.class_sizes
        self.chart.show_alloy(self.result, row, sizes, plot_colours(self.workspace.viewer))

    def _alloy_of(self, document: Document, ids: frozenset[int] | None) -> AlloyCount:
        options = document.options
        return alloy_of_image(document.as_said, options.guest, options.guest_fractions, options.guest_fractions_sd, ids)

    # ------------------------------------------------------------------ what a person does

    def _choose_guest(self, symbol: str) -> None:
        if self.document is not None:
            self.document.set_options(guest=symbol)

    def _ask(self) -> None:
        document = self.document
        path, _ = QFileDialog.getOpenFileName(self, "Load measured fractions", str(Path.home()), "Table (*.csv *.tsv)")
        if path and self.is_still(document):
            self.load_from(Path(path))

    def load_from(self, path: Path) -> None:
        """Take the measured fractions from that table, for the document in hand."""
        if self.document is None:
            return
        if not self.document.options.guest:
            show_warning("Choose the second metal first; the fractions are those of it.")
            return
        load_fractions(self.workspace, self.document, path)

    def _forget(self) -> None:
        if self.document is not None:
            self.document.set_options(guest_fractions={}, guest_fractions_sd={})

    def _ask_where(self) -> None:
        document = self.document
        name = document.micrograph.name if document is not None else "metals"
        if path := self.ask_where("Save the table", Path.home() / f"{name}.metals.csv", "CSV (*.csv)"):
            self.write(path)

    def write(self, path: Path) -> None:
        """Write equivalents, atoms and compositions of all clusters to `path`."""
        document = self.document
        if document is None:
            return

        def steps() -> Steps[str]:
            from napari_atomicity.io.keeping import kept_sentence, write_rows

            yield Progress(0, 0, "Saving")
            table = self._alloy_of(document, None).table if document.options.guest else _plain(document)
            kept = write_rows(table, path)
            return f"Saved {len(table)} clusters to {path}" + ("" if kept is None else f". {kept_sentence(path, kept)}")

        self.workspace.work.start("Save the table of metals", steps, show_info, document)


def _plain(document: Document) -> pd.DataFrame:
    """Equivalents and atoms of all clusters; their counts alone where the metal is the model's."""
    metals = metal_count(document.as_said)
    if metals is not None:
        return metals.table
    return document.table.rows[["id", "frame", "y_px", "x_px", "n_atoms", "n_atoms_sd"]]


def _some(document: Document) -> frozenset[int]:
    """The selected clusters, or else all; of many the first."""
    table = document.table
    usable = table.ids[table.sizeable]
    selected = usable[np.isin(usable, list(document.selection))]
    chosen = selected if len(selected) else usable
    if len(chosen) > _MOST:  # evenly over all, so that the middle one is in the middle
        count = table.rows["n_atoms"].to_numpy(dtype=float)[table.rows_of(chosen)]
        chosen = chosen[np.argsort(count)[np.linspace(0, len(chosen) - 1, _MOST).astype(int)]]
    return frozenset(int(one) for one in chosen)


def _numbers(metals: MetalCount, document: Document) -> str:
    table = metals.table[document.table.sizeable]
    chosen = table[table["id"].isin(document.selection)]
    selected = len(chosen) > 0
    chosen = chosen if selected else table
    middle = chosen.drop(columns=["id", "frame", "y_px", "x_px"]).median()
    names = [name for name in middle.index if not name.endswith("_sd")]
    words = {"n_atoms": "atoms in all"}
    rows = [
        (
            words.get(name, _words(name, metals)),
            f"{middle[name]:.1f}" + (f" ± {middle[f'{name}_sd']:.1f}" if f"{name}_sd" in middle else ""),
        )
        for name in names
    ]
    of = f"{len(chosen)} selected" if selected else f"all {len(table)} whole clusters"
    return html_table([(f"median of {of}", ""), *rows])


def _words(name: str, metals: MetalCount) -> str:
    if name.endswith("_equivalents"):
        return f"{metals.conversion.reference}-equivalents"
    return f"of them {name.removeprefix('n_').capitalize()}"
