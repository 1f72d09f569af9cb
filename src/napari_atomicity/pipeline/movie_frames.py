"""The frames of a movie: single images put together, how they lie to each other, and what is odd about that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.progress import Steps

if TYPE_CHECKING:
    from napari_atomicity.movies import Movie, MovieSettings
    from napari_atomicity.repeats import Alignment

#: relative difference of pixel sizes that frames of one movie may have
_SAME_PIXEL: Final = 0.01
#: share of a side by which the field jumps from a frame to the next
_JUMP: Final = 0.25
#: frames named in a sentence at most
_NAMED: Final = 12


def movie_of_frames(frames: Sequence[Micrograph]) -> tuple[Micrograph, list[str]]:
    """Single images, one after the other, as one movie.

    Parameters
    ----------
    frames
        The images in their order.

    Returns
    -------
    The movie, and sentences about images that are no frames of it.

    Raises
    ------
    InputError
        Where fewer than two belong together.
    """
    from napari_atomicity.io.stack import FrameStack
    from napari_atomicity.movies.exposure import of_single_images

    usable = [one for one in frames if not one.refusal]
    said = [f"{one.name} is left out: {one.refusal}" for one in frames if one.refusal]
    if not usable:
        raise InputError("None of the images can be counted.")
    first = _usual(usable)
    kept = []
    for one in usable:
        height, width = one.shape_yx
        size = one.calibrated_pixel_size_nm / first.calibrated_pixel_size_nm
        if one.shape_yx != first.shape_yx:
            said.append(
                f"{one.name} is left out: it has {height} × {width} pixels, "
                f"the others {first.shape_yx[0]} × {first.shape_yx[1]}."
            )
        elif abs(size - 1) > _SAME_PIXEL:
            said.append(
                f"{one.name} is left out: its pixels have {one.pixel_size_nm:.4g} nm, "
                f"those of the others {first.pixel_size_nm:.4g} nm."
            )
        else:
            kept.append(one)
    if len(kept) < 2:
        raise InputError(" ".join([*said, "There is one frame only; a movie has several."]))
    data = FrameStack((len(kept), *first.shape_yx), np.float32, lambda t: kept[t].frame())
    warnings = tuple(dict.fromkeys(sentence for one in kept for sentence in one.warnings))
    return replace(first, data=data, warnings=warnings, metadata=of_single_images(first)), said


def _usual(images: Sequence[Micrograph]) -> Micrograph:
    """The first of the images that are of the size and calibration that most have: a preview may come first."""
    kinds: list[tuple[Micrograph, int]] = []
    for one in images:
        for at, (other, many) in enumerate(kinds):
            size = one.calibrated_pixel_size_nm / other.calibrated_pixel_size_nm
            if one.shape_yx == other.shape_yx and abs(size - 1) <= _SAME_PIXEL:
                kinds[at] = (other, many + 1)
                break
        else:
            kinds.append((one, 1))
    return max(kinds, key=lambda kind: kind[1])[0]


# ---------------------------------------------------------------------- how frames lie


def shifts_steps(
    micrograph: Micrograph, settings: MovieSettings, empty: Sequence[int]
) -> Steps[npt.NDArray[np.float64]]:
    """Where each frame lies.

    Parameters
    ----------
    micrograph
        The movie.
    settings
        What a person says of it.
    empty
        Frames that hold nothing, or cannot be read.

    Returns
    -------
    (t, 2) y and x in pixels; nan for those that do not belong or hold nothing.
    """
    from napari_atomicity.repeats import Alignment, align_steps

    n = micrograph.n_frames
    alignment: Alignment
    if settings.align:
        blank = np.zeros(micrograph.shape_yx, dtype=np.float32)
        readers = [(lambda: blank) if frame in empty else partial(micrograph.frame, frame) for frame in range(n)]
        alignment = yield from align_steps(readers, micrograph.calibrated_pixel_size_nm)
    else:
        alignment = Alignment.none(n)
    shifts = alignment.shifts_px.copy()
    shifts[list(empty)] = np.nan
    return shifts


def _said_of_drift(
    shifts: npt.NDArray[np.float64], frames: npt.NDArray[np.int64], shape_px: tuple[int, int]
) -> Iterator[str]:
    """Where the field jumps, and that the frames have nothing in common; clusters at its rims do not vanish then."""
    ways = np.abs(np.diff(shifts, axis=0))
    far = np.flatnonzero((ways > _JUMP * np.asarray(shape_px)).any(axis=1))
    if len(far):
        places = ", ".join(f"{frames[at]} and {frames[at + 1]}" for at in far[:_NAMED].tolist())
        more = f" and {len(far) - _NAMED} more times" if len(far) > _NAMED else ""
        yield f"The field jumps between frames {places}{more}; clusters that it takes out of sight end there."
    if (np.ptp(shifts, axis=0) >= np.asarray(shape_px)).any():
        yield "The field drifts by more than its size; no cluster is in sight from the first frame to the last."


def said_of(movie: Movie, shape_px: tuple[int, int]) -> Iterator[str]:
    """What a person must know of how the frames lie.

    Parameters
    ----------
    movie
        That was followed.
    shape_px
        Of a frame.
    """
    yield from _said_of_drift(movie.shifts_px[movie.kept], movie.kept, shape_px)
    if movie.rejected:
        shown = ", ".join(map(str, movie.rejected[:_NAMED]))
        more = f" and {len(movie.rejected) - _NAMED} more" if len(movie.rejected) > _NAMED else ""
        n = len(movie.rejected)
        yield f"Frame{'s' if n > 1 else ''} {shown}{more} left out: blank, or not the field of the others."
