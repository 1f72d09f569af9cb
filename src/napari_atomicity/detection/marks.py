"""Scale bars and labels burned into the pixels of a micrograph."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_atomicity.detection.labels import Box, labels
from napari_atomicity.detection.lettering import lines_of_letters
from napari_atomicity.detection.sides import SAMPLE_PX, all_four, typical_difference

Image = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

#: where pixels are no larger, no probe makes a step of this share of the height of the brightest thing within one pixel
_SHARP_NM: Final = 0.04
_STEP: Final = 0.6
#: and noise none of so many times what neighbours differ by, all but one in fifty of them
_OVER_NOISE: Final = 5.0
#: so many such steps near each other are letters
_STEPS: Final = 20
#: pixels between the steps of one mark, at most, and from its steps to where its soft rim ends
_BETWEEN: Final = 6
_RIM: Final = 3


def burned_in(image: Image) -> Mask | None:
    """Pixels of burned-in scale bars and labels; None where there are none.

    A bar is a filled rectangle, much longer than high, of pixels that all have the lowest or the highest value of
    the image; whatever else has one of these two values near it is its label. Strokes of any other grey, thin and
    of exactly one value where no two pixels of the micrograph are equal, are bars and letters wherever they stand; so
    are thin things of one height and one grey that stand in line.

    Parameters
    ----------
    image
        (y, x) micrograph in counts; nan where there is no data.
    """
    low, high = float(np.nanmin(image)), float(np.nanmax(image))
    marks: Mask | None = None
    extremes = [image == value for value in (high, low)]
    bars = [box for mask in extremes if _has_squares(mask) for box in _bars(mask)]
    if bars:
        marks = np.zeros(image.shape, dtype=bool)
        for rows, cols in bars:
            around = _around(rows, cols)
            marks[around] |= extremes[0][around] | extremes[1][around]
        # the soft rim that drawing programs leave around letters
        marks = ndimage.binary_closing(ndimage.binary_dilation(marks, iterations=2), iterations=2)
    del extremes
    for box in (*labels(image), *lines_of_letters(image)):
        marks = np.zeros(image.shape, dtype=bool) if marks is None else marks
        marks[box] = True
    return marks


def _has_squares(mask: Mask) -> bool:
    if np.count_nonzero(mask) < 40:
        return False
    return int(np.count_nonzero(all_four(mask))) >= 10


def _bars(mask: Mask) -> list[Box]:
    """Bounding boxes (rows, columns) of filled rectangles much longer than high."""
    labels, _ = ndimage.label(mask)
    found = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        height, width = (s.stop - s.start for s in box)
        filled = height * width >= 40 and np.mean(labels[box] == number) > 0.95
        # not the frame's own edge, where a detector may leave a dark or bright line
        if filled and width >= 4 * height and height >= 2 and width < 0.9 * mask.shape[1]:
            found.append((box[0], box[1]))
    return found


def _around(rows: slice, cols: slice) -> Box:
    """Where a bar's label may stand: within half its length above or below, and as far to its sides."""
    reach = (cols.stop - cols.start) // 2
    return (
        slice(max(0, rows.start - reach), rows.stop + reach),
        slice(max(0, cols.start - reach), cols.stop + reach),
    )


def sharp_marks(image: Image, pixel_size_nm: float) -> Mask | None:
    """Letters and lines with soft edges, known by steps that are too steep for a probe; None where there are none.

    Parameters
    ----------
    image
        (y, x) micrograph in counts without hot pixels; nan where there is no data.
    pixel_size_nm
        Side of a pixel, nm.
    """
    if pixel_size_nm > _SHARP_NM:
        return None
    some = max(1, int(np.sqrt(image.size / SAMPLE_PX)))
    height = float(np.nanmax(image)) - float(np.nanmedian(image[::some, ::some]))
    steep = max(_STEP * height, _OVER_NOISE * typical_difference(image, 0.98))
    down, across = _steps(image[:-1], image[1:], steep), _steps(image[:, :-1], image[:, 1:], steep)
    if not steep or np.count_nonzero(down) + np.count_nonzero(across) < _STEPS:
        return None
    places = np.concatenate([np.argwhere(down), np.argwhere(across)])
    marks = np.zeros(image.shape, dtype=bool)
    # what is near is found on a grid of a few pixels: the image may be large, and the steps few
    coarse = np.zeros([n // _BETWEEN + 1 for n in image.shape], dtype=np.int64)
    np.add.at(coarse, tuple(places.T // _BETWEEN), 1)
    areas, n = ndimage.label(ndimage.binary_dilation(coarse > 0, np.ones((3, 3), dtype=bool)), np.ones((3, 3)))
    steps = np.bincount(areas.ravel(), coarse.ravel(), n + 1)
    marks[tuple(places[steps[areas[tuple(places.T // _BETWEEN)]] >= _STEPS].T)] = True
    for number, box in enumerate(ndimage.find_objects(areas), start=1):
        if steps[number] < _STEPS:
            continue
        part = marks[tuple(slice(side.start * _BETWEEN, side.stop * _BETWEEN) for side in box)]
        part[:] = _covered(part)
    return marks if marks.any() else None


def _covered(steps: Mask) -> Mask:
    """The letters between their steps, with their rim."""
    wide = np.pad(steps, _BETWEEN + _RIM)
    closed = ndimage.binary_closing(wide, np.ones((3, 3), dtype=bool), iterations=_BETWEEN)
    inner = slice(_BETWEEN + _RIM, -_BETWEEN - _RIM)
    return np.asarray(ndimage.binary_dilation(closed, iterations=_RIM)[inner, inner])


def _steps(first: Image, second: Image, steep: float) -> Mask:
    """Where two images differ by more than that."""
    apart = second - first
    np.abs(apart, out=apart)
    return np.asarray(apart > steep)
