"""The scale of a session of any number of frames, from what each of them says about its own scale.

The same as `joint_scale.posterior_of_scale`, which is for the frames of one call: each frame says to the others what
its clusters speak for, within the spread of a session and with a bounded veto; a frame that does not fit the others has
no say in theirs and stands alone. Here the others of a frame are the sum over all less its own part, so that the
work grows with the number of frames and not with its square.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.joint_scale import MISFIT_BELOW, messages_of, normalised, session_kernel, session_misfit
from napari_atomicity.counting.mixture import Floats

#: frames at a time: their tables of scales together take some megabytes
_BLOCK: Final = 512
#: of a session of many frames, one of so many that do not fit is left out at a time, the worst first
_AT_A_TIME: Final = 64


@dataclass(frozen=True, eq=False)
class SessionScale:
    """What the frames of a session say together.

    Attributes
    ----------
    grid
        (g,) logarithms of the scales, counts·nm² per atom, evenly spaced.
    total
        (g,) sum of what all members say to the others.
    members
        (n,) which frames have a say, in the order in which they were given.
    """

    grid: Floats
    total: Floats
    members: npt.NDArray[np.bool_]

    def weights(self, own: Floats, is_member: npt.NDArray[np.bool_]) -> tuple[Floats, list[str]]:
        """Posterior weights of the scales of some frames.

        Parameters
        ----------
        own
            (k, g) what each of them says itself, with what is known of it; all 0 for one without clusters.
        is_member
            (k,) whether it is among `members`.

        Returns
        -------
        (k, g) weights, in all 1 a frame; and a sentence for each, empty where it fits its session.
        """
        kernel = session_kernel(self.grid)
        weights = np.empty_like(own)
        misfits = []
        others, expected = _others(own, is_member, self.total, kernel)
        agreement = _agreement(own, expected)
        for i, mine in enumerate(own):
            alone = bool(mine.any()) and agreement[i] < MISFIT_BELOW
            weights[i] = normalised(mine if alone else mine + np.log(expected[i] + 1e-12))
            misfits.append(session_misfit(self.grid, mine, others[i]) if alone else "")
        return weights, misfits


def session_scale(grid: Floats, own: Floats) -> SessionScale:
    """Join what the frames of a session say about its scale.

    Parameters
    ----------
    grid
        (g,) logarithms of the scales, counts·nm² per atom, evenly spaced.
    own
        (n, g) what each frame says itself, with what is known of it; all 0 for one without clusters.

    Returns
    -------
    SessionScale
        What every frame's own posterior follows from.
    """
    kernel = session_kernel(grid)
    members: npt.NDArray[np.bool_] = np.asarray(own.any(axis=1), dtype=bool)
    total = _total(own, members, kernel)
    while members.sum() > 2:
        rows = np.flatnonzero(members)
        fits = np.concatenate([_agreement(own[some], _expected(own[some], total, kernel)) for some in _blocks(rows)])
        worst = np.argsort(fits, kind="stable")[: max(1, len(rows) // _AT_A_TIME)]
        gone = rows[worst[fits[worst] < MISFIT_BELOW]]
        if not len(gone):
            break
        members[gone[: max(0, len(rows) - 2)]] = False
        total = _total(own, members, kernel)
    return SessionScale(grid, total, members)


def _blocks(rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK]


def _total(own: Floats, members: npt.NDArray[np.bool_], kernel: Floats) -> Floats:
    total = np.zeros(own.shape[1])
    for some in _blocks(np.flatnonzero(members)):
        total += messages_of(own[some], kernel).sum(axis=0)
    return total


def _others(own: Floats, is_member: npt.NDArray[np.bool_], total: Floats, kernel: Floats) -> tuple[Floats, Floats]:
    """(k, g) what the others of each frame say, and what scale that makes one expect for it."""
    others = total[None, :] - np.where(is_member[:, None], messages_of(own, kernel), 0.0)
    return others, np.asarray(normalised(others) @ kernel)


def _expected(own: Floats, total: Floats, kernel: Floats) -> Floats:
    return _others(own, np.ones(len(own), dtype=bool), total, kernel)[1]


def _agreement(own: Floats, expected: Floats) -> Floats:
    return np.asarray((normalised(own) * expected).sum(axis=1) / expected.max(axis=1))
