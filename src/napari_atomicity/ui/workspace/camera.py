"""Bring a cluster into view, and see to it that a person sees what a step of the history changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.ui.layers.ring_style import diameters_px

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Image

    from napari_atomicity.ui.workspace.workspace import Workspace

#: a ring smaller than this on the screen cannot be judged: the view comes closer, until it has the second size
_SMALL_PX: Final = 36.0
_WELL_SEEN_PX: Final = 120.0
#: a step that changed more clusters than this is seen without help
_FEW: Final = 50
_WHERE: Final = ["frame", "y_px", "x_px"]


def bring_into_view(workspace: Workspace, cluster: int) -> bool:
    """Centre the view on a cluster, on its frame; the zoom stays unless the cluster would be too small to judge.

    Returns whether the cluster is there to be seen.
    """
    viewer, image, document = workspace.viewer, workspace.image, workspace.document
    if viewer is None or image is None or document is None or cluster not in document.table.ids:
        return False
    at = int(np.flatnonzero(document.table.ids == cluster)[0])
    row = document.table.rows.iloc[at]
    _show_frame(workspace, int(row["frame"]))
    camera = viewer.scene.camera
    y, x = _world(image, row)[-2:]
    camera.center = (0.0, y, x)
    across = float(diameters_px(document.table, document.micrograph.pixel_size_nm)[at]) * float(image.scale[-1])
    if across * camera.zoom < _SMALL_PX:
        camera.zoom = _WELL_SEEN_PX / across
    return True


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
    frames = document.table.rows["frame"][np.isin(document.table.ids, ids)]
    if workspace.frame not in set(frames):
        _show_frame(workspace, int(frames.iloc[0]))


def changed(before: ClusterTable, after: ClusterTable) -> list[int]:
    """Ids of `after` that are new, or whose place or annotation differs."""
    if before is after:
        return []
    columns = [*_WHERE, "annotation"]
    if np.array_equal(before.ids, after.ids):
        differs = np.zeros(len(after), dtype=bool)
        for name in columns:
            differs |= before.rows[name].to_numpy() != after.rows[name].to_numpy()
        return sorted(after.ids[differs].tolist())
    old, new = before.rows.set_index("id")[columns], after.rows.set_index("id")[columns]
    common = old.index.intersection(new.index)
    different = (old.loc[common] != new.loc[common]).any(axis=1).to_numpy()
    return sorted([*new.index.difference(old.index).tolist(), *common[different].tolist()])


def _show_frame(workspace: Workspace, frame: int) -> None:
    """Move the slider of a stack; other axes, and single images, stay as they are."""
    viewer, image = workspace.viewer, workspace.image
    if viewer is not None and image is not None and image.ndim > 2:
        world = image.data_to_world([frame, *(0.0,) * (image.ndim - 1)])
        viewer.dims.set_point(viewer.dims.ndim - image.ndim, float(world[0]))


def _world(image: Image, row: pd.Series) -> tuple[float, ...]:
    return tuple(image.data_to_world([float(row[name]) for name in _WHERE][-image.ndim :]))
