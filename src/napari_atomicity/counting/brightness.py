"""How probable a count is, were the cluster of this or that class, or of none of them."""

from __future__ import annotations

import math
from typing import Final, Literal, assert_never

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: share of counts that are wrong by three times the stated error: none rules a class out by itself
TAIL: Final = 0.005
#: atom counts (natural logarithm) that a cluster outside the classes may have, and how softly that ends
OUTSIDE_LOG_N: Final = (math.log(4.0), math.log(300.0))
OUTSIDE_SD: Final = 0.2
#: ln(count over class) beyond which nothing is any farther
_FARTHEST: Final = 3.0
#: of what the stated relative error is a part, see `log_density`
ErrorOf = Literal["logarithm", "count", "class"]


def log_density(log_n: Floats, sd: Floats, log_sizes: Floats, error_of: ErrorOf = "logarithm") -> Floats:
    """Log-density of counts under each class: Gaussian with a tail; even for none of the classes.

    Parameters
    ----------
    log_n, sd
        (..., n) logarithm of the counts and its standard deviation, which is that of the counts relative to them.
    log_sizes
        (classes,) logarithm of the atoms of each class.
    error_of
        Gaussian in ln(atoms) (``logarithm``, as networks are trained), or in atoms with an error that is a part of the
        ``count``, the same under every class, or of the ``class``. Light that a support adds or takes away is symmetric
        in atoms: on frames of another maker a logarithm puts the borders of labels half an atom, and scales 2 %, too
        low (``benchmarks/foreign.py``, lot ``choose``).

    Returns
    -------
    (..., n, classes + 1), none of the classes last.
    """
    sd = sd[..., None]
    z2 = (_distance(log_n[..., None] - log_sizes, error_of) / sd) ** 2
    inside = np.logaddexp(-0.5 * z2, np.log(TAIL) - 0.5 * z2 / 9) - np.log(sd * np.sqrt(2 * np.pi))
    low, high = OUTSIDE_LOG_N
    beyond = np.maximum(np.maximum(low - log_n, log_n - high), 0.0)
    outside = -np.log(high - low) - 0.5 * (beyond / OUTSIDE_SD) ** 2
    return np.concatenate([inside, outside[..., None]], axis=-1)


def _distance(log_ratio: Floats, error_of: ErrorOf) -> Floats:
    """How far a count lies from a class, in parts of what its error is a part of."""
    match error_of:
        case "logarithm":
            return log_ratio
        case "count":
            return np.asarray(-np.expm1(-np.clip(log_ratio, -_FARTHEST, _FARTHEST)))
        case "class":
            return np.asarray(np.expm1(np.clip(log_ratio, -_FARTHEST, _FARTHEST)))
        case _:
            assert_never(error_of)
