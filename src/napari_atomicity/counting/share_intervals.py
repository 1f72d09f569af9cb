"""How far the class shares of one frame may be off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.mixture import Floats

#: standard deviation of the shares that a mistaken idea of shapes adds, beside counting and confusion
_SHARE_SD: Final = 0.015
#: shares between which the ends are interpolated; looked at in steps of ten, then one by one where an end lies
_SHARES: Final = np.linspace(0.0, 1.0, 301)
_COARSE: Final = np.arange(0, 301, 10)


def share_intervals(
    labels: Sequence[str], weight: Floats, counts: Floats, witnesses: Floats
) -> dict[str, tuple[float, float]]:
    """95 % intervals of the shares: counting, telling the classes apart, and not knowing the scale.

    Quantiles of a mixture: at every scale beta distributions of the mean and variance that the share has there, a
    cluster more for the upper end and one less for the lower (Clopper and Pearson, 1934), weighed by how probable the
    scale is.

    Parameters
    ----------
    labels
        Of the k classes, none of them last.
    weight
        (g,) posterior weights of the scales.
    counts
        (g, k) how many clusters each class has at each scale.
    witnesses
        (g, k) how many clusters of known class the frame is worth.
    """
    mean = np.clip(counts / counts.sum(axis=1, keepdims=True), 1e-6, 1 - 1e-6)
    strength = 1 / (1 / (witnesses + 1) + 4 * _SHARE_SD**2) - 1
    a, b = mean * strength, (1 - mean) * strength
    low, high = _ends(weight, a, b + 1, 0.025), _ends(weight, a + 1, b, 0.975)
    return {label: (float(low[i]), float(high[i])) for i, label in enumerate(labels)}


def _ends(weight: Floats, a: Floats, b: Floats, level: float) -> Floats:
    """(k,) the quantile of each class's mixture of beta distributions (g, k)."""
    coarse = _below(weight, a, b, np.broadcast_to(_COARSE, (a.shape[1], len(_COARSE))))
    cell = np.clip((coarse <= level).sum(axis=1) - 1, 0, len(_COARSE) - 2)
    near = _COARSE[cell][:, None] + np.arange(11)
    fine = _below(weight, a, b, near)
    return np.array([np.interp(level, below, _SHARES[at]) for below, at in zip(fine, near, strict=True)])


def _below(weight: Floats, a: Floats, b: Floats, at: npt.NDArray[np.int64]) -> Floats:
    """(k, x) probability of a share below those at the places (k, x)."""
    from scipy.special import betainc

    return np.asarray(np.einsum("g,gkx->kx", weight, betainc(a[..., None], b[..., None], _SHARES[at][None])))
