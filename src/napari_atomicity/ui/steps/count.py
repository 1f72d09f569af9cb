"""Step 3: label every cluster with its atom count."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QHBoxLayout

from napari_atomicity import pipeline
from napari_atomicity.counting.card_text import classes
from napari_atomicity.counting.store import models
from napari_atomicity.report.shares import series_of_counts
from napari_atomicity.style import colours
from napari_atomicity.ui.actions import looking, single
from napari_atomicity.ui.actions.metals import doubt_of
from napari_atomicity.ui.cluster_card.on_hover import lay_hover_card
from napari_atomicity.ui.legend.entries import entries_of
from napari_atomicity.ui.legend.filters import FilterBar
from napari_atomicity.ui.legend.legend import Legend
from napari_atomicity.ui.legend.on_image import lay_on_image
from napari_atomicity.ui.steps.candidates import CandidateChoice
from napari_atomicity.ui.steps.prior import PriorFields
from napari_atomicity.ui.widgets.controls import button, narrow, say
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.widgets.share_chart import ShareChart
from napari_atomicity.ui.widgets.theme import plot_colours
from napari_atomicity.ui.workspace.docks import open_dock

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document

_USUAL = "dual"
_MODELS = {"dual": "dual (raw + local contrast)", "single": "single (raw intensity)"}


class CountPanel(Panel):
    """Choose model and prior knowledge, label, see the shares."""

    title = "Count atoms"

    def build(self) -> None:
        """Model, what is known, the button, the legend, the chart."""
        self.model = QComboBox()
        self.model.setToolTip("Which network reads the clusters")
        narrow(self.model)
        self._offered: tuple[list[str], str] = ([], "")
        self.model.activated.connect(lambda i: self._choose(model=self.model.itemData(i)))
        self.manage = button("Models…", "What each model is and how well it counts; import and export", self._manage)
        which = QHBoxLayout()
        which.addWidget(self.model, 1)
        which.addWidget(self.manage)
        form = self.form()
        form.addRow("Model", which)
        self.known = PriorFields(self, form)
        self.run = button("Count atoms", "Label every cluster with the class of its atom count", self._run)
        self.row(self.run)
        self.remarks = self.note()
        self.candidates = CandidateChoice(self._decide)
        self.page.addWidget(self.candidates)
        self.legend = Legend(self.workspace)
        self.page.addWidget(self.legend)
        self.filter = FilterBar(self.context)
        self.page.addWidget(self.filter)
        lay_on_image(self.context)
        lay_hover_card(self.context)
        self.context.legend.changed.connect(self._on_changed)
        self.chart = ShareChart()
        self.chart.on_pick = partial(looking.select_label, self.workspace)
        self.page.addWidget(self.chart)
        self.ratios = button("Class ratios…", "With classification errors, against what was deposited", self._ratios)
        self.row(self.ratios)

    def show_document(self, document: Document | None) -> None:
        """Show model, shares and remarks."""
        self.run.setEnabled(self.can_act)
        self.model.setEnabled(self.can_act)
        self.known.show_document(document, self.can_act)
        self.candidates.show_document(document, self.workspace.frame, self.can_act)
        shown = document is not None and document.counted and document.state.bundle is not None
        for part in (self.legend, self.filter, self.chart, self.ratios):
            part.setVisible(shown)
        self._offer(document)
        if document is None:
            say(self.remarks, "")
            return
        self.model.setCurrentIndex(self.model.findData(document.settings.model))
        say(self.remarks, _remarks(document))
        if shown:
            self._show_shares(document)

    def status(self, document: Document) -> str:
        """How many clusters carry a label."""
        labelled = int((document.table.rows["label"] != "").sum())
        if not labelled:
            return "not counted yet; another metal than the model's" if doubt_of(document) else "not counted yet"
        source = "adapted model" if document.state.applied is not None else "base model"
        return f"{labelled} of {len(document.table)} labelled, {source}"

    def _show_shares(self, document: Document) -> None:
        card = document.state.model_in_force.card
        final = document.ratios()
        known = colours(card.class_sizes, card.element)
        group = self.workspace.group
        if group is not None:
            self.legend.show_entries(entries_of(document, final), group.rings.hidden)
            self.filter.show_group(group)
        theme = plot_colours(self.workspace.viewer)
        labels = final["label"].tolist()
        series = [
            series_of_counts(final, labels, "by label", "bar"),
            series_of_counts(document.ratios(by="diameter"), labels, "by diameter alone", "hollow"),
        ]
        self.chart.show_shares(labels, series, known, theme)

    # ------------------------------------------------------------------ what a person does

    def _run(self) -> None:
        single.classify(self.workspace)

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
            exists = path.with_suffix(".safetensors").is_file()
            self.model.addItem(path.stem if exists else f"{path.stem} (not there any more)", missing)

    def _manage(self) -> None:
        open_dock(self.workspace.viewer, "Models")

    def _ratios(self) -> None:
        open_dock(self.workspace.viewer, "Class ratios")

    def _choose(self, **values: Any) -> None:
        if self.document is not None:
            self.document.choose(**values)

    def _decide(self, frame: int, dominant: str) -> None:
        single.choose(self.workspace, frame, dominant)


def _remarks(document: Document) -> str:
    """What a person must know about the labels."""
    rows = document.table.rows
    remarks = []
    missing = set(rows["id"][rows["label"] == ""]) - _unreadable(document)
    if document.counted and missing:
        remarks.append(f"{len(missing)} placed or moved since then; count again to label them.")
    remarks += _of_metal(document)
    if document.counted and document.state.count is not None:
        remarks += pipeline.remarks(document.state.count)
    if document.counted and document.outdated:
        remarks.append("The settings changed since then; count again to follow them.")
    not_counted = int((~document.table.sizeable).sum())
    if document.counted and not_counted:
        remarks.append(f"{not_counted} cut off, touching or saturated: labelled, but left out of the shares.")
    return "\n".join(remarks)


def _of_metal(document: Document) -> list[str]:
    """That the clusters are of another metal than the model: before the count a doubt, after it what counts are."""
    if document.counted:
        return list(pipeline.metal_remarks(document.as_said))
    doubt = doubt_of(document)
    return [doubt] if doubt else []


def _unreadable(document: Document) -> set[int]:
    """Ids of clusters that the last count saw and could not label: too little of them lies in the image."""
    done = document.state.count
    return set() if done is None else set(done.table.rows["id"][done.table.rows["label"] == ""])
