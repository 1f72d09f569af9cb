"""Scale bars and labels that were burned into the pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Mask = npt.NDArray[np.bool_]


def burned_in(image: npt.NDArray[np.floating]) -> Mask | None:
    """Pixels of a burned-in scale bar, its label and its box; None where there is none.

    A bar is a filled rectangle, much longer than high, of pixels that all have the lowest or the highest value of
    the image; whatever else has one of these two values near it is its label.

    Parameters
    ----------
    image
        (y, x) micrograph in counts.
    """
    extremes = [image == value for value in (np.nanmax(image), np.nanmin(image))]
    bars = [box for mask in extremes if np.count_nonzero(mask) >= 40 for box in _bars(mask)]
    if not bars:
        return None
    marks = np.zeros(image.shape, dtype=bool)
    for rows, cols in bars:
        around = _around(rows, cols)
        marks[around] |= extremes[0][around] | extremes[1][around]
    # the soft rim that drawing programs leave around letters
    return np.asarray(ndimage.binary_closing(ndimage.binary_dilation(marks, iterations=2), iterations=2))


def _bars(mask: Mask) -> list[tuple[slice, slice]]:
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


def _around(rows: slice, cols: slice) -> tuple[slice, slice]:
    """Where a bar's label may stand: within half its length above or below, and as far to its sides."""
    reach = (cols.stop - cols.start) // 2
    return (
        slice(max(0, rows.start - reach), rows.stop + reach),
        slice(max(0, cols.start - reach), cols.stop + reach),
    )
