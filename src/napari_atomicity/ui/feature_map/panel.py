"""The map of features: the library as islands, the clusters of the image on top, before and after an adaptation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.compat import isalive
from qtpy.QtGui import QResizeEvent, QShowEvent
from qtpy.QtWidgets import QBoxLayout, QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_atomicity.ui.context import context_of
from napari_atomicity.ui.feature_map.colouring import choices, colouring
from napari_atomicity.ui.feature_map.painting import Style, Tooltip
from napari_atomicity.ui.feature_map.placements import Figures, looks_of
from napari_atomicity.ui.feature_map.points import MappedClusters, gather
from napari_atomicity.ui.feature_map.view import View
from napari_atomicity.ui.feature_map.widgets import MapLegend, Move, Pane, Waiting
from napari_atomicity.ui.widgets.controls import AfterPainting, button, make_accessible, narrow, say
from napari_atomicity.ui.widgets.docked import Docked
from napari_atomicity.ui.widgets.focus import mark_focus

if TYPE_CHECKING:
    import napari

    from napari_atomicity.document.document import Document

_SCOPES: Final = {"frame": "frame in view", "image": "this image", "images": "all open images"}
_NO_COUNT: Final = "Count the atoms first (step 3): the map shows how the model sees each cluster."
_NONE: Final = "None of the clusters here has been counted; count the atoms again (step 3)."


class FeatureMapPanel(QWidget):
    """The dock widget: what to colour by and which clusters, one map or two, figures, and a move between the two."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.workspace = context_of(viewer).workspace
        self.looks = looks_of(self.workspace)
        self.clusters: MappedClusters | None = None
        self._shown: tuple[Any, ...] = ()
        self.view = View()
        self._build()
        make_accessible(self)
        mark_focus(self)
        self._docked = Docked(self)
        self._due = AfterPainting(self, self.show_now)
        self.workspace.changed.connect(self._on_changed)
        self.looks.changed.connect(self._on_changed)
        self.show_now()

    def _build(self) -> None:
        self.colour, self.scope = QComboBox(), QComboBox()
        for box, tip in (
            (self.colour, "What the colour of the clusters says; islands always have the colour of their class"),
            (self.scope, "Which clusters are on the map"),
        ):
            box.setToolTip(tip)
            narrow(box)
            box.setMinimumContentsLength(4)  # as narrow as the workbench, behind whose tabs it lies
            box.activated.connect(lambda _: self.show_now())
        _offer(self.colour, choices(None), "label")
        self.reset = button("Whole map", "Undo zooming and moving", self.view.reset)
        self.again = button("Try again", "Make the map once more", self.looks.try_again)
        top = QHBoxLayout()
        parts: list[tuple[QWidget, int]] = [(QLabel("Colour"), 0), (self.colour, 2), (QLabel("of"), 0)]
        for part, stretch in [*parts, (self.scope, 2), (self.reset, 0)]:
            top.addWidget(part, stretch)
        self.before, self.after = (Pane(self.view, self._describe) for _ in range(2))
        self.before.canvas.picked.connect(self._pick)
        self.after.canvas.picked.connect(self._pick)
        self.panes = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self.panes.addWidget(self.before, 1)
        self.panes.addWidget(self.after, 1)
        self.move_row = Move(self._move)
        self.key = MapLegend()
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.waiting = Waiting(self.looks.stop)
        page = QVBoxLayout(self)
        page.setContentsMargins(8, 8, 8, 8)
        page.setSpacing(6)
        page.addLayout(top)
        page.addLayout(self.panes, 1)
        for widget in (self.key, self.move_row, self.note, self.again, self.waiting):
            page.addWidget(widget)

    # ------------------------------------------------------------------ what is shown

    def show_now(self) -> None:
        """Ask for what is missing, and show what is there; a selection alone redraws nothing else."""
        documents, names = self._documents()
        if self.isVisible():
            self.looks.want(documents)
        self.waiting.show_progress(self.looks.work.busy, self.looks.progress)
        self._offer_scopes()
        frame = self.workspace.frame if self.scope.currentData() == "frame" else None
        clusters_of = [(document.table, document.state, self._figures(document)) for document in documents]
        now = (*clusters_of, frame, self._theme, self.colour.currentData(), self._message(documents))
        if self._shown != now:
            self._shown = now
            self.clusters = gather(documents, names, self.looks, frame)
            self._draw(documents)
        self._show_selection()

    def _draw(self, documents: list[Document]) -> None:
        document, clusters = self.workspace.document, self.clusters
        state = None if document is None else document.state
        look = None if state is None else self.looks.look(state.count)
        style = self._style(document)
        there = look is not None and clusters is not None and len(clusters) > 0
        message = self._message(documents) or ("" if there else _NONE)
        adapted = None if state is None else state.applied
        two = there and adapted is not None
        self.before.setVisible(two)
        self.move_row.setVisible(two)
        self.key.setVisible(there)
        self.reset.setEnabled(there)
        self.after.show_look(look if there else None, style, message, "after the adaptation" if two else "")
        if not there or clusters is None or look is None or state is None:
            say(self.note, "")
            return
        from napari_atomicity.insight.islands import extent

        self.view.fit(*extent(look.feature_map.xy.astype(np.float64)))
        self._offer_colours(clusters)
        colours = colouring(clusters, self.colour.currentData(), state.model_in_force.card.class_sizes)
        self.key.show_colouring(colours, style)
        self.after.show_figures(self.looks.figures(state.count), look.library)
        self.after.canvas.show_clusters(clusters.after.xy, colours.rgba, clusters.annotated, clusters.after.outlier)
        was = None if adapted is None else self.looks.look(adapted.before)
        if adapted is not None and was is not None:
            self.before.show_look(was, style, "", "before")
            self.before.show_figures(self.looks.figures(adapted.before), was.library)
            self.before.canvas.show_clusters(
                clusters.before.xy, colours.rgba, clusters.annotated, clusters.before.outlier
            )
            self.move_row.finish()
        say(self.note, clusters.words)

    def _move(self, part: float) -> None:
        """Show the clusters on their way from before (0) to after (1)."""
        if self.clusters is None:
            return
        before, after = self.clusters.before, self.clusters.after
        self.after.canvas.move_clusters((1 - part) * before.xy + part * after.xy)

    def _show_selection(self) -> None:
        if self.clusters is not None:
            selected = self.clusters.selected
            self.before.canvas.show_selection(selected)
            self.after.canvas.show_selection(selected)

    def _message(self, documents: list[Document]) -> str:
        """Why nothing can be drawn; empty where it can."""
        document = self.workspace.document
        self.again.setVisible(False)
        if document is None:
            return self.workspace.why_no_document
        classified = document.state.count
        if document.micrograph.refusal or classified is None:
            return document.micrograph.refusal or _NO_COUNT
        refusal = self.looks.refusal(classified)
        if refusal:
            self.again.setVisible(True)
            return refusal
        return "" if self.looks.look(classified) is not None else "The map is being made…"

    def _documents(self) -> tuple[list[Document], list[str]]:
        places = [place for place in [self.workspace.group] if place is not None]
        if self.scope.currentData() == "images" and places:
            # only what was counted with the same model, adapted or not, lies on the same map
            name = _model(places[0].document)
            places = [place for place in self.workspace.groups if _model(place.document) == name]
        return [place.document for place in places], [place.name for place in places]

    def _figures(self, document: Document) -> tuple[Figures | None, ...]:
        adapted = document.state.applied
        return (self.looks.figures(document.state.count), self.looks.figures(adapted.before if adapted else None))

    # ------------------------------------------------------------------ choices and colours

    def _offer_scopes(self) -> None:
        document = self.workspace.document
        stack = document is not None and document.micrograph.n_frames > 1
        words = dict(_SCOPES, image="all frames" if stack else _SCOPES["image"])
        names = [*(["frame"] if stack else []), "image", *(["images"] if len(self.workspace.groups) > 1 else [])]
        _offer(self.scope, [(words[name], name) for name in names], "image")

    def _offer_colours(self, clusters: MappedClusters) -> None:
        _offer(self.colour, choices(clusters), "label")

    @property
    def _theme(self) -> str:
        return str(self.workspace.viewer.theme) if self.workspace.viewer is not None else "dark"

    def _style(self, document: Document | None) -> Style:
        from napari_atomicity.style import colours
        from napari_atomicity.ui.widgets.theme import plot_colours

        bundle = None if document is None else document.state.bundle
        labels = {} if bundle is None else colours(bundle.card.class_sizes, bundle.card.element)
        return Style(plot_colours(self.workspace.viewer), labels)

    # ------------------------------------------------------------------ what a person does

    def _pick(self, rows: Any, add: bool) -> None:
        if self.clusters is not None:
            self.clusters.select(rows, add)
            self._show_selection()

    def _describe(self, row: int, library: bool) -> Tooltip | None:
        document, clusters = self.workspace.document, self.clusters
        look = None if document is None else self.looks.look(document.state.count)
        if document is None or clusters is None or look is None:
            return None  # the image has gone or changed, and the next refresh has not come yet
        known, style = look.feature_map.library, self._style(document)
        if library:
            label = known.labels[row]
            return Tooltip(((label, known.patches.raw[row]),), ("library cluster (simulated)",), style.of_label(label))
        near, label = int(clusters.after.nearest[row]), str(clusters.final_labels[row])
        patches = ((label, clusters.patch(row)), (f"library: {known.labels[near]}", known.patches.raw[near]))
        return Tooltip(patches, clusters.lines(row, str(known.labels[near])), style.of_label(label))

    # ------------------------------------------------------------------ Qt

    def showEvent(self, event: QShowEvent | None) -> None:
        """Compute what was not wanted while hidden."""
        super().showEvent(event)
        self._due.start()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Two maps side by side where there is room, else one above the other."""
        super().resizeEvent(event)
        wide = self.width() > 1.1 * self.height()
        self.panes.setDirection(QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom)

    def _on_changed(self) -> None:
        if isalive(self):
            self._due.start()


def _model(document: Document) -> str:
    bundle = document.state.bundle
    return "" if bundle is None else str(bundle.card.sha256)


def _offer(box: QComboBox, wanted: list[tuple[str, str]], usual: str) -> None:
    """Fill a box, keeping what was chosen where that is still there."""
    if [(box.itemText(i), box.itemData(i)) for i in range(box.count())] == wanted:
        return
    chosen = box.currentData()
    box.clear()
    for words, name in wanted:
        box.addItem(words, name)
    index = box.findData(chosen)
    box.setCurrentIndex(index if index >= 0 else max(box.findData(usual), 0))
