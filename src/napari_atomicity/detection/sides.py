"""What is no part of the micrograph at its sides: data bars, and the empty frame of an aligned or interrupted image."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage, spatial

Image = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

#: values count as equal that differ by less than this share of the image's range: what JPEG leaves of one grey
_SAME_GREY: Final = 0.015
#: a row of a data bar has at least this share of one grey, text over it included
_BAR_SHARE: Final = 0.3
_DEEPEST_BAR: Final = 0.45
#: depths at which the grey of a data bar is looked for: below a line around it, above its text
_DEPTHS: Final = (1, 3, 6, 12, 24)
_SEGMENTS: Final = 16
#: ink differs from the bar by so many times what one grey may differ by, and so much of it is of one grey itself
_INK: Final = 6.0
_OF_ONE_INK: Final = 0.15
#: pixels of it without another one below or beside them: at most this share of those that there would be by chance
_ALONE: Final = 0.7
#: an empty frame covers at least this share of the image
_LEAST_FRAME: Final = 1e-3
#: and hardly any pixel of the image has its value
_OF_THAT_GREY: Final = 1e-4
#: pixels that are looked at to know an image
SAMPLE_PX: Final = 250_000
#: and whose differences tell what is usual
_DIFFERENCES: Final = 65_536


def data_bars(image: Image) -> Mask | None:
    """Strips of one grey along a side of the image, with text on them; None where there is none.

    Parameters
    ----------
    image
        (y, x) micrograph in counts; nan where there is no data.
    """
    sample = image[:: max(1, image.size // SAMPLE_PX)]
    values = sample[np.isfinite(sample)]
    if not len(values):
        return None
    low, high = np.quantile(values, (0.005, 0.995))
    noise = typical_difference(image, 0.5)
    bars = np.zeros(image.shape, dtype=bool)
    for seen, covered in zip(from_each_side(image), from_each_side(bars), strict=True):
        depth = _depth_of_bar(seen, _SAME_GREY * float(high - low), noise)
        covered[:depth] = True
    return bars if bars.any() else None


def from_each_side(pixels: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    """The same pixels with each side in turn as their first row."""
    return pixels, pixels[::-1], pixels.T, pixels.T[::-1]


def _depth_of_bar(image: Image, tolerance: float, noise: float) -> int:
    """Rows of a data bar at the top of the image; 0 where there is none."""
    height, width = image.shape
    if height < 32 or width < 2 * _SEGMENTS:
        return 0
    for start in _DEPTHS:
        grey, share = _commonest(image[start], tolerance)
        if share < 0.4 or _roughness(image[start]) > 0.25 * noise:
            continue
        top = image[: int(_DEEPEST_BAR * height) + 16]
        same = np.abs(top - grey) <= tolerance
        same[:, 1:] &= np.abs(np.diff(top, axis=1)) <= 0.35 * noise
        shares = same.mean(axis=1)
        depth = _run(shares >= _BAR_SHARE, start)
        beyond = shares[depth + 1 : depth + 13]
        if not 6 <= depth <= _DEEPEST_BAR * height or not len(beyond):
            continue
        bar = same[:depth]
        parts = [part.mean() for part in np.array_split(bar, _SEGMENTS, axis=1)]
        spread_out = np.mean(np.array(parts) > 0.15) > 0.65
        # the vacuum beside a support is of one value too, but ends slowly
        sudden = shares[depth + 1 : depth + 6].mean() < 0.4 * shares[max(0, depth - 6) : depth - 1].mean()
        one_grey = 0.5 < bar.mean() < 0.995 and beyond.mean() < 0.5 * bar.mean()
        if spread_out and sudden and one_grey and _is_lettered(top[:depth], grey, tolerance):
            # a line that parts it from the image, and the soft rim of either
            lines = sum(_roughness(row) <= 0.25 * noise for row in image[depth : depth + 4])
            return depth + int(lines) + 2
    return 0


def _is_lettered(bar: Image, grey: float, tolerance: float) -> bool:
    """What stands on it is of one grey as well, as no clusters are, and hangs together, as no noise does."""
    is_ink = np.abs(bar - grey) > _INK * tolerance
    ink = bar[is_ink]
    if len(ink) <= 20 or _commonest(ink, 2 * tolerance)[1] <= _OF_ONE_INK:
        return False
    alone = is_ink[:-1, :-1] & ~is_ink[1:, :-1] & ~is_ink[:-1, 1:]
    # the noise that clipping leaves of a bright strip
    by_chance = float(np.mean(is_ink)) * (1 - float(np.mean(is_ink))) ** 2
    return bool(np.mean(alone) < _ALONE * by_chance)


def _commonest(row: Image, tolerance: float) -> tuple[float, float]:
    """The value that most pixels of a row are near, and their share."""
    values = np.sort(row[np.isfinite(row)])
    if not len(values):
        return 0.0, 0.0
    count = np.searchsorted(values, values + tolerance, side="right") - np.arange(len(values))
    first = int(count.argmax())
    near = values[first : first + count[first]]
    return float(np.median(near)), len(near) / len(row)


def _roughness(row: Image) -> float:
    """Typical difference of neighbours along a row."""
    difference = np.abs(np.diff(row))
    difference = difference[np.isfinite(difference)]
    return float(np.median(difference)) if len(difference) else np.inf


def _run(good: Mask, start: int) -> int:
    """Where a run of rows from the side through `start` ends, lines of up to three other rows in it allowed; else 0."""
    closed = ndimage.binary_closing(np.pad(good, 4, mode="edge"), np.ones(7, dtype=bool))[4:-4]
    if not closed[: start + 1].all():
        return 0
    return len(good) if closed.all() else int(np.argmin(closed))


def blank_frame(image: Image) -> Mask | None:
    """What rotating, shifting or cutting short a scan left empty: areas of exactly one value; None without any.

    Parameters
    ----------
    image
        (y, x) micrograph in counts; nan where there is no data.
    """
    blank = np.zeros(image.shape, dtype=bool)
    for grey, lines in _blank_lines(image).items():
        if _is_no_part_of_the_image(image, lines, grey):
            blank |= lines
    there = np.isfinite(image)
    for grey in {float(image[y, x]) for y in (0, -1) for x in (0, -1) if there[y, x] and not blank[y, x]}:
        same = image == grey
        if np.count_nonzero(same) < _LEAST_FRAME * image.size:
            continue
        runs = _runs_from_the_sides(same | blank | ~there) & there & ~blank
        if runs.sum() >= _LEAST_FRAME * image.size and _is_no_part_of_the_image(image, runs | blank, grey):
            # interpolating mixes the frame with the image next to it
            blank |= ndimage.binary_dilation(runs, iterations=2)
    return blank if blank.any() else None


def _blank_lines(image: Image) -> dict[float, Mask]:
    """Rows and columns of one value, where at least four lie together, by that value."""
    found: dict[float, Mask] = {}
    for transposed in (False, True):
        seen = image.T if transposed else image
        low = np.fmin.reduce(seen, axis=1)
        constant = low == np.fmax.reduce(seen, axis=1)
        for grey in np.unique(low[constant]):
            lines = ndimage.binary_opening(constant & (low == grey), np.ones(4, dtype=bool))
            if lines.any():
                mask = found.setdefault(float(grey), np.zeros(image.shape, dtype=bool))
                (mask.T if transposed else mask)[lines] = True
    return found


def _runs_from_the_sides(same: Mask) -> Mask:
    runs = np.zeros(same.shape, dtype=bool)
    for seen, covered in zip(from_each_side(same), from_each_side(runs), strict=True):
        length = np.where(seen.all(axis=0), len(seen), np.argmin(seen, axis=0))
        covered |= np.arange(len(seen))[:, None] < length
    return runs


def _is_no_part_of_the_image(image: Image, frame: Mask, grey: float) -> bool:
    """No pixel of the image has a value near the frame's; or what it leaves of a noisy image is convex and large."""
    there = np.isfinite(image)
    values = image[there & ~ndimage.binary_dilation(frame, iterations=3)]
    if not len(values):
        return False
    near = 3 * typical_difference(np.where(frame, np.nan, image), 0.5)
    if np.mean(np.abs(values - grey) <= near) < _OF_THAT_GREY:
        return True
    left = there & ~frame
    flat = (image[:, 1:] == image[:, :-1]) & left[:, 1:]
    if left.mean() < 0.5 or np.count_nonzero(flat[1:] & flat[:-1]) > _OF_THAT_GREY * image.size:
        return False
    y, x = np.nonzero(left & ~ndimage.binary_erosion(left))
    hull = spatial.ConvexHull(np.column_stack([y, x]))
    # of two dimensions `volume` is the area and `area` the length around it, both through the centres of pixels
    return bool(hull.volume + hull.area / 2 - np.count_nonzero(left) < hull.area)


def all_four(mask: Mask) -> Mask:
    """Which squares of two by two pixels lie in a mask, named by their first corner."""
    pairs = mask[1:] & mask[:-1]
    return np.asarray(pairs[:, 1:] & pairs[:, :-1])


def squares_of_one_value(image: Image) -> Mask:
    """Which squares of two by two pixels are of exactly one value, named by their first corner."""
    across = image[:, 1:] == image[:, :-1]
    return np.asarray(across[1:] & across[:-1] & (image[1:] == image[:-1])[:, 1:])


def typical_difference(image: Image, quantile: float) -> float:
    """Difference of neighbours along a line that a share of them stays below.

    Parameters
    ----------
    image
        (y, x) pixel values.
    quantile
        The share, from 0 to 1.
    """
    step = max(1, image.size // _DIFFERENCES)
    difference = np.abs(np.diff(image[::step], axis=1)).ravel()
    difference = difference[np.isfinite(difference)]
    if not len(difference):
        return 0.0
    usual = float(np.quantile(difference, quantile))
    some = difference[difference > 0]
    # few electrons: most pixels are equal, and one count is no outlier
    return usual or (float(np.median(some)) if len(some) else 0.0)
