"""The scales of the frames of a session, from all of them together and from what is known beforehand."""

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
MISFIT_BELOW: Final = 0.05
#: the most that one frame can say against a scale, in natural logarithms: one odd frame does not rule a session
VETO: Final = 9.0
#: a scale is never known better than to this, in ln(scale)
_SHARPEST = 0.005
#: logarithm of what is multiplied and divided by without leaving the range of numbers
_LARGEST = 300.0


def posterior_of_scale(
    grid: Floats, own: Sequence[Floats], known: Sequence[PriorKnowledge]
) -> tuple[list[Floats], list[str]]:
    """Join what the frames of a session, and what is known beforehand, say about each frame's scale.

    A frame counts with its own clusters, with what is known of its scale and, within the spread of a session, with all
    other frames and what is known of them. A frame that does not fit the others has no say in theirs and stands alone.

    Parameters
    ----------
    grid
        (g,) logarithms of the scales, counts·nm² per atom, evenly spaced.
    own
        For each frame (g,) log-likelihood of its clusters at these; all 0 for a frame without clusters.
    known
        What is known beforehand, one entry a frame.

    Returns
    -------
    For each frame (g,) the posterior weights, in all 1; and a sentence for each, empty where the frame fits.
    """
    prior = [log_prior(grid, facts) for facts in known]
    misfits = [scale_misfit(grid, mine, facts) for mine, facts in zip(own, known, strict=True)]
    # one frame's own knowledge of its scale is part of what it says to the others
    joint = [mine + before for mine, before in zip(own, prior, strict=True)]
    if len(own) == 1:
        return [normalised(joint[0])], misfits
    kernel = session_kernel(grid)
    messages = [_message(log_weight, kernel) for log_weight in joint]
    members = [i for i, mine in enumerate(own) if mine.any()]
    while len(members) > 2:
        fits = {i: _agreement(joint[i], _sum_of_others(i, members, messages), kernel) for i in members}
        worst = min(fits, key=fits.__getitem__)
        if fits[worst] >= MISFIT_BELOW:
            break
        members.remove(worst)
    weights = []
    for i, mine in enumerate(joint):
        others = _sum_of_others(i, members, messages)
        if own[i].any() and _agreement(mine, others, kernel) < MISFIT_BELOW:
            misfits[i] = misfits[i] or session_misfit(grid, own[i], others)
            weights.append(normalised(mine))
        else:
            weights.append(normalised(mine + np.log(kernel.T @ normalised(others) + 1e-12)))
    return weights, misfits


def log_prior(grid: Floats, known: PriorKnowledge) -> Floats:
    """(g,) what is known of the scale beforehand, as logarithms.

    Parameters
    ----------
    grid
        (g,) logarithms of the scales.
    known
        What is known.
    """
    if known.intensity_per_atom is None:
        return np.zeros(len(grid))
    return np.asarray(
        -0.5 * ((grid - np.log(known.intensity_per_atom)) / max(known.intensity_per_atom_sd, _SHARPEST)) ** 2
    )


def _message(log_weight: Floats, kernel: Floats) -> Floats:
    """What one frame says to the others: its own (g,) blurred by the spread of a session, with a bounded veto."""
    return np.asarray(np.log(kernel @ normalised(log_weight) / (kernel @ normalised(log_weight)).max() + np.exp(-VETO)))


def _sum_of_others(i: int, members: Sequence[int], messages: Sequence[Floats]) -> Floats:
    return np.asarray(np.sum([messages[j] for j in members if j != i], axis=0) + np.zeros(len(messages[i])))


def _agreement(own: Floats, others: Floats, kernel: Floats) -> float:
    """How probable it is that the frame and the others mean the same scale, relative to the best agreement."""
    expected = kernel.T @ normalised(others)
    return float(normalised(own) @ expected / expected.max())


def scale_misfit(grid: Floats, own: Floats, known: PriorKnowledge) -> str:
    """A sentence where a frame contradicts what is known of its scale; else empty.

    Parameters
    ----------
    grid
        (g,) logarithms of the scales.
    own
        (g,) log-likelihood of its clusters at these.
    known
        What is known.
    """
    if known.intensity_per_atom is None or not own.any():
        return ""
    wide = max(known.intensity_per_atom_sd, 0.03)
    expected = np.exp(-0.5 * ((grid - np.log(known.intensity_per_atom)) / wide) ** 2)
    if float(normalised(own) @ expected) >= MISFIT_BELOW:
        return ""
    return _off_by(grid, own, float(np.log(known.intensity_per_atom)), "the known intensity of one atom")


def session_misfit(grid: Floats, own: Floats, others: Floats) -> str:
    """What is said of a frame that does not fit its session.

    Parameters
    ----------
    grid
        (g,) logarithms of the scales.
    own, others
        (g,) what its clusters, and what the other frames speak for.
    """
    return _off_by(grid, own, float(grid[int(others.argmax())]), "the other images of its session")


def _off_by(grid: Floats, own: Floats, expected: float, standard: str) -> str:
    ratio = intensity(grid[int(own.argmax())] - expected)
    return (
        f"The image does not fit {standard}: its clusters speak for {ratio:.2f} times that intensity of one atom. "
        f"Check gain, beam current and dwell time; a pixel size {abs(np.sqrt(ratio) - 1):.0%} too "
        f"{'large' if ratio > 1 else 'small'} would do the same."
    )


def intensity(log_scale: float) -> float:
    """The intensity of one atom from its logarithm, kept within the range of numbers: a bad model may say e^15000."""
    return float(np.exp(np.clip(log_scale, -_LARGEST, _LARGEST)))


def normalised(log_weight: Floats) -> Floats:
    """Weights, in all 1 along the last axis, from their logarithms."""
    weight = np.exp(log_weight - log_weight.max(axis=-1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=-1, keepdims=True))


def session_kernel(grid: Floats) -> Floats:
    """(g, g) how the scale of one frame of a session spreads over those of the others."""
    kernel = np.exp(-0.5 * ((grid[:, None] - grid[None, :]) / SESSION_SPREAD) ** 2)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True))


def messages_of(own: Floats, kernel: Floats) -> Floats:
    """(k, g) what frames say to the others: their own, blurred by the spread of a session, with a bounded veto.

    Parameters
    ----------
    own
        (k, g) what each of them says itself.
    kernel
        Of `session_kernel`.
    """
    blurred = normalised(own) @ kernel.T
    return np.asarray(np.log(blurred / blurred.max(axis=1, keepdims=True) + np.exp(-VETO)))
