"""Steps that concern several images: calibrate them together, hand an adapted model on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from napari.utils.notifications import show_warning

from napari_atomicity.document.document import Document
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import ImageState
from napari_atomicity.pipeline.count import apply_adaptation, count_steps, label_steps, model_steps, search_steps
from napari_atomicity.progress import Steps
from napari_atomicity.ui.actions.single import busy, check, in_hand
from napari_atomicity.ui.workspace.layer_group import LayerGroup
from napari_atomicity.ui.workspace.workspace import Workspace

_TOGETHER: Final = "Calibrate together"
_HANDED_ON: Final = "Use the adapted model"
#: settings that the images of a session share: those of the one in hand
_COMMON: Final = ("model", "adapt", "anchors", "seed")
_NAMES: Final = (_TOGETHER, _HANDED_ON)


@dataclass(frozen=True, eq=False)
class _Member:
    """One of the images as it was when the work began, and what came of it."""

    group: LayerGroup
    name: str
    started: ImageState
    request: ImageState
    result: ImageState | None = None


def in_joint(workspace: Workspace) -> list[LayerGroup]:
    """The open images that a person ticked, in the order of the layer list."""
    return [group for group in workspace.groups if group.document.options.in_joint]


def calibrate(workspace: Workspace) -> bool:
    """Search what was not searched yet, then count all ticked images with one scale, adapting where it helps."""

    def count(requests: Sequence[ImageState]) -> Steps[list[ImageState]]:
        base = yield from model_steps(requests[0].settings_in_force.model)
        return (yield from count_steps(requests, base))

    return _start(workspace, _TOGETHER, in_joint(workspace), count)


def hand_on(workspace: Workspace) -> bool:
    """Label the ticked images with the adapted model of the one in hand, and with one scale."""
    document, group = in_hand(workspace), workspace.group
    if document is None or group is None:
        return False
    applied = document.state.applied
    if applied is None:
        show_warning("There is no adapted model yet; adapt the model to this image first.")
        return False
    micrograph, bundle = document.micrograph, document.state.model_in_force
    made_on = applied.images or (group.name,)

    def count(requests: Sequence[ImageState]) -> Steps[list[ImageState]]:
        before = yield from label_steps(requests, applied.base)
        after = yield from label_steps(requests, bundle)
        # the anchors lie in the image that it was adapted to
        none = applied.anchors.iloc[:0]
        anchors = [applied.anchors if request.micrograph is micrograph else none for request in requests]
        return [
            apply_adaptation(state, counted.offered, applied.adaptation, own, made_on)
            for state, counted, own in zip(before, after, anchors, strict=True)
        ]

    return _start(
        workspace, _HANDED_ON, [p for p in workspace.groups if p is group or p.document.options.in_joint], count
    )


def to_undo(workspace: Workspace) -> list[Document]:
    """The images whose last step was one and the same: that of the image in hand, or else the latest."""
    common = [group.document for group in workspace.groups if group.document.undo_name in _NAMES]
    if not common:
        return []
    shown = workspace.document
    last = shown if shown in common else max(common, key=lambda one: one.state.when)
    step = last.undo_name, last.state.counted_with
    return [one for one in common if (one.undo_name, one.state.counted_with) == step]


def undo(workspace: Workspace) -> None:
    """Take the last common step back in every image that took part in it."""
    if not busy(workspace):
        for document in to_undo(workspace):
            document.undo()


# ---------------------------------------------------------------------- how it is done


def _start(
    workspace: Workspace,
    title: str,
    groups: Sequence[LayerGroup],
    count: Callable[[Sequence[ImageState]], Steps[list[ImageState]]],
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
        request = group.document.request()
        settings = replace(group.document.settings, **common)
        members.append(_Member(group, group.name, group.document.state, replace(request, settings=settings)))
    layers = [layer for group in groups for layer in group.layers_in_use]
    return workspace.work.start(
        title, lambda: _steps(members, count), lambda done: _land(workspace, title, done), None, layers
    )


def _check(group: LayerGroup) -> None:
    try:
        check(group.document)
    except InputError as error:
        raise InputError(f"{group.name}: {error}") from None


def _steps(
    members: Sequence[_Member], count: Callable[[Sequence[ImageState]], Steps[list[ImageState]]]
) -> Steps[list[_Member]]:
    searched = []
    for member in members:
        request = member.request
        if not len(request.table):
            request = yield from _named(member.name, search_steps(request))
        searched.append(request)
    counted = yield from count(searched)
    return [replace(member, result=result) for member, result in zip(members, counted, strict=True)]


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
        document, result = member.group.document, member.result
        started = member.started
        if member.group not in workspace.groups or document.micrograph is not started.micrograph or result is None:
            lost.append(member.name)
            continue
        # the settings that were common stay with every image
        document.choose(**{name: getattr(member.request.settings, name) for name in _COMMON})
        document.apply(title, result, started)
    if lost:
        show_warning(f"{', '.join(lost)}: closed or changed while this ran, and left as it was.")
