"""The steps of the work, as the buttons and the command palette call them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from napari.utils.notifications import show_info, show_warning

from napari_atomicity import pipeline
from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.bench import Bench
from napari_atomicity.ui.document import Document

_NO_IMAGE: Final = "Open a micrograph first: drop a file on the window, or File > Open Sample > Atomicity."


@dataclass(frozen=True, eq=False)
class Adapted:
    """Table before and after an adaptation; `after` is None where it was not accepted."""

    adaptation: Any
    before: pipeline.Classified
    after: pipeline.Classified | None


def in_hand(bench: Bench) -> Document | None:
    """The document in hand, or a sentence that says how to get one."""
    if bench.clusters is not None:
        bench.clusters.take_up()  # what napari does without telling, pasting for one
    if bench.document is None:
        show_warning(bench.refusal or _NO_IMAGE)
    return bench.document


def detect(bench: Bench) -> bool:
    """Find and measure the clusters; what a person did stays."""

    def steps(document: Document) -> Steps[pipeline.Detected]:
        return pipeline.detect_steps(document.micrograph, document.settings, _so_far(document))

    return _start(bench, "Find clusters", steps, _take_detected)


def classify(bench: Bench) -> bool:
    """Label every cluster with the model in force."""

    def steps(document: Document) -> Steps[tuple[Any, pipeline.Classified]]:
        return _classify_steps(document, document.table)

    def apply(document: Document, done: tuple[Any, pipeline.Classified], before: ClusterTable) -> None:
        bundle, classified = done
        kept = document.state.adaptation if bundle is document.state.bundle else None
        document.land("Classify", classified.table, before, bundle=bundle, classified=classified, adaptation=kept)

    return _start(bench, "Classify", steps, apply, needs_clusters=True)


def analyse(bench: Bench) -> bool:
    """Find and classify in one go, with the model as shipped."""

    def steps(document: Document) -> Steps[tuple[pipeline.Detected, Any, pipeline.Classified]]:
        found = yield from pipeline.detect_steps(document.micrograph, document.settings, _so_far(document))
        bundle = yield from _model_steps(document.settings.model)
        classified = yield from pipeline.classify_steps(document.micrograph, found.table, bundle, document.settings)
        return found, bundle, classified

    def apply(
        document: Document, done: tuple[pipeline.Detected, Any, pipeline.Classified], before: ClusterTable
    ) -> None:
        found, bundle, classified = done
        document.messages, document.detected = (*document.micrograph.warnings, *found.messages), True
        document.land("Analyse", classified.table, before, bundle=bundle, classified=classified, adaptation=None)

    return _start(bench, "Analyse", steps, apply)


def adapt(bench: Bench, mode: Literal["auto", "diameter"] = "auto") -> bool:
    """Fine-tune the model to this image, and label anew with it where that is accepted.

    `mode` says where the anchors come from: the calibrated image, or the diameters.
    """

    def steps(document: Document) -> Steps[Adapted]:
        base = yield from _model_steps(document.settings.model)
        micrograph, settings = document.micrograph, document.settings
        before = yield from pipeline.classify_steps(micrograph, document.table, base, settings)
        adaptation = yield from pipeline.adapt_steps(before, base, replace(settings, adapt=mode))
        if not adaptation.accepted:
            return Adapted(adaptation, before, None)
        after = yield from pipeline.classify_steps(micrograph, document.table, adaptation.bundle, settings)
        return Adapted(adaptation, before, after)

    def apply(document: Document, done: Adapted, before: ClusterTable) -> None:
        if done.after is None:
            document.refused_adaptation = done.adaptation.reason
            document.state_changed.emit()
            show_warning(done.adaptation.reason)
            return
        document.refused_adaptation = ""
        document.land(
            "Adapt",
            done.after.table,
            before,
            bundle=done.adaptation.bundle,
            classified=done.after,
            adaptation=done,
        )

    return _start(bench, "Adapt the model", steps, apply, needs_clusters=True)


def undo_adaptation(bench: Bench) -> None:
    """Back to the labels of the model as shipped."""
    document = in_hand(bench)
    if document is not None and not _busy(bench):
        document.undo_adaptation()


def explain(bench: Bench, selected: bool = False, target: int | None = None) -> bool:
    """Grad-CAM of the clusters of the frame that is shown."""
    frame = bench.frame

    def steps(document: Document) -> Steps[pipeline.Explained]:
        bundle = document.state.bundle or (yield from _model_steps(document.settings.model))
        ids = sorted(document.selection) if selected else None
        return (yield from pipeline.explain_steps(document.micrograph, document.table, bundle, frame, ids, target))

    def apply(document: Document, done: pipeline.Explained, before: ClusterTable) -> None:
        maps = bench.maps_of(document)
        if maps is not None:
            maps.show(done)
        document.explain(done)

    document = bench.document
    if selected and document is not None and not document.selection:
        show_warning("Select clusters first: click them with the select tool, or choose all clusters.")
        return False
    return _start(bench, "Explain", steps, apply, needs_clusters=True)


def undo(bench: Bench) -> None:
    """One step back."""
    if bench.document is not None and not _busy(bench):
        bench.document.undo()


def redo(bench: Bench) -> None:
    """One step forward."""
    if bench.document is not None and not _busy(bench):
        bench.document.redo()


# ---------------------------------------------------------------------- how a step is started


def _start(
    bench: Bench,
    title: str,
    steps: Callable[[Document], Steps[Any]],
    apply: Callable[[Document, Any, ClusterTable], None],
    needs_clusters: bool = False,
) -> bool:
    """Run `steps` of the document in hand; the result lands only if image and calibration are still the same."""
    document = in_hand(bench)
    if document is None:
        return False
    try:
        _check(document, needs_clusters)
    except InputError as error:
        show_warning(str(error))
        return False
    micrograph, before = document.micrograph, document.table

    def land(result: Any) -> None:
        if document.micrograph is not micrograph:
            raise InputError(f"The image or its pixel size changed while this ran ({title}); do it again.")
        apply(document, result, before)

    return bench.work.start(title, lambda: steps(document), land, document, bench.layers_in_use())


def _check(document: Document, needs_clusters: bool) -> None:
    if document.micrograph.refusal:
        raise InputError(document.micrograph.refusal)
    _ = document.micrograph.calibrated_pixel_size_nm
    if needs_clusters and not len(document.table):
        raise InputError("There are no clusters yet; find them first (step 2), or add them by hand.")


def _busy(bench: Bench) -> bool:
    if bench.work.busy:
        show_info(f"{bench.work.title} is still running; wait for it or stop it first.")
    return bench.work.busy


def _so_far(document: Document) -> ClusterTable | None:
    table = document.table
    return table if len(table) or len(table.removed) else None


def _take_detected(document: Document, found: pipeline.Detected, before: ClusterTable) -> None:
    document.messages, document.detected = (*document.micrograph.warnings, *found.messages), True
    document.land("Find clusters", found.table, before, bundle=None, classified=None, adaptation=None)


def _classify_steps(document: Document, table: ClusterTable) -> Steps[tuple[Any, pipeline.Classified]]:
    adaptation, name = document.state.adaptation, document.settings.model
    # an adapted model serves as long as the model that it was adapted from is the chosen one
    if adaptation is not None and _card(name).sha256 == adaptation.before.evidence.card.sha256:
        bundle = document.state.bundle
    else:
        bundle = yield from _model_steps(name)
    return bundle, (yield from pipeline.classify_steps(document.micrograph, table, bundle, document.settings))


def _card(name: str) -> Any:
    from napari_atomicity.counting.bundle import load_card

    return load_card(name)


def _model_steps(name: str) -> Steps[Any]:
    """The model `name`; the first time it takes a moment, for PyTorch comes with it."""
    yield Progress(0, 0, "Loading the model")
    from napari_atomicity.counting.bundle import load_bundle

    return load_bundle(name)
