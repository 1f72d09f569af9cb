"""What the model uses: where, from the centre to the contour, each class is recognised."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from napari.utils.notifications import show_info
from qtpy.QtWidgets import QComboBox

from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.actions import single
from napari_atomicity.ui.widgets.controls import button, say
from napari_atomicity.ui.widgets.curves import Curves
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.wording import channel_words, method_words, nm, number

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.insight.radial import RadialProfiles

_UNITS: Final = {"radii": "radii of the cluster", "nm": "nm from the centre"}
_HEADINGS: Final = ("class", "clusters", "centre", "contour", "lead of the contour (95 %)")
_TIP: Final = (
    "Density of the attribution over its mean within two radii. Centre: within half a radius; contour: 0.75 to 1.25 "
    "radii. Lead: their difference over their sum, from -1 (all in the centre) to 1 (all at the contour)."
)


class RadialProfilesPanel(Panel):
    """Radial profiles of the heat maps by class and channel."""

    title = "What the model uses"

    def build(self) -> None:
        """Unit, curves and table a channel, buttons."""
        self.unit = QComboBox()
        for name, words in _UNITS.items():
            self.unit.addItem(words, name)
        self.unit.setToolTip("Radii of the cluster make large and small ones comparable")
        self.unit.activated.connect(lambda _: self.show_now())
        self.form().addRow("Distance in", self.unit)
        self.question = self.note()
        self.curves = [Curves(), Curves()]
        self.tables = []
        for curves in self.curves:
            self.page.addWidget(curves)
            self.tables.append(self.note(_TIP))
        self.reach = self.note("Heat maps have cells; a small cluster has few of them")
        self.make = button("Heat maps of all clusters", "The profiles rest on the heat maps", self._make)
        self.save = button("Save table…", "All profiles with their intervals, as CSV", self._ask)
        self.row(self.make, self.save)

    def show_document(self, document: Document | None) -> None:
        """Show the profiles of the heat maps in hand."""
        explained = document.attribution if document is not None else None
        profiles = explained.profiles if explained is not None and len(explained.ids) else None
        if profiles is not None and not len(profiles.table):
            profiles = None
        self.make.setEnabled(document is not None and not self.workspace.work.busy and not document.micrograph.refusal)
        self.save.setEnabled(profiles is not None)
        for widget in (*self.curves, *self.tables):
            widget.setVisible(False)
        say(self.reach, "")
        if profiles is None or explained is None:
            say(self.question, "Make the heat maps of the clusters first; their profiles appear here.")
            return
        say(self.question, _question(explained))
        say(
            self.reach,
            f"Detail finer than {nm(profiles.resolution_nm)} means nothing; merged and cut-off clusters are left out.",
        )
        self._draw(profiles, explained.channel_names, explained.bundle.card)

    def status(self, document: Document) -> str:
        """How many clusters the profiles rest on."""
        explained = document.attribution
        return "no heat maps" if explained is None else f"{len(explained.ids)} clusters"

    def _draw(self, profiles: RadialProfiles, channels: tuple[str, ...], card: Any) -> None:
        from napari_atomicity.insight.question import DENSITY
        from napari_atomicity.style import colours
        from napari_atomicity.ui.widgets.theme import plot_colours

        theme = plot_colours(self.workspace.viewer)
        unit = str(self.unit.currentData())
        for curves, text, channel in zip(self.curves, self.tables, channels, strict=False):
            rows = profiles.table
            rows = rows[(rows["channel"] == channel) & (rows["unit"] == unit)]
            about = "over their mean within two radii" if channel == DENSITY else "density of the evidence"
            title = f"{channel_words(channel)}: {about}"
            curves.show_curves(rows, title, _UNITS[unit], colours(card.class_sizes, card.element), theme)
            curves.setVisible(True)
            say(text, _table(profiles.summary[profiles.summary["channel"] == channel]))

    # ------------------------------------------------------------------ what a person does

    def _make(self) -> None:
        asked = self.document.asked if self.document else None
        single.explain(self.workspace, self.context.explainer, question=asked.question if asked else None)

    def _ask(self) -> None:
        document = self.document
        if document is None or document.attribution is None:
            return
        source = document.micrograph.provenance.path
        proposal = (source.parent if source else Path.home()) / f"{document.micrograph.name}.profiles.csv"
        if path := self.ask_where("Save the radial profiles", proposal, "CSV (*.csv)"):
            self.write(path)

    def write(self, path: Path) -> None:
        """Write the profiles of the document in hand to `path`."""
        from napari_atomicity.io.keeping import kept_sentence, write_rows

        document = self.document
        if document is None or document.attribution is None:
            return
        profiles = document.attribution.profiles

        def steps() -> Steps[str]:
            yield Progress(0, 0, "Saving")
            kept = write_rows(profiles.table, path)
            return f"Saved the profiles to {path.name}." + ("" if kept is None else f" {kept_sentence(path, kept)}")

        self.workspace.work.start("Save the profiles", steps, show_info, document)


def _question(explained: Any) -> str:
    question = explained.question
    target = question.target or "each cluster's own class"
    if question.method == "density":
        return f"Where the atoms are counted; {len(explained.ids)} clusters."
    against = question.against or "the next smaller size"
    method = method_words(question.method)
    return f"Where the evidence for {target} against {against} lies, by {method}; {len(explained.ids)} clusters."


def _table(summary: pd.DataFrame) -> str:
    from napari_atomicity.ui.widgets.html import html_table

    rows = [
        (
            str(row["label"]),
            f"{row['clusters']}",
            number(row["centre"], ".2f"),
            number(row["contour"], ".2f"),
            f"{number(row['lead'], '+.2f')} ({number(row['low'], '+.2f')} to {number(row['high'], '+.2f')})",
        )
        for row in summary.to_dict("records")
    ]
    return html_table(rows, _HEADINGS)
