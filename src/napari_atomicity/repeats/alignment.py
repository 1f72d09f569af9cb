"""How frames of one field lie to each other: rigid shifts from pairs of them, and which frames do not belong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps

Image = npt.NDArray[np.float32]

#: nm; details finer than the first are noise, wider than the second the support
_FINE_NM: Final = 0.2
_WIDE_NM: Final = 2.0
#: pixels along a side on which frames are compared
_SIDE_PX: Final = 512
#: a pair belongs together where its correlation is so many standard deviations of chance; different simulated fields
#: of 60 clusters reach 6.2 at their best shift, the same ones 15 and more
_CLEAR: Final = 7.0
#: the same for shifts by less than half a share of a side, of which fewer agree by chance than of all
_CLEAR_SHORT: Final = 5.5
_SHORT: Final = 0.125
#: nm by which a pair may contradict the others
_CONSISTENT_NM: Final = 0.3
#: least share of a frame that another one has to show
_LEAST_OVERLAP: Final = 0.15
#: far shifts that are tried where the nearest one does not fit
_GUESSES: Final = 4
#: with more frames each is compared with the last ones before it and with every so many of those before
_ALL_PAIRS: Final = 16
_NEIGHBOURS: Final = 2
_ANCHOR_EVERY: Final = 16
_ANCHORS: Final = 1
#: pixels along a side on which many frames are compared
_SMALL_PX: Final = 256


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where frames of one field lie.

    Attributes
    ----------
    shifts_px
        (t, 2) y and x by which what the first of them shows has moved in each frame; nan for those that do not belong.
    rejected
        Frames that do not show the field of the others.
    pairs
        How many pairs were compared, and how many of these agree with the shifts.
    spread_nm
        Root mean square by which agreeing pairs differ from the shifts.
    """

    shifts_px: npt.NDArray[np.float64]
    rejected: tuple[int, ...]
    pairs: tuple[int, int]
    spread_nm: float

    @classmethod
    def none(cls, frames: int) -> Alignment:
        """Frames that lie on one another as they are."""
        return cls(np.zeros((frames, 2)), (), (0, 0), 0.0)

    def overlap(self, shape: tuple[int, int]) -> float:
        """Share of a frame that all frames that belong show.

        Parameters
        ----------
        shape
            Of a frame in pixels.
        """
        kept = self.shifts_px[np.isfinite(self.shifts_px[:, 0])]
        left = 1 - np.ptp(kept, axis=0) / np.asarray(shape)
        return float(np.prod(np.clip(left, 0, 1)))


