"""Tracks that end where others begin."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.movies.courses import Course, courses_of
from napari_atomicity.movies.linking import GAP

Numbers = npt.NDArray[np.int64]

#: steps after which a cluster may be found again, how much farther than in one step, and within how many errors
_LOST: Final = 12
_WANDERED: Final = 2.0
_AGREE: Final = 2.5


def stitched(
    seen: pd.DataFrame,
    tracks: Numbers,
    busy: set[tuple[int, bool]],
    reach_nm: float,
    forbidden: set[tuple[int, int]],
) -> tuple[Numbers, dict[int, int]]:
    """Tracks of which one ends where the next begins are one, whatever the counts: it lost or gained atoms.

    After more frames the counts must agree as well: a faint cluster that was not found for a while.

    Parameters
    ----------
    seen
        As for `courses_of`, with the frame.
    tracks
        (n,) of each row.
    busy
        Ends of tracks that merges and splits explain: the number, and whether it is the beginning.
    reach_nm
        The way a cluster goes at most from one frame to the next.
    forbidden
        Pairs of ids that a person cut.

    Returns
    -------
    The tracks, and which of them each of those before belongs to.
    """
    courses = courses_of(seen, tracks)
    ids, frame = seen["id"].to_numpy(), seen["frame"].to_numpy(dtype=np.int64)
    offers = []
    for one in courses.values():
        for other in courses.values():
            gap = int(other.steps[0]) - int(one.steps[-1])
            if not 1 <= gap <= _LOST or (one.number, False) in busy or (other.number, True) in busy:
                continue
            away = float(np.linalg.norm(other.places[0] - one.places[-1]))
            alike = _alike(one, other)
            again = gap <= GAP + 1 or (alike and away <= reach_nm * _WANDERED)
            # over frames that were left out a cluster walks on
            left_out = int(frame[other.rows[0]] - frame[one.rows[-1]]) - gap
            near = gap > GAP + 1 or away <= reach_nm * (np.sqrt(1 + left_out) if alike else 1.0)
            if again and near and (int(ids[one.rows[-1]]), int(ids[other.rows[0]])) not in forbidden:
                offers.append((gap, away, one.number, other.number))
    tracks = tracks.copy()
    ended: set[int] = set()
    begun: set[int] = set()
    now = {number: number for number in courses}
    for _, _, first, second in sorted(offers):
        if first not in ended and second not in begun:
            ended.add(first)
            begun.add(second)
            old, new = now[second], now[first]
            tracks[tracks == old] = new
            now = {number: new if name == old else name for number, name in now.items()}
    return tracks, now


def _alike(one: Course, other: Course) -> bool:
    (a, a_sd), (b, b_sd) = one.mean(last=True), other.mean(last=False)
    return bool(abs(a - b) <= _AGREE * np.hypot(a_sd, b_sd))
