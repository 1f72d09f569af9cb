"""Looking at the clusters of a frame with the scale that it turns out to have.

The network counts in atoms per nm², so it has to be told the intensity of an atom, which the frame's own clusters tell
(`calibrate`). A first idea comes from integrals as they are measured; the clusters are looked at with it, the scale is
found again from what the network counts, and they are looked at again until nothing moves. What lies outside the
aperture of the measurement, a few per cent, follows from the same comparison, so that a scale means the same thing
everywhere: intensity over atoms as they are measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.calibrate import calibrate_frames
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.classify import look_steps
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.patches import Patches
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.counting.scale_likelihood import thinned
from napari_atomicity.progress import Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: what usually lies outside the aperture, in ln(integral): where to begin
USUAL_SHIFT: Final = 0.05
#: what lies outside an aperture is no more than this; what a network says beyond it is its own mistake
_POSSIBLE_SHIFT: Final = (-0.2, 0.5)
#: a scale and a shift that move by less, in logarithms, are found
_SCALE_SETTLED: Final = 0.02
SHIFT_SETTLED: Final = 0.01
_LOOKS: Final = 3
#: logarithm of the chance from which on a cluster is rather none of the classes; members enough to compare
_RATHER_OTHER: Final = math.log(0.5)
_LEAST_MEMBERS: Final = 5
#: clusters of a frame that its scale is found with; all are looked at once it is
_ENOUGH: Final = 96


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
    masks = [mask & frame.valid for mask, frame in zip(use, scale_free, strict=True)]
    # of a few clusters all are looked at, so that the last look need not be taken again
    some = [np.arange(len(mask)) if len(mask) <= _ENOUGH else thinned(np.flatnonzero(mask), _ENOUGH) for mask in masks]
    sample = _Frames(
        [part.take(rows) for part, rows in zip(patches, some, strict=True)],
        [part.take(rows) for part, rows in zip(scale_free, some, strict=True)],
        [mask[rows] for mask, rows in zip(masks, some, strict=True)],
        None if by_diameter is None else [part[rows] for part, rows in zip(by_diameter, some, strict=True)],
    )
    settled = yield from _settled_steps(bundle, sample, known)
    frames = []
    for part, free, found in zip(patches, scale_free, settled, strict=True):
        if len(found.seen) == len(part) and found.is_seen_so:
            frames.append(found.seen)
        else:
            frames.append((yield from _look_steps(bundle, part, free, found.log_scale, found.shift)))
    return frames, calibrate_frames(frames, known, use, by_diameter)


class _Frames(NamedTuple):
    """Clusters of several frames, one entry a frame."""

    patches: Sequence[Patches]
    scale_free: Sequence[Evidence]
    use: Sequence[Mask]
    by_diameter: Sequence[Floats] | None


class _Settled(NamedTuple):
    """Scale and shift of a frame, and what its clusters looked like with those that were found last."""

    log_scale: float
    shift: float
    seen: Evidence

    @property
    def is_seen_so(self) -> bool:
        """Whether another look with scale and shift would show the same."""
        if not len(self.seen) or self.seen.log_scale is None or self.seen.shift is None:
            return False
        same_scale = bool(self.seen.log_scale[0] == self.log_scale)
        return same_scale and bool(abs(self.seen.shift[0] - self.shift) < SHIFT_SETTLED)


def _settled_steps(
    bundle: Bundle, sample: _Frames, known: PriorKnowledge | Sequence[PriorKnowledge] | None
) -> Steps[list[_Settled]]:
    """Scale and shift of each frame, found by looking until they no longer move."""
    frames, n = list(sample.scale_free), len(sample.patches)
    shifts, at = [USUAL_SHIFT] * n, [np.nan] * n
    for _ in range(_LOOKS):
        fits = calibrate_frames(frames, known, sample.use, sample.by_diameter, with_intervals=False)
        scales = [float(np.log(fit.intensity_per_atom)) for fit in fits]
        moved = [i for i in range(n) if not abs(scales[i] - at[i]) < _SCALE_SETTLED]
        for i, (frame, part, use) in enumerate(zip(frames, sample.patches, sample.use, strict=True)):
            found = shift_of(frame, part, use, shifts[i])
            if abs(found - shifts[i]) >= SHIFT_SETTLED and i not in moved:
                moved.append(i)
            shifts[i] = found
        at = [scales[i] if i in moved else at[i] for i in range(n)]
        if not moved:
            break
        for i in moved:
            frames[i] = yield from _look_steps(bundle, sample.patches[i], sample.scale_free[i], at[i], shifts[i])
    return [
        _Settled(scale, shift_of(frame, part, use, shift), frame)
        for frame, part, use, scale, shift in zip(frames, sample.patches, sample.use, at, shifts, strict=True)
    ]


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
    shift, evidence = USUAL_SHIFT, scale_free
    for _ in range(_LOOKS):
        evidence = yield from _look_steps(bundle, patches, scale_free, log_scale, shift)
        found = shift_of(evidence, patches, use, shift)
        if abs(found - shift) < SHIFT_SETTLED:
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
    # of what is none of the classes the network counts a part: merged pairs, clusters with something beside them
    members = rows & (evidence.features[:, -1] < _RATHER_OTHER)
    rows = members if members.sum() >= _LEAST_MEMBERS else rows
    if not rows.any():
        return before
    found = before + float(np.median(evidence.log_integral[rows] - patches.log_integral[rows]))
    return float(np.clip(found, *_POSSIBLE_SHIFT))


def _look_steps(
    bundle: Bundle, patches: Patches, scale_free: Evidence, log_scale: float, shift: float
) -> Steps[Evidence]:
    n = len(patches)
    return (yield from look_steps(bundle, patches, scale_free, np.full(n, log_scale), np.full(n, shift)))
