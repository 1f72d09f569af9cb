"""Areas inside an image that a program filled with one value: masked, cut out or never scanned."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_atomicity.detection.labels import Box
from napari_atomicity.detection.sides import squares_of_one_value

Image = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

#: squares of two by two pixels of one value together, at least
_LEAST: Final = 100
#: around it hardly any are of one value: a smooth image has areas of one value of its own, side by side
_FLAT_AROUND: Final = 0.1
_AROUND: Final = 4
#: what covers more than this is a background that was taken off
_MOST: Final = 0.5
#: what hardly any pixel exceeds is the full scale of a detector; what hardly any falls below is where it was clipped,
#: if so many other pixels, for one of the area, were clipped too
_HARDLY_ANY: Final = 1e-4
_CLIPPED_TOO: Final = 0.01
#: interpolating mixes the area with the image next to it
_RIM: Final = 2


def plateaus(image: Image) -> tuple[Mask, str] | None:
    """Areas of exactly one value, with a sentence that says how much of the image they hide; None without any.

    Parameters
    ----------
    image
        (y, x) micrograph in counts; nan where there is no data.
    """
    squares = squares_of_one_value(image)
    if np.count_nonzero(squares) < _LEAST:
        return None
    areas, count = ndimage.label(squares)
    size = np.bincount(areas.ravel(), minlength=count + 1)
    size[0] = 0
    boxes = ndimage.find_objects(areas)
    hidden = np.zeros(image.shape, dtype=bool)
    for number in np.flatnonzero((size >= _LEAST) & (size < _MOST * image.size)).tolist():
        rows, cols = boxes[number - 1]
        part = areas[rows, cols] == number
        grey = float(image[rows, cols][part][0])
        if _is_rough_around(squares, areas, number, (rows, cols)) and not _is_clipped(image, grey, int(size[number])):
            whole = hidden[rows.start : rows.stop + 1, cols.start : cols.stop + 1]
            for dy in (0, 1):
                for dx in (0, 1):
                    whole[dy : dy + part.shape[0], dx : dx + part.shape[1]] |= part
    if not hidden.any():
        return None
    number = int(ndimage.label(hidden)[1])
    what = "An area" if number == 1 else f"{number} areas"
    said = f"{what} of one value, {hidden.mean():.1%} of the image, {'hides' if number == 1 else 'hide'} what is there"
    return ndimage.binary_dilation(hidden, iterations=_RIM), f"{said}: nothing is counted in it."


def _is_rough_around(squares: Mask, areas: npt.NDArray[np.integer], number: int, box: Box) -> bool:
    """Whether the image beside an area is rough."""
    rows, cols = (slice(max(0, side.start - _AROUND - 1), side.stop + _AROUND + 1) for side in box)
    inside = areas[rows, cols] == number
    ring = ndimage.binary_dilation(inside, iterations=_AROUND) & ~ndimage.binary_dilation(inside)
    return bool(ring.any() and squares[rows, cols][ring].mean() < _FLAT_AROUND)


def _is_clipped(image: Image, grey: float, size: int) -> bool:
    """Whether a detector or a program ended its range at a grey, of which an area has a size."""
    n = np.count_nonzero(np.isfinite(image))
    if np.count_nonzero(image > grey) < _HARDLY_ANY * n:
        return True
    if np.count_nonzero(image < grey) >= _HARDLY_ANY * n:
        return False
    same = image == grey
    together = ndimage.binary_dilation(ndimage.binary_opening(same, np.ones((3, 3), dtype=bool)), iterations=_RIM)
    return bool(np.count_nonzero(same & ~together) > _CLIPPED_TOO * size)
