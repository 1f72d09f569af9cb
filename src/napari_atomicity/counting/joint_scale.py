"""What the frames of a session, and a scale that was known before, make of one another's scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_atomicity.counting.mixture import Floats

if TYPE_CHECKING:
    from napari_atomicity.counting.prior import PriorKnowledge

#: frames of one session share their scale up to this relative spread
SESSION_SPREAD: Final = 0.07
#: a frame's own scale has less than this probability of agreeing with what it was calibrated with: it does not fit
_MISFIT_BELOW = 0.05
#: the most that one frame can say against a scale, in natural logarithms: one odd frame does not rule a session
_VETO = 9.0
#: a scale is never known better than to this, in ln(scale)
_SHARPEST = 0.005
#: logarithm of what is multiplied and divided by without leaving the range of numbers
_LARGEST = 300.0


def posterior_of_scale(
    grid: Floats, own: Sequence[Floats], known: Sequence[PriorKnowledge]
) -> tuple[list[Floats], list[str]]:
    """Posterior weight of each scale for each frame, and a sentence for each that does not fit.

    From the frame itself, from what is known of its scale and, within the spread of a session, from all other frames
    and what is known of them. A frame that does not fit the others has no say in theirs and stands alone.
    """
    prior = [_prior(grid, one) for one in known]
    misfits = [_scale_misfit(grid, mine, one) for mine, one in zip(own, known, strict=True)]
    # one frame's own knowledge of its scale is part of what it says to the others
    spoken = [mine + before for mine, before in zip(own, prior, strict=True)]
    if len(own) == 1:
        return [_normalised(spoken[0])], misfits
    kernel = np.exp(-0.5 * ((grid[:, None] - grid[None, :]) / SESSION_SPREAD) ** 2)
    kernel /= kernel.sum(axis=1, keepdims=True)
    heard = [np.log(kernel @ _normalised(one) / (kernel @ _normalised(one)).max() + np.exp(-_VETO)) for one in spoken]
    members = [i for i, one in enumerate(own) if one.any()]
    while len(members) > 2:
        fits = {i: _agreement(spoken[i], _others(i, members, heard), kernel) for i in members}
        worst = min(fits, key=fits.__getitem__)
        if fits[worst] >= _MISFIT_BELOW:
            break
        members.remove(worst)
    weights = []
    for i, one in enumerate(spoken):
        others = _others(i, members, heard)
        if own[i].any() and _agreement(one, others, kernel) < _MISFIT_BELOW:
            misfits[i] = misfits[i] or _session_misfit(grid, own[i], others)
            weights.append(_normalised(one))
        else:
            weights.append(_normalised(one + np.log(kernel.T @ _normalised(others) + 1e-12)))
    return weights, misfits


def _prior(grid: Floats, known: PriorKnowledge) -> Floats:
    if known.scale is None:
        return np.zeros(len(grid))
    return np.asarray(-0.5 * ((grid - np.log(known.scale)) / max(known.scale_sd, _SHARPEST)) ** 2)


def _others(i: int, members: Sequence[int], heard: Sequence[Floats]) -> Floats:
    return np.asarray(np.sum([heard[j] for j in members if j != i], axis=0) + np.zeros(len(heard[i])))


def _agreement(own: Floats, others: Floats, kernel: Floats) -> float:
    """How probable it is that the frame and the others mean the same scale, relative to the best agreement."""
    expected = kernel.T @ _normalised(others)
    return float(_normalised(own) @ expected / expected.max())


def _scale_misfit(grid: Floats, own: Floats, known: PriorKnowledge) -> str:
    if known.scale is None or not own.any():
        return ""
    wide = max(known.scale_sd, 0.03)
    expected = np.exp(-0.5 * ((grid - np.log(known.scale)) / wide) ** 2)
    if float(_normalised(own) @ expected) >= _MISFIT_BELOW:
        return ""
    return _off_by(grid, own, float(np.log(known.scale)), "the known intensity of one atom")


def _session_misfit(grid: Floats, own: Floats, others: Floats) -> str:
    return _off_by(grid, own, float(grid[int(others.argmax())]), "the other images of its session")


def _off_by(grid: Floats, own: Floats, expected: float, what: str) -> str:
    ratio = intensity(grid[int(own.argmax())] - expected)
    return (
        f"The image does not fit {what}: its clusters speak for {ratio:.2f} times that intensity of one atom. "
        f"Check gain, beam current and dwell time; a pixel size {abs(np.sqrt(ratio) - 1):.0%} too "
        f"{'large' if ratio > 1 else 'small'} would do the same."
    )


def intensity(log_scale: float) -> float:
    """The scale of a logarithm, as near as a number can hold it: a model that knows nothing may say e^15000."""
    return float(np.exp(np.clip(log_scale, -_LARGEST, _LARGEST)))


def _normalised(log_weight: Floats) -> Floats:
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())
