"""Bring a cluster into view, and see to it that a person sees what a step of the history changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_atomicity.clusters import ClusterTable

if TYPE_CHECKING:
    from napari_atomicity.ui.bench import Bench

#: a cluster smaller than this on the screen cannot be judged: the view comes closer, until it has the second size
_SMALL_PX: Final = 24.0
_WELL_SEEN_PX: Final = 90.0
_USUAL_NM: Final = 1.2
_USUAL_PX: Final = 24.0
#: a step that changed more clusters than this is seen without help
_FEW: Final = 50
_WHERE: Final = ["frame", "y_px", "x_px"]


def look_at(bench: Bench, cluster: int) -> None:
    """Select a cluster and centre the view on it; the zoom stays unless the cluster would be too small to judge."""
    viewer, image, document = bench.viewer, bench.image, bench.document
    if viewer is None or image is None or document is None or cluster not in document.table.ids:
        return
    row = document.table.rows[document.table.ids == cluster].iloc[0]
    if document.micrograph.n_frames > 1:
        viewer.dims.set_current_step(viewer.dims.ndim - image.ndim, int(row["frame"]))
    place = [float(row["y_px"]), float(row["x_px"])]
    world = image.data_to_world([float(row["frame"]), *place][-image.ndim :])
    camera = viewer.scene.camera
    camera.center = (0.0, *world[-2:])
    size = _diameter(document.micrograph.pixel_size_nm, float(row["diameter_nm"]))
    if size * camera.zoom < _SMALL_PX:
        camera.zoom = _WELL_SEEN_PX / size
    if bench.place is not None:
        bench.place.review.arrived(cluster)
    document.select([cluster])


def look_at_changes(bench: Bench, before: ClusterTable) -> None:
    """After a step of the history: select the few clusters that it changed, and show the frame of the first.

    A single one that a review stands at or leads to comes into the middle of the view.
    """
    document, viewer, image = bench.document, bench.viewer, bench.image
    if document is None or viewer is None or image is None:
        return
    ids = changed(before, document.table)
    if not 0 < len(ids) <= _FEW:
        return
    if len(ids) == 1 and bench.place is not None and bench.place.review.running:
        look_at(bench, ids[0])
        return
    document.select(ids)
    frames = document.table.rows["frame"][np.isin(document.table.ids, ids)]
    if document.micrograph.n_frames > 1 and bench.frame not in set(frames):
        viewer.dims.set_current_step(viewer.dims.ndim - image.ndim, int(frames.iloc[0]))


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


def _diameter(pixel_size_nm: float | None, diameter_nm: float) -> float:
    """In units of the world: nm, or pixels where there is no pixel size."""
    if pixel_size_nm is None:
        return _USUAL_PX
    return diameter_nm if np.isfinite(diameter_nm) else _USUAL_NM
