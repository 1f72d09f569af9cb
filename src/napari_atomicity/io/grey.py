"""Grey values of pictures that come in colour channels."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

#: levels (of 255) that JPEG compression may put between the channels of a grey picture
_CHROMA: Final = 24
#: share of coloured pixels up to which they are marks on a grey micrograph (arrows, a scale bar)
_MARKS: Final = 0.05

PHOTOGRAPH: Final = (
    "This is a colour picture, not a micrograph: its colours hold no electron counts; "
    "open the original grey-level image of the microscope."
)


def to_grey(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Grey levels (..., y, x) of `picture` (..., y, x, 2 to 4 samples), in the same type; transparency is left out.

    Where the channels agree the first one stands for all; elsewhere the luminance does.
    """
    if picture.shape[-1] < 3 or _equal_channels(picture):
        return np.ascontiguousarray(picture[..., 0])
    grey = np.zeros(picture.shape[:-1], dtype=np.float32)
    for sample, weight in enumerate((0.299, 0.587, 0.114)):
        grey += np.float32(weight) * picture[..., sample]
    return np.rint(grey).astype(picture.dtype) if np.issubdtype(picture.dtype, np.integer) else grey


def colour_share(picture: npt.NDArray[Any]) -> float:
    """Share of the pixels of `picture` (y, x, samples) whose channels differ visibly."""
    if picture.shape[-1] < 3:
        return 0.0
    step = max(1, int(np.sqrt(picture.shape[0] * picture.shape[1] / 1e6)))  # a million pixels tell
    sample = picture[::step, ::step, :3].astype(np.float64)
    full = np.iinfo(picture.dtype).max if np.issubdtype(picture.dtype, np.integer) else (np.nanmax(sample) or 1.0)
    return float(np.mean(np.ptp(sample, axis=-1) > _CHROMA / 255 * full))


def verdict(picture: npt.NDArray[Any]) -> tuple[tuple[str, ...], str]:
    """Warnings and refusal for a picture (y, x, samples)."""
    share = colour_share(picture)
    if share > _MARKS:
        return (), PHOTOGRAPH
    if share > 0.0005:
        return (f"{100 * share:.1f} % of the pixels are coloured marks drawn on the image.",), ""
    return (), ""


def _equal_channels(picture: npt.NDArray[Any]) -> bool:
    first = picture[..., 0]
    return bool(np.array_equal(first, picture[..., 1]) and np.array_equal(first, picture[..., 2]))
