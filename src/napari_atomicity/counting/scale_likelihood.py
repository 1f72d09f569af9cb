"""What the clusters of one frame say about its scale by themselves: the comb of their integrals, and the shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.comb import comb_likelihood
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.mixture import OUTSIDE_PRIOR, Floats, even_shares, fit_mixture
from napari_atomicity.counting.prior import PriorKnowledge

if TYPE_CHECKING:
    from napari_atomicity.counting.scale_network import FrameView

#: share of all classes together that were not deposited
_UNDEPOSITED: Final = 0.01
#: a frame contradicts deposited sizes that make its clusters less likely by this factor (natural logarithm)
_CONTRADICTED: Final = 6.0
#: beyond the scales at which a frame has its say, the log-likelihood falls by this for each unit of ln(scale)
_FALL: Final = 50.0
#: clusters of a frame that take part in finding the scale; more add time but no knowledge
ENOUGH: Final = 400
#: weight of the scale network's log-probabilities beside the comb: chosen on frames of another maker
#: (``benchmarks/foreign.py``, lot ``choose``)
_NETWORK_WEIGHT: Final = 1.0


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
    return thinned(np.flatnonzero(usable), ENOUGH), int(usable.sum())


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
        shares, free = first_shares(evidence.card.class_sizes, known)
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


def first_shares(sizes: Sequence[int], known: PriorKnowledge) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Shares to start from, ``other`` last, and which of them the frame may move.

    Parameters
    ----------
    sizes
        Atoms of each class.
    known
        What is known beforehand.
    """
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
