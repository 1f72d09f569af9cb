"""What one atom is worth by independent ways, and how far these agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.utils.notifications import show_info, show_warning
from qtpy.compat import isalive

from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import (
    DetectorScan,
    ImageState,
    ScaleConsistency,
    consistency_steps,
    standard_reference,
)
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.consistency.charts import AtomChart, ScaleChart
from napari_atomicity.ui.consistency.detector import DetectorPart
from napari_atomicity.ui.consistency.tables import numbers, shares
from napari_atomicity.ui.widgets.controls import button, say
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.widgets.theme import plot_colours

if TYPE_CHECKING:
    from napari_atomicity.counting.references import ScaleReference
    from napari_atomicity.document.document import Document

_HOW: Final = (
    "Count the atoms, then compare. A scan of the detector, single atoms in the image, deposited sizes, a standard and "
    "a profile of an earlier session each say what one atom is worth; a count that several agree on can be believed."
)
_SAME_PIXEL: Final = 0.01
_OUTSIDE: Final = ("detector", "atoms", "standard", "profile")


class ConsistencyPanel(Panel):
    """Hold independent ways to the intensity of one atom against each other."""

    title = "Consistency"

    def build(self) -> None:
        """The scan of the detector, the button, the finding, the plots, the tables."""
        self._work = self.workspace.new_work()
        self._work.finished.connect(self._on_finished)
        self.detector = DetectorPart(self, self._work)
        self.run = button("Compare scales", "What one atom is worth, by every way that there is", self._run)
        self.row(self.run)
        self.finding = self.note("How far the ways agree")
        self.finding.setStyleSheet("font-weight: bold;")
        self.scales, self.atoms = ScaleChart(), AtomChart()
        self.page.addWidget(self.scales)
        self.numbers = self.note("Intensity of one atom, counts·nm², one standard deviation")
        self.shares = self.note("Class shares that each way alone would give")
        self.page.addWidget(self.atoms)
        self.remarks = self.note("What a person must know about these ways")
        self.take = button(
            "Use for the count", "Start the next count from what the other ways say together", self._take
        )
        self.profile = button(
            "Save profile…", "Keep what all ways say together for the next session", self._ask_profile
        )
        self.table = button(
            "Save table…", "Every way with its error and what it alone would give, as CSV", self._ask_table
        )
        self.row(self.take, self.profile, self.table)
        self.context.detector.changed.connect(self._on_changed)

    @property
    def result(self) -> ScaleConsistency | None:
        """The last result of the image in hand."""
        document = self.document
        kept = None if document is None else self.context.scales.get(document)
        return None if kept is None else kept[1]

    def show_document(self, document: Document | None) -> None:
        """Show the scan, the last result, and whether it is still of what is there."""
        self.detector.show_document(document)
        counted = document is not None and document.counted
        self.run.setEnabled(counted and not self._work.busy)
        result = self.result
        for part in (self.scales, self.take, self.profile, self.table):
            part.setVisible(result is not None)
        self.atoms.setVisible(result is not None and result.atoms is not None)
        if document is None or result is None:
            for note in (self.finding, self.numbers, self.shares):
                say(note, "")
            say(self.remarks, _HOW)
            return
        theme = plot_colours(self.workspace.viewer)
        self.scales.show_scales(result.found, theme)
        if result.atoms is not None:
            self.atoms.show_atoms(result.atoms, theme)
        where = f"Frame {result.frame}: " if document.micrograph.n_frames > 1 else ""
        say(self.finding, f"{where}{result.found.sentence}")
        say(self.numbers, numbers(result))
        say(self.shares, shares(result))
        stale = self.context.scales[document][0].table is not document.table
        changed = ("The clusters changed since then; compare again.",) if stale else ()
        say(self.remarks, "\n".join((*changed, *result.remarks)))
        self.take.setEnabled(any(one.origin in _OUTSIDE for one in result.found.references))
        self.profile.setEnabled(document.state.bundle is not None)

    def status(self, document: Document) -> str:
        """The finding."""
        kept = self.context.scales.get(document)
        return "not compared yet" if kept is None else kept[1].found.sentence

    # ------------------------------------------------------------------ what a person does

    def _run(self) -> None:
        group = self.workspace.group
        if group is None or not group.document.counted:
            return
        group.clusters.sync_from_layer()
        document = group.document
        known = replace(document.state, settings=document.settings, profile=document.options.profile)
        standards, frame = self._standards(document), self.workspace.frame
        taken = document.options.detector.get("taken")
        try:
            detector = self.detector.steps_of(document)
        except InputError as error:
            show_warning(str(error))
            return

        def steps() -> Steps[tuple[DetectorScan | None, ScaleConsistency]]:
            seen = None if detector is None else (yield from detector)
            others = [standard_reference(state) for state in standards]
            at = frame if document.micrograph.n_frames > 1 else None
            return seen, (yield from consistency_steps(known, at, seen, others, taken))

        def take(done: tuple[DetectorScan | None, ScaleConsistency]) -> None:
            seen, result = done
            self.context.scales[document] = (known, result)
            if seen is not None:
                document.set_options(detector=seen.numbers | ({} if taken is None else {"taken": taken}))

        self._work.start("Compare scales", steps, take, document)
        self.show_now()

    def _standards(self, document: Document) -> list[ImageState]:
        """Counted images of one known size that are ticked to be calibrated together with this one."""
        size = document.micrograph.pixel_size_nm or 0.0
        others = [group.document for group in self.workspace.groups if group.document is not document]
        return [
            other.state
            for other in others
            if other.counted
            and other.options.in_joint
            and len(other.settings.deposited) == 1
            and abs((other.micrograph.pixel_size_nm or 0.0) - size) <= _SAME_PIXEL * size
        ]

    def _take(self) -> None:
        from napari_atomicity.counting.references import joined

        document, result = self.document, self.result
        if document is None or result is None:
            return
        outside: list[ScaleReference] = [one for one in result.found.references if one.origin in _OUTSIDE]
        factor = joined(outside)
        document.know_intensity_per_atom(factor.value, min(factor.relative_sd, 1.0))
        document.set_options(detector={**document.options.detector, "taken": factor.value})
        names = " and ".join(one.words for one in outside)
        show_info(
            f"The next count starts from {factor.value:.4g} counts·nm² per atom (± {factor.relative_sd:.0%}), from "
            f"{names}."
        )

    def _ask_profile(self) -> None:
        proposal = Path.home() / "microscope.json"
        if path := self.ask_where("Save the profile", proposal, "Instrument profile (*.json)"):
            self.save_profile(path)

    def save_profile(self, path: Path) -> None:
        """Write what all ways say together."""
        document, result = self.document, self.result
        if document is None or result is None:
            return
        bundle = document.state.model_in_force
        micrograph, clusters = document.micrograph, len(document.table)

        def steps() -> Steps[str]:
            from napari_atomicity.counting.profile import save_profile
            from napari_atomicity.counting.reference_profile import profile_of_references

            yield Progress(0, 0, "Saving the profile")
            save_profile(profile_of_references(path.stem, result.found, bundle, micrograph, clusters), path)
            return f"Saved the profile {path.name}."

        self._work.start("Save the profile", steps, show_info, document)

    def _ask_table(self) -> None:
        if path := self.ask_where("Save the table", Path.home() / "consistency.csv", "CSV (*.csv)"):
            self.save_table(path)

    def save_table(self, path: Path) -> None:
        """Write every way with its error."""
        from napari_atomicity.io.keeping import kept_sentence, write_rows

        if self.result is None:
            return
        try:
            kept = write_rows(self.result.table(), path)
        except InputError as error:
            show_warning(str(error))
            return
        show_info(f"Saved {path.name}." if kept is None else kept_sentence(path, kept))

    def _on_finished(self, _: Any) -> None:
        if isalive(self):
            self.show_now()
