"""The scale of an image from its own clusters, and class probabilities that use it.

The integrated intensity of a cluster is its atom count times a scale that gain, dose and detector decide and that
nobody wrote down. A frame with clusters of known *classes* fixes it all the same. At every scale of a grid,
expectation and maximisation find the class shares that explain shapes and integrals best; the model's scale network,
which has seen many frames whose scale is known, says how plausible the scale is in that light. Frames of a session, a
scale known before and deposited sizes join as factors of one posterior. Where two scales explain the frame, both are
told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import OTHER, class_label, probability_column
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.joint_scale import intensity, posterior_of_scale
from napari_atomicity.counting.mixture import (
    OUTSIDE_PRIOR,
    Floats,
    even_shares,
    expected_counts,
    fit_mixture,
    integral_terms,
    shape_terms,
    worth_of_a_cluster,
)
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.errors import InputError

if TYPE_CHECKING:
    from napari_atomicity.counting.scale_network import FrameView

#: other solutions with more than this probability in all make the frame ambiguous
AMBIGUOUS_ABOVE: Final = 0.05
#: a solution with less probability is not worth naming
_NAMED_ABOVE = 0.01
_STEP = 0.01
_UNDEPOSITED = 0.01
#: solutions nearer than this in ln(scale) are the same one: the classes lie at least twice as far apart
_SAME_SOLUTION = 0.1
#: scales less probable than this part of the best are left out of the average
_NEGLIGIBLE = 1e-3
#: and the deposited sizes make its clusters less likely by this factor (natural logarithm)
_CONTRADICTED = 6.0
#: beyond the scales at which a frame has its say, the log-likelihood falls by this for each unit of ln(scale)
_FALL = 50.0
#: clusters of a frame that take part in finding the scale; more add time but no knowledge
_ENOUGH = 400
#: standard deviation of the shares that a mistaken idea of shapes adds, beside counting and confusion
_SHARE_SD = 0.015


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a frame says about its scale.

    Attributes
    ----------
    class_sizes
        Atoms of each class.
    scale, scale_sd
        Most probable integrated intensity of one atom, counts·nm², and its standard deviation within that solution.
    fractions
        Class label (and ``other``) to its estimated share.
    ambiguous
        Another solution, with another dominant class, is nearly as likely.
    candidates
        Solutions, best first: dominant (label), probability, scale.
    log_scale, weight, shares
        Grid of ln(scale) (g,), posterior weight (g,) and class shares (g, classes + 1), ``other`` last.
    log_evidence
        Mean log-likelihood of a cluster's evidence under this calibration.
    clusters
        Number of clusters that it rests on.
    intervals
        Class label (and ``other``) to the 95 % interval of its share; empty for a scale that was given.
    misfit
        One sentence where the frame contradicts what it was calibrated with (its session, what is known of the
        sample, its pixel size); empty where all is well.
    """

    class_sizes: tuple[int, ...]
    scale: float
    scale_sd: float
    fractions: dict[str, float]
    ambiguous: bool
    candidates: tuple[dict[str, Any], ...]
    log_scale: Floats
    weight: Floats
    shares: Floats
    log_evidence: float
    clusters: int
    element: str = "Pt"
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    misfit: str = ""

    @property
    def confidence(self) -> float:
        """Probability of the best solution; what is missing to 1 belongs to the other candidates."""
        return float(self.candidates[0]["probability"]) if self.candidates else 1.0

    @classmethod
    def at_scale(cls, scale: float, class_sizes: Sequence[int], element: str = "Pt") -> Calibration:
        """A scale that is known exactly, and nothing assumed about the sample: all classes equally likely."""
        PriorKnowledge(scale=scale).check(class_sizes)
        grid, shares = np.array([np.log(scale)]), even_shares(len(class_sizes))[None]
        return _summary(tuple(class_sizes), grid, np.ones(1), shares, np.nan, 0, element)

    def chosen(self, dominant: str) -> Calibration:
        """The calibration with the person's choice among its `candidates`.

        Raises
        ------
        InputError
            Where `dominant` is no candidate.
        """
        named = [str(candidate["dominant"]) for candidate in self.candidates]
        lots = [lot for lot in _solutions(self.log_scale, self.weight, self.shares) if self._label(lot) == dominant]
        if dominant not in named or not lots:
            raise InputError(f"{dominant} is not among the solutions of this image ({', '.join(named)}).")
        weight = np.zeros_like(self.weight)
        for lot in lots:
            weight[lot] = self.weight[lot]
        found = _summary(
            self.class_sizes,
            self.log_scale,
            weight / weight.sum(),
            self.shares,
            self.log_evidence,
            self.clusters,
            self.element,
        )
        return replace(found, intervals=self.intervals, misfit=self.misfit)

    def _label(self, lot: npt.NDArray[np.int64]) -> str:
        best = lot[np.argmax(self.weight[lot])]
        return class_label(self.class_sizes[int(self.shares[best, :-1].argmax())], self.element)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Labels and counts with their certainty; one row a cluster, nan and empty where nothing can be said.

    Attributes
    ----------
    class_sizes
        Atoms of each class.
    probabilities
        (n, classes); what is missing to 1 is the probability of being none of the classes.
    outside
        (n,) that probability.
    label, confidence
        (n,) ``Pt19`` … or ``other``, and its probability.
    n_atoms, n_atoms_sd
        (n,) continuous atom count and its standard deviation: from the integral where the image's scale is known or
        found, else from the shape alone. It does not depend on the classes.
    """

    class_sizes: tuple[int, ...]
    probabilities: Floats
    outside: Floats
    label: npt.NDArray[np.object_]
    confidence: Floats
    n_atoms: Floats
    n_atoms_sd: Floats

    def columns(self, flag: npt.NDArray[Any], source: str) -> dict[str, Any]:
        """Columns for `ClusterTable.with_predictions`; `flag` is the table's, ``outside`` replaces ``ok`` alone."""
        flag = np.where(flag == "outside", "ok", np.asarray(flag, dtype=object))
        return {
            **{probability_column(n): self.probabilities[:, i] for i, n in enumerate(self.class_sizes)},
            "label": self.label,
            "confidence": self.confidence,
            "n_atoms": self.n_atoms,
            "n_atoms_sd": self.n_atoms_sd,
            "flag": np.where((flag == "ok") & (self.label == OTHER), "outside", flag),
            "source": np.where(self.label != "", source, ""),
        }


