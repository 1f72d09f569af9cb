"""What a detector, a scan or a program left in the pixels: mended where that can be done, blanked where it cannot.

This is the one door to the pixels of a frame: finding, measuring and the patches of the network all count in the image
that `repaired` gives, never in the one of the file, which stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_atomicity.detection.marks import burned_in
from napari_atomicity.detection.sides import blank_frame, data_bars

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

#: a gap is filled where none of its pixels is farther than this from data
_FILLED_NM: Final = 0.05
#: a hot pixel exceeds its neighbours by this many times the height of the brightest thing that is wider than a pixel,
#: which no atom does, however coarse the pixels; a dead one falls below them by more than such a height
_HOT: Final = 2.5
_DEAD: Final = 0.7
#: and by this many times what neighbouring pixels differ by, all but one in fifty of them
_OVER_NOISE: Final = 5.0
#: a line is dead or hot where it lies off the lines around it by this many times the noise of single pixels
_LINE_OFF: Final = 3.0
#: lines next to each other that can be told from the image
_LINES_TOGETHER: Final = 3
#: more than this share of the pixels are no outliers
_MOST_OUTLIERS: Final = 0.02
_SAMPLE: Final = 1_000_000


@dataclass(frozen=True)
class Repaired:
    """A frame as it is counted.

    Attributes
    ----------
    image
        (y, x) float32, nan where nothing can be said. The very array that came in where nothing was repaired.
    said
        Sentences for people about what was repaired or blanked.
    missing
        Share of the pixels that hold no data.
    """

    image: Image
    said: tuple[str, ...] = ()
    missing: float = 0.0


def repaired(image: npt.NDArray[np.floating], pixel_size_nm: float) -> Repaired:
    """The image without single bad pixels, bad lines, burned-in labels and the empty frame of an aligned image.

    Hot and dead pixels, single lines and gaps narrower than 0.1 nm are filled from their neighbours; what is wider is
    nan. Repairing twice changes nothing more.

    Parameters
    ----------
    image
        (y, x) counts; nan, infinite or masked where there is no data.
    pixel_size_nm
        Side of a pixel, nm.
    """
    given = _as_floats(image)
    gaps = ~np.isfinite(given)
    n_gaps = int(np.count_nonzero(gaps))
    if min(given.shape) < 8 or n_gaps == given.size or _constant(given, gaps if n_gaps else None):
        return Repaired(given, missing=n_gaps / max(given.size, 1))
    said = []
    image = np.where(gaps, np.nan, given) if n_gaps else given
    for find, words in (
        (data_bars, "A data bar at the side of the image is left out."),
        (blank_frame, "An empty frame of one value around the image is left out."),
        (burned_in, "A burned-in scale bar or label is left out."),
    ):
        covered = find(image)
        if covered is not None:
            image = np.where(covered, np.nan, image)
            said.append(words)
    lines = _bad_lines(image)
    if any(len(each) for each in lines):
        image = image.copy() if image is given else image
        image[lines[0]], image[:, lines[1]] = np.nan, np.nan
        said.append(f"{_lines_in_words(*lines)} hot or dead and filled from the neighbours.")
    image, hot, dead = _without_outliers(image)
    for number, kind in ((hot, "hot"), (dead, "dead")):
        if number:
            said.append(f"{_count(number, f'{kind} pixel')} replaced by the value of the neighbours.")
    if image is given:
        return Repaired(given)
    image, filled = _filled(image, max(1.0, _FILLED_NM / pixel_size_nm))
    ours = int(np.count_nonzero(filled & gaps)) if n_gaps else 0
    if ours:
        said.insert(0, f"{_count(ours, 'pixel')} without a number filled from the neighbours.")
    return Repaired(image, tuple(said), float(np.mean(np.isnan(image))))


def _as_floats(image: npt.NDArray[np.floating]) -> Image:
    """Single precision, masked values as nan."""
    if isinstance(image, np.ma.MaskedArray):
        image = np.ma.filled(image.astype(np.float64), np.nan)
    with np.errstate(over="ignore"):
        return np.asarray(image, dtype=np.float32)


def _constant(image: Image, gaps: Mask | None) -> bool:
    values = image if gaps is None else image[~gaps]
    return bool(values.min() == values.max())


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s were' if number > 1 else ' was'}"


def _lines_in_words(rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> str:
    kinds = ((len(rows), "row"), (len(columns), "column"))
    words = [f"{number} {name}{'s' * (number > 1)}" for number, name in kinds if number]
    return f"{' and '.join(words)} of the image {'are' if len(rows) + len(columns) > 1 else 'is'}"


def _typical_difference(image: Image, quantile: float) -> float:
    """Difference of neighbours along a line that this share of them stays below."""
    step = max(1, image.size // _SAMPLE)
    difference = np.abs(np.diff(image[::step], axis=1)).ravel()
    difference = difference[np.isfinite(difference)]
    if not len(difference):
        return 0.0
    usual = float(np.quantile(difference, quantile))
    some = difference[difference > 0]
    # few electrons: most pixels are equal, and one count is no outlier
    return usual or (float(np.median(some)) if len(some) else 0.0)


def _bad_lines(image: Image) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Numbers of the rows and of the columns that lie far off those around them."""
    noise = _typical_difference(image, 0.5) / 0.95
    return _bad_rows(image, noise), _bad_rows(image.T, noise)


