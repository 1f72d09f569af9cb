"""The scale of an image from its own clusters, and class probabilities that use it.

The integrated intensity of a cluster is its atom count times a scale that gain, dose and detector decide and that
nobody wrote down. A frame with clusters of known *classes* fixes it all the same: on a grid of scales, expectation
and maximisation find the class fractions that explain shapes and integrals best, and the likelihood over the grid
is the posterior of the scale. Where two scales explain the frame nearly as well, both are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import OTHER, class_label, probability_column
from napari_atomicity.counting.classify import Evidence
from napari_atomicity.errors import InputError

Floats = npt.NDArray[np.float64]

#: expected share of clusters that are none of the classes
OUTSIDE_PRIOR: Final = 0.05
#: frames of one session share their scale up to this relative spread
SESSION_SPREAD: Final = 0.07
#: a second solution with more than this probability makes the frame ambiguous
AMBIGUOUS_ABOVE: Final = 0.15
_STEP = 0.01
_ROUNDS = 40
_PSEUDO_COUNT = 0.3
_UNDEPOSITED = 0.01
#: share of integrals that are wrong by three times the stated error: none rules a class out by itself
_TAIL = 0.005
#: solutions nearer than this in ln(scale) are the same one: the classes lie at least twice as far apart
_SAME_SOLUTION = 0.1
#: atom counts (natural logarithm) that a cluster outside the classes may have
_OUTSIDE_LOG_N = (np.log(4.0), np.log(300.0))
#: clusters of a frame that take part in finding the scale; more add time but no knowledge
_ENOUGH = 600


@dataclass(frozen=True)
class Known:
    """What a person knows about a sample or microscope beforehand.

    Attributes
    ----------
    scale, scale_sd
        Integrated intensity of one atom, counts·nm², and its relative standard deviation.
    deposited
        Sizes (atoms) that were deposited; each must be a class of the model.
    fractions
        Share of each deposited size, in the order of `deposited`, where known.
    """

    scale: float | None = None
    scale_sd: float = 0.02
    deposited: tuple[int, ...] = ()
    fractions: tuple[float, ...] = ()

    def check(self, class_sizes: Sequence[int]) -> None:
        """Raise `InputError` where this cannot be used with a model of `class_sizes`."""
        if self.scale is not None and not 0 < self.scale < np.inf:
            raise InputError(f"The scale {self.scale} counts·nm² per atom is impossible; give a number above zero.")
        unknown = sorted(set(self.deposited) - set(class_sizes))
        if unknown:
            raise InputError(
                f"The model does not know clusters of {', '.join(map(str, unknown))} atoms; "
                f"it knows {', '.join(map(str, class_sizes))}."
            )
        if self.fractions and (len(self.fractions) != len(self.deposited) or min(self.fractions) < 0):
            raise InputError("Give one fraction, not negative, for each deposited size.")


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
        Known(scale=scale).check(class_sizes)
        shares = np.full((1, len(class_sizes) + 1), (1 - OUTSIDE_PRIOR) / len(class_sizes))
        shares[0, -1] = OUTSIDE_PRIOR
        grid = np.array([np.log(scale)])
        return _summary(tuple(class_sizes), grid, np.ones(1), shares, np.nan, 0, element)

    def chosen(self, dominant: str) -> Calibration:
        """The calibration with the person's choice among its `candidates`.

        Raises
        ------
        InputError
            Where `dominant` is no candidate.
        """
        named = [str(candidate["dominant"]) for candidate in self.candidates]
        for lot in _solutions(self.log_scale, self.weight, self.shares):
            if dominant in named and self._label(lot) == dominant:
                weight = np.zeros_like(self.weight)
                weight[lot] = self.weight[lot] / self.weight[lot].sum()
                return _summary(
                    self.class_sizes,
                    self.log_scale,
                    weight,
                    self.shares,
                    self.log_evidence,
                    self.clusters,
                    self.element,
                )
        raise InputError(f"{dominant} is not among the solutions of this image ({', '.join(named)}).")

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


def calibrate(evidence: Evidence, known: Known | None = None, use: npt.NDArray[np.bool_] | None = None) -> Calibration:
    """Calibrate one frame; see `calibrate_session`."""
    return calibrate_session([evidence], known, None if use is None else [use])[0]


def calibrate_session(
    frames: Sequence[Evidence],
    known: Known | Sequence[Known] | None = None,
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
    sizes = frames[0].card.class_sizes
    each = [known or Known()] * len(frames) if known is None or isinstance(known, Known) else list(known)
    for one in each:
        one.check(sizes)
    rows = [frame.valid & np.isfinite(frame.log_integral) for frame in frames]
    if use is not None:
        rows = [row & fit for row, fit in zip(rows, use, strict=True)]
    taken = [frame.take(_thinned(np.flatnonzero(row))) for frame, row in zip(frames, rows, strict=True)]
    if not any(len(part) for part in taken):
        raise InputError("No cluster of this image can be used to calibrate it; detect clusters first.")
    first = next((one for one in each if one.scale is not None), each[0])
    grid = _grid(taken, first, len(frames))
    fits = [_fit(part, grid, one) for part, one in zip(taken, each, strict=True)]
    weights = _posterior_of_scale(grid, [fit[0] for fit in fits], first)
    out = []
    for part, weight, (_, shares, mean), row in zip(taken, weights, fits, rows, strict=True):
        evidence = float(weight @ mean) if len(part) else np.nan
        out.append(_summary(sizes, grid, weight, shares, evidence, int(row.sum()), frames[0].card.element))
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
        prior = np.append(np.full(len(sizes), (1 - OUTSIDE_PRIOR) / len(sizes)), OUTSIDE_PRIOR)
        joint = np.exp(_shape_terms(part)) * prior
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


# ---------------------------------------------------------------------- likelihoods


def _shape_terms(evidence: Evidence) -> Floats:
    """(n, classes + 1) log-likelihood of shape, relative to an average class member; outside last."""
    return np.column_stack([evidence.shape + np.log(evidence.shape.shape[1]), np.clip(evidence.outside, -12, 12)])


def _integral_terms(evidence: Evidence, grid: Floats) -> Floats:
    """(g, n, classes + 1) log-density of the integral at each scale of `grid`."""
    log_n = evidence.log_integral[None, :] - grid[:, None]
    sd = evidence.log_integral_sd[None, :, None]
    z2 = ((log_n[..., None] - np.log(np.array(evidence.card.class_sizes, dtype=float))) / sd) ** 2
    inside = np.logaddexp(-0.5 * z2, np.log(_TAIL) - 0.5 * z2 / 9) - np.log(sd * np.sqrt(2 * np.pi))
    low, high = _OUTSIDE_LOG_N
    beyond = np.maximum(np.maximum(low - log_n, log_n - high), 0.0)
    outside = -np.log(high - low) - 0.5 * (beyond / 0.2) ** 2
    return np.concatenate([inside, outside[..., None]], axis=-1)


def _marginal(evidence: Evidence, calibration: Calibration) -> tuple[Floats, Floats, Floats]:
    """(n, classes + 1) chances averaged over the posterior of the scale; ln(atoms) from the integral and its error."""
    keep = calibration.weight > 1e-3 * calibration.weight.max()
    grid, weight, shares = calibration.log_scale[keep], calibration.weight[keep], calibration.shares[keep]
    weight = weight / weight.sum()
    shape = _shape_terms(evidence)
    chances = np.zeros_like(shape)
    for start in range(0, len(evidence), 500):
        part = slice(start, start + 500)
        terms = _integral_terms(evidence.take(np.arange(len(evidence))[part]), grid) + shape[None, part]
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


def _grid(frames: Sequence[Evidence], known: Known, n_frames: int) -> Floats:
    """Grid of ln(scale) that holds every scale at which a frame's middle cluster is near one of the classes."""
    if known.scale is not None:
        reach = 4 * np.hypot(known.scale_sd, SESSION_SPREAD if n_frames > 1 else 0.0)
        low, high = np.log(known.scale) - reach, np.log(known.scale) + reach
    else:
        sizes = frames[0].card.class_sizes
        middle = [float(np.median(part.log_integral)) for part in frames if len(part)]
        low, high = min(middle) - np.log(1.3 * max(sizes)), max(middle) - np.log(min(sizes) / 1.3)
    n = max(int(np.ceil((high - low) / _STEP)), 8) + 1
    return np.linspace(low, high, n)


