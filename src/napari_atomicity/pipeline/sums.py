"""Frames of a movie laid on one another: fewer and clearer ones, at a dose that a person chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import FloatImage, Micrograph
from napari_atomicity.movies import MovieSettings
from napari_atomicity.movies.exposure import of_means


def frames_at_dose(settings: MovieSettings, dose: float) -> int:
    """How many frames make a dose.

    Parameters
    ----------
    settings
        What is known of the movie.
    dose
        Electrons per nm².

    Raises
    ------
    InputError
        Where the dose of a frame is not known.
    """
    if settings.dose_per_frame is None:
        raise InputError(
            "The dose of a frame is not known; give the electrons per nm² of a frame, or a number of frames."
        )
    return max(round(dose / settings.dose_per_frame), 1)


def summed(micrograph: Micrograph, shifts_px: npt.NDArray[np.float64], frames: int) -> Micrograph:
    """A movie of aligned means of so many frames each, computed when they are asked for.

    Means have the scale of a single frame, so that counts can be held against those of single frames.

    Parameters
    ----------
    micrograph
        The movie.
    shifts_px
        (t, 2) where each frame lies; frames with nan are left out.
    frames
        How many frames make one; those that are left at the end make none.

    Raises
    ------
    InputError
        Where there are not that many.
    """
    from napari_atomicity.io.stack import FrameStack

    kept = np.flatnonzero(np.isfinite(shifts_px[:, 0]))
    if not 1 <= frames <= len(kept):
        raise InputError(f"{frames} frames make a sum, but the movie has {len(kept)} that belong; choose fewer.")
    groups = [kept[at : at + frames] for at in range(0, len(kept) - frames + 1, frames)]
    mean = partial(_mean, micrograph, shifts_px, groups)
    name = f"{micrograph.name}, means of {frames}"
    made = replace(micrograph, name=name, warnings=(), metadata=of_means(micrograph.metadata, frames))
    if len(groups) == 1:
        return replace(made, data=mean(0))
    return replace(made, data=FrameStack((len(groups), *micrograph.shape_yx), np.float32, mean))


def _mean(
    micrograph: Micrograph, shifts_px: npt.NDArray[np.float64], groups: Sequence[npt.NDArray[np.int64]], number: int
) -> FloatImage:
    """Mean of the frames of a group where its first one lies; nan where a frame shows nothing is left out."""
    from scipy.ndimage import shift

    group = groups[number]
    total, times = np.zeros(micrograph.shape_yx), np.zeros(micrograph.shape_yx)
    for frame in group.tolist():
        moved = shift(micrograph.frame(frame), shifts_px[group[0]] - shifts_px[frame], order=1, cval=np.nan)
        known = np.isfinite(moved)
        total[known] += moved[known]
        times += known
    with np.errstate(invalid="ignore"):
        return np.asarray(total / np.where(times, times, np.nan), dtype=np.float32)
