"""Small or blurred letters, which no stroke tells from a cluster, but their standing in line does."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_atomicity.detection.labels import Box, Stroke, is_thin, whole_line
from napari_atomicity.detection.sides import SAMPLE_PX

Image = npt.NDArray[np.floating]

#: letters of any grey stand above one of these shares of the height of the brightest things, few of which are brighter
_SHARES: Final = (0.15, 0.25, 0.4, 0.6)
_BRIGHTEST: Final = 1e-4
#: above a share that more of the image exceeds, things run into one another
_CROWDED: Final = 0.25
#: pixels: a letter's height, and its least area
_HEIGHTS: Final = (8, 60)
_LEAST: Final = 8
#: a letter's width and the gap to the next one, in heights
_WIDTHS: Final = (0.1, 1.6)
_GAP: Final = 2.0
#: so many letters in line, whose upper and lower ends differ by a pixel at most, no clusters make by chance
_IN_LINE: Final = 4
#: what the greys of letters in line may differ by, as a share of what they stand out by, and their strokes' widths
_SAME_GREY: Final = 0.25
_SAME_WIDTH: Final = 0.35
#: they are not all of one width, and at least this share of all things of their height: of many alike, as in a lattice,
#: some stand in line; and where there are more things than one in so many pixels, most are noise
_OF_THEIR_HEIGHT: Final = 0.34
_PIXELS_EACH: Final = 650
#: gaps of a pixel are closed for every so many pixels of height
_GAPS: Final = 24
#: the rim of soft letters that is left out too, as a share of what they stand out by
_SOFT_RIM: Final = 0.5


def lines_of_letters(image: Image) -> list[Box]:
    """Bounding boxes (rows, columns) of lines of letters: thin, of one height, one grey, and side by side.

    Parameters
    ----------
    image
        (y, x) micrograph in counts; nan where there is no data.
    """
    step = max(1, int(np.sqrt(image.size / SAMPLE_PX)))
    level, top = np.nanquantile(image[::step, ::step], (0.5, 1 - _BRIGHTEST))
    boxes: list[Box] = []
    for share in _SHARES:
        above = image > level + share * (top - level)
        if top <= level or np.count_nonzero(above) > _CROWDED * image.size:
            continue
        lines = _lines(image, above, float(level))
        boxes += [whole_line(image, line, 0.0, _SOFT_RIM) for line in lines]
    return boxes


def _lines(image: Image, above: npt.NDArray[np.bool_], level: float) -> Iterator[list[Stroke]]:
    """Letters in line among what stands above a level."""
    areas, count = ndimage.label(above, np.ones((3, 3)))
    size = np.bincount(areas.ravel(), minlength=count + 1)
    size[0] = 0
    large = np.flatnonzero((size >= _LEAST) & (size <= _HEIGHTS[1] ** 2)).tolist()
    if len(large) * _PIXELS_EACH > image.size:
        return
    boxes: list[Box] = [(box[0], box[1]) for box in ndimage.find_objects(areas)]
    by_ends: dict[tuple[int, int], list[int]] = defaultdict(list)
    heights: Counter[int] = Counter()
    for number in large:
        rows, cols = boxes[number - 1]
        height = rows.stop - rows.start
        fits = _HEIGHTS[0] <= height <= _HEIGHTS[1]
        if fits and _WIDTHS[0] * height <= cols.stop - cols.start <= _WIDTHS[1] * height:
            by_ends[rows.start, rows.stop].append(number)
            heights[height] += 1
    for run in _runs(by_ends, boxes):
        thin = [number for number in run if is_thin(_closed(areas[boxes[number - 1]] == number))]
        letters = _alike(image, areas, [(number, boxes[number - 1]) for number in thin], level)
        across = [letter.box[1].stop - letter.box[1].start for letter in letters]
        if len(letters) >= _IN_LINE and max(across) - min(across) > 1:
            height = round(float(np.median([letter.height for letter in letters])))
            as_high = sum(heights[height + more] for more in (-1, 0, 1))
            if len(letters) >= _OF_THEIR_HEIGHT * as_high:
                yield letters


def _closed(part: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """A thing without the gaps that noise leaves in it: a disc with holes is as thin as a letter."""
    reach = max(1, len(part) // _GAPS)
    return np.asarray(
        ndimage.binary_closing(np.pad(part, reach), np.ones((3, 3), dtype=bool), reach)[reach:-reach, reach:-reach]
    )


def _runs(by_ends: dict[tuple[int, int], list[int]], boxes: list[Box]) -> list[list[int]]:
    """What has its ends in the same rows, one pixel more or less, and stands side by side."""
    runs: list[list[int]] = []
    for start, stop in sorted({(y - dy, z - dz) for y, z in by_ends for dy, dz in product((0, 1), (0, 1))}):
        together = [each for dy, dz in product((0, 1), (0, 1)) for each in by_ends.get((start + dy, stop + dz), ())]
        if len(together) < _IN_LINE:
            continue
        together.sort(key=lambda number: boxes[number - 1][1].start)
        sides = [boxes[number - 1][1] for number in together]
        ends = [k + 1 for k in range(len(sides) - 1) if sides[k + 1].start - sides[k].stop > _GAP * (stop - start)]
        parts = (together[a:b] for a, b in zip([0, *ends], [*ends, len(together)], strict=True))
        runs += [part for part in parts if len(part) >= _IN_LINE and part not in runs]
    return runs


def _alike(image: Image, areas: npt.NDArray[np.integer], letters: list[tuple[int, Box]], level: float) -> list[Stroke]:
    """Those that have the grey, and strokes of the width, of most."""
    if len(letters) < _IN_LINE:
        return []
    parts = [areas[box] == number for number, box in letters]
    greys = np.array([np.quantile(image[box][part], 0.75) for (_, box), part in zip(letters, parts, strict=True)])
    widths = np.array([ndimage.distance_transform_edt(np.pad(part, 1)).max() for part in parts])
    grey, width = np.median(greys), np.median(widths)
    alike = (np.abs(greys - grey) < _SAME_GREY * (grey - level)) & (
        np.abs(widths - width) <= max(1.0, _SAME_WIDTH * width)
    )
    return [Stroke(letters[k][1], float(greys[k]), sure=False, soft=True) for k in np.flatnonzero(alike).tolist()]