def _fit(evidence: Evidence, grid: Floats, known: Known) -> tuple[Floats, Floats, Floats]:
    """Class shares at each scale by expectation and maximisation.

    Returns the log-likelihood (g,), tempered because clusters of a frame share their blur and flatness; the shares
    (g, classes + 1); and the mean log-likelihood of a cluster (g,).
    """
    k = len(evidence.card.class_sizes) + 1
    shares, free = _first_shares(evidence.card.class_sizes, known)
    shares = np.repeat(shares[None], len(grid), axis=0)
    n = len(evidence)
    if n == 0:
        return np.zeros(len(grid)), shares, np.zeros(len(grid))
    terms = _integral_terms(evidence, grid) + _shape_terms(evidence)[None]
    peak = terms.max(axis=-1, keepdims=True)
    likelihood = np.exp(terms - peak)
    prior = np.full(k, _PSEUDO_COUNT)
    prior[-1] = 1.0 * OUTSIDE_PRIOR * k
    room = 1.0 - shares[0, ~free].sum()
    for _ in range(_ROUNDS):
        total = np.einsum("gnk,gk->gn", likelihood, shares)
        counts = shares * np.einsum("gnk,gn->gk", likelihood, 1.0 / total) + prior
        fresh = room * counts / counts[:, free].sum(axis=1, keepdims=True)
        moved = np.abs(np.where(free, fresh - shares, 0.0)).max()
        shares = np.where(free, fresh, shares)
        if moved < 1e-3:
            break
    log_total = np.log(np.einsum("gnk,gk->gn", likelihood, shares)) + peak[..., 0]
    mean = log_total.mean(axis=1)
    witnesses = n / (1.0 + n / evidence.card.effective_clusters)
    return witnesses * mean, shares, mean