def calibrate(
    evidence: Evidence, known: PriorKnowledge | None = None, use: npt.NDArray[np.bool_] | None = None
) -> Calibration:
    """Calibrate one frame; see `calibrate_session`."""
    return calibrate_session([evidence], known, None if use is None else [use])[0]


def calibrate_session(
    frames: Sequence[Evidence],
    known: PriorKnowledge | Sequence[PriorKnowledge] | None = None,
    use: Sequence[npt.NDArray[np.bool_]] | None = None,
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
    frames = [frame if frame.shipped is None else frame.shipped for frame in frames]
    sizes = frames[0].card.class_sizes
    each = (
        [known or PriorKnowledge()] * len(frames) if known is None or isinstance(known, PriorKnowledge) else list(known)
    )
    for one in each:
        one.check(sizes)
    rows = [frame.valid & np.isfinite(frame.log_integral) for frame in frames]
    if use is not None:
        rows = [row & fit for row, fit in zip(rows, use, strict=True)]
    taken = [frame.take(_thinned(np.flatnonzero(row))) for frame, row in zip(frames, rows, strict=True)]
    if not any(len(part) for part in taken):
        raise InputError("No cluster of this image can be used to calibrate it; detect clusters first.")
    said = [_said(part, one) for part, one in zip(taken, each, strict=True)]
    grid = _grid(said, each)
    own = [one.on(grid) for one in said]
    weights, misfits = posterior_of_scale(grid, own, each)
    out = []
    for part, weight, row, one, saying, misfit in zip(taken, weights, rows, each, said, misfits, strict=True):
        found = _frame_summary(part, grid, weight, int(row.sum()), one, frames[0].card.element)
        out.append(replace(found, misfit=misfit or saying.contradiction))
    return out


def posterior(evidence: Evidence, calibration: Calibration | None) -> Predictions:
    """Join shape and, where there is a calibration, integral to class probabilities, labels and counts."""
    card = evidence.card
    sizes = np.array(card.class_sizes, dtype=np.float64)
    if calibration is not None and calibration.class_sizes != card.class_sizes:
        raise InputError("The calibration belongs to a model of other classes; calibrate again.")
    rows = np.flatnonzero(evidence.valid)
    part = evidence.take(rows)
    if calibration is None:
        joint = np.exp(shape_terms(part)) * even_shares(len(sizes))
        chances = joint / joint.sum(axis=1, keepdims=True)
        log_n, log_n_sd, threshold = part.log_n, part.log_n_sd, card.outside_threshold
    else:
        chances, log_n, log_n_sd = _marginal(part, calibration)
        threshold = card.outside_threshold_scaled
    inside = chances[:, :-1]
    is_other = chances[:, -1] > threshold
    # the count owes nothing to the classes: a cluster of 62 atoms says so, whatever label lies nearest
    count = np.exp(np.clip(log_n, -1.0, 8.0))

    def full(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        blank = np.full((len(evidence), *values.shape[1:]), "" if values.dtype == object else np.nan, values.dtype)
        blank[rows] = values
        return blank

    labels = np.array(card.labels, dtype=object)[inside.argmax(axis=1)] if len(rows) else np.empty(0, dtype=object)
    return Predictions(
        class_sizes=card.class_sizes,
        probabilities=full(inside),
        outside=full(chances[:, -1]),
        label=full(np.where(is_other, OTHER, labels).astype(object)),
        confidence=full(np.where(is_other, chances[:, -1], inside.max(axis=1, initial=0.0))),
        n_atoms=full(count),
        n_atoms_sd=full(count * log_n_sd),
    )


# ---------------------------------------------------------------------- joining shape and integral


def _marginal(evidence: Evidence, calibration: Calibration) -> tuple[Floats, Floats, Floats]:
    """(n, classes + 1) chances averaged over the posterior of the scale; ln(atoms) from the integral and its error."""
    keep = calibration.weight > _NEGLIGIBLE * calibration.weight.max()
    grid, weight, shares = calibration.log_scale[keep], calibration.weight[keep], calibration.shares[keep]
    weight = weight / weight.sum()
    shape = shape_terms(evidence)
    chances = np.zeros_like(shape)
    for start in range(0, len(evidence), 500):
        part = slice(start, start + 500)
        terms = integral_terms(evidence.take(np.arange(len(evidence))[part]), grid) + shape[None, part]
        terms += np.log(shares)[:, None, :]
        joint = np.exp(terms - terms.max(axis=-1, keepdims=True))
        chances[part] = np.einsum("g,gnk->nk", weight, joint / joint.sum(axis=-1, keepdims=True))
    centre = weight @ grid
    scale_sd = np.sqrt(weight @ (grid - centre) ** 2)
    return chances, evidence.log_integral - centre, np.hypot(evidence.log_integral_sd, scale_sd)


# ---------------------------------------------------------------------- finding the scale


def _thinned(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if len(rows) <= _ENOUGH:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, _ENOUGH, replace=False))


@dataclass(frozen=True, eq=False)
class _Said:
    """What one frame says about its scale: log-likelihood (g,) at `log_scale` (g,); nan-free, best is 0."""

    log_scale: Floats
    log_likelihood: Floats
    #: a sentence where the frame contradicts the sizes that were deposited
    contradiction: str = ""

    def on(self, grid: Floats) -> Floats:
        """The same on another grid; empty frames say nothing."""
        if not len(self.log_scale):
            return np.zeros(len(grid))
        inside = np.interp(grid, self.log_scale, self.log_likelihood)
        beyond = np.maximum(np.maximum(self.log_scale[0] - grid, grid - self.log_scale[-1]), 0.0)
        return np.asarray(inside - _FALL * beyond)


def _said(evidence: Evidence, known: PriorKnowledge) -> _Said:
    n = len(evidence)
    if n == 0:
        return _Said(np.empty(0), np.empty(0))
    view, log_scale, mean = frame_view(evidence)
    witnesses = n / (1.0 + n / evidence.card.effective_clusters)
    if evidence.scale_network is None:
        log_likelihood = witnesses * mean
    else:
        import torch

        with torch.inference_mode():
            offset = torch.as_tensor(log_scale - np.median(evidence.log_integral), dtype=torch.float32)
            log_likelihood = evidence.scale_network(view, offset).double().numpy()
    contradiction = ""
    if known.deposited:
        shares, free = _first_shares(evidence.card.class_sizes, known)
        told = fit_mixture(evidence, log_scale, shares, free).fit.mean(axis=1)
        before = log_likelihood.max()
        log_likelihood = log_likelihood + witnesses * (told - mean)
        if before - log_likelihood.max() > _CONTRADICTED:
            contradiction = (
                f"The clusters do not look like {' and '.join(map(str, known.deposited))} atoms alone; "
                "check the deposited sizes and the pixel size."
            )
    return _Said(log_scale, log_likelihood - log_likelihood.max(), contradiction)


def frame_view(evidence: Evidence) -> tuple[FrameView, Floats, Floats]:
    """A frame as the scale network sees it, ln(scale) (g,) of its grid, and the mean log-likelihood there (g,)."""
    from napari_atomicity.counting.scale_network import FrameView, cluster_view, offsets

    middle = float(np.median(evidence.log_integral))
    log_scale = middle + offsets(evidence.card.class_sizes)
    # no sharper than the grid
    blurred = replace(evidence, log_integral_sd=np.hypot(evidence.log_integral_sd, 0.02))
    mixture = fit_mixture(blurred, log_scale)
    view = FrameView(
        cluster_view(evidence), mixture.chances, mixture.fit, mixture.shares, evidence.log_integral - middle
    )
    return view, log_scale, mixture.fit.mean(axis=1)


def _grid(said: Sequence[_Said], known: Sequence[PriorKnowledge]) -> Floats:
    """A fine grid of ln(scale) over all that any frame finds possible, or that is known."""
    reach = [one.log_scale[[0, -1]] for one in said if len(one.log_scale)]
    reach += [np.log(one.scale) + 4 * one.scale_sd * np.array([-1, 1]) for one in known if one.scale is not None]
    low, high = float(np.min(reach)), float(np.max(reach))
    return np.linspace(low, high, max(int(np.ceil((high - low) / _STEP)), 8) + 1)


def _frame_summary(
    evidence: Evidence, grid: Floats, weight: Floats, n: int, known: PriorKnowledge, element: str
) -> Calibration:
    """The calibration of a frame, from the posterior weights of its scale."""
    sizes = evidence.card.class_sizes
    keep = weight > _NEGLIGIBLE * weight.max()
    grid, weight = grid[keep], weight[keep] / weight[keep].sum()
    shares, free = _first_shares(sizes, known)
    if not len(evidence):
        return _summary(sizes, grid, weight, np.repeat(shares[None], len(grid), axis=0), np.nan, n, element)
    mixture = fit_mixture(evidence, grid, shares, free)
    found = _summary(sizes, grid, weight, mixture.shares, float(weight @ mixture.fit.mean(axis=1)), n, element)
    counts = expected_counts(mixture.shares, len(evidence))
    witnesses = np.where(free, len(evidence) * worth_of_a_cluster(mixture), np.inf)
    intervals = _intervals(list(found.fractions), weight, counts, witnesses)
    return replace(found, intervals=intervals)


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
    at = np.linspace(0.0, 1.0, 301)
    lower = np.einsum("g,gkx->kx", weight, betainc(a, b + 1, at))
    upper = np.einsum("g,gkx->kx", weight, betainc(a + 1, b, at))
    return {
        label: (float(np.interp(0.025, low, at)), float(np.interp(0.975, high, at)))
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
        wanted = dict(zip(known.deposited, known.fractions or [1.0] * len(known.deposited), strict=True))
        share = np.array([wanted[size] for size in sizes if size in wanted])
        inner[deposited] = (1 - OUTSIDE_PRIOR - rest) * np.maximum(share / share.sum(), 1e-4)
        shares[:-1] = inner
        shares /= shares.sum()
    return shares, free


def _solutions(grid: Floats, weight: Floats, shares: Floats) -> list[npt.NDArray[np.int64]]:
    """Grid points of each separate solution, heaviest first.

    A solution is a peak of the posterior with the slopes down to the valleys around it. Neighbouring peaks are one
    solution where they lie closer than classes do, or make the same class dominant.
    """
    n = len(grid)
    left, right = np.append(-1.0, weight[:-1]), np.append(weight[1:], -1.0)
    peaks = [int(i) for i in np.flatnonzero((weight >= left) & (weight > right))]
    cuts = [0] + [a + int(weight[a:b].argmin()) for a, b in pairwise(peaks)] + [n]
    dominant = shares[:, :-1].argmax(axis=1)
    lots: list[npt.NDArray[np.int64]] = []
    tops: list[int] = []
    for peak, start, stop in zip(peaks, cuts, cuts[1:], strict=False):
        near = bool(tops) and (grid[peak] - grid[tops[-1]] < _SAME_SOLUTION or dominant[peak] == dominant[tops[-1]])
        if near:
            lots[-1] = np.append(lots[-1], np.arange(start, stop))
            tops[-1] = int(lots[-1][weight[lots[-1]].argmax()])
        else:
            lots.append(np.arange(start, stop))
            tops.append(peak)
    return sorted(lots, key=lambda lot: -float(weight[lot].sum()))


def _summary(
    sizes: tuple[int, ...], grid: Floats, weight: Floats, shares: Floats, evidence: float, n: int, element: str
) -> Calibration:
    labels = [class_label(size, element) for size in sizes]
    candidates: dict[str, dict[str, Any]] = {}
    lots = _solutions(grid, weight, shares)
    for lot in lots:
        top = lot[int(weight[lot].argmax())]
        name = labels[int(shares[top, :-1].argmax())]
        chance = float(weight[lot].sum())
        if name in candidates:  # the same sample read twice is one solution
            candidates[name]["probability"] += chance
        elif chance >= _NAMED_ABOVE:
            candidates[name] = {"dominant": name, "probability": chance, "scale": intensity(grid[top])}
    ordered = tuple(sorted(candidates.values(), key=lambda candidate: -candidate["probability"]))
    within = weight[lots[0]] / weight[lots[0]].sum()
    centre = float(within @ grid[lots[0]])
    sd = float(np.sqrt(within @ (grid[lots[0]] - centre) ** 2))
    mean_shares = weight @ shares
    return Calibration(
        class_sizes=sizes,
        scale=intensity(centre),
        scale_sd=intensity(centre) * sd,
        fractions=dict(zip([*labels, OTHER], map(float, mean_shares), strict=True)),
        ambiguous=len(ordered) > 1 and sum(one["probability"] for one in ordered[1:]) > AMBIGUOUS_ABOVE,
        candidates=ordered,
        log_scale=grid,
        weight=weight,
        shares=shares,
        log_evidence=evidence,
        clusters=n,
        element=element,
    )
