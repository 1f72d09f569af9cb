"""Class shares corrected for errors of classification, and random draws that say how sure they are.

Counting labels is biased where classes are confused: some of the many look like the few. The shares that explain all
clusters' evidence best (maximum likelihood, by expectation and maximisation: Saerens, Latinne and Decaestecker, Neural
Comput. 14, 21, 2002) are not. How far they may be off is drawn: which clusters happened to lie in the frame (Bayesian
bootstrap: Rubin, Ann. Stat. 9, 130, 1981), how large the image's scale is (its posterior), and by how much the model's
idea of each class is off in a frame, which changes the confusion of all its clusters alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import OTHER, ClusterTable, find_rows
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.mixture import Floats, even_shares, integral_terms, shape_terms
from napari_atomicity.counting.ratios import counted
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps

#: draws of the shares: scales, and draws at each
_SCALES: Final = 20
_DRAWS: Final = 30
_ROUNDS: Final = 60
#: standard deviation by which the log-likelihood of a class may be off in a frame; fitted to simulated frames of the
#: validation structures, and kept on frames of another maker (``benchmarks/ratios.py --foreign choose --fit``)
CLASS_SD: Final = 0.75
#: clusters that a person must have labelled at random before they correct the labels of the others
LEAST_CHECKED: Final = 20
#: labels that the model's own probabilities are worth beside those of a person, for each predicted class
_MODEL_WORTH: Final = 2.0


@dataclass(frozen=True, eq=False)
class CountedImage:
    """One counted image, with what its labels rest on.

    Attributes
    ----------
    table
        Classified clusters.
    card
        Of the model.
    evidence, ids
        Evidence of the labels, one row a cluster of `ids`; without it the probabilities of the table are used, which
        rest on one scale only.
    calibrations
        Of its frames.
    """

    table: ClusterTable
    card: ModelCard
    evidence: Evidence | None = None
    ids: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    calibrations: Mapping[int, Calibration] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares of the classes of one sample.

    Attributes
    ----------
    labels
        Classes, ``other``, then any further label that a person gave.
    best
        (labels,) shares of all counted clusters.
    draws
        (draws, labels) the same as they might be.
    clusters
        How many were counted.
    worth
        How many independent clusters these are worth: frames of a stack show the same ones again, and images that
        differ by more than chance say less together.
    spread
        By what factor the images differ more than chance explains (variance; 1 for one image).
    """

    labels: tuple[str, ...]
    best: Floats
    draws: Floats
    clusters: int
    worth: float
    spread: float = 1.0

    def interval(self, level: float = 0.95, among: Sequence[str] | None = None) -> tuple[Floats, Floats, Floats]:
        """Shares with their intervals.

        A cluster more for the upper end and none for the lower, as in the interval of Clopper and Pearson (1934): what
        was not seen is not excluded, and less than half a cluster may be none.

        Parameters
        ----------
        level
            Probability that the interval covers, 0 to 1.
        among
            Labels to give the shares of, among these alone; all where None.

        Returns
        -------
        (labels,) shares, lower and upper ends.
        """
        best, draws = self._among(among)
        n = max(self.worth, 1e-9)
        more = np.random.default_rng(1).exponential(size=draws.shape)
        tail = (1 - level) / 2
        low = np.quantile(draws, tail, axis=0)
        high = np.quantile((n * draws + more) / (n + more), 1 - tail, axis=0)
        return best, np.minimum(np.where(low < 0.5 / n, 0.0, low), best), np.maximum(high, best)

    def posterior(self, among: Sequence[str]) -> Floats:
        """(draws, labels) draws among some labels alone, with half a cluster of each added: unseen is not absent."""
        _, draws = self._among(among)
        more = np.random.default_rng(2).gamma(0.5, size=draws.shape)
        clusters = max(self.worth, 1e-9) * draws + more
        return np.asarray(clusters / clusters.sum(axis=1, keepdims=True))

    def _among(self, among: Sequence[str] | None) -> tuple[Floats, Floats]:
        if among is None:
            return self.best, self.draws
        rows = [self.labels.index(label) for label in among]
        best, draws = self.best[rows], self.draws[:, rows]
        return best / max(best.sum(), 1e-12), draws / np.maximum(draws.sum(axis=1, keepdims=True), 1e-12)


def corrected_steps(
    images: Sequence[CountedImage], checked: bool = False, seed: int = 0, class_sd: float = CLASS_SD
) -> Steps[Shares]:
    """Estimate the class shares of one sample from one image or several of it.

    Parameters
    ----------
    images
        Counted with models of the same classes. What a person labelled has the person's label.
    checked
        The person's labels are of clusters drawn at random: how often they differ from the model's corrects the
        others, instead of the model's own idea of what it confuses.
    seed, class_sd
        Of the draws; see `CLASS_SD`.

    Raises
    ------
    InputError
        Where no cluster is counted, the models know different classes, or too few were labelled at random.
    """
    if len({image.card.labels for image in images}) > 1:
        raise InputError("The images were counted by models of different classes; count them with the same model.")
    labels = order(images)
    counts = [_CountedClusters.of(image, labels) for image in images]
    clusters = sum(len(image.label) for image in counts)
    if not clusters:
        raise InputError("No cluster enters the shares: none is counted, or all are cut off, touching or saturated.")
    spread = _spread([image.label for image in counts], len(labels))
    rng = np.random.default_rng(seed)
    if checked:
        yield Progress(0, 1, "Correcting the shares")
        best, draws = _from_checked(counts, len(labels), spread, rng)
    else:
        best, draws = yield from _draw_steps(counts, spread, rng, class_sd)
    worth = sum(len(image.label) / image.frames for image in counts) / spread
    return Shares(labels, best, draws, clusters, worth, spread)


