"""Which clusters of successive frames are the same ones: by place and by number of atoms."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.errors import InputError

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

#: standard deviations, of place and count together, that a link may be off
CUTOFF: Final = 4.0
#: of ln(atoms) between two frames: errors of two counts, and atoms that are lost
_COUNT_SD: Final = 0.2
#: frames without a cluster that is then found again
GAP: Final = 3
_EXTRA: Final = "Tracking needs a library that is missing; install it with: pip install 'napari-atomicity[movies]'"


def linked(seen: pd.DataFrame, reach_nm: float) -> Numbers:
    """Link clusters from frame to frame, each to at most one in the next.

    One assignment between neighbouring frames, and one over gaps, of least total cost (Jaqaman et al., Nature Methods
    5, 695 (2008), as in laptrack), in place and ln(atoms).

    Parameters
    ----------
    seen
        A row a cluster: step (number of the frame among those that belong), y_nm, x_nm (of aligned frames), n_atoms
        (nan where not known).
    reach_nm
        The way a cluster goes at most from one frame to the next.

    Returns
    -------
    (n,) number of the track of each row, from 0.

    Raises
    ------
    InputError
        Where the library for it is not installed.
    """
    try:
        from laptrack import LapTrack
    except ImportError as error:
        raise InputError(_EXTRA) from error

    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(seen):
        return np.empty(0, dtype=np.int64)
    place = seen[["y_nm", "x_nm"]].to_numpy(dtype=np.float64) / (reach_nm / CUTOFF)
    points = np.column_stack([place, _log_atoms(seen) / _COUNT_SD])
    step = seen["step"].to_numpy(dtype=np.int64)
    rows = [np.flatnonzero(step == at) for at in range(int(step.max()) + 1)]
    tracker = LapTrack(
        metric="sqeuclidean", cutoff=CUTOFF**2, gap_closing_metric="sqeuclidean", gap_closing_cutoff=CUTOFF**2,
        gap_closing_max_frame_count=GAP,
    )  # fmt: skip
    # the graph itself: the table that can be made of it takes longer than the linking
    graph = tracker.predict([points[of_step] for of_step in rows])
    ends = np.array([[rows[t][i] for t, i in edge] for edge in graph.edges()], dtype=np.int64).reshape(-1, 2)
    links = coo_array((np.ones(len(ends)), tuple(ends.T)), shape=(len(seen), len(seen)))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def _log_atoms(seen: pd.DataFrame) -> Floats:
    """ln(atoms); what has no count is like the one at that place that has."""
    from scipy.spatial import cKDTree

    atoms = seen["n_atoms"].to_numpy(dtype=np.float64)
    known = np.isfinite(atoms) & (atoms > 0)
    if not known.any():
        return np.zeros(len(seen))
    log = np.zeros(len(seen))
    log[known] = np.log(atoms[known])
    if not known.all():
        # frames that are far apart count as far apart in place
        places = seen[["y_nm", "x_nm", "step"]].to_numpy(dtype=np.float64)
        _, nearest = cKDTree(places[known]).query(places[~known])
        log[~known] = log[known][nearest]
    return log


def joined(tracks: Numbers, seen: pd.DataFrame, pairs: Collection[tuple[int, int]]) -> Numbers:
    """Tracks joined where a person joined them.

    Parameters
    ----------
    tracks
        (n,) of each row.
    seen
        As for `linked`.
    pairs
        Pairs of rows that are the same cluster, the earlier first.

    Returns
    -------
    (n,) with both as one track; what was linked to them instead is a track of its own.
    """
    tracks, step = tracks.copy(), seen["step"].to_numpy()
    for first, second in pairs:
        if tracks[first] == tracks[second] or step[first] >= step[second]:
            continue
        for rest in (
            (tracks == tracks[first]) & (step > step[first]),
            (tracks == tracks[second]) & (step < step[second]),
        ):
            if rest.any():
                tracks[rest] = tracks.max() + 1
        tracks[tracks == tracks[second]] = tracks[first]
    return tracks


def parted(tracks: Numbers, seen: pd.DataFrame, cuts: Collection[tuple[int, int]]) -> Numbers:
    """Tracks cut where a person cut them.

    Parameters
    ----------
    tracks
        (n,) of each row.
    seen
        As for `linked`.
    cuts
        Pairs of rows that are not the same cluster, the earlier first.

    Returns
    -------
    (n,) with what follows a cut as a track of its own.
    """
    tracks, step = tracks.copy(), seen["step"].to_numpy()
    for first, second in cuts:
        if tracks[first] == tracks[second] >= 0:
            later = (tracks == tracks[first]) & (step >= step[second])
            tracks[later] = tracks.max() + 1
    return tracks


def renumbered(tracks: Numbers, before: Numbers) -> Numbers:
    """New tracks with the numbers of the old ones that most of their clusters had; others get fresh numbers.

    Parameters
    ----------
    tracks
        (n,) of each row, -1 for none.
    before
        (n,) what it was, -1 for none.
    """
    result = np.full(len(tracks), -1, dtype=np.int64)
    both = (tracks >= 0) & (before >= 0)
    pairs, shared = np.unique(np.column_stack([tracks[both], before[both]]), axis=0, return_counts=True)
    taken: dict[int, int] = {}
    used: set[int] = set()
    for at in np.argsort(-shared, kind="stable").tolist():
        new, old = (int(number) for number in pairs[at])
        if new not in taken and old not in used:
            taken[new] = old
            used.add(old)
    fresh = max([-1, *before.tolist()]) + 1
    # in the order in which they begin
    for track in dict.fromkeys(tracks[tracks >= 0].tolist()):
        number = taken.get(track)
        if number is None:
            number, fresh = fresh, fresh + 1
        result[tracks == track] = number
    return result
