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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.calibration import NEGLIGIBLE, Calibration, calibration_of
from napari_atomicity.counting.comb import comb_likelihood
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.joint_scale import posterior_of_scale
from napari_atomicity.counting.mixture import (
    OUTSIDE_PRIOR,
    Floats,
    even_shares,
    expected_counts,
    fit_mixture,
    worth_of_a_cluster,
)
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.errors import InputError

if TYPE_CHECKING:
    from napari_atomicity.counting.scale_network import FrameView

#: of the grid of ln(scale)
_STEP = 0.01
#: share of all classes together that were not deposited
_UNDEPOSITED = 0.01
#: a frame contradicts deposited sizes that make its clusters less likely by this factor (natural logarithm)
_CONTRADICTED = 6.0
#: beyond the scales at which a frame has its say, the log-likelihood falls by this for each unit of ln(scale)
_FALL = 50.0
#: clusters of a frame that take part in finding the scale; more add time but no knowledge
_ENOUGH = 400
#: weight of the scale network's log-probabilities beside the comb: chosen on frames of another maker
#: (``benchmarks/foreign.py``, lot ``choose``)
_NETWORK_WEIGHT: Final = 1.0
#: standard deviation of the shares that a mistaken idea of shapes adds, beside counting and confusion
_SHARE_SD = 0.015


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
    chosen = [thinned(np.flatnonzero(mask), _ENOUGH) for mask in usable]
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


def thinned(rows: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Take some of the rows, always the same ones.

    Parameters
    ----------
    rows
        Ascending.
    most
        How many at most.
    """
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


@dataclass(frozen=True, eq=False)
class ScaleLikelihood:
    """Log-likelihood (g,) of one frame's clusters at the scales `log_scale` (g,): without nan, 0 at the best."""

    log_scale: Floats
    log_likelihood: Floats
    #: a sentence where the frame contradicts the sizes that were deposited
    contradiction: str = ""

    def on(self, grid: Floats) -> Floats:
        """The log-likelihood at the scales of another grid; 0 throughout for a frame without clusters."""
        if not len(self.log_scale):
            return np.zeros(len(grid))
        inside = np.interp(grid, self.log_scale, self.log_likelihood)
        beyond = np.maximum(np.maximum(self.log_scale[0] - grid, grid - self.log_scale[-1]), 0.0)
        return np.asarray(inside - _FALL * beyond)


def usable_rows(evidence: Evidence, use: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], int]:
    """Which clusters of a frame its scale is found with.

    Parameters
    ----------
    evidence
        Of its n clusters.
    use
        (n,) which of them to rest on.

    Returns
    -------
    Their rows, always the same ones, and how many could be used.
    """
    usable = evidence.valid & np.isfinite(evidence.log_integral) & use
    return thinned(np.flatnonzero(usable), _ENOUGH), int(usable.sum())


def scale_likelihood(evidence: Evidence, known: PriorKnowledge, by_diameter: Floats | None = None) -> ScaleLikelihood:
    """What the clusters of one frame say about its scale, before any other frame has a say.

    Parameters
    ----------
    evidence
        Of the clusters to rest on.
    known
        What is known of the frame beforehand; of this only what was deposited counts here.
    by_diameter
        As in `calibrate_frames`, of this frame.
    """
    n = len(evidence)
    if n == 0:
        return ScaleLikelihood(np.empty(0), np.empty(0))
    view, log_scale, mean = frame_view(evidence.free)
    # shapes that were looked at with a scale would speak for that one: those that were not decide
    frame = evidence.free
    if evidence.log_scale is not None:
        frame = replace(frame, log_integral=evidence.log_integral, log_integral_sd=evidence.log_integral_sd)
        mean = fit_mixture(_blurred(frame), log_scale).fit.mean(axis=1)
    witnesses = n / (1.0 + n / evidence.card.effective_clusters)
    if by_diameter is not None:
        log_likelihood = comb_likelihood(evidence, log_scale, by_diameter)
    elif evidence.scale_network is None:
        log_likelihood = witnesses * mean
    else:
        import torch

        with torch.inference_mode():
            offset = torch.as_tensor(log_scale - np.median(evidence.free.log_integral), dtype=torch.float32)
            by_network = evidence.scale_network(view, offset).double().numpy()
        log_likelihood = comb_likelihood(evidence, log_scale) + _NETWORK_WEIGHT * by_network
    contradiction = ""
    if known.deposited:
        shares, free = _first_shares(evidence.card.class_sizes, known)
        mean_deposited = fit_mixture(frame, log_scale, shares, free).fit.mean(axis=1)
        best = log_likelihood.max()
        log_likelihood = log_likelihood + witnesses * (mean_deposited - mean)
        if best - log_likelihood.max() > _CONTRADICTED:
            contradiction = (
                f"The clusters do not look like {' and '.join(map(str, known.deposited))} atoms alone; "
                "check the deposited sizes and the pixel size."
            )
    return ScaleLikelihood(log_scale, log_likelihood - log_likelihood.max(), contradiction)


