"""Whether a scale that somebody gives can be that of an image."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.joint_scale import intensity
from napari_atomicity.errors import InputError

#: atoms that a cluster can have whatever the model knows
_ATOMS: Final = (4, 300)
#: a cluster further outside than this, in standard deviations of the scale, no nearby scale brings back
_FAR: Final = 4.0
#: the median cluster may lie so far beyond the classes, as for the scale network
_MARGIN: Final = 1.35


def check_scale(
    evidence: Evidence,
    intensity_per_atom: float,
    intensity_per_atom_sd: float = 0.0,
    use: npt.NDArray[np.bool_] | None = None,
) -> None:
    """Refuse a scale at which no cluster has a plausible number of atoms.

    Far from all classes the nearest one would still be chosen, with certainty.

    Parameters
    ----------
    evidence
        Of all clusters of one frame, or of several that share the scale.
    intensity_per_atom, intensity_per_atom_sd
        Integrated intensity of one atom, counts·nm², and by how much of it the clusters may correct it.
    use
        (n,) which clusters have an integral to judge by; all where None.

    Raises
    ------
    InputError
        Where every cluster lies far outside the sizes that a cluster can have.
    """
    rows = evidence.valid & np.isfinite(evidence.log_integral) & (True if use is None else use)
    if not rows.any():
        return
    sizes = evidence.card.class_sizes
    low, high = min(_ATOMS[0], sizes[0] / 4), max(_ATOMS[1], sizes[-1] * 4)
    log_n = evidence.log_integral[rows] - np.log(intensity_per_atom)
    beyond = np.maximum(np.maximum(np.log(low) - log_n, log_n - np.log(high)), 0.0)
    if beyond.min() <= _FAR * intensity_per_atom_sd:
        return
    middle = float(np.median(evidence.log_integral[rows]))
    likely = [intensity(middle) / sizes[-1] / _MARGIN, intensity(middle) / sizes[0] * _MARGIN]
    atoms = _atoms_in_words(middle - float(np.log(intensity_per_atom)))
    raise InputError(
        f"At a scale of {intensity_per_atom:.4g} counts nm² per atom no cluster of this image has a number of atoms "
        f"that a cluster can have: half of them would have {atoms}. Were they of the sizes that the model knows, "
        f"the scale would lie between {likely[0]:.3g} and {likely[1]:.3g}; correct it, or leave it out."
    )


def _atoms_in_words(log_n: float) -> str:
    if log_n < 0:
        return "less than one"
    return f"more than {np.exp(log_n):.0f}" if log_n < np.log(1e6) else "more than a million"
