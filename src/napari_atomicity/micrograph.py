"""A micrograph: its pixels, its pixel size in nm, and where both came from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError

FloatImage = npt.NDArray[np.float32]

#: names of what the metadata tells of the exposure: seconds of a frame and of a pixel, ampere of the beam
FRAME_TIME: Final = "frame_time_s"
DWELL_TIME: Final = "dwell_time_s"
CURRENT: Final = "beam_current_a"

#: per cent of the pixels that are darker, and brighter, than what is shown
_SHOWN: Final = (0.5, 99.7)
#: pixels along a side that tell the contrast
_LOOKED_AT: Final = 512


def contrast_limits(image: npt.NDArray[Any]) -> tuple[float, float] | None:
    """Intensities to show as black and white: the darkest half per cent and the brightest 0.3 per cent are cut.

    Parameters
    ----------
    image
        (y, x) intensities.

    Returns
    -------
    Black and white; None for an image without contrast.
    """
    step = max(1, max(image.shape) // _LOOKED_AT)
    part = np.asarray(image[::step, ::step], dtype=np.float64)
    finite = part[np.isfinite(part)]
    if not finite.size:
        return None
    low, high = (float(value) for value in np.percentile(finite, _SHOWN))
    return (low, high) if low < high else None


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was when its pixels were read: another state means that it may hold other pixels now."""

    size: int
    modified_ns: int
    #: 0 where the file system has none
    inode: int = 0


@dataclass(frozen=True)
class Provenance:
    """Where a micrograph came from; travels with every number made from it."""

    path: Path | None = None
    #: name of the reader and its version, for example ``tifffile 2026.1.1``
    reader: str = ""
    #: which image of a file with several, and its title
    image_index: int = 0
    title: str = ""
    #: the file when it was read; None where that is not known
    file: FileState | None = None


@dataclass(frozen=True, eq=False)
class Micrograph:
    """One HAADF-STEM image, or a stack of frames of the same field.

    Attributes
    ----------
    data
        Array (y, x) or (t, y, x), in counts as stored in the file: NumPy, or a stack that reads a frame when asked.
    pixel_size_nm
        Side of a (square) pixel in nm; None where the file does not say, and never guessed.
    name
        Short name for people, usually the file's stem.
    warnings
        Sentences about what was found odd while reading.
    refusal
        Where not empty: one sentence that says why this image cannot be counted (it can still be shown).
    metadata
        Acquisition metadata as found (JSON-serialisable).
    """

    data: Any
    pixel_size_nm: float | None = None
    name: str = "micrograph"
    provenance: Provenance = field(default_factory=Provenance)
    warnings: tuple[str, ...] = ()
    refusal: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.data.ndim not in (2, 3):
            raise InputError(
                f"{self.name}: an image with {self.data.ndim} axes is not a micrograph or a stack of them; "
                "open one image (y, x) or one stack (t, y, x)."
            )
        size = self.pixel_size_nm
        if size is not None and not (math.isfinite(size) and size > 0):
            raise InputError(f"{self.name}: a pixel size of {size} nm is impossible; give a positive number of nm.")

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.data.shape[-2]), int(self.data.shape[-1])

    @property
    def n_frames(self) -> int:
        """Number of frames along the time axis; 1 for a single image."""
        return int(self.data.shape[0]) if self.data.ndim == 3 else 1

    @property
    def calibrated_pixel_size_nm(self) -> float:
        """The pixel size in nm, where it is known.

        Raises
        ------
        InputError
            Where it is not; the sentence asks for it.
        """
        if self.pixel_size_nm is None:
            raise InputError(
                f"{self.name} has no pixel size in the file; give it in nm per pixel "
                "(the microscope's field of view divided by the number of pixels across)."
            )
        return self.pixel_size_nm

    def frame(self, index: int = 0) -> FloatImage:
        """One frame; only that frame is read from a lazy stack.

        Parameters
        ----------
        index
            Number of the frame, from 0.

        Returns
        -------
        numpy.ndarray
            (y, x) float32 counts; nan where a mask covers a pixel.

        Raises
        ------
        InputError
            Where there is no such frame.
        """
        if not 0 <= index < self.n_frames:
            raise InputError(f"{self.name} has frames 0 to {self.n_frames - 1}; there is no frame {index}.")
        plane = self.data[index] if self.data.ndim == 3 else self.data
        if isinstance(plane, np.ma.MaskedArray):
            plane = np.ma.filled(plane.astype(np.float32), np.nan)
        # what single precision cannot hold is infinite, and no data for all that count
        with np.errstate(over="ignore"):
            return np.asarray(plane, dtype=np.float32)

    def with_pixel_size(self, pixel_size_nm: float) -> Micrograph:
        """The same pixels under another calibration."""
        return replace(self, pixel_size_nm=float(pixel_size_nm))
