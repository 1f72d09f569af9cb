"""The steps of the work, as the buttons and the command palette call them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info, show_warning

from napari_atomicity import pipeline
from napari_atomicity.clusters import ClusterTable
from napari_atomicity.document.document import Document
from napari_atomicity.document.explanation import MapRequest
from napari_atomicity.document.state import UNCOUNTED, State
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline.count import Counted, Job, chosen, classify_steps, count_steps, model_steps
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.workspace.camera import look_at_changes
from napari_atomicity.ui.workspace.explainer import Explainer
from napari_atomicity.ui.workspace.workspace import Workspace

if TYPE_CHECKING:
    from napari_atomicity.insight.attribution import Question


def in_hand(workspace: Workspace) -> Document | None:
    """The document in hand, or a sentence that says how to get one."""
    if workspace.clusters is not None:
        workspace.clusters.sync_from_layer()  # what napari does without telling, pasting for one
    if workspace.document is None:
        show_warning(workspace.why_no_document)
    return workspace.document


def detect(workspace: Workspace) -> bool:
    """Find and measure the clusters; what a person did stays."""

    def steps(job: Job, state: State) -> Steps[pipeline.Detected]:
        return pipeline.detect_steps(job.micrograph, job.settings, so_far(job.table))

    def apply(document: Document, found: pipeline.Detected, was: State) -> None:
        document.searched(found)
        document.land("Find clusters", found.table, was.table, **UNCOUNTED)

    return _start(workspace, "Find clusters", steps, apply)


def classify(workspace: Workspace) -> bool:
    """Label every cluster with the model in force."""

    def steps(job: Job, state: State) -> Steps[Counted]:
        bundle = yield from _model_in_force_steps(state, job.settings.model)
        return (yield from classify_steps([job], bundle))[0]

    def apply(document: Document, done: Counted, was: State) -> None:
        kept = document.state.adaptation if done.bundle is document.state.bundle else None
        replace(done, adaptation=kept).land(document, "Count atoms", was.table)

    return _start(workspace, "Count atoms", steps, apply, needs_clusters=True)


def analyse(workspace: Workspace) -> bool:
    """Find, count and, where the settings say so, adapt in one go, from the model as shipped."""

    def steps(job: Job, state: State) -> Steps[tuple[pipeline.Detected, Counted]]:
        found = yield from pipeline.detect_steps(job.micrograph, job.settings, so_far(job.table))
        base = yield from model_steps(job.settings.model)
        return found, (yield from count_steps([replace(job, table=found.table)], base))[0]

    def apply(document: Document, done: tuple[pipeline.Detected, Counted], was: State) -> None:
        found, counted = done
        document.searched(found)
        counted.land(document, "Analyse", was.table)

    return _start(workspace, "Analyse", steps, apply)


def adapt(workspace: Workspace) -> bool:
    """Fine-tune the model to this image, and label anew with it where that is accepted."""

    def steps(job: Job, state: State) -> Steps[Counted]:
        base = yield from model_steps(job.settings.model)
        return (yield from count_steps([job], base))[0]

    def apply(document: Document, done: Counted, was: State) -> None:
        if done.adaptation is not None and not done.adaptation.accepted:
            # nothing is changed; but what was tried belongs to the count that it was tried on
            document.amend(adaptation=done.adaptation)
            show_warning(done.adaptation.adaptation.reason)
        else:
            done.land(document, "Adapt", was.table)

    document = workspace.document
    if document is not None and document.settings.adapt == "off":
        show_warning("The adaptation is switched off; choose another one in step 5.")
        return False
    return _start(workspace, "Adapt the model", steps, apply, needs_clusters=True)


def choose(workspace: Workspace, frame: int, dominant: str) -> bool:
    """A person's word on which candidate an undecided frame shows; an empty one leaves it open again."""

    def steps(job: Job, state: State) -> Steps[tuple[dict[int, str], pipeline.Classified]]:
        yield Progress(0, 0, "Counting")
        choices = {at: label for at, label in {**state.choices, frame: dominant}.items() if label}
        return choices, chosen(state.offered, choices, state.bundle)

    def apply(document: Document, done: tuple[dict[int, str], pipeline.Classified], was: State) -> None:
        choices, classified = done
        name = f"Choose mostly {dominant}" if dominant else "Leave the candidates open"
        # the labels rest on the table that was classified; what a person did since then stays
        counted = document.state.classified.table
        document.land(name, classified.table, counted, classified=classified, choices=choices)

    document = workspace.document
    if document is not None and document.state.offered is None:
        show_warning("There is nothing to choose from; count the atoms first (step 3).")
        return False
    return _start(workspace, "Choose", steps, apply, needs_clusters=True)


