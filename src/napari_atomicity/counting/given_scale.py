"""What a frame's clusters are at a scale that something else gives, and the scale that deposited sizes alone give."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.calibrate import calibration_at
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.joint_scale import intensity
from napari_atomicity.counting.mixture import Floats, fit_mixture
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.counting.scale_likelihood import first_shares, thinned
from napari_atomicity.errors import InputError

Mask = npt.NDArray[np.bool_]

#: the scales that stand for one with an error, in standard deviations
_SPREAD: Final = np.linspace(-2.4, 2.4, 9)
#: clusters that take part; more add time but no knowledge
_ENOUGH: Final = 400
_STEP: Final = 0.01
#: a sample has some clusters that are none of the deposited sizes; how far this moves the scale, relative
_DEPOSITED_SD: Final = 0.04


def calibration_with_scale(evidence: Evidence, intensity_per_atom: float, relative_sd: float, use: Mask) -> Calibration:
    """The classes of a frame whose scale is known from elsewhere: its clusters have no say in it.

    Parameters
    ----------
    evidence
        Of n clusters, without a scale.
    intensity_per_atom, relative_sd
        Integrated intensity of one atom, counts·nm², and its relative standard deviation.
    use
        (n,) which clusters have the integral of one whole cluster.

    Raises
    ------
    InputError
        Where no cluster can be used.
    """
    sample, n = _sample(evidence, use)
    grid = np.log(intensity_per_atom) + min(relative_sd, 1.0) * _SPREAD
    weight = np.exp(-0.5 * _SPREAD**2)
    return calibration_at(sample, grid, weight / weight.sum(), n, PriorKnowledge())


def scale_of_deposited(evidence: Evidence, known: PriorKnowledge, use: Mask) -> tuple[float, float]:
    """Intensity of one atom at which the integrals are those of the deposited sizes; shapes have no say.

    Parameters
    ----------
    evidence
        Of n clusters, without a scale.
    known
        The deposited sizes, with their shares where these are known.
    use
        (n,) which clusters have the integral of one whole cluster.

    Returns
    -------
    Counts·nm², and its relative standard deviation.

    Raises
    ------
    InputError
        Where no cluster can be used.
    """
    known.check(evidence.card.class_sizes)
    sample, _ = _sample(evidence, use)
    sizes = evidence.card.class_sizes
    middle = float(np.median(sample.log_integral))
    grid = np.arange(middle - np.log(sizes[-1]) - 0.5, middle - np.log(sizes[0]) + 0.5, _STEP)
    shares, free = first_shares(sizes, known)
    likelihood: Floats = fit_mixture(sample, grid, shares, free, by_shape=False).fit.sum(axis=1)
    weight = np.exp(likelihood - likelihood.max())
    weight /= weight.sum()
    centre = float(weight @ grid)
    sd = float(np.sqrt(weight @ (grid - centre) ** 2))
    return intensity(centre), float(np.hypot(sd, _DEPOSITED_SD))


def _sample(evidence: Evidence, use: Mask) -> tuple[Evidence, int]:
    """Clusters to rest on, and how many there are in all."""
    rows = np.flatnonzero(evidence.valid & np.isfinite(evidence.log_integral) & use)
    if not len(rows):
        raise InputError("No cluster of this image has an integral to count with; find clusters first.")
    return evidence.take(thinned(rows, _ENOUGH)), len(rows)
