"""What a detector, a scan or a program left in the pixels: mended where that can be done, blanked where it cannot.

This is the one door to the pixels of a frame: finding, measuring and the patches of the network all count in the image
that `repaired` gives, never in the one of the file, which stays as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_atomicity.detection.gaps import with_narrow_gaps_filled
from napari_atomicity.detection.marks import burned_in, sharp_marks
from napari_atomicity.detection.plateaus import plateaus
from napari_atomicity.detection.sides import SAMPLE_PX, blank_frame, data_bars, typical_difference
from napari_atomicity.detection.strips import edge_strips

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

#: a hot pixel exceeds its neighbours by this many times the height of the brightest thing that is wider than a pixel,
#: which no atom does, however coarse the pixels; a dead one falls below them by more than such a height
_HOT: Final = 2.5
_HOT_IF_COARSE: Final = 4.0
_DEAD: Final = 0.7
#: and by this many times what neighbouring pixels differ by, all but one in fifty of them
_OVER_NOISE: Final = 5.0
#: several pixels of the very lowest value are dead where they fall below their neighbours by this many times what
#: half of all neighbours differ by
_STUCK: Final = 8.0
#: images of fewer levels have many pixels of the lowest one, be it by clipping or by what JPEG overshoots
_FEW_LEVELS: Final = 256
#: a line is dead or hot where it lies off the lines around it by this many times the noise of single pixels
_LINE_OFF: Final = 3.0
#: all but this share of its pixels do so by this much of that
_ALL_ALONG: Final = 0.2
_AS_FAR_OFF: Final = 0.25
_BURNED_IN: Final = "A burned-in scale bar or label is left out."
#: lines next to each other that can be told from the image
_LINES_TOGETHER: Final = 3
#: more than this share of the pixels are no outliers
_MOST_OUTLIERS: Final = 0.02
#: where pixels are no larger, even four by four are no wider than an atom
_FINE_NM: Final = 0.05


def _said(find: Callable[[Image], Mask | None], sentence: str) -> Callable[[Image], tuple[Mask, str] | None]:
    """What finds pixels that are left out, together with the sentence about them."""

    def look(image: Image) -> tuple[Mask, str] | None:
        covered = find(image)
        return None if covered is None else (covered, sentence)

    return look


#: in this order: letters on a bar are the bar's, and what is saturated of a bright strip is the strip's
_LEFT_OUT: Final = (
    _said(data_bars, "A data bar at the side of the image is left out."),
    edge_strips,
    _said(blank_frame, "An empty frame of one value around the image is left out."),
    _said(burned_in, _BURNED_IN),
    plateaus,
)


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
    # a frame that is searched is cut into patches next, and looking takes as long as counting; no pixels are kept
    key = None if isinstance(image, np.ma.MaskedArray) else content_of(image, pixel_size_nm)
    if key is not None and key in _SOUND:
        return Repaired(_as_floats(image))
    result = _repaired(image, pixel_size_nm)
    if key is not None and not result.said and not result.missing:
        _SOUND.clear()
        _SOUND.add(key)
    return result


#: the last image in which nothing was found, told by its content
_SOUND: Final[set[bytes]] = set()


def content_of(image: npt.NDArray[np.floating], pixel_size_nm: float) -> bytes:
    """What tells an image apart from all others.

    Parameters
    ----------
    image
        (y, x) counts.
    pixel_size_nm
        Side of a pixel, nm.
    """
    digest = hashlib.blake2b(repr((image.shape, image.dtype.str, float(pixel_size_nm))).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def _repaired(image: npt.NDArray[np.floating], pixel_size_nm: float) -> Repaired:
    given = _as_floats(image)
    gaps = ~np.isfinite(given)
    n_gaps = int(np.count_nonzero(gaps))
    if min(given.shape) < 8 or n_gaps == given.size or _constant(given, gaps if n_gaps else None):
        return Repaired(given, missing=n_gaps / max(given.size, 1))
    said = []
    image = np.where(gaps, np.nan, given) if n_gaps else given
    for look in _LEFT_OUT:
        found = look(image)
        if found is not None:
            image = np.where(found[0], np.nan, image)
            said.append(found[1])
    lines = _bad_lines(image)
    if any(len(each) for each in lines):
        image = image.copy() if image is given else image
        image[lines[0]], image[:, lines[1]] = np.nan, np.nan
        said.append(f"{_lines_in_words(*lines)} hot or dead and filled from the neighbours.")
    image, hot, dead = _without_outliers(image, pixel_size_nm)
    covered = sharp_marks(image, pixel_size_nm)
    if covered is not None:
        image = np.where(covered, np.nan, image)
        said += [_BURNED_IN] * (_BURNED_IN not in said)
    for number, kind in ((hot, "hot"), (dead, "dead")):
        if number:
            said.append(f"{_count(number, f'{kind} pixel', f'{kind} pixels')} replaced by the value of the neighbours.")
    if image is given:
        return Repaired(given)
    image, filled = with_narrow_gaps_filled(image, pixel_size_nm)
    ours = int(np.count_nonzero(filled & gaps)) if n_gaps else 0
    if ours:
        said.insert(
            0, f"{_count(ours, 'pixel without a number', 'pixels without a number')} filled from the neighbours."
        )
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


def _count(number: int, one: str, several: str) -> str:
    return f"1 {one} was" if number == 1 else f"{number} {several} were"


def _lines_in_words(rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> str:
    kinds = ((len(rows), "row"), (len(columns), "column"))
    words = [f"{number} {name}{'s' * (number > 1)}" for number, name in kinds if number]
    return f"{' and '.join(words)} of the image {'are' if len(rows) + len(columns) > 1 else 'is'}"


def _bad_lines(image: Image) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Numbers of the rows and of the columns that lie far off those around them."""
    noise = typical_difference(image, 0.5) / 0.95
    return _bad_rows(image, noise), _bad_rows(image.T, noise)