def undo_adaptation(workspace: Workspace) -> None:
    """Back to the labels of the model as shipped."""
    document = in_hand(workspace)
    if document is not None and not busy(workspace):
        document.undo_adaptation()


def explain(
    workspace: Workspace, explainer: Explainer, selected: bool = False, question: Question | None = None
) -> bool:
    """Heat maps of the clusters of the frame that is shown; they then follow labels, places, model and frame."""
    from napari_atomicity.insight.attribution import Question

    frame, document = workspace.frame, in_hand(workspace)
    if document is None:
        return False
    if selected and not document.selection:
        show_warning("Select clusters first: click them with the select tool, or choose all clusters.")
        return False
    asked = MapRequest(question or Question(), document.selection if selected else None)

    def steps(job: Job, state: State) -> Steps[pipeline.Explained]:
        return explainer.steps(document, state, asked, frame)

    def apply(document: Document, done: pipeline.Explained, was: State) -> None:
        explainer.show(document, asked, done, was)

    return _start(workspace, "Explain", steps, apply, needs_clusters=True)


def undo(workspace: Workspace) -> None:
    """One step back."""
    if workspace.document is not None:
        go_to(workspace, workspace.document.step - 1)


def redo(workspace: Workspace) -> None:
    """One step forward."""
    if workspace.document is not None:
        go_to(workspace, workspace.document.step + 1)


def go_to(workspace: Workspace, step: int) -> None:
    """Put another step of the history in force, and show what that changed."""
    document = workspace.document
    if document is not None and not busy(workspace):
        before = document.table
        document.go_to(step)
        look_at_changes(workspace, before)


# ---------------------------------------------------------------------- how a step is started


def _start(
    workspace: Workspace,
    title: str,
    steps: Callable[[Job, State], Steps[Any]],
    apply: Callable[[Document, Any, State], None],
    needs_clusters: bool = False,
) -> bool:
    """Run `steps` of the document in hand; the result lands only if image and calibration are still the same.

    `steps` get the document as it is now, for they run in a thread, perhaps later, while a person goes on; `apply`
    gets the state that they started from.
    """
    document = in_hand(workspace)
    if document is None:
        return False
    try:
        check(document, needs_clusters)
    except InputError as error:
        show_warning(str(error))
        return False
    job, state = Job.of(document), document.state

    def land(result: Any) -> None:
        if document.micrograph is not job.micrograph:
            raise InputError(f"The image or its pixel size changed while this ran ({title}); do it again.")
        apply(document, result, state)

    layers = workspace.group.layers_in_use if workspace.group is not None else ()
    return workspace.work.start(title, lambda: steps(job, state), land, document, layers)


def check(document: Document, needs_clusters: bool = False) -> None:
    """Raise `InputError` where the document cannot be counted."""
    if document.micrograph.refusal:
        raise InputError(document.micrograph.refusal)
    _ = document.micrograph.calibrated_pixel_size_nm
    if needs_clusters and not len(document.table):
        raise InputError("There are no clusters yet; find them first (step 2), or add them by hand.")


def busy(workspace: Workspace) -> bool:
    """Whether work runs, which is then said."""
    if workspace.work.busy:
        show_info(f"{workspace.work.title} is still running; wait for it or stop it first.")
    return workspace.work.busy


def so_far(table: ClusterTable) -> ClusterTable | None:
    """The table that a new search starts from; None where there is nothing to keep."""
    return table if len(table) or len(table.removed) else None


def _model_in_force_steps(state: State, name: str) -> Steps[Any]:
    """The adapted model as long as the one that it was adapted from is the chosen one, else the chosen one."""
    from napari_atomicity.counting.bundle import load_card

    if state.adapted is not None and load_card(name).sha256 == state.adapted.base.card.sha256:
        return state.bundle
    return (yield from model_steps(name))
