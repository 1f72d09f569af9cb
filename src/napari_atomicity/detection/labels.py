"""Text and bars of any grey that were drawn over the pixels of a micrograph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_atomicity.detection.sides import SAMPLE_PX, all_four, squares_of_one_value, typical_difference

Image = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
Box = tuple[slice, slice]

#: squares of two by two pixels that make a stroke; noise leaves no five of one value together
_STROKE: Final = 20
_SOFT_STROKE: Final = 10
#: where more than this share of the pixels belong to smaller areas of one value the image has flat areas of its own
_FLAT_OF_ITS_OWN: Final = 0.003
#: area over that of the largest circle inside: a letter's is large, that of a saturated cluster is not
_THIN: Final = 2.5
_JPEG_BLOCK: Final = 8
#: as shares of the range of the image: how far a stroke of one value stands out of what is around it, how far one that
#: is soft or went through JPEG does, how bright that is, what its middle half spans, and what a letter does
_SHARP: Final = 0.1
_SHARP_IF_SOFT: Final = 0.25
_BRIGHT: Final = 0.6
_EVEN: Final = 0.06
_SAME_GREY: Final = 0.04
#: strokes that a micrograph could have, as saturated clusters do, are letters where so many alike stand in line
_IN_LINE: Final = 3
_IN_LINE_IF_SOFT: Final = 4
#: letters cover the noise: neighbours in so many pixels on end, upright or along, differ by less than this share of
#: what half of all neighbours differ by; a stroke stands out by so many times that
_STILL_PX: Final = 8
_STILL: Final = 0.3
_STANDS_OUT: Final = 2.0
_SOFT_RIM: Final = 0.4
#: what is left of a letter one pixel outside it and two outside, together, as a share of what it stands out by; a probe
#: leaves more of a cluster that was clipped. The level around either is that of pixels so far outside
_FALLS: Final = 0.7
_AROUND: Final = (4, 9)
#: a bright stroke of which this share is saturated is one of those
_CLIPPED: Final = 0.3
#: share of the pixels that may lie above the full scale of a detector
_EXCEED: Final = 1e-4
#: letters beside these that may be missed
_LETTERS_MORE: Final = 4


@dataclass(frozen=True)
class Stroke:
    """A letter, a part of one, or a bar."""

    box: Box
    grey: float
    #: whether no pixels of a micrograph could make it
    sure: bool
    soft: bool

    @property
    def height(self) -> int:
        """Rows from its upper to its lower end."""
        return int(self.box[0].stop - self.box[0].start)

    def _starts_in(self, rows: slice, cols: slice) -> bool:
        y, x = self.box[0].start, self.box[1].start
        return bool(rows.start <= y < rows.stop and cols.start <= x < cols.stop)


def labels(image: Image) -> list[Box]:
    """Bounding boxes (rows, columns) of lines of text and of bars.

    Parameters
    ----------
    image
        (y, x) micrograph in counts; nan where there is no data.
    """
    low, high = float(np.nanmin(image)), float(np.nanmax(image))
    boxes: list[Box] = []
    for strokes in (list(_of_one_value(image, low, high)), list(_bright(image, low, high))):
        together = [line for line in _lines(strokes, image.shape) if _is_text(line, high - low)]
        boxes += [whole_line(image, line, _SAME_GREY * (high - low)) for line in together]
    for line in _lines(list(_still(image)), image.shape):
        if _is_text(line, high - low):
            boxes.append(whole_line(image, line, _SAME_GREY * (high - low), _SOFT_RIM))
    return boxes


def _of_one_value(image: Image, low: float, high: float) -> Iterator[Stroke]:
    """Strokes of exactly one value, where no two pixels of a micrograph are equal but by chance."""
    squares = squares_of_one_value(image)
    if np.count_nonzero(squares) < _STROKE:
        return
    inner = (image[1:, 1:] > low) & (image[1:, 1:] < high)
    areas, count = ndimage.label(squares, np.ones((3, 3)))
    size = np.bincount(areas[squares], minlength=count + 1)
    # an image that has a few pixels of one value everywhere has larger areas of one value too
    specks = np.count_nonzero(size[areas[squares & inner]] < _STROKE // 3)
    greys_are_sure = specks < _FLAT_OF_ITS_OWN * image.size
    for stroke in _strokes(image, areas, size, _SHARP * (high - low), soft=False):
        # black letters are no clusters, and what a program clipped has their value
        if stroke.grey == high or (stroke.grey > low and greys_are_sure):
            yield Stroke(stroke.box, stroke.grey, sure=stroke.grey < high, soft=False)


def _bright(image: Image, low: float, high: float) -> Iterator[Stroke]:
    """Bright strokes of nearly one value: small letters with soft edges, and what JPEG leaves of larger ones."""
    squares = all_four(image >= low + _BRIGHT * (high - low))
    if np.count_nonzero(squares) < _IN_LINE_IF_SOFT * _SOFT_STROKE:
        return
    areas, count = ndimage.label(squares, np.ones((3, 3)))
    size = np.bincount(areas[squares], minlength=count + 1)
    saturated = all_four(image == high)
    for stroke in _strokes(image, areas, size, _SHARP_IF_SOFT * (high - low), soft=True):
        part = squares[stroke.box]
        clipped = part & saturated[stroke.box]
        if np.count_nonzero(clipped) > _CLIPPED * np.count_nonzero(part):
            is_letter = _falls_at_once(image, clipped, stroke.box, stroke.grey)
        else:
            values = image[1:, 1:][stroke.box][part]
            is_letter = bool(np.subtract(*np.quantile(values, (0.75, 0.25))) < _EVEN * (high - low))
        if is_letter:
            yield stroke


def _still(image: Image) -> Iterator[Stroke]:
    """Strokes of any grey, soft or sharp, without the noise of the image: thicker ones than three pixels or so."""
    typical, top = typical_difference(image, 0.5), _top(image)
    still = np.zeros(image.shape, dtype=bool)
    for axis in (0, 1):
        _mark_runs(image, axis, _STILL * typical, top, still)
    if np.count_nonzero(still) < _STROKE:
        return
    areas, count = ndimage.label(still, np.ones((3, 3)))
    size = np.bincount(areas.ravel(), minlength=count + 1)
    size[0] = 0
    # an image without noise of its own is still everywhere
    if size[size < _STROKE].sum() > _FLAT_OF_ITS_OWN * image.size:
        return
    for number, (rows, cols) in enumerate(ndimage.find_objects(areas), start=1):
        if size[number] < _STROKE:
            continue
        part = areas[rows, cols] == number
        grey = float(np.median(image[rows, cols][part]))
        around = _ring(image, areas, number, (rows, cols))
        if is_thin(part) and len(around) and grey - np.median(around) > _STANDS_OUT * typical:
            yield Stroke((rows, cols), grey, sure=False, soft=True)


def _top(image: Image) -> float:
    """Where the image is clipped, which a few hot pixels may exceed; else its highest value."""
    step = max(1, int(np.sqrt(image.size / SAMPLE_PX)))
    values = image[::step, ::step]
    values = values[np.isfinite(values)]
    top = float(np.quantile(values, 1 - _EXCEED, method="lower"))
    return top if np.count_nonzero(values == top) > 2 * _EXCEED * len(values) else float(np.nanmax(image))


def _mark_runs(image: Image, axis: int, tolerance: float, top: float, marked: Mask) -> None:
    """Mark pixels of runs along an axis in which neighbours differ by no more than a tolerance."""
    first, second = (image[:-1], image[1:]) if axis == 0 else (image[:, :-1], image[:, 1:])
    apart = second - first
    # what is clipped is still as well
    alike = (np.abs(apart, out=apart) <= tolerance) & (second < top)
    length, runs = 1, alike
    while length < _STILL_PX - 1 and runs.size:
        step = min(length, _STILL_PX - 1 - length)
        runs = runs[step:] & runs[:-step] if axis == 0 else runs[:, step:] & runs[:, :-step]
        length += step
    y, x = np.nonzero(runs)
    for k in range(_STILL_PX):
        marked[(y + k, x) if axis == 0 else (y, x + k)] = True


def _strokes(
    image: Image, areas: npt.NDArray[np.integer], size: npt.NDArray[np.integer], sharp: float, soft: bool
) -> Iterator[Stroke]:
    """Of numbered areas of squares those that are thin and end suddenly."""
    for number, (rows, cols) in enumerate(ndimage.find_objects(areas), start=1):
        if size[number] < (_SOFT_STROKE if soft else _STROKE):
            continue
        part = areas[rows, cols] == number
        if not is_thin(part) or _is_jpeg_block(part, (rows, cols)):
            continue
        grey = float(np.median(image[1:, 1:][rows, cols][part]))
        around = _ring(image[1:, 1:], areas, number, (rows, cols))
        ends = len(around) and np.median(np.abs(around - grey)) > sharp
        if ends and (soft or _falls_at_once(image, part, (rows, cols), grey)):
            yield Stroke((rows, cols), grey, sure=False, soft=soft)


def _falls_at_once(image: Image, part: Mask, box: Box, grey: float) -> bool:
    """Whether a stroke ends within a pixel or so, as letters do; a clipped cluster has a flank as wide as the probe."""
    y, x = (side.start for side in box)
    rows, cols = _grown(box, image.shape, _AROUND[1] + 1, _AROUND[1] + 1)
    inside = np.zeros((rows.stop - rows.start, cols.stop - cols.start), dtype=bool)
    inside[y - rows.start :, x - cols.start :][: part.shape[0], : part.shape[1]] = part
    # squares are named by their first corner
    inside = ndimage.binary_dilation(inside, np.ones((2, 2), dtype=bool), origin=-1)
    away, values = ndimage.distance_transform_edt(~inside), image[rows, cols]
    around = values[(away > _AROUND[0]) & (away <= _AROUND[1]) & np.isfinite(values)]
    level = float(np.quantile(around, 0.25)) if len(around) else grey
    left = [np.nanmedian(values[(away > start) & (away <= stop)]) - level for start, stop in ((0, 1), (1.5, 2.3))]
    return bool(grey <= level or sum(left) < _FALLS * (grey - level))


def is_thin(part: Mask) -> bool:
    """Whether an area is much larger than the largest circle inside."""
    depth = ndimage.distance_transform_edt(np.pad(part, 1))
    return bool(np.count_nonzero(part) > _THIN * np.pi * float(depth.max()) ** 2)


def _is_jpeg_block(part: Mask, box: Box) -> bool:
    """One grey, or several side by side, that JPEG made of a smooth area."""
    whole = all(side.start % _JPEG_BLOCK == 0 and (side.stop + 1) % _JPEG_BLOCK == 0 for side in box)
    return bool(whole and part.mean() > 0.7)


def _ring(image: Image, areas: npt.NDArray[np.integer], number: int, box: Box) -> Image:
    """Pixels three to four away from a stroke."""
    rows, cols = (slice(max(0, side.start - 4), side.stop + 4) for side in box)
    near = ndimage.binary_dilation(areas[rows, cols] == number, iterations=2)
    values = image[rows, cols][ndimage.binary_dilation(near, iterations=2) & ~near]
    return np.asarray(values[np.isfinite(values)])


def _lines(strokes: list[Stroke], shape: tuple[int, ...]) -> Iterator[list[Stroke]]:
    """Strokes that stand side by side, no farther apart than words."""
    area = np.zeros(shape, dtype=bool)
    for stroke in strokes:
        area[_grown(stroke.box, shape, max(3, round(0.4 * stroke.height)), max(3, 2 * stroke.height))] = True
    if strokes:
        for rows, cols in ndimage.find_objects(ndimage.label(area)[0]):
            yield [stroke for stroke in strokes if stroke._starts_in(rows, cols)]


def _grown(box: Box, shape: tuple[int, ...], down: int, aside: int) -> Box:
    rows, cols = (
        slice(max(0, side.start - reach), min(n, side.stop + reach))
        for side, n, reach in zip(box, shape, (down, aside), strict=True)
    )
    return rows, cols


def _is_text(strokes: list[Stroke], span: float) -> bool:
    """One stroke that no micrograph has is enough; of others several alike are needed."""
    if any(stroke.sure for stroke in strokes):
        return True
    heights, greys = np.array([s.height for s in strokes]), np.array([s.grey for s in strokes])
    alike = (np.abs(heights / np.median(heights) - 1) < 0.4) & (np.abs(greys - np.median(greys)) < _SHARP * span)
    needed = _IN_LINE_IF_SOFT if strokes[0].soft else _IN_LINE
    return bool(alike.sum() >= needed and alike.mean() > 0.6)


def whole_line(image: Image, strokes: list[Stroke], tolerance: float, soft: float = 0.0) -> Box:
    """The box of all strokes with the rim of the letters, and with letters beside them that fall apart.

    Parameters
    ----------
    image
        (y, x) micrograph in counts; nan where there is no data.
    strokes
        Those that are known.
    tolerance
        By how much letters beside them may be darker.
    soft
        And by which share of what the strokes stand out by.
    """
    grey, height = float(np.median([s.grey for s in strokes])), int(np.median([s.height for s in strokes]))
    first = slice(min(s.box[0].start for s in strokes), max(s.box[0].stop for s in strokes) + 1)
    along = slice(min(s.box[1].start for s in strokes), max(s.box[1].stop for s in strokes) + 1)
    rows, cols = _grown((first, along), image.shape, 3, 3)
    reach = round((1 + soft) * height)
    darker = tolerance + soft * max(
        0.0, grey - float(np.nanmedian(image[_grown((rows, cols), image.shape, reach, reach)]))
    )
    for _ in range(_LETTERS_MORE):
        wide = slice(max(0, cols.start - reach), min(image.shape[1], cols.stop + reach))
        apart = image[rows, wide] - grey
        like = all_four((apart <= tolerance) & (apart >= -darker))
        columns = np.flatnonzero(np.count_nonzero(like, axis=0) >= 3)
        if not len(columns):
            break
        start = max(0, min(wide.start + int(columns[0]) - 2, cols.start))
        stop = max(wide.start + int(columns[-1]) + 4, cols.stop)
        if (start, stop) == (cols.start, cols.stop):
            break
        cols = slice(start, stop)
    return rows, cols