def _bad_rows(image: Image, noise: float) -> npt.NDArray[np.int64]:
    height, width = image.shape
    if height < 4 * _LINES_TOGETHER or width < 16:
        return np.empty(0, dtype=np.int64)
    some = image[:, :: max(1, width // 512)]
    data = np.isfinite(some)
    enough = data.mean(axis=1) > 0.3
    level = np.full(height, np.nan)
    if enough.any():
        level[enough] = np.nanmedian(some[enough], axis=1)
    known = level[enough]
    off = np.abs(known - ndimage.median_filter(known, 2 * _LINES_TOGETHER + 1, mode="nearest"))
    scatter = np.median(off[off > 0]) if (off > 0).any() else 0.0
    bad = np.zeros(height, dtype=bool)
    bad[enough] = off > max(_LINE_OFF * noise, 12 * scatter)
    return np.flatnonzero(bad)


def _without_outliers(image: Image) -> tuple[Image, int, int]:
    """Single pixels that no probe can make, replaced by the median around them; and how many were hot and dead."""
    level, low, high = _range_of_what_is_wide(image)
    noise = _OVER_NOISE * _typical_difference(image, 0.98)
    too_high, too_low = max(_HOT * high, noise), max(_DEAD * high, noise)
    if noise == 0 or not np.isfinite(too_high):
        return image, 0, 0
    # no darker than the darkest thing that is wide: it may be the vacuum
    darkest = level - max(low, 0.3 * too_low, 0.4 * noise)
    hot = dead = 0
    # a second look at what lay beside another
    for _ in range(3):
        y, x = np.nonzero((image > level + too_high) | (image < darkest))
        if not len(y) or len(y) > _MOST_OUTLIERS * image.size:
            break
        around = _median_around(image, y, x)
        above = image[y, x] - around
        wrong = (above > too_high) | (above < -too_low)
        if not wrong.any():
            break
        if not hot + dead:
            image = image.copy()
        hot, dead = hot + int((wrong & (above > 0)).sum()), dead + int((wrong & (above < 0)).sum())
        image[y[wrong], x[wrong]] = around[wrong]
    return image, hot, dead


def _range_of_what_is_wide(image: Image) -> tuple[float, float, float]:
    """The level of the image, and how far squares of two pixels lie below and above it, all four of their pixels."""
    step = max(1, int(np.sqrt(image.size / _SAMPLE)))
    level = float(np.nanmedian(image[::step, ::step]))
    height, width = (n // 2 * 2 for n in image.shape)
    corners = [image[i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]
    lowest = np.fmin(np.fmin(corners[0], corners[1]), np.fmin(corners[2], corners[3]))
    highest = np.fmax(np.fmax(corners[0], corners[1]), np.fmax(corners[2], corners[3]))
    return level, level - float(np.nanmin(highest)), float(np.nanmax(lowest)) - level


def _median_around(image: Image, y: npt.NDArray[np.int64], x: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Median of the eight neighbours, of those that hold data."""
    padded = np.pad(image, 1, constant_values=np.nan)
    around = [padded[y + 1 + dy, x + 1 + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    ordered = np.sort(np.stack(around), axis=0)
    there = np.isfinite(ordered).sum(axis=0)
    middle = ordered[np.maximum(there - 1, 0) // 2, np.arange(len(y))]
    return np.where(there > 0, middle, image[y, x])


def _filled(image: Image, reach_px: float) -> tuple[Image, Mask]:
    """Narrow gaps filled with the mean of what is near, and where that was."""
    gaps = np.isnan(image)
    wide = ndimage.distance_transform_edt(gaps) > reach_px
    # a gap that is wide somewhere is no small gap anywhere
    narrow = gaps & ~ndimage.binary_propagation(wide, mask=gaps)
    y, x = np.nonzero(narrow)
    if not len(y):
        return image, narrow
    image = image.copy()
    half = int(np.ceil(reach_px)) + 1
    batch = 200_000
    values = np.concatenate(
        [_mean_around(image, y[k : k + batch], x[k : k + batch], half) for k in range(0, len(y), batch)]
    )
    image[y, x] = values
    return image, narrow


def _mean_around(
    image: Image, y: npt.NDArray[np.int64], x: npt.NDArray[np.int64], half: int
) -> npt.NDArray[np.float32]:
    """Mean of the pixels that hold data, the nearest counting most."""
    total, weight = np.zeros(len(y)), np.zeros(len(y))
    for dy in range(-half, half + 1):
        for dx in range(-half, half + 1):
            near = image[np.clip(y + dy, 0, image.shape[0] - 1), np.clip(x + dx, 0, image.shape[1] - 1)]
            there = np.isfinite(near)
            share = np.exp(-1.5 * (dy * dy + dx * dx)) + 1e-12
            total += np.where(there, share * near, 0)
            weight += share * there
    return np.asarray(total / np.maximum(weight, 1e-30), dtype=np.float32)
