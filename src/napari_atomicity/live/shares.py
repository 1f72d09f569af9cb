"""Class shares that may be looked at after every image, and a rule to stop that stays valid while one looks.

An interval of 95 % is right for one look at a number of clusters that was fixed beforehand. Whoever looks after every
image and stops once the interval is narrow sees it miss far more often. A confidence sequence covers the truth at all
looks together: it is the set of shares against which no bet, placed before each cluster was seen, has grown twentyfold
(Ville's inequality; betting after Waudby-Smith and Ramdas, J. R. Stat. Soc. B 86, 1, 2024, with a mixture of fixed
stakes). Labels are wrong at times: each is weighed with the inverse of what is confused with what, so that the mean
weight of a class is its share. Images that differ by more than chance count as fewer clusters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import OTHER
from napari_atomicity.errors import InputError

Floats = npt.NDArray[np.float64]

LEVEL: Final = 0.95
#: standard normal deviate of a usual interval
_Z: Final = 1.96
#: stakes of the bets, as parts of the largest one that cannot lose all: sqrt-spaced as in a Jeffreys mixture
_STAKES: Final = np.geomspace(2e-3, 0.95, 40)
#: shares at which a bet is looked at
_GRID: Final = np.linspace(0.0, 1.0, 401)
#: clusters that a class is taken to keep its label, beside what the model says of its own confusions
_SURE: Final = 4.0
#: of what is still needed, this many times more than there are clusters now is as far as is told
_FAR: Final = 200.0
#: images between which chance can be told from more than chance
_LEAST_IMAGES: Final = 3


@dataclass(frozen=True, eq=False)
class ImageCounts:
    """The labels of one image.

    Attributes
    ----------
    labels
        (k,) clusters of each label, in the order of the classes, ``other`` last.
    confusion
        (k, k) for the clusters of each label (columns) the sum of the chances of being each class (rows).
    """

    labels: Floats
    confusion: Floats


class SessionCounts:
    """The labels of the images of a session, laid together so that a look at thousands of them is quick.

    Parameters
    ----------
    images
        Those that are there at first.
    """

    def __init__(self, images: Sequence[ImageCounts] = ()) -> None:
        self._row: dict[str, int] = {}
        self._used = 0
        self._labels, self._confusion = np.zeros((0, 0)), np.zeros((0, 0, 0))
        for number, image in enumerate(images):
            self.put(str(number), image)

    def __len__(self) -> int:
        return len(self._row)

    @property
    def labels(self) -> Floats:
        """(n, k) clusters of each label in each image; zeros for one that was taken out."""
        return self._labels[: self._used]

    @property
    def confusion(self) -> Floats:
        """(k, k) of all images together."""
        return np.asarray(self._confusion[: self._used].sum(axis=0))

    def put(self, key: str, image: ImageCounts) -> None:
        """Take in an image; one of the same key is replaced.

        Parameters
        ----------
        key
            Which image.
        image
            Its labels.

        Raises
        ------
        InputError
            Where it has other labels than the images before.
        """
        k = len(image.labels)
        if self._used and k != self._labels.shape[1]:
            raise InputError("An image of this session was counted by a model of other classes; count it again.")
        if not self._used:
            self._labels, self._confusion = np.zeros((64, k)), np.zeros((64, k, k))
        row = self._row.setdefault(key, self._used)
        self._used = max(self._used, row + 1)
        if self._used > len(self._labels):
            self._labels = np.concatenate([self._labels, np.zeros_like(self._labels)])
            self._confusion = np.concatenate([self._confusion, np.zeros_like(self._confusion)])
        self._labels[row], self._confusion[row] = image.labels, image.confusion

    def drop(self, key: str) -> None:
        """Take out an image, where it is there.

        Parameters
        ----------
        key
            Which image.
        """
        row = self._row.pop(key, None)
        if row is not None:
            self._labels[row], self._confusion[row] = 0.0, 0.0


@dataclass(frozen=True, eq=False)
class LiveShares:
    """Shares of the classes among clusters that are one of them, as far as a session has come.

    Attributes
    ----------
    labels
        Of the classes.
    share
        (k,) corrected for what is confused.
    low, high
        (k,) ends that hold at all looks together.
    usual_low, usual_high
        (k,) ends of the usual interval, for one look.
    clusters, images
        Counted clusters of the classes, and images.
    worth
        Independent clusters that these are worth.
    """

    labels: tuple[str, ...]
    share: Floats
    low: Floats
    high: Floats
    usual_low: Floats
    usual_high: Floats
    clusters: int
    images: int
    worth: float

    @property
    def half_width(self) -> float:
        """The larger distance from a share to an end of its interval that holds at all looks; of the widest class."""
        if not len(self.share):
            return float("nan")
        return float(np.maximum(self.high - self.share, self.share - self.low).max())


def live_shares(images: SessionCounts, labels: Sequence[str]) -> LiveShares:
    """The shares of a session so far.

    Parameters
    ----------
    images
        Its images.
    labels
        Of the classes, without ``other``.
    """
    k = len(labels)
    counts = images.labels[:, :k] if len(images) else np.zeros((0, k))
    total = counts.sum(axis=0)
    n = float(total.sum())
    if n == 0:
        nothing, whole = np.zeros(k), np.ones(k)
        return LiveShares(tuple(labels), np.full(k, np.nan), nothing, whole, nothing, whole, 0, len(images), 0.0)
    weights = class_weights(images.confusion[:k, :k])
    worth = n / overdispersion(counts)
    effective = total * (worth / n)
    share = np.clip(weights @ total / n, 0.0, 1.0)
    share = share / max(float(share.sum()), 1e-12)
    low, high = np.array([always_valid(effective, weights[i]) for i in range(k)]).T
    usual_low, usual_high = np.array([usual(effective, weights[i]) for i in range(k)]).T
    return LiveShares(
        tuple(labels), share, np.minimum(low, share), np.maximum(high, share), np.minimum(usual_low, share),
        np.maximum(usual_high, share), int(n), len(images), worth,
    )  # fmt: skip


def class_weights(confusion: Floats) -> Floats:
    """Weights of the labels whose mean is the share of each class.

    Parameters
    ----------
    confusion
        (k, k) clusters of each class (rows) that got each label (columns).

    Returns
    -------
    (k, k) for each class (rows) the weight of each label (columns); the identity where nothing is confused.
    """
    joined = confusion + _SURE * np.eye(len(confusion))
    of_class = joined / joined.sum(axis=1, keepdims=True)
    return np.asarray(np.linalg.pinv(of_class.T))


def overdispersion(counts: Floats) -> float:
    """By what factor the counts of images differ more than chance: chi-square by its degrees of freedom, at least 1.

    Parameters
    ----------
    counts
        (images, k) clusters of each class.
    """
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    free = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    if counts.shape[0] < _LEAST_IMAGES or free < 1:
        return 1.0
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    return max(1.0, float(((counts - expected) ** 2 / expected).sum() / free))


def always_valid(counts: Floats, weights: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Ends of a share that hold at all looks together.

    Parameters
    ----------
    counts
        (k,) clusters of each label so far.
    weights
        (k,) whose mean over the clusters is the share.
    level
        Chance that the ends never miss it.
    """
    wealth = np.logaddexp(_wealth(counts, weights, 1.0), _wealth(counts, weights, -1.0)) - np.log(2.0)
    kept = np.flatnonzero(wealth < -np.log(1 - level))
    if not len(kept):  # no share explains the labels: what is closest
        nearest = float(_GRID[int(wealth.argmin())])
        return nearest, nearest
    step = _GRID[1]
    # the true end lies within the next step of the grid: it is taken as a whole
    return max(float(_GRID[kept[0]] - step), 0.0), min(float(_GRID[kept[-1]] + step), 1.0)


