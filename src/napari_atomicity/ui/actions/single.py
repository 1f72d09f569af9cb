"""The steps of the work, as the buttons and the command palette call them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from napari.utils.notifications import show_info, show_warning

from napari_atomicity import pipeline
from napari_atomicity.document.document import Document
from napari_atomicity.document.explanation import MapRequest
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import ImageState
from napari_atomicity.pipeline.count import chosen, count_steps, label_steps, model_steps, refine_steps, search_steps
from napari_atomicity.progress import Milestone, Progress, Steps, part
from napari_atomicity.ui.workspace.camera import look_at_changes
from napari_atomicity.ui.workspace.explainer import Explainer
from napari_atomicity.ui.workspace.workspace import Workspace

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.insight.question import Question

T = TypeVar("T")


def in_hand(workspace: Workspace) -> Document | None:
    """The document in hand, or a sentence that says how to get one."""
    if workspace.clusters is not None:
        workspace.clusters.sync_from_layer()  # what napari does without telling, pasting for one
    if workspace.document is None:
        show_warning(workspace.why_no_document)
    return workspace.document


def detect(workspace: Workspace) -> bool:
    """Find and measure the clusters; what a person did stays."""

    def apply(document: Document, result: ImageState, started: ImageState) -> None:
        document.apply("Find clusters", result, started)

    return _start(workspace, "Find clusters", search_steps, apply)


def classify(workspace: Workspace) -> bool:
    """Label every cluster with the model in force."""

    def steps(request: ImageState) -> Steps[ImageState]:
        bundle = yield from _model_in_force_steps(request)
        (result,) = yield from label_steps([request], bundle)
        # counted by the adapted model once more, the image keeps what the adaptation did to it
        return replace(result, adaptation=request.adaptation if bundle is request.bundle else None)

    def apply(document: Document, result: ImageState, started: ImageState) -> None:
        document.apply("Count atoms", result, started)

    return _start(workspace, "Count atoms", steps, apply, needs_clusters=True)


def analyse(workspace: Workspace) -> bool:
    """Find, count and, where the settings say so, adapt in one go, from the model as shipped.

    Rings are shown as soon as they are found, and labels as soon as they are counted.
    """
    #: what was made last and from what: what a person does from then on goes on top of it
    made: list[ImageState] = []
    shown: list[ImageState] = []

    def steps(request: ImageState) -> Steps[ImageState]:
        searched = yield from part(search_steps(request), 0.0, 0.35)
        yield Milestone(350, 1000, "Clusters found", ("Find clusters", searched))
        base = yield from part(model_steps(request.settings_in_force.model), 0.35, 0.4)
        counted = yield from part(label_steps([searched], base), 0.4, 0.7)
        yield Milestone(700, 1000, "Atoms counted", ("Analyse", counted[0]))
        (result,) = yield from part(refine_steps(counted, base), 0.7, 1.0)
        return result

    def show(document: Document, named: tuple[str, ImageState], started: ImageState) -> None:
        name, result = named
        over = shown[-1] if shown else None
        shown.append(document.apply(name, result, made[-1] if made else started, over))
        made.append(result)

    def apply(document: Document, result: ImageState, started: ImageState) -> None:
        if not made or result is not made[-1]:
            show(document, ("Analyse", result), started)

    return _start(workspace, "Analyse", steps, apply, meanwhile=show)


def adapt(workspace: Workspace) -> bool:
    """Fine-tune the model to this image, and label anew with it where that is accepted."""

    def steps(request: ImageState) -> Steps[ImageState]:
        base = yield from model_steps(request.settings_in_force.model)
        (result,) = yield from count_steps([request], base)
        return result

    def apply(document: Document, result: ImageState, started: ImageState) -> None:
        if result.adaptation is not None and not result.adaptation.accepted:
            # nothing is changed; but what was tried belongs to the count that it was tried on
            document.amend(adaptation=result.adaptation)
            show_warning(result.adaptation.reason)
        else:
            document.apply("Adapt", result, started)

    document = workspace.document
    if document is not None and document.settings.adapt == "off":
        show_warning("The adaptation is switched off; choose another one in step 5.")
        return False
    return _start(workspace, "Adapt the model", steps, apply, needs_clusters=True)


def choose(workspace: Workspace, frame: int, dominant: str) -> bool:
    """A person's word on which candidate an undecided frame shows; an empty one leaves it open again."""

    def steps(request: ImageState) -> Steps[ImageState]:
        yield Progress(0, 0, "Counting")
        assert request.offered is not None
        choices = {at: label for at, label in {**request.choices, frame: dominant}.items() if label}
        count = chosen(request.offered, choices, request.model_in_force)
        return replace(request, table=count.table, count=count, choices=choices)

    def apply(document: Document, result: ImageState, started: ImageState) -> None:
        name = f"Choose mostly {dominant}" if dominant else "Leave the candidates open"
        # the labels rest on the table that was counted; what a person did since then stays
        counted = started.table if started.count is None else started.count.table
        result = replace(result, settings=started.settings, profile=started.profile)
        document.apply(name, result, replace(started, table=counted))

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
    from napari_atomicity.insight.question import Question

    frame, document = workspace.frame, in_hand(workspace)
    if document is None:
        return False
    if selected and not document.selection:
        show_warning("Select clusters first: click them with the select tool, or choose all clusters.")
        return False
    asked = MapRequest(question or Question(), document.selection if selected else None)

    def steps(request: ImageState) -> Steps[pipeline.Explained]:
        return explainer.steps(document, request, asked, frame)

    def apply(document: Document, result: pipeline.Explained, started: ImageState) -> None:
        if (maps := workspace.maps_of(document)) is not None:
            maps.put_aside(False)  # asked for while a review runs, they are to be seen
        explainer.show(document, asked, result, started)

    return _start(workspace, "Explain", steps, apply, needs_clusters=True)