def align_steps(frames: Sequence[Callable[[], Image]], pixel_size_nm: float) -> Steps[Alignment]:
    """Align frames of one field.

    Shifts of pairs by cross-correlation (Guizar-Sicairos et al., Opt. Lett. 33, 156 (2008)) without normalising the
    spectrum, which on smooth images makes the noise decide; joined by least squares that take little note of pairs
    that contradict the others.

    Parameters
    ----------
    frames
        Reads each frame: (y, x) counts, all of one shape.
    pixel_size_nm
        Side of a pixel.

    Returns
    -------
    Alignment
        The first frame that belongs has no shift.

    Raises
    ------
    InputError
        For fewer than two frames, frames of different shapes, or where no two show the same field.
    """
    if len(frames) < 2:
        raise InputError("There is one frame only; repeated frames of the same field are needed.")
    few = len(frames) <= _ALL_PAIRS
    shape: tuple[int, ...] = ()
    partners = [_partners(number) for number in range(len(frames))]
    # what no later frame is compared with is not kept: a movie may be larger than the memory
    last_use = {earlier: number for number, those in enumerate(partners) for earlier in those}
    seen: dict[int, Image] = {}
    found: list[tuple[int, int, npt.NDArray[np.float64]]] = []
    for number, frame in enumerate(frames):
        yield Progress(number, len(frames), "Aligning the frames")
        image = frame()
        shape = shape or image.shape
        if image.shape != shape:
            raise InputError(
                f"Frame {number} has {_by(image.shape)} pixels and the first one {_by(shape)}; repeats are of one size."
            )
        bin_px = max(1, max(shape) // (_SIDE_PX if few else _SMALL_PX))
        seen[number] = _details(image, bin_px, pixel_size_nm)
        for earlier in range(number) if few else partners[number]:
            shift, score = _shift(seen[earlier], seen[number])
            if score > 1:
                found.append((earlier, number, shift * bin_px))
        if not few:
            seen = {at: one for at, one in seen.items() if last_use.get(at, -1) > number}
    compared = sum(range(len(frames))) if few else sum(map(len, partners))
    return _joined(len(frames), found, compared, pixel_size_nm)


def _partners(number: int) -> list[int]:
    """Earlier frames that one of many is compared with: the last ones, and those that span the whole."""
    anchor = (number - 1) // _ANCHOR_EVERY * _ANCHOR_EVERY
    near = range(number - 1, number - 1 - _NEIGHBOURS, -1)
    far = range(anchor, anchor - _ANCHORS * _ANCHOR_EVERY, -_ANCHOR_EVERY)
    return sorted({earlier for earlier in (*near, *far) if earlier >= 0})


def _details(image: Image, bin_px: int, pixel_size_nm: float) -> Image:
    """What is as wide as clusters."""
    from scipy.ndimage import gaussian_filter

    finite = np.isfinite(image)
    image = np.where(finite, image, np.median(image[finite]) if finite.any() else 0.0).astype(np.float32)
    height, width = (side // bin_px * bin_px for side in image.shape)
    blocks = image[:height, :width].reshape(height // bin_px, bin_px, width // bin_px, bin_px)
    small = blocks.mean(axis=(1, 3), dtype=np.float32)
    pixel = pixel_size_nm * bin_px
    details = gaussian_filter(small, _FINE_NM / pixel) - gaussian_filter(small, _WIDE_NM / pixel)
    return np.asarray(details, dtype=np.float32)


def _shift(one: Image, other: Image) -> tuple[npt.NDArray[np.float64], float]:
    """By how much `other` has moved against `one` (pixels), and how clear that is over what it has to be."""
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


def _joined(
    n: int, found: Sequence[tuple[int, int, npt.NDArray[np.float64]]], compared: int, pixel_size_nm: float
) -> Alignment:
    """One shift a frame from shifts of pairs; those that contradict count for little, and then not at all."""
    tolerance = _CONSISTENT_NM / pixel_size_nm
    shifts = np.zeros((n, 2))
    weights = np.ones(len(found))
    for _ in range(20):
        shifts = _least_squares(n, found, weights)
        misfit = np.array([np.linalg.norm(d - (shifts[j] - shifts[i])) for i, j, d in found])
        weights = 1 / (1 + (misfit / (0.5 * tolerance)) ** 2)
    agreeing = [(pair, off) for pair, off in zip(found, misfit, strict=True) if off <= tolerance] if found else []
    together = _largest_group(n, [(i, j) for (i, j, _), _ in agreeing])
    if len(together) < 2:
        raise InputError(
            "No two of the frames show the same field; choose frames that were taken of one place, one after the other."
        )
    kept = np.full((n, 2), np.nan)
    kept[together] = shifts[together] - shifts[together[0]]
    rejected = tuple(number for number in range(n) if number not in together)
    spread = float(np.sqrt(np.mean([off**2 for _, off in agreeing]))) * pixel_size_nm
    return Alignment(kept, rejected, (compared, len(agreeing)), spread)


def _least_squares(
    n: int, found: Sequence[tuple[int, int, npt.NDArray[np.float64]]], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    from scipy.sparse import coo_array, csc_array, eye_array
    from scipy.sparse.linalg import splu

    if not found:
        return np.zeros((n, 2))
    first, second = (np.array([pair[k] for pair in found]) for k in (0, 1))
    rows = np.arange(len(found))
    signs = np.concatenate([-np.ones(len(found)), np.ones(len(found))])
    places = (np.concatenate([rows, rows]), np.concatenate([first, second]))
    differences = csc_array(coo_array((signs, places), shape=(len(found), n)))
    weighted = differences.T @ (differences * weights[:, None])
    wanted = differences.T @ (weights[:, None] * np.array([shift for _, _, shift in found]))
    # only differences are known: a little holds the rest at none
    solution: npt.NDArray[np.float64] = splu(csc_array(weighted + 1e-6 * eye_array(n))).solve(wanted)
    return solution


def _largest_group(n: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Frames that hang together by pairs, the most of them."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    graph = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    largest = group == np.bincount(group).argmax()
    if largest.sum() > 2:  # one pair alone may agree by chance
        partners = np.bincount(np.asarray(pairs).ravel(), minlength=n)
        largest &= partners >= 2
    return np.flatnonzero(largest).tolist()


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
