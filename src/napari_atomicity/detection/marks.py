"""Scale bars and labels burned into the pixels of a micrograph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_atomicity.detection.labels import Box, all_four, labels

Image = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]


def burned_in(image: Image) -> Mask | None:
    """Pixels of burned-in scale bars and labels; None where there are none.

    A bar is a filled rectangle, much longer than high, of pixels that all have the lowest or the highest value of
    the image; whatever else has one of these two values near it is its label. Strokes of any other grey, thin and
    of exactly one value where no two pixels of the micrograph are equal, are bars and letters wherever they stand.

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
    for box in labels(image):
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
