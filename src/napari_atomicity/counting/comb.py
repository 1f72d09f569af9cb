"""The scale of a frame from the integrals of its clusters alone.

Nineteen to thirty to forty-one to fifty-five to seventy is a comb, and the teeth of a mixed frame's integrals fit it at
one scale only. Nothing that a network may have learnt of blur, dose or shape has a say in this: it holds for every
microscope whose signal grows with the number of atoms. Where only one tooth is there, all scales that put it on a
class are as good as each other, and something else must decide.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.mixture import Floats, fit_mixture

#: beyond these clusters more of them add little: what a frame does to all its integrals does not average out
_WITNESSES: Final = 20.0
#: the comb is no sharper than this, in ln(integral)
_SHARPEST: Final = 0.02
#: share from which on a class takes part
_TAKES_PART: Final = 0.03


def comb_likelihood(evidence: Evidence, log_scale: Floats, beside: Floats | None = None) -> Floats:
    """How well the integrals of a frame fit the classes at each of several supposed scales.

    At every scale the class shares that explain the integrals best are found, with any share of clusters that are none
    of the classes. Every class that takes part costs what a free parameter does (Schwarz, Ann. Stat. 6, 461, 1978):
    else one broad tooth would be read as two classes that lie close.

    Parameters
    ----------
    evidence
        Of n clusters; only their integrals are looked at.
    log_scale
        (g,) logarithms of the supposed scales, counts·nm² per atom.
    beside
        (n, classes) log-likelihoods that have a say too; see `fit_mixture`.

    Returns
    -------
    (g,) log-likelihood of the frame, tempered as if clusters beyond `_WITNESSES` were hardly any; 0 for no cluster.
    """
    n = len(evidence)
    if n == 0:
        return np.zeros(len(log_scale))
    # no sharper than the grid
    blurred = replace(evidence, log_integral_sd=np.hypot(evidence.log_integral_sd, _SHARPEST))
    mixture = fit_mixture(blurred, log_scale, by_shape=False, beside=beside, error_of="class")
    classes = (mixture.shares[:, :-1] > _TAKES_PART).sum(axis=1)
    fit = mixture.fit.sum(axis=1) - 0.5 * np.log(n) * (classes - 1)
    return np.asarray(fit / (1 + n / _WITNESSES))