def order(images: Sequence[CountedImage]) -> tuple[str, ...]:
    """All labels that occur: the model's classes, ``other``, and further ones that a person gave."""
    known = [*images[0].card.labels, OTHER] if images else [OTHER]
    given = {str(label) for image in images for label in image.table.final_labels[counted(image.table)]}
    return (*known, *sorted(given - set(known)))


@dataclass(frozen=True, eq=False)
class _CountedClusters:
    """The n clusters of one image that are counted.

    Attributes
    ----------
    likelihood
        (scales, n, labels) of each label at some scales; certain where a person labelled the cluster.
    predicted, label
        (n,) index of the model's label (-1 for an unknown one) and of the final one.
    by_hand
        (n,) whether the final label is a person's.
    frame, frames
        (n,) frame of each, counted from 0, and how many there are.
    """

    likelihood: Floats
    predicted: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    by_hand: npt.NDArray[np.bool_]
    frame: npt.NDArray[np.int64]
    frames: int

    @classmethod
    def of(cls, image: CountedImage, labels: Sequence[str]) -> _CountedClusters:
        table = image.table
        chosen = np.flatnonzero(counted(table))
        index = {label: i for i, label in enumerate(labels)}
        label = np.array([index[str(name)] for name in table.final_labels[chosen]], dtype=np.int64)
        by_model = table.rows["label"].to_numpy(dtype=object)[chosen]
        predicted = np.array([index.get(str(name), -1) for name in by_model], dtype=np.int64)
        by_hand = table.labelled[chosen]
        likelihood = np.zeros((_SCALES, len(chosen), len(labels)))
        likelihood[:, by_hand] = np.eye(len(labels))[label[by_hand]]
        free = np.flatnonzero(~by_hand)
        k = len(image.card.labels) + 1
        likelihood[:, free, :k] = _likelihood(image, chosen[free])
        _, frame = np.unique(table.rows["frame"].to_numpy()[chosen], return_inverse=True)
        return cls(likelihood, predicted, label, by_hand, frame, max(int(frame.max(initial=0)) + 1, 1))


def _likelihood(image: CountedImage, rows: npt.NDArray[np.int64]) -> Floats:
    """(scales, n, classes + 1) likelihood of the clusters in `rows` of the table, each row up to a factor."""
    table = image.table
    likelihood = np.empty((_SCALES, len(rows), len(image.card.labels) + 1))
    frames, ids = table.rows["frame"].to_numpy()[rows], table.ids[rows]
    if image.evidence is None or not np.isin(ids, image.ids).all():
        likelihood[:] = _from_table(image, rows)
        return likelihood
    evidence_rows = find_rows(ids, image.ids)
    quantiles = (np.arange(_SCALES) + 0.5) / _SCALES
    for frame in np.unique(frames):
        in_frame = np.flatnonzero(frames == frame)
        evidence = image.evidence.take(evidence_rows[in_frame])
        fit = image.calibrations.get(int(frame))
        if fit is None:
            terms = np.repeat(shape_terms(evidence.free, quantiles), _SCALES, axis=0)
        else:
            # frames of a session share their scale: the same quantile of each
            cumulative = np.cumsum(fit.weight) - 0.5 * fit.weight
            scales = np.interp(quantiles, cumulative, fit.log_scale)
            terms = integral_terms(evidence, scales, "count") + shape_terms(evidence, scales)
        likelihood[:, in_frame] = np.exp(terms - terms.max(axis=2, keepdims=True))
    return likelihood


def _from_table(image: CountedImage, rows: npt.NDArray[np.int64]) -> Floats:
    """(n, classes + 1) likelihoods that the table's probabilities rest on, without what was assumed beforehand.

    That is the shares of the calibration; without one all classes were taken to be as frequent.
    """
    table, names = image.table, [*image.card.labels, OTHER]
    inside = np.nan_to_num(table.probabilities[rows])
    chances = np.column_stack([inside, np.clip(1 - inside.sum(axis=1), 1e-6, 1.0)])
    frames = table.rows["frame"].to_numpy()[rows]
    for frame in np.unique(frames):
        fit = image.calibrations.get(int(frame))
        before = even_shares(len(names) - 1) if fit is None else np.array([fit.fractions[name] for name in names])
        chances[frames == frame] /= np.maximum(before, 1e-4)
    return chances


