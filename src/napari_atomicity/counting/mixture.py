"""The clusters of a frame as a mixture of classes, at each of several supposed scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.brightness import ErrorOf, log_density
from napari_atomicity.counting.evidence import Evidence

Floats = npt.NDArray[np.float64]

#: expected share of clusters that are none of the classes
OUTSIDE_PRIOR: Final = 0.05
_ROUNDS = 40
_PSEUDO_COUNT = 0.3
#: what shape says against a cluster being none of the classes goes no further than this, in log-odds: a count far
#: outside them stands whatever the shape
_MOST_AGAINST_OTHER: Final = 4.0
#: what shape says holds for scales within about this of the one that the picture was looked at with, in ln(scale)
_SHAPE_HOLDS: Final = 0.15


@dataclass(frozen=True, eq=False)
class Mixture:
    """A frame of n clusters under each of g supposed scales, ``other`` as the last class.

    Attributes
    ----------
    shares
        (g, classes + 1) class shares that explain the frame best.
    chances
        (g, n, classes + 1) probability of each class of each cluster.
    fit
        (g, n) log-likelihood of each cluster.
    """

    shares: Floats
    chances: Floats
    fit: Floats


def even_shares(classes: int) -> Floats:
    """(classes + 1,) equal shares of all classes, and the usual share of ``other`` last."""
    return np.append(np.full(classes, (1 - OUTSIDE_PRIOR) / classes), OUTSIDE_PRIOR)


def with_usual_other(shares: Floats) -> Floats:
    """Shares of the classes as they are among each other, beside the usual share of ``other``.

    A frame's own share of ``other`` holds what fits no class at its scale. To call clusters so because many others of
    the frame fit badly costs members of the classes: on frames of another maker 2 % of them, where a tenth as many are
    lost with the usual share (``benchmarks/foreign.py``, lot ``choose``).

    Parameters
    ----------
    shares
        (..., classes + 1) shares, ``other`` last.
    """
    inside = shares[..., :-1] / shares[..., :-1].sum(axis=-1, keepdims=True) * (1 - OUTSIDE_PRIOR)
    return np.concatenate([inside, np.full((*shares.shape[:-1], 1), OUTSIDE_PRIOR)], axis=-1)


def shape_terms(evidence: Evidence, log_scale: Floats) -> Floats:
    """Log-likelihood of shape, relative to an average class member.

    Parameters
    ----------
    evidence
        Of n clusters. Shapes that were looked at with a scale say nothing about scales far from it.
    log_scale
        (g,) logarithms of the supposed scales, counts·nm² per atom.

    Returns
    -------
    (g, n, classes + 1), or (1, n, classes + 1) where it is the same for all; ``other`` last.
    """
    outside = np.clip(evidence.outside, -_MOST_AGAINST_OTHER, 12)
    terms = np.column_stack([evidence.shape + np.log(evidence.shape.shape[1]), outside])[None]
    if evidence.log_scale is None:
        return terms
    away = (log_scale[:, None] - evidence.log_scale[None]) / _SHAPE_HOLDS
    return np.asarray(np.exp(-0.5 * away**2)[..., None] * terms)


def integral_terms(evidence: Evidence, log_scale: Floats, error_of: ErrorOf) -> Floats:
    """Log-density of each cluster's integral, were it of this or that class.

    Parameters
    ----------
    evidence
        Of n clusters.
    log_scale
        (g,) logarithms of the supposed scales, counts·nm² per atom.
    error_of
        As in `log_density`: ``count`` for labels, ``class`` for scales and shares.

    Returns
    -------
    (g, n, classes + 1), ``other`` last.
    """
    log_n = evidence.log_integral[None, :] - log_scale[:, None]
    sd = np.broadcast_to(evidence.log_integral_sd, log_n.shape)
    return log_density(log_n, sd, np.log(np.array(evidence.card.class_sizes, dtype=float)), error_of)


def fit_mixture(
    evidence: Evidence,
    log_scale: Floats,
    shares: Floats | None = None,
    free: npt.NDArray[Any] | None = None,
    by_shape: bool = True,
    beside: Floats | None = None,
    error_of: ErrorOf = "logarithm",
) -> Mixture:
    """Class shares at each supposed scale, by expectation and maximisation.

    Parameters
    ----------
    evidence
        Of n clusters.
    log_scale
        (g,) logarithms of the supposed scales, counts·nm² per atom.
    shares, free
        (classes + 1,) where to start, and which of them the frame may move; all alike, and all, where None.
    by_shape
        Whether shapes have a say beside the integrals.
    beside
        (n, classes) log-likelihoods that have a say too, relative to an average class member: of diameters.
    error_of
        As in `log_density`.
    """
    k = len(evidence.card.class_sizes) + 1
    start = even_shares(k - 1) if shares is None else shares
    movable = np.ones(k, dtype=bool) if free is None else free
    current = np.repeat(start[None], len(log_scale), axis=0)
    terms = integral_terms(evidence, log_scale, error_of)
    if by_shape:
        terms = terms + shape_terms(evidence, log_scale)
    if beside is not None:
        terms[..., :-1] += beside
    peak = terms.max(axis=-1, keepdims=True)
    likelihood = np.exp(terms - peak)
    prior = _pseudo_counts(k)
    room = 1.0 - start[~movable].sum()
    for _ in range(_ROUNDS):
        total = np.einsum("gnk,gk->gn", likelihood, current)
        counts = current * np.einsum("gnk,gn->gk", likelihood, 1.0 / total) + prior
        updated = room * counts / counts[:, movable].sum(axis=1, keepdims=True)
        change = np.abs(np.where(movable, updated - current, 0.0)).max(initial=0.0)
        current = np.where(movable, updated, current)
        if change < 1e-3:
            break
    joint = likelihood * current[:, None]
    total = joint.sum(axis=-1)
    return Mixture(current, joint / total[..., None], np.log(total) + peak[..., 0])


def _pseudo_counts(k: int) -> Floats:
    """(k,) clusters that the fit adds to those it sees, so that no class vanishes."""
    return np.append(np.full(k - 1, _PSEUDO_COUNT), OUTSIDE_PRIOR * k)


def expected_counts(shares: Floats, n: int) -> Floats:
    """How many clusters each class has, without the pseudo-counts of the fit.

    Parameters
    ----------
    shares
        (g, classes + 1) as by `fit_mixture`.
    n
        Number of clusters that they were fitted to.

    Returns
    -------
    (g, classes + 1) numbers of clusters.
    """
    prior = _pseudo_counts(shares.shape[1])
    return np.asarray(np.maximum(shares * (n + prior.sum()) - prior, 0.0))


def worth_of_a_cluster(mixture: Mixture) -> Floats:
    """(g, classes + 1) information of one cluster about each share, relative to one of known class; 0.1 to 1.

    Not knowing a cluster's class costs information about the shares (Orchard and Woodbury, 1972).
    """
    room = np.maximum(mixture.shares * (1 - mixture.shares), 1e-6)
    missing = (mixture.chances * (1 - mixture.chances)).mean(axis=1) / room
    return np.asarray(np.clip(1 - missing, 0.1, 1.0), dtype=np.float64)
