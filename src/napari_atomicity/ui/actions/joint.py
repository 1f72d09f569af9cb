"""Steps that concern several images: calibrate them together, hand an adapted model on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from napari.utils.notifications import show_warning

from napari_atomicity import pipeline
from napari_atomicity.document.document import Document
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline.count import Counted, Job, classify_steps, count_steps, model_steps, with_adaptation
from napari_atomicity.progress import Steps
from napari_atomicity.ui.actions.single import busy, check, in_hand, so_far
from napari_atomicity.ui.workspace.layer_group import LayerGroup
from napari_atomicity.ui.workspace.workspace import Workspace

_TOGETHER: Final = "Calibrate together"
_HANDED_ON: Final = "Use the adapted model"
#: settings that the images of a session share: those of the one in hand
_COMMON: Final = ("model", "adapt", "anchors", "seed")
_NAMES: Final = (_TOGETHER, _HANDED_ON)


@dataclass(frozen=True, eq=False)
class _Member:
    """One image of a session as it was when the work began, and what came of it."""

    group: LayerGroup
    name: str
    job: Job
    found: pipeline.Detected | None = None
    counted: Counted | None = None


def ticked(workspace: Workspace) -> list[LayerGroup]:
    """The open images that a person ticked, in the order of the layer list."""
    return [group for group in workspace.groups if group.document.ticked]


def calibrate(workspace: Workspace) -> bool:
    """Search what was not searched yet, then count all ticked images with one scale, adapting where it helps."""

    def count(jobs: Sequence[Job]) -> Steps[list[Counted]]:
        base = yield from model_steps(jobs[0].settings.model)
        return (yield from count_steps(jobs, base))

    return _start(workspace, _TOGETHER, ticked(workspace), count)


def hand_on(workspace: Workspace) -> bool:
    """Label the ticked images with the adapted model of the one in hand, and with one scale."""
    document, group = in_hand(workspace), workspace.group
    if document is None or group is None:
        return False
    adapted, bundle = document.state.adapted, document.state.bundle
    if adapted is None:
        show_warning("There is no adapted model yet; adapt the model to this image first.")
        return False
    micrograph = document.micrograph
    made_on = adapted.images or (group.name,)

    def count(jobs: Sequence[Job]) -> Steps[list[Counted]]:
        before = yield from classify_steps(jobs, adapted.base)
        after = yield from classify_steps(jobs, bundle)
        # the anchors lie in the image that it was adapted to
        none = adapted.anchors.iloc[:0]
        anchors = [adapted.anchors if job.micrograph is micrograph else none for job in jobs]
        return with_adaptation(adapted.adaptation, before, after, anchors, made_on)

    return _start(workspace, _HANDED_ON, [p for p in workspace.groups if p is group or p.document.ticked], count)


def to_undo(workspace: Workspace) -> list[Document]:
    """The images whose last step was a common one."""
    return [group.document for group in workspace.groups if group.document.undo_name in _NAMES]


def undo(workspace: Workspace) -> None:
    """Take the last common step back in every image."""
    if not busy(workspace):
        for document in to_undo(workspace):
            document.undo()


# ---------------------------------------------------------------------- how it is done


def _start(
    workspace: Workspace,
    title: str,
    groups: Sequence[LayerGroup],
    count: Callable[[Sequence[Job]], Steps[list[Counted]]],
) -> bool:
    """Search and count; the results land in those images that are still there and still the same."""
    if len(groups) < 2:
        show_warning("Tick at least two images that were taken under the same settings (step 4).")
        return False
    try:
        for group in groups:
            group.clusters.sync_from_layer()
            _check(group)
    except InputError as error:
        show_warning(str(error))
        return False
    first = next((group for group in groups if group is workspace.group), groups[0]).document.settings
    common = {name: getattr(first, name) for name in _COMMON}
    members = []
    for group in groups:
        job = Job.of(group.document)
        members.append(_Member(group, group.name, replace(job, settings=replace(job.settings, **common))))
    layers = [layer for group in groups for layer in group.layers_in_use]
    return workspace.work.start(
        title, lambda: _steps(members, count), lambda done: _land(workspace, title, done), None, layers
    )


def _check(group: LayerGroup) -> None:
    try:
        check(group.document)
    except InputError as error:
        raise InputError(f"{group.name}: {error}") from None


def _steps(members: Sequence[_Member], count: Callable[[Sequence[Job]], Steps[list[Counted]]]) -> Steps[list[_Member]]:
    searched = []
    for member in members:
        job, found = member.job, None
        if not len(job.table):
            found = yield from _named(
                member.name, pipeline.detect_steps(job.micrograph, job.settings, so_far(job.table))
            )
            job = replace(job, table=found.table)
        searched.append((member, job, found))
    done = yield from count([job for _, job, _ in searched])
    return [
        replace(member, found=found, counted=counted)
        for (member, _, found), counted in zip(searched, done, strict=True)
    ]


def _named(name: str, steps: Steps[Any]) -> Steps[Any]:
    """`steps` whose progress and errors say which image they are about."""
    try:
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                return end.value
            yield replace(progress, what=f"{progress.what}: {name}")
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _land(workspace: Workspace, title: str, members: Sequence[_Member]) -> None:
    """One step in each image; one that is gone or was changed meanwhile is left out, which is said."""
    lost = []
    for member in members:
        document, job = member.group.document, member.job
        if member.group not in workspace.groups or document.micrograph is not job.micrograph or member.counted is None:
            lost.append(member.name)
            continue
        if member.found is not None:
            document.searched(member.found)
        # the settings that were common stay with every image
        document.choose(**{name: getattr(job.settings, name) for name in _COMMON})
        member.counted.land(document, title, job.table)
    if lost:
        show_warning(f"{', '.join(lost)}: closed or changed while this ran, and left as it was.")
