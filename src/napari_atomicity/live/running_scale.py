"""The scale of a session that grows: each frame joins what the frames before it said, as if all came at once.

The same posterior as `joint_scale.posterior_of_scale`, which wants all frames of a session together. What a frame says
does not depend on the others, so a new frame adds its part to their sum, and every frame's own posterior follows from
the sum less its own part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

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
#: frames that are looked at together, so that the memory for it does not grow with the session
_BLOCK: Final = 512
#: of more frames than that, one of so many that do not fit is left out at a time, the worst first
_AT_A_TIME: Final = 64

Key = tuple[str, int]


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
        #: frames that have a say in the scale of the others
        self._members: set[Key] = set()
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
        few = len({*self._parts, *likelihoods}) <= _EACH_TIME
        if few or len(likelihoods) != 1 or not all(map(self._covers, likelihoods.values())):
            self._parts.update(likelihoods)
            self._rebuild(self._parts.values() if len(likelihoods) != 1 else likelihoods.values())
            return
        ((key, likelihood),) = likelihoods.items()
        self._leave(key)
        self._parts[key] = likelihood
        if len(self._parts) > _GROWN * self._checked:
            self._settle_members()
        elif len(likelihood.log_scale):
            self._members.add(key)
            self._total = self._total + self._messages([key])[0]

    def remove(self, image: str) -> None:
        """Forget the frames of an image.

        Parameters
        ----------
        image
            Its hash.
        """
        gone = [key for key in self._parts if key[0] == image]
        for key in gone:
            self._leave(key)
            del self._parts[key]
        if gone and len(self._parts) <= _EACH_TIME:
            self._rebuild(())

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
        grid = self.grid
        own = self._parts[key].on(grid)
        mine = own + log_prior(grid, self._known)
        misfit = scale_misfit(grid, own, self._known)
        if len(self._parts) == 1:
            return grid, normalised(mine), misfit
        others = self._total - self._messages([key])[0] if key in self._members else self._total
        expected = self._kernel.T @ normalised(others)
        if own.any() and float(normalised(mine) @ expected / expected.max()) < MISFIT_BELOW:
            return grid, normalised(mine), misfit or session_misfit(grid, own, others)
        return grid, normalised(mine + np.log(expected + 1e-12)), misfit

    @property
    def best(self) -> float | None:
        """ln(scale) that the session speaks for; None before the first frame with clusters."""
        if not self._members:
            return None
        return float(self.grid[int(self._total.argmax())])

    # ------------------------------------------------------------------ the sum

    def _covers(self, likelihood: ScaleLikelihood) -> bool:
        if not len(likelihood.log_scale):
            return True
        low, high = likelihood.log_scale[[0, -1]]
        return bool(self._low * _STEP <= low and high <= self._high * _STEP)

    def _leave(self, key: Key) -> None:
        """A frame has no say any more."""
        if key in self._members:
            self._total = self._total - self._messages([key])[0]
            self._members.discard(key)

    def _rebuild(self, new: Iterable[ScaleLikelihood]) -> None:
        """The grid, where what is new goes beyond it, and who has a say."""
        if not all(map(self._covers, new)) or not self._checked:
            self._fit_grid()
        self._settle_members()

    def _fit_grid(self) -> None:
        ends = [part.log_scale[[0, -1]] for part in self._parts.values() if len(part.log_scale)]
        if self._known.intensity_per_atom is not None:
            sd = 4 * self._known.intensity_per_atom_sd
            ends.append(np.log(self._known.intensity_per_atom) + sd * np.array([-1, 1]))
        if ends:
            # some room, so that the next frame seldom needs another grid
            self._low = int(np.floor(np.min(ends) / _STEP)) - 10
            self._high = int(np.ceil(np.max(ends) / _STEP)) + 10
        self._kernel = session_kernel(self.grid)

    def _settle_members(self) -> None:
        """Which frames have a say in the scale of the others: all but misfits, the worst left out first."""
        keys = [key for key, part in self._parts.items() if len(part.log_scale)]
        self._total = self._sum(keys)
        many = len(keys) > _EACH_TIME
        while len(keys) > 2:
            fits = np.concatenate([self._fits(some) for some in _blocks(keys)])
            worst = np.argsort(fits, kind="stable")[: max(1, len(keys) // _AT_A_TIME) if many else 1]
            gone = {int(i) for i in worst[: len(keys) - 2] if fits[i] < MISFIT_BELOW}
            if not gone:
                break
            keys = [key for i, key in enumerate(keys) if i not in gone]
            self._total = self._sum(keys)
        self._members = set(keys)
        self._checked = len(self._parts)

    def _fits(self, keys: Sequence[Key]) -> Floats:
        """How well frames that have a say fit the others."""
        joint = self._joint(keys)
        expected = normalised(self._total - messages_of(joint, self._kernel)) @ self._kernel
        return np.asarray((normalised(joint) * expected).sum(axis=1) / expected.max(axis=1))

    def _sum(self, keys: Sequence[Key]) -> Floats:
        total = np.zeros(len(self.grid))
        for some in _blocks(keys):
            total = total + self._messages(some).sum(axis=0)
        return total

    def _messages(self, keys: Sequence[Key]) -> Floats:
        return messages_of(self._joint(keys), self._kernel)

    def _joint(self, keys: Sequence[Key]) -> Floats:
        """(k, g) what frames say themselves, with what is known; made anew each time, for it would fill the memory."""
        grid = self.grid
        return np.array([self._parts[key].on(grid) for key in keys]) + log_prior(grid, self._known)


def _blocks(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    for start in range(0, len(keys), _BLOCK):
        yield keys[start : start + _BLOCK]
