"""How frames of one field lie to each other: rigid shifts from pairs of them, and which frames do not belong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.repeats.shifts import Image, details_of, shift_between

#: pixels along a side on which frames are compared
_SIDE_PX: Final = 512
#: nm by which a pair may contradict the others
_CONSISTENT_NM: Final = 0.3
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
        seen[number] = details_of(image, bin_px, pixel_size_nm)
        for earlier in range(number) if few else partners[number]:
            shift, score = shift_between(seen[earlier], seen[number])
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
