"""Looking at the clusters of a frame with the scale that it turns out to have.

The network counts in atoms per nm², so it has to be told the intensity of an atom, which the frame's own clusters tell
(`calibrate`). A first idea comes from integrals as they are measured; the clusters are looked at with it, the scale is
found again from what the network counts, and they are looked at again until nothing moves. What lies outside the
aperture of the measurement, a few per cent, follows from the same comparison, so that a scale means the same thing
everywhere: intensity over atoms as they are measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.calibrate import calibrate_frames
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.classify import look_steps
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.patches import Patches
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.progress import Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: what usually lies outside the aperture, in ln(integral): where to begin
_USUAL_SHIFT: Final = 0.05
#: a scale and a shift that move by less, in logarithms, are found
_SCALE_SETTLED: Final = 0.02
_SHIFT_SETTLED: Final = 0.01
_LOOKS: Final = 3


def calibrated_steps(
    bundle: Bundle,
    patches: Sequence[Patches],
    scale_free: Sequence[Evidence],
    known: PriorKnowledge | Sequence[PriorKnowledge] | None = None,
    use: Sequence[Mask] | None = None,
    by_diameter: Sequence[Floats] | None = None,
) -> Steps[tuple[list[Evidence], list[Calibration]]]:
    """Calibrate frames taken under the same settings together, and look at their clusters with the scales found.

    Parameters
    ----------
    bundle
        The model.
    patches, scale_free
        Of the clusters of each frame, one entry a frame.
    known, use, by_diameter
        As in `calibrate_frames`.

    Returns
    -------
    For each frame what the network sees with its scale, and its calibration.

    Raises
    ------
    InputError
        As by `calibrate_frames`.
    """
    use = [frame.valid for frame in scale_free] if use is None else use
    frames, shifts = list(scale_free), [_USUAL_SHIFT] * len(scale_free)
    at = [np.nan] * len(frames)
    calibrations = calibrate_frames(frames, known, use, by_diameter)
    for _ in range(_LOOKS):
        scales = [float(np.log(fit.intensity_per_atom)) for fit in calibrations]
        moved = [
            i
            for i, frame in enumerate(frames)
            if not abs(scales[i] - at[i]) < _SCALE_SETTLED
            or abs(shift_of(frame, patches[i], use[i], shifts[i]) - shifts[i]) >= _SHIFT_SETTLED
        ]
        if not moved:
            break
        for i in moved:
            shifts[i] = shift_of(frames[i], patches[i], use[i], shifts[i])
            at[i] = scales[i]
            frames[i] = yield from _look_steps(bundle, patches[i], scale_free[i], at[i], shifts[i])
        calibrations = calibrate_frames(frames, known, use, by_diameter)
    return frames, calibrations


def looked_steps(
    bundle: Bundle, patches: Patches, scale_free: Evidence, log_scale: float, use: Mask | None = None
) -> Steps[Evidence]:
    """Look at the clusters of a frame with a scale that is known.

    Parameters
    ----------
    bundle
        The model.
    patches, scale_free
        Of the n clusters of a frame.
    log_scale
        Logarithm of the intensity of one atom as it is measured, counts·nm².
    use
        (n,) clusters whose measured integral is that of a whole cluster; all where None.

    Returns
    -------
    What the network sees.
    """
    use = scale_free.valid if use is None else use
    shift, evidence = _USUAL_SHIFT, scale_free
    for _ in range(_LOOKS):
        evidence = yield from _look_steps(bundle, patches, scale_free, log_scale, shift)
        found = shift_of(evidence, patches, use, shift)
        if abs(found - shift) < _SHIFT_SETTLED:
            break
        shift = found
    return evidence


def shift_of(evidence: Evidence, patches: Patches, use: Mask, before: float) -> float:
    """By how much the network finds more in the clusters of a frame than was measured, the median of ln(integral).

    Parameters
    ----------
    evidence
        Of the n clusters of the frame, looked at with a scale.
    patches
        Of the same clusters.
    use
        (n,) clusters whose measured integral is that of a whole cluster.
    before
        The shift that they were looked at with; it stays where there is nothing to compare.
    """
    if evidence.log_scale is None:
        return before
    rows = evidence.valid & use & np.isfinite(evidence.log_integral)
    if not rows.any():
        return before
    return before + float(np.median(evidence.log_integral[rows] - patches.log_integral[rows]))


def _look_steps(
    bundle: Bundle, patches: Patches, scale_free: Evidence, log_scale: float, shift: float
) -> Steps[Evidence]:
    n = len(patches)
    return (yield from look_steps(bundle, patches, scale_free, np.full(n, log_scale), np.full(n, shift)))
