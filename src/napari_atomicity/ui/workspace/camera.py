"""Bring a cluster into view, and see to it that a person sees what a step of the history changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from napari.layers import Image

from napari_atomicity.clusters import PLACE, ClusterTable
from napari_atomicity.ui.layers.places import world_point
from napari_atomicity.ui.layers.ring_style import diameters_px

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_atomicity.ui.workspace.workspace import Workspace

#: a ring smaller than this on the screen cannot be judged: the view comes closer, until it has the second size
_SMALL_PX: Final = 36.0
_WELL_SEEN_PX: Final = 120.0
#: a step that changed more clusters than this is seen without help
_FEW: Final = 50


def bring_into_view(workspace: Workspace, cluster: int) -> bool:
    """Centre the view on a cluster, on its frame; the zoom stays unless the cluster would be too small to judge.

    Returns whether the cluster is there to be seen.
    """
    viewer, image, document = workspace.viewer, workspace.image, workspace.document
    if viewer is None or image is None or document is None:
        return False
    at = document.table.row_of(cluster)
    if at is None:
        return False
    centre_on(viewer, image, document.table.places[at])
    camera = viewer.scene.camera
    across = float(diameters_px(document.table, document.micrograph.pixel_size_nm)[at]) * float(image.scale[-1])
    if across * camera.zoom < _SMALL_PX:
        camera.zoom = _WELL_SEEN_PX / across
    return True


def centre_on(viewer: ViewerModel, image: Image, place: Sequence[float] | npt.NDArray[np.float64]) -> None:
    """Centre the view on a place of an image, and show its frame.

    Parameters
    ----------
    viewer, image
        The viewer and the image layer in it.
    place
        Frame, y and x in pixels.
    """
    _show_frame(viewer, image, int(place[0]))
    down, across = world_point(image, *place)[-2:]
    viewer.scene.camera.center = (0.0, down, across)


def look_at(workspace: Workspace, cluster: int) -> None:
    """Bring a cluster into view, select it, and let a running review stand there."""
    group, document = workspace.group, workspace.document
    if group is None or document is None or not bring_into_view(workspace, cluster):
        return
    group.review.arrived(cluster)
    document.select([cluster])


def look_at_changes(workspace: Workspace, before: ClusterTable) -> None:
    """After a step of the history: select the few clusters that it changed, and show the frame of the first.

    A single one that a review stands at or leads to comes into the middle of the view.
    """
    document, viewer, image = workspace.document, workspace.viewer, workspace.image
    if document is None or viewer is None or image is None:
        return
    ids = changed(before, document.table)
    if not 0 < len(ids) <= _FEW:
        return
    if len(ids) == 1 and workspace.group is not None and workspace.group.review.running:
        look_at(workspace, ids[0])
        return
    document.select(ids)
    frames = document.table.rows["frame"].to_numpy()[np.sort(document.table.rows_of(ids))]
    if workspace.frame not in frames:
        _show_frame(viewer, image, int(frames[0]))


def changed(before: ClusterTable, after: ClusterTable) -> list[int]:
    """Ids of `after` that are new, or whose place or annotation differs."""
    if before is after:
        return []
    rows = before.rows_of(after.ids)
    common = rows >= 0
    differs = ~common
    for name in (*PLACE, "annotation"):
        old, new = before.rows[name].to_numpy()[rows[common]], after.rows[name].to_numpy()[common]
        differs[common] |= old != new
    return sorted(after.ids[differs].tolist())


def show_frame(workspace: Workspace, frame: int) -> None:
    """Move the slider of the stack in hand; single images stay as they are."""
    if workspace.viewer is not None and workspace.image is not None:
        _show_frame(workspace.viewer, workspace.image, frame)


def _show_frame(viewer: ViewerModel, image: Image, frame: int) -> None:
    """Move the slider of a stack; other axes, and single images, stay as they are."""
    if image.ndim > 2:
        viewer.dims.set_point(viewer.dims.ndim - 3, world_point(image, frame, 0.0, 0.0)[-3])
