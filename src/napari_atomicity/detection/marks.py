"""Scale bars and labels burned into the pixels of a micrograph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Image = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
Box = tuple[slice, slice]

#: squares of two pixels of one value that make a stroke; noise leaves no four of them together
_STROKE: Final = 20
#: where more than this share of the squares is of one value the image has flat areas of its own
_FLAT_OF_ITS_OWN: Final = 0.005
#: neighbours of 8-bit images that differ by no more may be one grey after JPEG
_AFTER_JPEG: Final = 2.0
_JPEG_BLOCK: Final = 8
#: area over that of the largest circle inside: a letter's is large, that of a saturated cluster is not
_THIN: Final = 2.5
#: a stroke stands out of what is around it by this share of the range of the image
_SHARP: Final = 0.1
#: strokes of the highest or the lowest value, as saturated clusters have, are letters where this many stand together
_IN_LINE: Final = 4


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
    for box in _labels(image, low, high):
        marks = np.zeros(image.shape, dtype=bool) if marks is None else marks
        marks[box] = True
    return marks


def _has_squares(mask: Mask) -> bool:
    if np.count_nonzero(mask) < 40:
        return False
    pairs = mask[1:] & mask[:-1]
    return int(np.count_nonzero(pairs[:, 1:] & pairs[:, :-1])) >= 10


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


@dataclass(frozen=True)
class _Stroke:
    box: Box
    grey: float
    #: whether it has the highest or the lowest value of the image
    extreme: bool

    @property
    def height(self) -> int:
        return int(self.box[0].stop - self.box[0].start)

    def starts_in(self, rows: slice, cols: slice) -> bool:
        """Whether its first corner lies in a box."""
        y, x = self.box[0].start, self.box[1].start
        return bool(rows.start <= y < rows.stop and cols.start <= x < cols.stop)

    def grown(self, shape: tuple[int, ...]) -> Box:
        """With as much space around as parts letters of one line."""
        reach = max(3, round(0.6 * min(self.height, self.box[1].stop - self.box[1].start + self.height // 2)))
        rows, cols = (
            slice(max(0, side.start - reach), min(n, side.stop + reach))
            for side, n in zip(self.box, shape, strict=True)
        )
        return rows, cols


def _labels(image: Image, low: float, high: float) -> list[Box]:
    """Bounding boxes of lines of text and of bars of any grey."""
    strokes: list[_Stroke] = []
    for tolerance in (0.0, _AFTER_JPEG) if _is_8_bit(low, high) else (0.0,):
        strokes += _strokes(image, low, high, tolerance)
    if not strokes:
        return []
    area = np.zeros(image.shape, dtype=bool)
    for stroke in strokes:
        area[stroke.grown(image.shape)] = True
    boxes = []
    for rows, cols in ndimage.find_objects(ndimage.label(area)[0]):
        here = [s for s in strokes if s.starts_in(rows, cols)]
        heights = np.array([s.height for s in here if s.extreme])
        alike = len(heights) >= _IN_LINE and np.mean(np.abs(heights / np.median(heights) - 1) < 0.4) > 0.6
        if alike or not all(s.extreme for s in here):
            boxes.append((rows, cols))
    return boxes


def _is_8_bit(low: float, high: float) -> bool:
    return low >= 0 and high <= 255 and high > 1


def _strokes(image: Image, low: float, high: float, tolerance: float) -> Iterator[_Stroke]:
    """Thin areas of one value, to within a tolerance, that stand out sharply of what is around."""
    squares = _squares_of_one_value(image, tolerance)
    if np.count_nonzero(squares) < _STROKE:
        return
    at_an_end = (image[1:, 1:] <= low + tolerance) | (image[1:, 1:] >= high - tolerance)
    use_greys = np.count_nonzero(squares & ~at_an_end) < _FLAT_OF_ITS_OWN * image.size
    if not use_greys:
        squares &= at_an_end
    labels, count = ndimage.label(squares, np.ones((3, 3)))
    size = np.bincount(labels.ravel(), minlength=count + 1)
    for number, (rows, cols) in enumerate(ndimage.find_objects(labels), start=1):
        box = (rows, cols)
        if size[number] < _STROKE:
            continue
        part = labels[box] == number
        if not _is_thin(part) or _is_jpeg_block(part, box):
            continue
        grey = float(np.median(image[1:, 1:][box][part]))
        around = _ring(image, labels, number, box)
        if not len(around) or np.median(np.abs(around - grey)) < _SHARP * (high - low):
            continue
        yield _Stroke(
            (slice(rows.start, rows.stop + 1), slice(cols.start, cols.stop + 1)),
            grey,
            not low + tolerance < grey < high - tolerance,
        )


def _squares_of_one_value(image: Image, tolerance: float) -> Mask:
    """Which squares of two pixels, named by their first corner, are of one value."""
    with np.errstate(invalid="ignore"):
        if tolerance:
            across = np.abs(image[:, 1:] - image[:, :-1]) <= tolerance
            down = np.abs(image[1:] - image[:-1]) <= tolerance
        else:
            across, down = image[:, 1:] == image[:, :-1], image[1:] == image[:-1]
    return np.asarray(across[1:] & across[:-1] & down[:, 1:])


def _is_thin(part: Mask) -> bool:
    depth = ndimage.distance_transform_edt(np.pad(part, 1))
    return bool(np.count_nonzero(part) > _THIN * np.pi * float(depth.max()) ** 2)


def _is_jpeg_block(part: Mask, box: Box) -> bool:
    """One grey, or several side by side, that JPEG made of a smooth area."""
    whole = all(side.start % _JPEG_BLOCK == 0 and (side.stop + 1) % _JPEG_BLOCK == 0 for side in box)
    return whole and part.mean() > 0.7


def _ring(image: Image, labels: npt.NDArray[np.integer], number: int, box: Box) -> Image:
    """Pixels two to three away from a stroke."""
    rows, cols = (slice(max(0, side.start - 4), side.stop + 4) for side in box)
    part = labels[rows, cols] == number
    near = ndimage.binary_dilation(part, iterations=2)
    values = image[1:, 1:][rows, cols][ndimage.binary_dilation(near, iterations=2) & ~near]
    return values[np.isfinite(values)]
