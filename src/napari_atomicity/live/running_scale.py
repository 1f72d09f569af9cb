"""The scale of a session that grows: each frame joins what the frames before it said, as if all came at once.

The same posterior as `joint_scale.posterior_of_scale`, which wants all frames of a session together. What a frame says
does not depend on the others, so a new frame adds its part to their sum, and every frame's own posterior follows from
the sum less its own part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.joint_scale import (
    MISFIT_BELOW,
    log_prior,
    messages_of,
    normalised,
    scale_misfit,
    session_kernel,
    session_misfit,
)
from napari_atomicity.counting.looking import USUAL_SHIFT
from napari_atomicity.counting.mixture import Floats
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.counting.scale_likelihood import ScaleLikelihood

#: of the grid of ln(scale), as in a calibration of all at once
_STEP: Final = 0.01
#: up to so many frames it is asked at each new one which of them fit the others; later whenever they grew by a part
_EACH_TIME: Final = 200
_GROWN: Final = 1.05

Key = tuple[str, int]
Rows = npt.NDArray[np.int64]


class RunningScale:
    """What the frames of a session said about its scale so far.

    Parameters
    ----------
    known
        What is known of the scale beforehand.
    """

    def __init__(self, known: PriorKnowledge | None = None) -> None:
        self._known = known or PriorKnowledge()
        #: what lies outside the aperture, in ln(integral), as the latest frame had it
        self.shift = USUAL_SHIFT
        self._parts: dict[Key, ScaleLikelihood] = {}
        self._low = self._high = 0
        self._joint = np.empty((0, 0))
        self._rows: dict[Key, int] = {}
        self._members = np.empty(0, dtype=bool)
        self._checked = 0
        self._kernel = session_kernel(self.grid)
        self._total = np.zeros(1)

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def grid(self) -> Floats:
        """(g,) logarithms of the scales, counts·nm² per atom, on multiples of the step."""
        return np.asarray(_STEP * np.arange(self._low, self._high + 1), dtype=np.float64)

    def parts(self) -> list[tuple[Key, ScaleLikelihood]]:
        """What each frame said."""
        return list(self._parts.items())

    def add(self, key: Key, likelihood: ScaleLikelihood) -> None:
        """Let a frame join; one of that name is replaced.

        Parameters
        ----------
        key
            Hash of the image and number of the frame.
        likelihood
            What its clusters say about its scale.
        """
        self.join({key: likelihood})

    def join(self, likelihoods: Mapping[Key, ScaleLikelihood]) -> None:
        """Let several frames join at once; see `add`.

        Parameters
        ----------
        likelihoods
            What the clusters of each say about its scale.
        """
        replaced = any(key in self._parts for key in likelihoods)
        self._parts.update(likelihoods)
        if replaced or len(likelihoods) != 1 or not self._rows or not all(map(self._covers, likelihoods.values())):
            self._rebuild()
            return
        ((key, likelihood),) = likelihoods.items()
        row = self._rows[key] = len(self._rows)
        self._joint = np.vstack([self._joint, self._row(likelihood)[None]])
        self._members = np.append(self._members, len(likelihood.log_scale) > 0)
        if len(self._rows) <= _EACH_TIME or len(self._rows) > _GROWN * self._checked:
            self._settle_members()
        elif self._members[row]:
            self._total = self._total + self._messages(np.array([row]))[0]

    def remove(self, image: str) -> None:
        """Forget the frames of an image.

        Parameters
        ----------
        image
            Its hash.
        """
        gone = [key for key in self._parts if key[0] == image]
        for key in gone:
            del self._parts[key]
        if gone:
            self._rebuild()

    def posterior(self, key: Key) -> tuple[Floats, Floats, str]:
        """The posterior of the scale of a frame that has joined.

        Parameters
        ----------
        key
            As for `add`.

        Returns
        -------
        (g,) grid of ln(scale), (g,) weights, and a sentence where the frame does not fit its session.
        """
        grid, row = self.grid, self._rows[key]
        mine = self._joint[row]
        own = self._parts[key].on(grid)
        misfit = scale_misfit(grid, own, self._known)
        if len(self._rows) == 1:
            return grid, normalised(mine), misfit
        others = self._others(np.array([row]))[0]
        expected = self._kernel.T @ normalised(others)
        if own.any() and float(normalised(mine) @ expected / expected.max()) < MISFIT_BELOW:
            return grid, normalised(mine), misfit or session_misfit(grid, own, others)
        return grid, normalised(mine + np.log(expected + 1e-12)), misfit

    @property
    def best(self) -> float | None:
        """ln(scale) that the session speaks for; None before the first frame with clusters."""
        if not self._members.any():
            return None
        return float(self.grid[int(self._total.argmax())])

    # ------------------------------------------------------------------ the sum

    def _covers(self, likelihood: ScaleLikelihood) -> bool:
        if not len(likelihood.log_scale):
            return True
        low, high = likelihood.log_scale[[0, -1]]
        return bool(self._low * _STEP <= low and high <= self._high * _STEP)

    def _rebuild(self) -> None:
        ends = [part.log_scale[[0, -1]] for part in self._parts.values() if len(part.log_scale)]
        if self._known.intensity_per_atom is not None:
            sd = 4 * self._known.intensity_per_atom_sd
            ends.append(np.log(self._known.intensity_per_atom) + sd * np.array([-1, 1]))
        if ends:
            # some room, so that the next frame seldom needs another grid
            self._low = int(np.floor(np.min(ends) / _STEP)) - 10
            self._high = int(np.ceil(np.max(ends) / _STEP)) + 10
        self._rows = {key: row for row, key in enumerate(self._parts)}
        rows = [self._row(part) for part in self._parts.values()]
        self._joint = np.array(rows) if rows else np.empty((0, len(self.grid)))
        self._kernel = session_kernel(self.grid)
        self._settle_members()

    def _row(self, likelihood: ScaleLikelihood) -> Floats:
        return likelihood.on(self.grid) + log_prior(self.grid, self._known)

    def _settle_members(self) -> None:
        """Which frames have a say in the scale of the others: all but misfits, the worst left out first."""
        self._members = np.array([len(part.log_scale) > 0 for part in self._parts.values()], dtype=bool)
        messages = self._messages(np.arange(len(self._members)))
        self._total = messages[self._members].sum(axis=0)
        while self._members.sum() > 2:
            rows = np.flatnonzero(self._members)
            expected = normalised(self._total - messages[rows]) @ self._kernel
            fits = (normalised(self._joint[rows]) * expected).sum(axis=1) / expected.max(axis=1)
            if fits.min() >= MISFIT_BELOW:
                break
            self._members[rows[fits.argmin()]] = False
            self._total = messages[self._members].sum(axis=0)
        self._checked = len(self._parts)

    def _messages(self, rows: Rows) -> Floats:
        return messages_of(self._joint[rows], self._kernel)

    def _others(self, rows: Rows) -> Floats:
        return np.asarray(self._total - np.where(self._members[rows][:, None], self._messages(rows), 0.0))
