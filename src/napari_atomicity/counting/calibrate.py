"""The scale of an image, the integrated intensity of one atom, from its own clusters.

The integrated intensity of a cluster is its atom count times a scale that gain, dose and detector decide and that
nobody wrote down. A frame with clusters of known *classes* fixes it all the same. At every scale of a grid,
expectation and maximisation find the class shares that explain the integrals best (`comb`), whatever the shapes; the
model's scale network, which has seen many simulated frames whose scale is known, says how plausible the scale is in the
light of shapes; it is weighed on frames of another maker. Frames of a session, a scale known before and deposited sizes
join as factors of one posterior. Where two scales explain the frame, both are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.calibration import NEGLIGIBLE, Calibration, calibration_of
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.joint_scale import posterior_of_scale
from napari_atomicity.counting.mixture import (
    Floats,
    expected_counts,
    fit_mixture,
    worth_of_a_cluster,
)
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.counting.scale_likelihood import ENOUGH, ScaleLikelihood, first_shares, scale_likelihood, thinned
from napari_atomicity.counting.share_intervals import share_intervals
from napari_atomicity.errors import InputError

#: of the grid of ln(scale)
_STEP: Final = 0.01


def calibrate_frame(
    evidence: Evidence, known: PriorKnowledge | None = None, use: npt.NDArray[np.bool_] | None = None
) -> Calibration:
    """Calibrate one frame by itself.

    Parameters
    ----------
    evidence
        Of its clusters.
    known
        What is known beforehand.
    use
        (n,) which clusters to rest on, for example those whose flag is ``ok``; all where None.

    Raises
    ------
    InputError
        Where no cluster can be used, or `known` does not fit the model.
    """
    return calibrate_frames([evidence], known, None if use is None else [use])[0]


def calibrate_frames(
    frames: Sequence[Evidence],
    known: PriorKnowledge | Sequence[PriorKnowledge] | None = None,
    use: Sequence[npt.NDArray[np.bool_]] | None = None,
    by_diameter: Sequence[Floats] | None = None,
    with_intervals: bool = True,
) -> list[Calibration]:
    """Calibrate frames taken under the same settings, each helping the others.

    Parameters
    ----------
    frames
        Evidence of one model, one entry a frame.
    known
        What is known beforehand, of all frames alike or one entry a frame: a reference of known size is a frame with
        its own ``deposited``.
    use
        For each frame, (n,) which clusters to rest on, for example those whose flag is ``ok``; all where None.
    by_diameter
        For each frame, (n, classes) log-likelihoods of the diameters of its clusters, relative to an average class
        member: these take the place of what the model has learnt about scales.
    with_intervals
        Whether the intervals of the shares are wanted; they take as long as all the rest.

    Returns
    -------
    One calibration a frame.

    Raises
    ------
    InputError
        Where no cluster can be used, or `known` does not fit the model.
    """
    if not frames:
        raise InputError("There is no frame to calibrate on; open at least one image.")
    sizes = frames[0].card.class_sizes
    if known is None or isinstance(known, PriorKnowledge):
        facts = [known or PriorKnowledge()] * len(frames)
    else:
        facts = list(known)
    for fact in facts:
        fact.check(sizes)
    usable = [frame.valid & np.isfinite(frame.log_integral) for frame in frames]
    if use is not None:
        usable = [mask & wanted for mask, wanted in zip(usable, use, strict=True)]
    chosen = [thinned(np.flatnonzero(mask), ENOUGH) for mask in usable]
    samples = [frame.take(rows) for frame, rows in zip(frames, chosen, strict=True)]
    diameters: list[Floats | None] = [None] * len(frames)
    if by_diameter is not None:
        diameters = [of_frame[rows] for of_frame, rows in zip(by_diameter, chosen, strict=True)]
    if not any(len(sample) for sample in samples):
        raise InputError("No cluster of this image can be used to calibrate it; detect clusters first.")
    likelihoods = [scale_likelihood(*each) for each in zip(samples, facts, diameters, strict=True)]
    grid = _grid(likelihoods, facts)
    weights, misfits = posterior_of_scale(grid, [likelihood.on(grid) for likelihood in likelihoods], facts)
    calibrations = []
    for i, sample in enumerate(samples):
        clusters = int(usable[i].sum())
        calibration = calibration_at(sample, grid, weights[i], clusters, facts[i], with_intervals)
        calibrations.append(replace(calibration, misfit=misfits[i] or likelihoods[i].contradiction))
    return calibrations


# ---------------------------------------------------------------------- finding the scale


def _grid(likelihoods: Sequence[ScaleLikelihood], known: Sequence[PriorKnowledge]) -> Floats:
    """A fine grid of ln(scale) over all that any frame finds possible, or that is known."""
    ends = [likelihood.log_scale[[0, -1]] for likelihood in likelihoods if len(likelihood.log_scale)]
    ends += [
        np.log(fact.intensity_per_atom) + 4 * fact.intensity_per_atom_sd * np.array([-1, 1])
        for fact in known
        if fact.intensity_per_atom is not None
    ]
    low, high = float(np.min(ends)), float(np.max(ends))
    return np.linspace(low, high, max(int(np.ceil((high - low) / _STEP)), 8) + 1)


def calibration_at(
    evidence: Evidence, grid: Floats, weight: Floats, n: int, known: PriorKnowledge, with_intervals: bool = True
) -> Calibration:
    """The calibration of a frame, from the posterior weights of its scale.

    Parameters
    ----------
    evidence
        Of the clusters that the shares rest on.
    grid, weight
        (g,) logarithms of the scales, counts·nm² per atom, and their posterior weights.
    n
        Number of clusters of the frame that can be used.
    known
        What is known of the frame beforehand.
    with_intervals
        As in `calibrate_frames`.
    """
    sizes, element = evidence.card.class_sizes, evidence.card.element
    keep = weight > NEGLIGIBLE * weight.max()
    grid, weight = grid[keep], weight[keep] / weight[keep].sum()
    shares, free = first_shares(sizes, known)
    if not len(evidence):
        return calibration_of(sizes, grid, weight, np.repeat(shares[None], len(grid), axis=0), np.nan, n, element)
    mixture = fit_mixture(evidence, grid, shares, free)
    fit = float(weight @ mixture.fit.mean(axis=1))
    calibration = calibration_of(sizes, grid, weight, mixture.shares, fit, n, element)
    if not with_intervals:
        return calibration
    counts = expected_counts(mixture.shares, len(evidence))
    witnesses = np.where(free, len(evidence) * worth_of_a_cluster(mixture), np.inf)
    intervals = share_intervals(list(calibration.fractions), weight, counts, witnesses)
    return replace(calibration, intervals=intervals)
