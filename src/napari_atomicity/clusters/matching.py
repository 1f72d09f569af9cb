"""Which clusters are the same: by their ids, or because they lie at the same place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.float64]


def find_rows(wanted: Iterable[int], ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where ids stand among others.

    Parameters
    ----------
    wanted
        (k,) ids to look for, in any order; one may occur several times.
    ids
        (n,) ids to look among, in any order, each once.

    Returns
    -------
    (k,) row of each wanted id in `ids`; -1 where it is missing.
    """
    looked_for: npt.NDArray[Any] = np.asarray(wanted if isinstance(wanted, np.ndarray) else list(wanted), np.int64)
    if not len(ids):
        return np.full(len(looked_for), -1, dtype=np.int64)
    # those of a table mostly are in order already, which a stable sort finds out in one pass
    order = np.argsort(ids, kind="stable")
    rows = order[np.minimum(np.searchsorted(ids, looked_for, sorter=order), len(ids) - 1)]
    return np.where(ids[rows] == looked_for, rows, -1)


def near(places: Places, targets: Places, tolerance_px: float) -> npt.NDArray[np.bool_]:
    """Which places lie at one of the targets.

    Parameters
    ----------
    places
        (n, 3) frame, y and x in pixels. What is nowhere (nan) is near nothing.
    targets
        (m, 3) likewise.
    tolerance_px
        So many pixels apart, within one frame, still counts as near.

    Returns
    -------
    (n,) whether each place is near a target.
    """
    if not len(places) or not len(targets):
        return np.zeros(len(places), dtype=bool)
    from scipy.spatial import cKDTree

    placed, aimed = (np.isfinite(each).all(axis=1) for each in (places, targets))
    is_near = np.zeros(len(places), dtype=bool)
    if placed.any() and aimed.any():
        distance, _ = cKDTree(_scaled(targets[aimed], tolerance_px)).query(_scaled(places[placed], tolerance_px))
        is_near[placed] = distance <= tolerance_px
    return is_near


def matched(old: Places, new: Places, tolerance_px: float) -> list[tuple[int, int]]:
    """Pairs of places that are the same, of least total distance.

    Parameters
    ----------
    old, new
        (n, 3) and (m, 3): frame, y and x in pixels. What is nowhere (nan) has no partner.
    tolerance_px
        So many pixels apart, within one frame, two places can still be the same.

    Returns
    -------
    (row of `old`, row of `new`) of each pair; no row is in two pairs.
    """
    old_rows, new_rows = (np.flatnonzero(np.isfinite(each).all(axis=1)) for each in (old, new))
    if not len(old_rows) or not len(new_rows):
        return []
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial import cKDTree

    close = cKDTree(_scaled(old[old_rows], tolerance_px)).sparse_distance_matrix(
        cKDTree(_scaled(new[new_rows], tolerance_px)), tolerance_px, output_type="coo_matrix"
    )
    rows, cols = np.unique(close.row), np.unique(close.col)
    cost = np.full((len(rows), len(cols)), 1e3 * tolerance_px)
    cost[np.searchsorted(rows, close.row), np.searchsorted(cols, close.col)] = close.data
    pairs = zip(*linear_sum_assignment(cost), strict=True)
    return [(int(old_rows[rows[i]]), int(new_rows[cols[j]])) for i, j in pairs if cost[i, j] <= tolerance_px]


def _scaled(places: Places, tolerance_px: float) -> Places:
    # frames are pushed so far apart that clusters of different frames are never near each other
    return np.asarray(places * np.array([1e6 * tolerance_px, 1.0, 1.0]))
