"""What the pixels of an image alone tell: their range, whether there is anything, whether they were counted at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

#: side in pixels of the middle part that tells masks and labels from micrographs
_SIDE: Final = 512
#: share of equal neighbours from which whole numbers are labels; few electrons make many zeros, but no patches
_PATCHES: Final = 0.6
#: numbers with a fraction that are labels all the same
_FEW_LEVELS: Final = 32
#: share of one value from which numbers with a fraction are marks on nothing, such as distances inside of a mask
_MOSTLY: Final = 0.7
#: share of the pixels at the lowest value, and at the highest, from which a copy was cut off at both ends for display
_CUT_OFF: Final = 0.002
#: of what the values differ by, how far those across the middle of a Fourier transform do
_ACROSS: Final = 1e-3


def nothing_to_see(image: npt.NDArray[Any]) -> str:
    """Why nothing can be counted in the pixels (y, x), whatever they show; empty where something may."""
    if image.dtype == bool:
        return "This is a mask of zeros and ones, not a micrograph; open the image that it was made from."
    low, high = value_range(image)
    if not low <= high:
        return "This image holds no number in any pixel (only NaN); export it again from the microscope's software."
    if low == high:
        return f"Every pixel of this image has the same value ({low:g}); check that the detector was on."
    return ""


def value_range(image: npt.NDArray[Any]) -> tuple[float, float]:
    """Least and greatest finite value of `image` (y, x); (inf, -inf) where there is none."""
    low, high = np.inf, -np.inf
    for rows in _bands(image):
        numbers = rows[np.isfinite(rows)] if rows.dtype.kind == "f" else rows
        if numbers.size:
            low, high = min(low, float(numbers.min())), max(high, float(numbers.max()))
    return low, high


def signs_of_no_micrograph(
    image: npt.NDArray[Any],
) -> Literal["mask", "labels", "fourier", "marks", "unit", "display", ""]:
    """What the middle of an image (y, x) looks like, if not like counts of electrons.

    Returns
    -------
    ``mask`` where there are two values, ``labels`` where whole or few numbers lie in patches, ``fourier`` where both
    sides of the middle are the same, ``marks`` where nearly all is one value and the rest are fractions, ``unit`` where
    numbers with a fraction lie between 0 and 1 (a probability map, or a normalised copy), ``display`` where many pixels
    have the lowest value and many the highest, else nothing.
    """
    y, x = (max(0, (size - _SIDE) // 2) for size in image.shape)
    middle = image[y : y + _SIDE, x : x + _SIDE]
    values = middle[np.isfinite(middle)] if middle.dtype.kind == "f" else middle.ravel()
    if middle.dtype.kind not in "fiu" or not values.size:
        return ""
    levels, counts = np.unique(values, return_counts=True)
    if len(levels) == 2:
        return "mask"
    if _is_fourier(image):
        return "fourier"
    if len(levels) <= _FEW_LEVELS or np.array_equal(levels, np.rint(levels)):
        if _in_patches(middle, levels[counts.argmax()]):
            return "labels"
        few = len(levels) <= _FEW_LEVELS
        return "" if few or min(counts[0], counts[-1]) < _CUT_OFF * values.size else "display"
    if counts.max() > _MOSTLY * values.size:
        return "marks"
    if levels[0] >= 0 and levels[-1] <= 1:
        return "unit"
    return "" if min(counts[0], counts[-1]) < _CUT_OFF * values.size else "display"


def _is_fourier(image: npt.NDArray[Any]) -> bool:
    """Whether the pixels around the middle are equal to those across it."""
    y, x = (size // 2 for size in image.shape)
    reach = min(y, x, image.shape[0] - 1 - y, image.shape[1] - 1 - x, _SIDE // 2)
    part = image[y - reach : y + reach + 1, x - reach : x + reach + 1].astype(np.float64)
    if reach < 8 or not np.isfinite(part).all():
        return False
    apart = float(np.abs(part - part[::-1, ::-1]).mean())
    return apart <= _ACROSS * float(np.abs(part - np.median(part)).mean())


def _in_patches(part: npt.NDArray[Any], background: Any) -> bool:
    a, b = part[:, :-1], part[:, 1:]
    inside = (a != background) | (b != background)
    return int(np.count_nonzero((a == b) & inside)) > _PATCHES * max(1, int(np.count_nonzero(inside)))


def _bands(image: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Some rows at a time, so that temporary arrays stay small beside a large frame."""
    step = max(1, 2**20 // max(1, image.shape[1]))
    for start in range(0, image.shape[0], step):
        yield image[start : start + step]
