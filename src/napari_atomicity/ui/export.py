"""Step 7: take the numbers along."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info
from qtpy.QtWidgets import QFileDialog

from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.panel import Panel, button, say

if TYPE_CHECKING:
    from napari_atomicity.pipeline import Settings
    from napari_atomicity.ui.document import Document, State


class ExportPanel(Panel):
    """Save the table as it is on the screen."""

    title = "Export"

    def build(self) -> None:
        """The button, and where the last table went."""
        self.save = button("Save table…", "All clusters with all columns, as CSV or Parquet", self._ask)
        self.row(self.save)
        self.result = self.note()
        self._saved = ""

    def show_document(self, document: Document | None) -> None:
        """Offer to save where there is something to save."""
        self.save.setEnabled(document is not None and len(document.table) > 0)
        say(self.result, self._saved)

    def status(self, document: Document) -> str:
        """How much there is to save."""
        return f"{len(document.table)} rows" if len(document.table) else "nothing to save yet"

    def _ask(self) -> None:
        document = self.document
        if document is None:
            return
        source = document.micrograph.provenance.path
        proposal = (source.parent if source else Path.home()) / f"{document.micrograph.name}.clusters.csv"
        path, _ = QFileDialog.getSaveFileName(
            self, "Save the table of clusters", str(proposal), "CSV (*.csv);;Parquet (*.parquet)"
        )
        if path:
            self.write(Path(path))

    def write(self, path: Path) -> None:
        """Write the table of the document in hand to `path`, as CSV or Parquet by its suffix."""
        from napari_atomicity.io.tables import write_table

        if self.bench.clusters is not None:
            self.bench.clusters.take_up()
        document = self.document
        if document is None:
            return
        table, state, settings = document.table, document.state, document.settings

        def steps() -> Steps[str]:
            yield Progress(0, 0, "Saving")
            write_table(table, path, facts(state, settings))
            return f"Saved {len(table)} clusters to {path.name}."

        self.bench.work.start("Save the table", steps, self._say, document)

    def _say(self, text: str) -> None:
        self._saved = text
        show_info(text)


def facts(state: State, settings: Settings) -> dict[str, Any]:
    """What the numbers of a table depend on, as the command line writes it: image, parameters, versions, model."""
    from napari_atomicity.pipeline import Analysis
    from napari_atomicity.report import describe_image, versions

    if state.bundle is None:
        return {"image": describe_image(state.micrograph), "parameters": asdict(settings), "versions": versions()}
    adaptation = state.adaptation.adaptation if state.adaptation is not None else None
    calibrations = state.classified.calibrations if state.classified is not None else {}
    analysis = Analysis(
        state.micrograph,
        state.table,
        state.settings or settings,
        state.bundle,
        calibrations,
        adaptation,
        session=state.session,
    )
    report = analysis.report()
    return {name: report[name] for name in ("image", "parameters", "versions", "model")}
