"""Step 8: take the numbers along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.utils.notifications import show_info
from qtpy.QtWidgets import QComboBox

from napari_atomicity.counting.prior import as_in_file
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.widgets.controls import button, narrow, say
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.workspace.scopes import SCOPES, groups_in, under_its_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_atomicity.document.document import Document
    from napari_atomicity.pipeline import ImageState, Repeatability, Settings

_TABLE: Final = "CSV (*.csv);;Parquet (*.parquet)"
_FIGURE: Final = "PNG (*.png);;SVG (*.svg);;PDF (*.pdf)"
_REPORT: Final = "Web page (*.html)"


class ExportPanel(Panel):
    """Save table, figure, report and training set as they are on the screen."""

    title = "Export"

    def build(self) -> None:
        """The buttons, and where the last file went."""
        self.save = button("Save table…", "All clusters with all columns, as CSV or Parquet", self._ask_table)
        self.figure = button(
            "Save figure…",
            "The image as you see it, with rings, heat maps and legend, as PNG, SVG or PDF",
            self._ask_figure,
        )
        self.teach = button(
            "Save training set…",
            "The clusters that you labelled, cut out, with your labels: to train a model of your own with",
            self._ask_set,
        )
        self.report = button(
            "Write report…",
            "One file with pictures, ratios, settings, versions, hashes, to read and print",
            self._ask_report,
        )
        self.scope = QComboBox()
        self.scope.setToolTip("Which images the report is about")
        for name, words in SCOPES.items():
            self.scope.addItem(f"on {words}", name)
        narrow(self.scope)
        self.scope.activated.connect(lambda _: self.show_now())
        self.row(self.save, self.figure)
        self.row(self.teach)
        self.row(self.report, self.scope)
        self.result = self.note("Where the last file went")
        self._saved = ""

    def show_document(self, document: Document | None) -> None:
        """Offer to save what there is to save."""
        some = document is not None and len(document.table) > 0
        self.save.setEnabled(some)
        self.figure.setEnabled(some)
        self.teach.setEnabled(document is not None and bool(document.table.labelled.any()))
        self.report.setEnabled(bool(groups_in(self.workspace, self._scope)))
        say(self.result, self._saved)

    def status(self, document: Document) -> str:
        """How much there is to save."""
        return f"{len(document.table)} rows" if len(document.table) else "nothing to save yet"

    @property
    def _scope(self) -> str:
        return str(self.scope.currentData())

    # ------------------------------------------------------------------ asking where to

    def _ask_table(self) -> None:
        self._ask("Save the table of clusters", ".clusters.csv", _TABLE, self.write)

    def _ask_figure(self) -> None:
        self._ask("Save the figure", ".clusters.png", _FIGURE, self.write_figure)

    def _ask_set(self) -> None:
        self._ask("Save the training set as a new folder", ".training-set", "Folder (*)", self.write_set)

    def _ask_report(self) -> None:
        ending = ".report.html" if self._scope == "one" else ".session.report.html"
        self._ask("Write the report", ending, _REPORT, self.write_report)

    def _ask(self, title: str, ending: str, kinds: str, write: Callable[[Path], None]) -> None:
        """Ask for a path beside the image."""
        document = self.document
        if document is None:
            return
        source = document.micrograph.provenance.path
        proposal = (source.parent if source else Path.home()) / f"{document.micrograph.name}{ending}"
        if path := self.ask_where(title, proposal, kinds):
            write(path)

    # ------------------------------------------------------------------ writing

    def write(self, path: Path) -> None:
        """Write the table of the document in hand to `path`, as CSV or Parquet by its suffix."""
        from napari_atomicity.io.keeping import kept_sentence
        from napari_atomicity.io.tables import write_table

        document = self._up_to_date()
        if document is None:
            return
        table, state, settings = document.table, document.as_said, document.settings

        def steps() -> Steps[str]:
            yield Progress(0, 0, "Saving")
            kept = write_table(table, path, facts(state, settings))
            said = "" if kept is None else f". {kept_sentence(path, kept)}"
            return f"Saved {len(table)} clusters to {path}{said}"

        self.workspace.work.start("Save the table", steps, self._say, document)

    def write_figure(self, path: Path) -> None:
        """Write the frame that is shown with its rings, as PNG, SVG or PDF by the suffix of `path`."""
        document = self._up_to_date()
        if document is None:
            return
        state, frame, group = document.state, self.workspace.frame, self.workspace.group
        limits = None if group is None else group.look.limits
        heat = () if group is None else group.maps.overlays

        def steps() -> Steps[str]:
            yield Progress(0, 0, "Drawing")
            from napari_atomicity.report.figures import draw_overlay

            card = None if state.bundle is None else state.bundle.card
            draw_overlay(state.micrograph, state.table, card, path, frame, limits=limits, heat=heat)
            return f"Saved the figure to {path}"

        self.workspace.work.start("Save the figure", steps, self._say, document)

    def _repeats_of(self, states: Sequence[ImageState]) -> Repeatability | None:
        """What repeated frames said, where they are among these images and as they are now."""
        if self.context.repeats is None:
            return None
        result, tables = self.context.repeats
        now = [id(state.table) for state in states]
        return result if all(id(table) in now for table in tables) else None

    def write_report(self, path: Path) -> None:
        """Write the report on the images of the chosen scope."""
        document = self._up_to_date()
        groups = groups_in(self.workspace, self._scope)
        if document is None or not groups:
            return
        states = [under_its_name(group) for group in groups]
        frames = [self.workspace.frame if group.document is document else 0 for group in groups]
        expected, checked = dict(document.options.expected), document.options.random_sample
        compared = [self.context.scales.get(group.document) for group in groups]
        scales = [
            replace(kept[1], image=state.micrograph.name)
            for kept, state in zip(compared, states, strict=True)
            if kept and kept[0].table is state.table
        ]

        repeats = self._repeats_of(states)

        def steps() -> Steps[str]:
            from napari_atomicity.report import report_steps

            yield from report_steps(
                states, path, expected, frames=frames, checked=checked, scales=scales, repeats=repeats
            )
            return f"Wrote the report on {len(states)} image{'s' if len(states) > 1 else ''} to {path}"

        self.workspace.work.start("Write the report", steps, self._say, document)

    def write_set(self, folder: Path) -> None:
        """Write the clusters that a person labelled as a training set, a new folder."""
        document = self._up_to_date()
        if document is None:
            return
        state = document.state
        n = int(state.table.labelled.sum())

        def steps() -> Steps[str]:
            from napari_atomicity.pipeline import training_set_steps

            card = None if state.bundle is None else state.bundle.card
            yield from training_set_steps(state.micrograph, state.table, folder, card, dict(state.calibrations))
            return f"Saved {n} labelled clusters to {folder}"

        self.workspace.work.start("Save the training set", steps, self._say, document)

    def _up_to_date(self) -> Document | None:
        """The document in hand, with what napari did to its points without telling."""
        for group in self.workspace.groups:
            group.clusters.sync_from_layer()
        return self.document

    def _say(self, text: str) -> None:
        self._saved = text
        show_info(text)


def facts(state: ImageState, settings: Settings) -> dict[str, Any]:
    """What the numbers of a table depend on, as the command line writes it: image, parameters, versions, model."""
    from napari_atomicity.provenance import describe_image, versions
    from napari_atomicity.report.summary import describe

    if state.bundle is None:
        return {"image": describe_image(state.micrograph), "parameters": as_in_file(settings), "versions": versions()}
    report = describe(state)
    names = ("image", "parameters", "versions", "model", *(["metals"] if report["metals"] else []))
    return {name: report[name] for name in names}
