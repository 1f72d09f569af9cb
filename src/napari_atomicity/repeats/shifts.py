"""By how much one picture of a field has moved against another, and how clear that is."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]

#: nm; details finer than the first are noise, wider than the second the support
_FINE_NM: Final = 0.2
_WIDE_NM: Final = 2.0
#: a pair belongs together where its correlation is so many standard deviations of chance; different simulated fields
#: of 60 clusters reach 6.2 at their best shift, the same ones 15 and more
_CLEAR: Final = 7.0
#: the same for shifts by less than half a share of a side, of which fewer agree by chance than of all
_CLEAR_SHORT: Final = 5.5
_SHORT: Final = 0.125
#: least share of a frame that another one has to show
_LEAST_OVERLAP: Final = 0.15
#: far shifts that are tried where the nearest one does not fit
_GUESSES: Final = 4


def details_of(image: Image, bin_px: int, pixel_size_nm: float) -> Image:
    """What is as wide as clusters.

    Parameters
    ----------
    image
        (y, x) counts.
    bin_px
        Pixels along a side that are made one.
    pixel_size_nm
        Side of a pixel.
    """
    from scipy.ndimage import gaussian_filter

    finite = np.isfinite(image)
    image = np.where(finite, image, np.median(image[finite]) if finite.any() else 0.0).astype(np.float32)
    height, width = (side // bin_px * bin_px for side in image.shape)
    blocks = image[:height, :width].reshape(height // bin_px, bin_px, width // bin_px, bin_px)
    small = blocks.mean(axis=(1, 3), dtype=np.float32)
    pixel = pixel_size_nm * bin_px
    details = gaussian_filter(small, _FINE_NM / pixel) - gaussian_filter(small, _WIDE_NM / pixel)
    return np.asarray(details, dtype=np.float32)


def shift_between(one: Image, other: Image) -> tuple[npt.NDArray[np.float64], float]:
    """By how much one picture has moved against another.

    Parameters
    ----------
    one, other
        Of `details_of`.

    Returns
    -------
    The shift in pixels, and how clear it is over what it has to be: above 1 they show the same.
    """
    from skimage.registration import phase_cross_correlation

    if not one.any() or not other.any():  # a blank frame
        return np.zeros(2), 0.0
    moved, *_ = phase_cross_correlation(_faded(one), _faded(other), normalization=None)
    down, across = (-np.rint(np.asarray(moved, dtype=np.float64))).astype(int).tolist()
    found = _refined(one, other, down, across)
    if found[1] > 1:
        return found
    return max([found, *(_refined(one, other, *way) for way in _ways(one, other))], key=lambda each: each[1])


def _ways(one: Image, other: Image) -> list[tuple[int, int]]:
    """Shifts at which the parts that both show agree best, each held against its size; and the best of the short ones.

    Of a jump by half a field half of it is in sight, and a few bright clusters agree with the wrong ones far away.
    """
    from scipy.signal import fftconvolve

    height, width = one.shape
    down, across = (np.arange(1 - side, side) for side in one.shape)
    both = (height - np.abs(down))[:, None] * (width - np.abs(across))
    agreement = fftconvolve(other, one[::-1, ::-1])
    agreement = np.where(both >= _LEAST_OVERLAP * height * width, agreement / np.sqrt(both), -np.inf)
    short = (np.abs(down) <= _SHORT * height)[:, None] & (np.abs(across) <= _SHORT * width)
    ways, near = [], max(height, width) // 32
    for number in range(_GUESSES):
        y, x = np.unravel_index(
            int(np.argmax(np.where(short, agreement, -np.inf) if not number else agreement)), both.shape
        )
        ways.append((int(down[y]), int(across[x])))
        agreement[max(y - near, 0) : y + near + 1, max(x - near, 0) : x + near + 1] = -np.inf
    return ways


def _needed(shift: npt.NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """How clear a shift has to be: of the short ones, which are few, fewer agree by chance."""
    part = float(np.abs(shift / np.asarray(shape)).max())
    return float(np.interp(part, (_SHORT / 2, _SHORT), (_CLEAR_SHORT, _CLEAR)))


def _refined(one: Image, other: Image, y: int, x: int) -> tuple[npt.NDArray[np.float64], float]:
    """A whole shift made exact on what both frames show, and how clear that is over what it has to be."""
    from skimage.registration import phase_cross_correlation

    shift = np.array([y, x], dtype=np.float64)
    height, width = one.shape
    if (height - abs(y)) * (width - abs(x)) < _LEAST_OVERLAP * height * width:
        return shift, 0.0
    # once more on what both show: fading the rims draws the first answer towards none
    first = _faded(one[max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)])
    second = _faded(other[max(y, 0) : height - max(-y, 0), max(x, 0) : width - max(-x, 0)])
    if not first.any() or not second.any():
        return shift, 0.0
    moved, *_ = phase_cross_correlation(first, second, normalization=None, upsample_factor=10)
    return shift - np.asarray(moved, dtype=np.float64), _clearness(first, second) / _needed(shift, one.shape)


def _faded(details: Image) -> Image:
    """Without a mean, and nothing at the rim."""
    down, across = (_fading(side) for side in details.shape)
    return np.asarray((details - details.mean()) * down[:, None] * across, dtype=np.float32)


@lru_cache(maxsize=64)
def _fading(side: int) -> npt.NDArray[np.float32]:
    from scipy.signal.windows import tukey

    return np.asarray(tukey(side, 0.2), dtype=np.float32)


def _clearness(one: Image, other: Image) -> float:
    """Correlation of two pictures over the standard deviation that it has where they have nothing in common.

    That follows from their spectra: few wide features agree by chance more than many small ones do.
    """
    from scipy.fft import rfft2

    powers = [np.abs(rfft2(picture)) ** 2 for picture in (one, other)]
    total = float(np.sqrt(np.sum(powers[0]) * np.sum(powers[1])))
    if not total:
        return 0.0
    # of the spectrum one half is looked at, as of the sum of products
    chance = float(np.sqrt(0.5 * np.sum(powers[0] * powers[1]))) / total
    r = float(np.sum(one * other, dtype=np.float64)) / float(
        np.sqrt(np.sum(one**2, dtype=np.float64) * np.sum(other**2, dtype=np.float64))
    )
    return r / chance if chance else 0.0