def _blurred(evidence: Evidence) -> Evidence:
    """Integrals no sharper than the grid of scales."""
    return replace(evidence, log_integral_sd=np.hypot(evidence.log_integral_sd, 0.02))


def frame_view(evidence: Evidence) -> tuple[FrameView, Floats, Floats]:
    """Prepare a frame, seen without a scale, for the scale network.

    Returns
    -------
    The input of the network, (g,) ln(scale) of its grid, and (g,) mean log-likelihood of a cluster at each.
    """
    from napari_atomicity.counting.evidence import cluster_view
    from napari_atomicity.counting.scale_network import FrameView, offsets

    middle = float(np.median(evidence.log_integral))
    log_scale = middle + offsets(evidence.card.class_sizes)
    mixture = fit_mixture(_blurred(evidence), log_scale)
    view = FrameView(
        cluster_view(evidence), mixture.chances, mixture.fit, mixture.shares, evidence.log_integral - middle
    )
    return view, log_scale, mixture.fit.mean(axis=1)


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
    shares, free = _first_shares(sizes, known)
    if not len(evidence):
        return calibration_of(sizes, grid, weight, np.repeat(shares[None], len(grid), axis=0), np.nan, n, element)
    mixture = fit_mixture(evidence, grid, shares, free)
    fit = float(weight @ mixture.fit.mean(axis=1))
    calibration = calibration_of(sizes, grid, weight, mixture.shares, fit, n, element)
    if not with_intervals:
        return calibration
    counts = expected_counts(mixture.shares, len(evidence))
    witnesses = np.where(free, len(evidence) * worth_of_a_cluster(mixture), np.inf)
    intervals = _intervals(list(calibration.fractions), weight, counts, witnesses)
    return replace(calibration, intervals=intervals)


def _intervals(
    labels: Sequence[str], weight: Floats, counts: Floats, witnesses: Floats
) -> dict[str, tuple[float, float]]:
    """95 % intervals of the shares: counting, telling the classes apart, and not knowing the scale.

    Quantiles of a mixture: at every scale beta distributions of the mean and variance that the share has there, a
    cluster more for the upper end and one less for the lower (Clopper and Pearson, 1934), weighed by how probable the
    scale is.
    """
    from scipy.special import betainc

    mean = np.clip(counts / counts.sum(axis=1, keepdims=True), 1e-6, 1 - 1e-6)
    strength = 1 / (1 / (witnesses + 1) + 4 * _SHARE_SD**2) - 1
    a, b = (mean * strength)[..., None], ((1 - mean) * strength)[..., None]
    share = np.linspace(0.0, 1.0, 301)
    lower = np.einsum("g,gkx->kx", weight, betainc(a, b + 1, share))
    upper = np.einsum("g,gkx->kx", weight, betainc(a + 1, b, share))
    return {
        label: (float(np.interp(0.025, low, share)), float(np.interp(0.975, high, share)))
        for label, low, high in zip(labels, lower, upper, strict=True)
    }


def _first_shares(sizes: Sequence[int], known: PriorKnowledge) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Shares to start from, ``other`` last, and which of them the frame may move."""
    k = len(sizes)
    free = np.ones(k + 1, dtype=bool)
    shares = even_shares(k)
    if known.deposited:
        deposited = np.isin(sizes, known.deposited)
        free[:-1] = deposited & (not known.fractions)
        rest = (1 - OUTSIDE_PRIOR) * (_UNDEPOSITED if not deposited.all() else 0.0)
        inner = np.full(k, rest / max(int((~deposited).sum()), 1))
        amounts = dict(zip(known.deposited, known.fractions or [1.0] * len(known.deposited), strict=True))
        share = np.array([amounts[size] for size in sizes if size in amounts])
        inner[deposited] = (1 - OUTSIDE_PRIOR - rest) * np.maximum(share / share.sum(), 1e-4)
        shares[:-1] = inner
        shares /= shares.sum()
    return shares, free