def undo_name(workspace: Workspace) -> str:
    """What undo would take back; empty where there is nothing."""
    if workspace.clusters is not None and workspace.clusters.taken_off:
        return "Delete the layer of clusters"
    return "" if workspace.document is None else workspace.document.undo_name


def undo(workspace: Workspace) -> None:
    """One step back; a layer of clusters that was taken off comes back, and nothing else."""
    if workspace.clusters is not None and workspace.clusters.taken_off:
        workspace.clusters.make()
    elif workspace.document is not None:
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
    steps: Callable[[ImageState], Steps[T]],
    apply: Callable[[Document, T, ImageState], None],
    needs_clusters: bool = False,
    meanwhile: Callable[[Document, Any, ImageState], None] | None = None,
) -> bool:
    """Run `steps` of the document in hand; the result lands only if image and calibration are still the same.

    `steps` get the document as it is now, for they run in a thread, perhaps later, while a person goes on; `apply`
    gets the state that they started from. So does `meanwhile`, with what is ready before the end.
    """
    document = in_hand(workspace)
    if document is None:
        return False
    try:
        check(document, needs_clusters)
    except InputError as error:
        show_warning(str(error))
        return False
    started, request = document.state, document.request()

    def land(result: T) -> None:
        if document.micrograph is not started.micrograph:
            raise InputError(f"The image or its pixel size changed while this ran ({title}); do it again.")
        apply(document, result, started)

    def land_early(result: Any) -> None:
        if meanwhile is not None and document.micrograph is started.micrograph:
            meanwhile(document, result, started)

    layers = workspace.group.layers_in_use if workspace.group is not None else ()
    return workspace.work.start(title, lambda: steps(request), land, document, layers, land_early)


def check(document: Document, needs_clusters: bool = False) -> None:
    """Raise `InputError` where the document cannot be counted."""
    if document.micrograph.refusal:
        raise InputError(document.micrograph.refusal)
    if document.micrograph.pixel_size_nm is None:
        name = document.micrograph.name
        raise InputError(f"{name} has no pixel size in the file; give it in nm, or the width of the image (step 1).")
    if needs_clusters and not len(document.table):
        raise InputError("There are no clusters yet; find them first (step 2), or add them by hand.")


def busy(workspace: Workspace) -> bool:
    """Whether work runs, which is then said."""
    if workspace.work.busy:
        show_info(f"{workspace.work.title} is still running; wait for it or stop it first.")
    return workspace.work.busy


def _model_in_force_steps(request: ImageState) -> Steps[Bundle]:
    """The adapted model as long as the one that it was adapted from is the chosen one, else the chosen one."""
    from napari_atomicity.counting.bundle import load_card

    name, applied = request.settings_in_force.model, request.applied
    if applied is not None and load_card(name).sha256 == applied.base.card.sha256:
        return request.model_in_force
    return (yield from model_steps(name))