def _bad_rows(image: Image, noise: float) -> npt.NDArray[np.int64]:
    height, width = image.shape
    if height < 4 * _LINES_TOGETHER or width < 16:
        return np.empty(0, dtype=np.int64)
    some = image[:, :: max(1, width // 256)]
    data = np.isfinite(some)
    enough = data.mean(axis=1) > 0.3
    level = np.full(height, np.nan)
    if enough.any():
        level[enough] = (np.median if data.all() else np.nanmedian)(some[enough], axis=1)
    known = level[enough]
    off = np.abs(known - ndimage.median_filter(known, 2 * _LINES_TOGETHER + 1, mode="nearest"))
    scatter = np.median(off[off > 0]) if (off > 0).any() else 0.0
    bad = np.zeros(height, dtype=bool)
    bad[enough] = off > max(_LINE_OFF * noise, 12 * scatter)
    bad[bad] = _off_all_along(some, bad, level)
    # or holds one value, and the lines beside it do not
    differences = np.diff(some, axis=1)
    rough = np.count_nonzero(np.abs(differences) > 0, axis=1) > 0.5 * np.isfinite(differences).sum(axis=1)
    constant = enough & (np.fmin.reduce(some, axis=1) == np.fmax.reduce(some, axis=1))
    bad |= constant & ndimage.maximum_filter1d(rough, 2 * _LINES_TOGETHER + 1)
    return np.flatnonzero(bad)


def _off_all_along(image: Image, suspected: Mask, level: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Which of the suspected lines lie off the others beside them in nearly all their pixels.

    Where clusters lie in rows and there is hardly any noise, the middle of a line through them jumps; the support
    between them does not.
    """
    lines, others = np.flatnonzero(suspected), np.flatnonzero(~suspected & np.isfinite(level))
    if not len(lines) or not len(others):
        return np.ones(len(lines), dtype=bool)
    after = np.searchsorted(others, lines)
    off = np.ones(len(lines), dtype=bool)
    for near in (others[np.maximum(after - 1, 0)], others[np.minimum(after, len(others) - 1)]):
        jump = level[lines] - level[near]
        away = (image[lines] - image[near]) * np.sign(jump)[:, None]
        # a pixel without a number says nothing against it
        away[np.isnan(away)] = np.inf
        off &= np.quantile(away, _ALL_ALONG, axis=1, method="lower") > _AS_FAR_OFF * np.abs(jump)
    return off


def _without_outliers(image: Image, pixel_size_nm: float) -> tuple[Image, int, int]:
    """Single pixels that no probe can make, replaced by the median around them; and how many were hot and dead."""
    level, low, high = _range_of_what_is_wide(image, pixel_size_nm)
    noise = _OVER_NOISE * typical_difference(image, 0.98)
    factor = _HOT if pixel_size_nm <= _FINE_NM else _HOT_IF_COARSE
    too_high, too_low = max(factor * high, noise), max(_DEAD * high, noise)
    if noise == 0 or not np.isfinite(too_high):
        return image, 0, 0
    # no darker than the darkest thing that is wide: it may be the vacuum
    darkest = level - max(low, 0.3 * too_low, 0.4 * noise)
    # a pixel that counts nothing need not be as far off: no noise ends on exactly that value
    stuck, stuck_low = float(np.nanmin(image)), _STUCK * typical_difference(image, 0.5)
    if np.count_nonzero(image == stuck) == 1 or np.nanmax(image) - stuck < _FEW_LEVELS:
        stuck = np.nan
    hot = dead = 0
    # a second look at what lay beside another
    for _ in range(3):
        y, x = np.nonzero((image > level + too_high) | (image < darkest) | (image == stuck))
        if not len(y) or len(y) > _MOST_OUTLIERS * image.size:
            break
        around, spread = _around(image, y, x)
        above = image[y, x] - around
        counts_nothing = (image[y, x] == stuck) & (above < -np.maximum(stuck_low, 4 * spread))
        wrong = (above > too_high) | (above < -too_low) | counts_nothing
        if not wrong.any():
            break
        if not hot + dead:
            image = image.copy()
        hot, dead = hot + int((wrong & (above > 0)).sum()), dead + int((wrong & (above < 0)).sum())
        image[y[wrong], x[wrong]] = around[wrong]
    return image, hot, dead


def _range_of_what_is_wide(image: Image, pixel_size_nm: float) -> tuple[float, float, float]:
    """The level of the image, and how far squares of about 0.15 nm lie below and above it, with all their pixels."""
    step = max(1, int(np.sqrt(image.size / SAMPLE_PX)))
    level = float(np.nanmedian(image[::step, ::step]))
    if pixel_size_nm > _FINE_NM:
        # an atom may fill hardly more than two of four coarse pixels
        highest, second = _of_four(image, np.fmax), _second_of_four(image)
        return level, level - float(np.nanmin(highest)), float(np.nanmax(second)) - level
    lowest = highest = image
    for _ in range(2):
        lowest, highest = _of_four(lowest, np.fmin), _of_four(highest, np.fmax)
    return level, level - float(np.nanmin(highest)), float(np.nanmax(lowest)) - level


def _of_four(image: Image, which: np.ufunc) -> Image:
    """The least or the greatest of every two by two pixels."""
    height, width = (n // 2 * 2 for n in image.shape)
    rows = which(image[0:height:2], image[1:height:2])
    return np.asarray(which(rows[:, 0:width:2], rows[:, 1:width:2]))


def _second_of_four(image: Image) -> Image:
    """The second highest of every two by two pixels."""
    height, width = (n // 2 * 2 for n in image.shape)
    upper, lower = image[0:height:2, :width], image[1:height:2, :width]
    greater, less = np.fmax(upper, lower), np.fmin(upper, lower)
    left, right = greater[:, 0::2], greater[:, 1::2]
    return np.asarray(np.fmax(np.fmin(left, right), np.where(left > right, less[:, 0::2], less[:, 1::2])))


def _around(
    image: Image, y: npt.NDArray[np.int64], x: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Median of the eight neighbours, of those that hold data, and what their middle half spans."""
    steps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    height, width = image.shape
    inside = [(y + dy >= 0) & (y + dy < height) & (x + dx >= 0) & (x + dx < width) for dy, dx in steps]
    values = [image[np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)] for dy, dx in steps]
    ordered = np.sort(np.where(inside, values, np.nan), axis=0)
    last = np.maximum(np.isfinite(ordered).sum(axis=0) - 1, 0)
    each = np.arange(len(y))
    middle = np.where(np.isnan(ordered[0]), image[y, x], ordered[last // 2, each])
    return middle.astype(np.float32), (ordered[(3 * last) // 4, each] - ordered[last // 4, each]).astype(np.float32)