# ---------------------------------------------------------------------- drawing


def _draw_steps(
    images: Sequence[_CountedClusters], spread: float, rng: np.random.Generator, class_sd: float
) -> Steps[tuple[Floats, Floats]]:
    """Best shares, and draws of them at each scale."""
    frames = [(image, np.flatnonzero(image.frame == frame)) for image in images for frame in range(image.frames)]
    draws, best = [], []
    for scale in range(_SCALES):
        yield Progress(scale, _SCALES, "Correcting the shares")
        likelihoods = [image.likelihood[scale][rows] for image, rows in frames]
        even = [np.ones((len(likelihood), 1)) for likelihood in likelihoods]
        start = np.full((1, likelihoods[0].shape[1]), 1 / likelihoods[0].shape[1])
        shares = _fit(likelihoods, even, [np.ones_like(start)] * len(likelihoods), start)
        best.append(shares[0])
        # frames of a stack show the same clusters again, so their weights scatter as those of fewer clusters do
        scatter = [image.frames * spread for image, _ in frames]
        weights = [rng.gamma(1 / s, s, (len(rows), _DRAWS)) for s, (_, rows) in zip(scatter, frames, strict=True)]
        factors = [np.exp(rng.normal(0.0, class_sd, (_DRAWS, start.shape[1]))) for _ in frames]
        draws.append(_fit(likelihoods, weights, factors, np.repeat(0.98 * shares + 0.02 * start, _DRAWS, axis=0)))
    return np.mean(best, axis=0), np.concatenate(draws)


def _fit(likelihoods: Sequence[Floats], weights: Sequence[Floats], factors: Sequence[Floats], start: Floats) -> Floats:
    """(draws, labels) shares by expectation and maximisation.

    Parameters
    ----------
    likelihoods
        (n, labels) of the clusters, a frame an entry.
    weights, factors
        (n, draws) weight of each cluster and (draws, labels) factor on each class, a frame an entry.
    start
        (draws, labels) to start from.
    """
    shares = start
    for _ in range(_ROUNDS):
        counts = np.zeros_like(shares)
        for likelihood, weight, factor in zip(likelihoods, weights, factors, strict=True):
            joint = shares * factor
            counts += joint * ((weight / np.maximum(likelihood @ joint.T, 1e-300)).T @ likelihood)
        updated = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
        change = float(np.abs(updated - shares).max(initial=0.0))
        shares = updated
        if change < 2e-5:
            break
    return shares


def _from_checked(
    images: Sequence[_CountedClusters], k: int, spread: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Best shares, and draws of them, from a random part that a person labelled.

    How often each predicted class is which one in truth is counted in that part and applied to the rest (the stratified
    estimator: Olofsson et al., Remote Sens. Environ. 148, 42, 2014); the model's probabilities count as a few labels.
    """
    label, predicted = (np.concatenate([getattr(image, name) for image in images]) for name in ("label", "predicted"))
    by_hand = np.concatenate([image.by_hand for image in images])
    compared = by_hand & (predicted >= 0)
    if int(compared.sum()) < LEAST_CHECKED:
        raise InputError(
            f"Only {int(compared.sum())} counted clusters carry your labels; label at least {LEAST_CHECKED} drawn at "
            "random, or leave the correction to the model."
        )
    likelihood = np.concatenate([image.likelihood.mean(axis=0) for image in images])
    chances = likelihood / np.maximum(likelihood.sum(axis=1, keepdims=True), 1e-300)
    strength = np.full((k, k), 1e-3)
    rest = np.zeros(k)
    for i in range(k):
        by_model = ~by_hand & (predicted == i)
        rest[i] = by_model.sum()
        if by_model.any():
            strength[i] += _MODEL_WORTH * chances[by_model].mean(axis=0)
        strength[i] += np.bincount(label[compared & (predicted == i)], minlength=k)
    own = np.bincount(label[by_hand], minlength=k).astype(float)
    best = own + rest @ (strength / strength.sum(axis=1, keepdims=True))
    factor = spread * max(image.frames for image in images)
    drawn = []
    for _ in range(_SCALES * _DRAWS):
        truth = rng.gamma(strength) + 1e-12
        truth /= truth.sum(axis=1, keepdims=True)
        # which clusters happened to lie in the image, those labelled by hand first
        clusters = rng.gamma(np.maximum(np.append(own, rest), 1e-9) / factor)
        drawn.append(clusters[:k] + clusters[k:] @ truth)
    draws = np.array(drawn)
    return best / best.sum(), draws / draws.sum(axis=1, keepdims=True)


def _spread(labels: Sequence[npt.NDArray[np.int64]], k: int) -> float:
    """By what factor the images' counts differ more than chance: Pearson's chi-square by its degrees of freedom."""
    counts = np.array([np.bincount(image, minlength=k) for image in labels if len(image)], dtype=float)
    counts = counts[:, counts.sum(axis=0) > 0]
    free = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    if free < 1:
        return 1.0
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    return max(1.0, float(((counts - expected) ** 2 / expected).sum() / free))
