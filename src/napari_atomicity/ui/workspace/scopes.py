"""Which images a panel counts over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from napari_atomicity.pipeline import ImageState
    from napari_atomicity.ui.workspace.layer_group import LayerGroup
    from napari_atomicity.ui.workspace.workspace import Workspace


#: which images count, and how that is called
SCOPES: Final = {"one": "this image", "ticked": "the ticked images", "all": "all counted images"}


def groups_in(workspace: Workspace, scope: str) -> list[LayerGroup]:
    """The counted images of a scope; the one in hand alone where it is ``one``."""
    chosen = [workspace.group] if scope == "one" else workspace.groups
    return [
        group
        for group in chosen
        if group is not None
        and group.document.counted
        and group.document.state.bundle is not None
        and (scope != "ticked" or group.document.options.in_joint)
    ]


def under_its_name(group: LayerGroup) -> ImageState:
    """The image of a group as it is now, under the name that it has in the window."""
    state = group.document.as_said
    return replace(state, micrograph=replace(state.micrograph, name=group.name))
