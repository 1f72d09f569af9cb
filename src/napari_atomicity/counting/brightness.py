"""How probable a count is, were the cluster of this or that class, or of none of them."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: share of counts that are wrong by three times the stated error: none rules a class out by itself
TAIL: Final = 0.005
#: atom counts (natural logarithm) that a cluster outside the classes may have, and how softly that ends
OUTSIDE_LOG_N: Final = (math.log(4.0), math.log(300.0))
OUTSIDE_SD: Final = 0.2


def log_density(log_n: Floats, sd: Floats, log_sizes: Floats) -> Floats:
    """Log-density of counts under each class: Gaussian in ln(atoms) with a tail; even for none of the classes.

    Parameters
    ----------
    log_n, sd
        (..., n) logarithm of the counts and its standard deviation.
    log_sizes
        (classes,) logarithm of the atoms of each class.

    Returns
    -------
    (..., n, classes + 1), none of the classes last.
    """
    sd = sd[..., None]
    z2 = ((log_n[..., None] - log_sizes) / sd) ** 2
    inside = np.logaddexp(-0.5 * z2, np.log(TAIL) - 0.5 * z2 / 9) - np.log(sd * np.sqrt(2 * np.pi))
    low, high = OUTSIDE_LOG_N
    beyond = np.maximum(np.maximum(low - log_n, log_n - high), 0.0)
    outside = -np.log(high - low) - 0.5 * (beyond / OUTSIDE_SD) ** 2
    return np.concatenate([inside, outside[..., None]], axis=-1)
