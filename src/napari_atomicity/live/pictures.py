"""A counted image as a small picture with rings, to be painted by whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.micrograph import contrast_limits

if TYPE_CHECKING:
    from napari_atomicity.pipeline import ImageState

#: pixels along the longer side
_SIDE: Final = 480


@dataclass(frozen=True, eq=False)
class Picture:
    """Grey levels of an image and the rings on it, in parts of its height and width.

    Attributes
    ----------
    name
        Of the image.
    grey
        (h, w) grey levels.
    rings
        (n, 3) y and x of the centre and the radius, in pixels of the picture.
    labels
        (n,) what decides the colour.
    """

    name: str
    grey: npt.NDArray[np.uint8]
    rings: npt.NDArray[np.float64]
    labels: tuple[str, ...]


def picture_of(state: ImageState) -> Picture:
    """The first frame of a counted image as a picture."""
    image, table = state.micrograph.frame(0), state.table
    step = max(1, -(-max(image.shape) // _SIDE))
    height, width = (side // step for side in image.shape)
    small = np.nan_to_num(image[: height * step, : width * step]).reshape(height, step, width, step).mean(axis=(1, 3))
    low, high = contrast_limits(small) or (0.0, 1.0)
    grey = np.clip((small - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    first = table.take(table.rows["frame"].to_numpy() == 0)
    y, x = first.centres_px.T
    radius = np.maximum(first.rows["diameter_nm"].to_numpy(dtype=float) / 2, 0.3)
    radius = (radius + 0.25) / state.micrograph.calibrated_pixel_size_nm
    rings = np.column_stack([y + 0.5, x + 0.5, radius]) / step
    return Picture(state.micrograph.name, np.ascontiguousarray(grey), rings, tuple(map(str, first.final_labels)))
