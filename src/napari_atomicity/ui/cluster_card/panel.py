"""The card of one cluster: what the network sees of it, what it makes of it, and what it is like."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from qtpy.compat import isalive
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_atomicity.clusters import OTHER
from napari_atomicity.insight import cluster_card as cards
from napari_atomicity.insight.standing import standings
from napari_atomicity.pipeline import count_unit
from napari_atomicity.style import OTHER_COLOUR, colours
from napari_atomicity.ui.actions import annotate
from napari_atomicity.ui.cluster_card.inspector import ClusterInspector, Inspection, Subject
from napari_atomicity.ui.cluster_card.navigator import ClusterNavigator
from napari_atomicity.ui.context import context_of
from napari_atomicity.ui.widgets.bars import ChanceBars, Strips, swatch
from napari_atomicity.ui.widgets.controls import say
from napari_atomicity.ui.widgets.label_buttons import LabelButtons
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.widgets.theme import plot_colours
from napari_atomicity.ui.widgets.thumbnails import Thumbnail, Thumbnails
from napari_atomicity.ui.workspace.camera import bring_into_view
from napari_atomicity.wording import chance, channel_words, source_words

if TYPE_CHECKING:
    import napari

    from napari_atomicity.document.document import Document
    from napari_atomicity.ui.workspace.workspace import Workspace

#: of the contours of each channel; those of the heat maps over the image
_CONTOURS: Final = ("#ffa53c", "#4fb8ff", "#d58bff")
_NO_CLUSTERS: Final = "There are no clusters yet: find them first (step 2), or add them by hand."
_NONE_SELECTED: Final = "Select a cluster to see its card: click its ring with the select tool of the clusters layer."
_DENSITY_TIP: Final = "What the network takes for the cluster, in atoms per nm²: its sum is the count"
_CHANNEL_TIPS: Final = {
    "raw": "The image around the cluster, background taken off",
    "lcn": "The same after local contrast normalisation: each place against its surroundings, so that edges stand out",
}


class CardPanel(Panel):
    """Patch, attribution, probabilities, place among the others and likeness of the selected cluster."""

    title = "Cluster card"

    def __init__(self, viewer: napari.viewer.Viewer, inside: bool = False) -> None:
        self.looker = ClusterInspector(context_of(viewer).workspace.new_work())
        self._chosen: frozenset[int] = frozenset()
        super().__init__(viewer, inside)
        self.looker.looked.connect(self._on_changed)
        self.context.shortcuts.changed.connect(self._on_changed)
        viewer.events.theme.connect(self._on_theme)

    def build(self) -> None:
        """Walking through the selection, then the parts of the card."""
        self.empty = self.note()
        self.body = QWidget()
        # in line with what is painted
        self.body.setStyleSheet("QLabel { padding: 0px; }")
        page, self.page = self.page, QVBoxLayout(self.body)
        self.page.setContentsMargins(0, 0, 0, 0)
        self.page.setSpacing(5)
        page.addWidget(self.body)
        self.walk = ClusterNavigator(self.show_now, self._centre)
        self.page.addWidget(self.walk)
        self.label = self.note(
            "What the model says: class, its probability, and the count of atoms ± standard deviation"
        )
        self.annotation = self.note("Your label; colours, shares and exports follow it")
        self.remarks = self.note()
        self.labels = LabelButtons(self.context, self._do, "this cluster")
        self.page.addWidget(self.labels)
        self.marks = {name: QPushButton() for name in ("accept", "clear")}
        for name, widget in self.marks.items():
            widget.clicked.connect(partial(self._do, name))
        self.row(*self.marks.values())
        self.patch = Thumbnails(3, 240, scale_bar=True)
        self.page.addWidget(self.patch)
        self.contours = self.note(
            "Grad-CAM, drawn at 35 and 70 % of the highest value in each channel; atoms per nm² add up to the count"
        )
        self.decision = self.note(
            "How much likelier the first class is than the second: the product of the factors that follow"
        )
        self.chances = ChanceBars()
        self.page.addWidget(self.chances)
        self.strips_title = self._heading("")
        self.strips = Strips()
        self.page.addWidget(self.strips)
        self.alike_title = self._heading("Looks most like these simulated clusters")
        self.alike = Thumbnails(4, 120, scale_bar=False)
        self.page.addWidget(self.alike)
        self.likeness = self.note(
            "Distance between the features that the network sees in this cluster and in simulated ones of known size"
        )
        self.model = self.note("The model that gave the label, and its state")
        self.page = page

    def _heading(self, text: str) -> QLabel:
        label = QLabel(text)
        label.setStyleSheet("font-weight: bold; padding: 4px 0px 0px 0px;")
        label.setIndent(0)
        self.page.addWidget(label)
        return label

    @property
    def shown(self) -> int:
        """Id of the cluster that is shown; -1 for none."""
        return self.walk.at

    def status(self, document: Document) -> str:
        """How many clusters are selected."""
        return f"{len(document.selection)} selected"

    # ------------------------------------------------------------------ showing

    def show_document(self, document: Document | None) -> None:
        """Show the selected cluster; nothing is worked out while nobody can see it."""
        row = self._row(document)
        say(self.empty, "" if row is not None else _why_empty(self.workspace))
        self.body.setVisible(row is not None)
        if not self.isVisible() or document is None:
            return
        if row is None:
            self.looker.prepare(document)
            return
        subject = Subject.of(document, row)
        look = self.looker.look(subject)
        say(self.decision, subject.decision)
        self._show_label(document, row, look)
        self._show_buttons(document, row)
        self._show_patch(document, row, look)
        self._show_numbers(document, row)
        self._show_alike(document, look)

    def _on_changed(self) -> None:
        """Another selection is shown at once, before the other panels and the canvas have their turn."""
        chosen = frozenset() if self.document is None else self.document.selection
        if not isalive(self) or not self.isVisible() or chosen == self._chosen:
            super()._on_changed()
            return
        self._chosen = chosen
        self.show_now()
        self.body.repaint()

    def _row(self, document: Document | None) -> int | None:
        """Row of the cluster to show; None where none is selected."""
        at = self.walk.follow(document.selection if document is not None else ())
        return None if document is None or at < 0 else document.table.row_of(at)

    def _show_label(self, document: Document, row: int, look: Inspection) -> None:
        one, palette = document.table.rows.iloc[row], _palette(document)
        label, mine, bundle = str(one["label"]), str(one["annotation"]), document.state.bundle
        atoms = f"&nbsp;&nbsp; <b>{one['n_atoms']:.0f} ± {one['n_atoms_sd']:.0f} {count_unit(document.as_said)}</b>"
        atoms = atoms if np.isfinite(one["n_atoms"]) else ""
        name = f'{swatch(label, palette)} <span style="font-size:large"><b>{label}</b></span>'
        say(self.label, f"{name} &nbsp;{chance(one['confidence'])}{atoms}" if label else "")
        yours = f"{swatch(mine, palette, '■')} <b>{mine}</b> &nbsp;is your label; it counts instead of the prediction"
        say(self.annotation, yours if mine else "")
        counted = document.counted
        said = cards.notes(document.table, row, counted, unseen=bool(look.problem))
        say(self.remarks, "\n".join([look.problem, *said] if look.problem else said))
        source = source_words(str(one["source"]))
        say(self.model, f"Labelled by the model {bundle.card.name}, {source}." if label and bundle is not None else "")

    def _show_buttons(self, document: Document, row: int) -> None:
        keys, one = self.context.shortcuts.keys, document.table.rows.iloc[row]
        self.labels.offer(document)
        says = {"accept": f"Accept {one['label']}".rstrip(), "clear": "Take your label back"}
        for name, widget in self.marks.items():
            widget.setText(f"{says[name]}  {keys[name]}")
            widget.setToolTip(self.context.shortcuts.tip(name))
        self.marks["accept"].setEnabled(bool(one["label"]))
        self.marks["clear"].setEnabled(bool(one["annotation"]))

    def _show_patch(self, document: Document, row: int, look: Inspection) -> None:
        found, label = look.attribution, _explained(document, look)
        shown = []
        channels = () if look.channels is None else look.channels
        for i, (name, channel) in enumerate(zip(look.names, channels, strict=False)):
            said = cards.channel_words(found, i, label) if found is not None else ""
            shown.append(
                Thumbnail(
                    cards.as_grey(channel),
                    (channel_words(name).capitalize(), said),
                    contours=look.contours[i] if look.contours else (),
                    contour_colour=_CONTOURS[i % len(_CONTOURS)],
                    tip=_CHANNEL_TIPS.get(name, ""),
                )
            )
        if look.density is not None:
            top = float(look.density.max(initial=0.0))
            grey = np.asarray(np.clip(255 * look.density / max(top, 1e-6), 0, 255), dtype=np.uint8)
            shown.append(Thumbnail(grey, ("Atoms per nm²", f"up to {top:.0f}"), tip=_DENSITY_TIP))
        self.patch.show_pictures(shown, self._theme["text"])
        say(self.contours, _about_contours(look, label, self.looker.waiting))

    def _show_numbers(self, document: Document, row: int) -> None:
        table, palette = document.table, _palette(document)
        one, text = table.rows.iloc[row], self._theme["text"]
        labels = cards.class_labels(
            table, None if document.state.bundle is None else document.state.model_in_force.card
        )
        found = cards.chances(table, row, labels)
        self.chances.show_chances(found, str(one["label"]), str(one["annotation"]), palette, text)
        places = standings(table, row)
        n = int((table.rows["frame"] == one["frame"]).sum())
        self.strips_title.setText(f"Among the {n} clusters of this frame")
        self.strips_title.setVisible(bool(places))
        self.strips.show_standings(places, palette.get(str(table.final_labels[row]), OTHER_COLOUR), text)

    def _show_alike(self, document: Document, look: Inspection) -> None:
        alike, palette = look.alike, _palette(document)
        near = [] if alike is None or look.features is None else alike.nearest(look.features)
        shown = []
        for row, distance in near:
            assert alike is not None
            label = str(alike.library.labels[row])
            grey = cards.as_grey(alike.library.patches.raw[row])
            tip = f"A simulated cluster of {label} that the model carries along, at a distance of {distance:.2f}"
            shown.append(Thumbnail(grey, (label, alike.in_short(distance)), palette.get(label, ""), tip=tip))
        self.alike.show_pictures(shown, self._theme["text"])
        self.alike_title.setVisible(bool(near or look.no_library))
        say(self.likeness, alike.words(near[0][1]) if alike is not None and near else look.no_library)

    @property
    def _theme(self) -> dict[str, str]:
        return plot_colours(self.workspace.viewer)

    # ------------------------------------------------------------------ what a person does

    def _do(self, name: str, _: bool = False) -> None:
        """Label the cluster that is shown, of several selected ones it alone."""
        annotate.do(self.workspace, self.context.shortcuts, name, self.shown)

    def _centre(self) -> None:
        if self._row(self.document) is not None:
            bring_into_view(self.workspace, self.shown)

    def _on_theme(self, _: object = None) -> None:
        self._on_changed()


def _why_empty(workspace: Workspace) -> str:
    document = workspace.document
    if document is None:
        return workspace.why_no_document
    return _NONE_SELECTED if len(document.table) else document.micrograph.refusal or _NO_CLUSTERS


def _palette(document: Document) -> dict[str, str]:
    table, bundle = document.table, document.state.bundle
    labels = cards.class_labels(table, None if bundle is None else bundle.card)
    by_size = colours(table.class_sizes)
    return {**dict(zip(labels, list(by_size.values())[:-1], strict=True)), OTHER: by_size[OTHER]}


def _explained(document: Document, look: Inspection) -> str:
    """Label of the class that the maps explain."""
    target = -1 if look.attribution is None else int(look.attribution.target[0])
    return str(document.state.model_in_force.card.labels[target]) if target >= 0 else ""


def _about_contours(look: Inspection, label: str, waiting: bool) -> str:
    if look.attribution is not None:
        return cards.contour_words(look.attribution, label)
    # of two lines, as what follows: nothing below shall jump
    return "Contours follow in a moment…\n" if waiting and look.channels is not None else ""
