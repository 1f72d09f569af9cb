"""What the file of a movie tells of time and dose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from napari_atomicity.micrograph import CURRENT, DWELL_TIME, FRAME_TIME, Micrograph
from napari_atomicity.movies.movie import MovieSettings

_COULOMB: Final = 1.602176634e-19
#: electrons per nm² of a frame, where they are known and its time is not
_DOSE: Final = "dose_per_frame_e_nm2"
#: what no microscope does: a frame of a week, a beam of a milliampere, more electrons per nm² than burn anything
_LONGEST_S: Final = 6e5
_STRONGEST_A: Final = 1e-3
_HIGHEST: Final = 1e15


@dataclass(frozen=True)
class Exposure:
    """What a file tells of its frames; None where it does not.

    Attributes
    ----------
    seconds_per_frame
        From the start of a frame to that of the next.
    dose_per_frame
        Electrons per nm²: current of the beam times the time of a pixel over its area.
    """

    seconds_per_frame: float | None = None
    dose_per_frame: float | None = None

    def completed(self, given: MovieSettings) -> MovieSettings:
        """What a person gave, and of the rest what the file tells."""
        return replace(
            given,
            seconds_per_frame=given.seconds_per_frame or self.seconds_per_frame,
            dose_per_frame=given.dose_per_frame or self.dose_per_frame,
        )

    def sentence(self, given: MovieSettings) -> str:
        """What is taken from the file, in words; empty where nothing is.

        Parameters
        ----------
        given
            By a person, which comes first.
        """
        parts = []
        if given.seconds_per_frame is None and self.seconds_per_frame is not None:
            parts.append(f"{self.seconds_per_frame:.4g} seconds per frame")
        if given.dose_per_frame is None and self.dose_per_frame is not None:
            parts.append(f"{self.dose_per_frame:.4g} electrons per nm² and frame")
        return f"From the file: {' and '.join(parts)}." if parts else ""


def exposure_of(micrograph: Micrograph) -> Exposure:
    """What the metadata of a micrograph tell.

    Parameters
    ----------
    micrograph
        A stack of frames. Where only the time of a pixel is told, a frame lasts as long as all of its pixels: the way
        back of the beam is not in it.
    """
    height, width = micrograph.shape_yx
    frame, dwell, current, dose = (
        _known(micrograph.metadata.get(name), most)
        for name, most in (
            (FRAME_TIME, _LONGEST_S),
            (DWELL_TIME, _LONGEST_S),
            (CURRENT, _STRONGEST_A),
            (_DOSE, _HIGHEST),
        )
    )
    pixels, size = height * width, micrograph.pixel_size_nm
    scan = frame if dwell is None else dwell * pixels
    if dose is None and current is not None and scan is not None and size is not None:
        dose = _known(current * scan / _COULOMB / pixels / size / size, _HIGHEST)
    return Exposure(_known(scan if frame is None else frame, _LONGEST_S), dose)


def of_single_images(first: Micrograph) -> dict[str, Any]:
    """Metadata of a movie of single images: the dose is that of the first, the time between them is not known."""
    dose = exposure_of(first).dose_per_frame
    kept = {name: value for name, value in first.metadata.items() if name not in (FRAME_TIME, DWELL_TIME, CURRENT)}
    return kept if dose is None else {**kept, _DOSE: dose}


def of_means(metadata: Mapping[str, Any], frames: int) -> dict[str, Any]:
    """Metadata of means of so many frames: each of them takes as long, and has the dose, of all of its frames.

    Parameters
    ----------
    metadata
        Of the movie.
    frames
        That make a mean.
    """
    longer = {
        name: value * frames for name in (FRAME_TIME, DWELL_TIME, _DOSE)
        if isinstance(value := metadata.get(name), int | float)
    }  # fmt: skip
    return {**metadata, **longer}


def _known(value: object, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and 0 < value < most else None
