"""The active area of a detector in a scan of it, where the beam went over it without a specimen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import threshold_otsu

from napari_atomicity.errors import InputError

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

LEAST_PX: Final = 300
_LEAST_SHARE: Final = 0.01
#: the edge of a detector is sharp: within this many pixels of it most of the height is gained
_EDGE_PX: Final = (3, 7)
_SHARP: Final = 0.5
_STANDS_OUT: Final = 3.0
#: share of the active area at the top of the range from which on the scan is clipped
_CLIPPED: Final = 0.005
_LEAST_DARK: Final = 0.01
#: an area that fills less of the ellipse around it is no detector
_ELLIPTIC: Final = 0.75
_CUT_OFF: Final = 0.02


@dataclass(frozen=True, eq=False)
class ActiveArea:
    """Where a scan shows the detector.

    Attributes
    ----------
    active, dark
        (y, x) pixels on the detector, and pixels well away from it.
    remarks
        What a person must know about it.
    """

    active: Mask
    dark: Mask
    remarks: tuple[str, ...] = ()


def find_active_area(scan: Image) -> ActiveArea:
    """Find the detector in a scan of it: what is bright, of one piece, and sharply bounded.

    The bound lies half way between the dark level and the height of the detector nearby, so that neither its gain nor
    its unevenness nor the magnification matters.

    Parameters
    ----------
    scan
        (y, x) counts.

    Raises
    ------
    InputError
        For a scan that shows no detector, or is clipped.
    """
    values = _checked(scan)
    smooth = ndimage.gaussian_filter(ndimage.median_filter(values, 3), 1.0)
    split = float(threshold_otsu(smooth))
    low = smooth[smooth < split]
    dark = float(np.median(low)) if low.size else split
    active = smooth > split
    for _ in range(3):
        # height of the detector nearby, of its own pixels only
        reach = max(values.shape) / 25
        weight = ndimage.gaussian_filter(active.astype(np.float32), reach)
        near = ndimage.gaussian_filter(np.where(active, smooth - dark, 0).astype(np.float32), reach)
        height = near / np.maximum(weight, 1e-6)
        active = _one_piece((smooth - dark > 0.5 * height) & (weight > 1e-4))
        if active.any():
            low = smooth[~ndimage.binary_dilation(active, iterations=4)]
            dark = float(np.median(low)) if low.size else dark
    return _judged(values, active, dark)


def area_by_hand(scan: Image, active: Mask) -> ActiveArea:
    """The area that a person drew.

    Parameters
    ----------
    scan
        (y, x) counts.
    active
        (y, x) pixels on the detector.

    Raises
    ------
    InputError
        For an area that cannot be used.
    """
    if active.shape != scan.shape:
        raise InputError(
            f"The active area is drawn on {active.shape[1]} × {active.shape[0]} pixels and the scan of the detector "
            f"has {scan.shape[1]} × {scan.shape[0]}; draw it on that scan."
        )
    values = _checked(scan)
    if int(active.sum()) < LEAST_PX:
        raise InputError("Hardly any pixel is marked as active; mark the detector on its scan, or find it anew.")
    dark = ~ndimage.binary_dilation(ndimage.binary_fill_holes(active), iterations=4)
    dark = dark if dark.mean() > _LEAST_DARK else ~ndimage.binary_dilation(active, iterations=4)
    _check_dark(dark)
    area = ActiveArea(active, dark)
    if dark_level(values, area) >= float(values[active].mean()):
        raise InputError("What is marked as active is darker than what is not; mark the detector itself.")
    _check_clipped(values, active)
    return area


def dark_level(values: npt.NDArray[np.floating], area: ActiveArea) -> float:
    """Mean of what is well away from the detector.

    Parameters
    ----------
    values
        (y, x) counts of a scan.
    area
        Where it shows the detector.
    """
    return float(values[area.dark].mean()) if area.dark.any() else float(values.min())


# ---------------------------------------------------------------------- finding


def _checked(scan: Image) -> Image:
    """The pixels of a scan, without nan."""
    if scan.ndim != 2 or min(scan.shape) < 32:
        raise InputError("A scan of the detector is one image of at least 32 × 32 pixels; open another one.")
    there = np.isfinite(scan)
    if there.mean() < 0.9:
        raise InputError("Much of this scan of the detector holds no data; open another one.")
    values = np.asarray(np.where(there, scan, np.median(scan[there])), dtype=np.float32)
    if np.ptp(values) == 0:
        raise InputError("Every pixel of this scan has the same value: no detector is on it; open another one.")
    return values


def _one_piece(mask: Mask) -> Mask:
    """The largest piece; of its holes only the largest stays: what is dead is part of it, and collects nothing."""
    mask = ndimage.binary_opening(mask, iterations=1)
    labels, count = ndimage.label(mask)
    if not count:
        return np.zeros_like(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    piece = labels == int(sizes.argmax())
    holes, count = ndimage.label(~piece)
    if count:
        size = np.bincount(holes.ravel())
        outside = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
        dead = np.ones(count + 1, dtype=bool)
        dead[[0, *outside]] = False
        if dead.any():
            dead[int(np.where(dead, size, 0).argmax())] = False
        piece |= dead[holes]
    return np.asarray(piece)


def _judged(values: Image, active: Mask, dark_level: float) -> ActiveArea:
    """The area, once it is sure that it is one."""
    share = float(active.mean())
    dark = ~ndimage.binary_dilation(active, iterations=4)
    inner, outer = _EDGE_PX
    # the side of the scan is no edge of the detector
    near, far = (ndimage.binary_erosion(active, iterations=n, border_value=1) for n in (inner, outer))
    inside = near & ~far
    around = ndimage.binary_dilation(active, iterations=outer) & ~ndimage.binary_dilation(active, iterations=inner)
    if share < _LEAST_SHARE or active.sum() < LEAST_PX or not inside.any() or not around.any():
        raise InputError(_NO_DETECTOR)
    _check_dark(dark)
    jump = float(values[inside].mean() - values[around].mean())
    noise = float(values[dark].std())
    height = float(values[active].mean()) - dark_level
    if jump < _SHARP * height or height < _STANDS_OUT * noise / np.sqrt(10):
        raise InputError(_NO_DETECTOR)
    filled = ndimage.binary_fill_holes(active)
    if _elliptic(filled) < _ELLIPTIC:
        raise InputError(_NO_DETECTOR)
    _check_clipped(values, active)
    sides = np.concatenate([active[0], active[-1], active[:, 0], active[:, -1]])
    cut_off = sides.mean() > _CUT_OFF
    return ActiveArea(active, dark, (_CUT_OFF_WORDS,) if cut_off else ())


_NO_DETECTOR: Final = (
    "No detector is found on this scan: nothing bright of one piece stands out sharply from the dark around it. Open a "
    "scan of the beam over the detector without specimen, or mark the area by hand."
)
_CUT_OFF_WORDS: Final = (
    "The detector is cut off at the side of its scan; its mean is that of what is seen. Scan it at a lower "
    "magnification where it is uneven."
)


def _elliptic(filled: Mask) -> float:
    """How much of the ellipse of the same moments an area shares with it."""
    y, x = np.nonzero(filled)
    off = np.stack([y - y.mean(), x - x.mean()])
    inverse = np.linalg.inv(np.cov(off) * 4 + 1e-9 * np.eye(2))
    inside = np.einsum("in,ij,jn->n", off, inverse, off) <= 1
    whole = np.pi / np.sqrt(np.linalg.det(inverse))
    return float(inside.sum() / max(whole + (~inside).sum(), 1))


def _check_dark(dark: Mask) -> None:
    if dark.mean() < _LEAST_DARK:
        raise InputError(
            "This scan of the detector has no dark region, so nobody knows its level without electrons; scan a field "
            "that is wider than the detector."
        )


def _check_clipped(values: Image, active: Mask) -> None:
    top = float(values.max())
    at_top = values[active] >= top
    if at_top.mean() > _CLIPPED and at_top.sum() > 20:
        raise InputError(
            f"The scan of the detector is clipped: {at_top.mean():.0%} of the active area is at {top:g} counts, the "
            "top of the range. Scan it with less current, and say how much less."
        )