def _first_shares(sizes: Sequence[int], known: Known) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Shares to start from, ``other`` last, and which of them the frame may move."""
    k = len(sizes)
    free = np.ones(k + 1, dtype=bool)
    shares = np.full(k + 1, (1 - OUTSIDE_PRIOR) / k)
    shares[-1] = OUTSIDE_PRIOR
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


def _posterior_of_scale(grid: Floats, log_likelihood: list[Floats], known: Known) -> list[Floats]:
    """Posterior weight of each scale for each frame, from the frame itself and, with a spread, from all others."""
    prior = np.zeros(len(grid))
    if known.scale is not None:
        prior = -0.5 * ((grid - np.log(known.scale)) / known.scale_sd) ** 2
    if len(log_likelihood) == 1:
        return [_normalised(log_likelihood[0] + prior)]
    kernel = np.exp(-0.5 * ((grid[:, None] - grid[None, :]) / SESSION_SPREAD) ** 2)
    kernel /= kernel.sum(axis=1, keepdims=True)
    spoken = [np.log(kernel @ np.exp(one - one.max()) + 1e-12) for one in log_likelihood]
    together = prior + np.sum(spoken, axis=0)
    out = []
    for own, one in zip(spoken, log_likelihood, strict=True):
        others = together - own
        out.append(_normalised(one + np.log(kernel.T @ np.exp(others - others.max()) + 1e-12)))
    return out


def _normalised(log_weight: Floats) -> Floats:
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())


def _solutions(grid: Floats, weight: Floats, shares: Floats) -> list[npt.NDArray[np.int64]]:
    """Grid points of each separate solution, heaviest first.

    A solution is a peak of the posterior with the slopes down to the valleys around it. Neighbouring peaks are one
    solution where they lie closer than classes do, or make the same class dominant.
    """
    n = len(grid)
    peaks = [i for i in range(n) if weight[i] >= weight[max(i - 1, 0)] and weight[i] > weight[min(i + 1, n - 1)]]
    peaks = peaks or [int(weight.argmax())]
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
        elif chance >= 0.01:
            candidates[name] = {"dominant": name, "probability": chance, "scale": float(np.exp(grid[top]))}
    ordered = tuple(sorted(candidates.values(), key=lambda candidate: -candidate["probability"]))
    within = weight[lots[0]] / weight[lots[0]].sum()
    centre = float(within @ grid[lots[0]])
    sd = float(np.sqrt(within @ (grid[lots[0]] - centre) ** 2))
    mean_shares = weight @ shares
    return Calibration(
        class_sizes=sizes,
        scale=float(np.exp(centre)),
        scale_sd=float(np.exp(centre)) * sd,
        fractions=dict(zip([*labels, OTHER], map(float, mean_shares), strict=True)),
        ambiguous=len(ordered) > 1 and ordered[1]["probability"] > AMBIGUOUS_ABOVE,
        candidates=ordered,
        log_scale=grid,
        weight=weight,
        shares=shares,
        log_evidence=evidence,
        clusters=n,
        element=element,
    )