def _wealth(counts: Floats, weights: Floats, side: float) -> Floats:
    """(shares,) logarithm of what bets against each share have become: that it is larger (1), or less (-1)."""
    seen = counts > 0
    # a bet is laid before the label is seen: it must not be able to lose all at any label
    reach = np.maximum((_GRID[:, None] - weights) * side, 0.0).max(axis=1)
    most = 1.0 / np.maximum(reach, 1e-9)
    stake = side * most[:, None] * _STAKES
    away = weights[seen] - _GRID[:, None]
    grown = np.log1p(np.maximum(stake[:, :, None] * away[:, None, :], -1 + 1e-12)) @ counts[seen]
    top = grown.max(axis=1)
    return np.asarray(top + np.log(np.exp(grown - top[:, None]).mean(axis=1)))


def usual(counts: Floats, weights: Floats) -> tuple[float, float]:
    """Ends of the usual interval of a share, for one look: Wilson's, for a mean of weights.

    Parameters
    ----------
    counts, weights
        As for `always_valid`.
    """
    n = float(counts.sum())
    mean = float(counts @ weights / n)
    variance = float(counts @ (weights - mean) ** 2 / n)
    shrunk = (mean + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(variance / n + _Z**2 / (4 * n**2))
    return max(shrunk - half, 0.0), min(shrunk + half, 1.0)


def clusters_needed(images: SessionCounts, now: LiveShares, half_width: float) -> int | None:
    """About how many more clusters until every share is known to plus or minus `half_width`, at all looks.

    Parameters
    ----------
    images, now
        The images of the session, and their `live_shares`.
    half_width
        What is wanted, 0.05 for five points.

    Returns
    -------
    0 where it is reached; None where nothing is counted or it is out of reach.
    """
    if not now.clusters:
        return None
    if now.half_width <= half_width:
        return 0
    k = len(now.labels)
    total = images.labels[:, :k].sum(axis=0) * (now.worth / now.clusters)
    weights = class_weights(images.confusion[:k, :k])
    widest = int(np.maximum(now.high - now.share, now.share - now.low).argmax())

    def enough(times: float) -> bool:
        low, high = always_valid(times * total, weights[widest])
        return bool(max(high - now.share[widest], now.share[widest] - low) <= half_width)

    if not enough(_FAR):
        return None
    few, many = 1.0, _FAR
    while many / few > 1.03:
        middle = float(np.sqrt(few * many))
        few, many = (few, middle) if enough(middle) else (middle, many)
    return int(np.ceil((many - 1) * now.clusters))


def counts_of(label: npt.NDArray[np.object_], chances: Floats, labels: Sequence[str]) -> ImageCounts:
    """The labels of the counted clusters of an image.

    Parameters
    ----------
    label
        (n,) final labels; others than the classes are taken to be none of them.
    chances
        (n, classes) of being each class.
    labels
        Of the classes.
    """
    k = len(labels)
    place: Mapping[str, int] = {name: i for i, name in enumerate((*labels, OTHER))}
    at = np.array([place.get(str(name), k) for name in label], dtype=np.int64)
    inside = np.nan_to_num(np.asarray(chances, dtype=np.float64)).reshape(len(at), k)
    whole = np.column_stack([inside, np.clip(1 - inside.sum(axis=1), 0.0, 1.0)])
    confusion = np.zeros((k + 1, k + 1))
    for column in range(k + 1):
        confusion[:, column] = whole[at == column].sum(axis=0)
    return ImageCounts(np.bincount(at, minlength=k + 1).astype(float), confusion)
