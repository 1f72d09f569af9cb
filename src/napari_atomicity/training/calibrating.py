"""Making the statements of a trained network honest on structures that it has never seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.progress import Steps
from napari_atomicity.training.library import LABORATORY, Library

if TYPE_CHECKING:
    from napari_atomicity.counting.evidence import Evidence

_FALSE_REJECTION: Final = 0.05
#: a cluster is called ``other`` only where that is likelier than this
_LEAST_THRESHOLD: Final = 0.5
#: least standard deviation of ln(integral) where the scale of each image was fitted to its own clusters
_FITTED_TAU: Final = 0.04


def calibrated_steps(bundle: Bundle, validation: Library) -> Steps[Bundle]:
    """The bundle with its statements made honest: temperature (Guo et al., ICML 2017), integral error, rejection
    thresholds.

    Parameters
    ----------
    bundle
        A trained model.
    validation
        Clusters that it was not trained on.

    Returns
    -------
    Bundle
        The same network with another card.
    """
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.classify import evidence_steps, look_steps
    from napari_atomicity.counting.predictions import posterior

    sizes = bundle.card.class_sizes
    index = validation.class_index(sizes)
    member = validation.take((index >= 0) & (validation.flag == "ok"))
    # one atom is one count in every frame: the scale drops out
    patches = replace(member.patches, log_integral=member.log_integral - member.log_scale)
    nothing = np.zeros(len(member))
    card = replace(
        bundle.card, temperature=1.0, temperature_scaled=1.0, integral_tau=0.0, measured_sd=_measured_sd(member)
    )
    free = yield from evidence_steps(replace(bundle, card=card), patches)
    seen = yield from look_steps(replace(bundle, card=card), patches, free, nothing, nothing)
    # scales of laboratory images were fitted to these very integrals, which hides by how much images differ
    least = _FITTED_TAU if (member.condition == LABORATORY).all() else 0.003
    card = replace(card, integral_tau=_widening(seen, member, least))
    without, scaled = _temperatures(free, seen, member.class_index(sizes), card.integral_tau)
    card = replace(card, temperature=without, temperature_scaled=scaled)
    free = yield from evidence_steps(replace(bundle, card=card), patches)
    seen = yield from look_steps(replace(bundle, card=card), patches, free, nothing, nothing)
    outside = [posterior(free, None).outside, posterior(seen, Calibration.at_scale(1.0, sizes)).outside]
    threshold, of_scaled = (float(np.quantile(one, 1 - _FALSE_REJECTION)) for one in outside)
    return replace(
        bundle,
        card=replace(
            card,
            outside_threshold=max(threshold, _LEAST_THRESHOLD),
            outside_threshold_scaled=max(of_scaled, _LEAST_THRESHOLD),
        ),
    )


def _measured_sd(member: Library) -> float:
    """Standard deviation of measured ln(integral) about the classes, within frames."""
    off = member.log_integral - np.log(member.n_atoms)
    _, frame = np.unique(member.frame, return_inverse=True)
    middle = np.array([np.median(off[frame == one]) for one in range(int(frame.max()) + 1)])
    return float(np.clip((off - middle[frame]).std(), 0.03, 0.3))


def _widening(seen: Evidence, member: Library, least: float) -> float:
    """What has to be added to the stated error of ln(atoms) to make it honest, at least `least`."""
    from scipy.optimize import minimize_scalar

    residual = seen.log_integral - np.log(member.n_atoms)

    def width(tau: float) -> float:
        variance = seen.log_integral_sd**2 + tau**2
        return float((np.log(variance) + residual**2 / variance).mean())

    return float(minimize_scalar(width, bounds=(least, 0.2), method="bounded").x)


def _temperatures(free: Evidence, seen: Evidence, truth: npt.NDArray[np.int64], tau: float) -> tuple[float, float]:
    """What the logits of shape must be divided by, without and with a scale, to be as sure as they are right."""
    from scipy.optimize import minimize_scalar

    from napari_atomicity.counting.mixture import integral_terms

    counted = replace(seen, log_integral_sd=np.hypot(seen.log_integral_sd, tau))
    by_count = integral_terms(counted, np.zeros(1), "count")[0, :, :-1]

    def best(shape: npt.NDArray[np.float64], beside: npt.NDArray[np.float64] | float) -> float:
        def surprise(temperature: float) -> float:
            logits = shape / temperature + beside
            return float((np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(truth)), truth]).mean())

        return float(minimize_scalar(surprise, bounds=(0.5, 10.0), method="bounded").x)

    return best(free.shape, 0.0), best(seen.shape, by_count)
