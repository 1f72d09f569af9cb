"""Pixels without a number: narrow gaps are filled for good, wide ones only for finding what is beside them."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

#: a gap is filled where none of its pixels is farther than this from data
_FILLED_NM: Final = 0.05
_FILLED_PX: Final = 1.5
#: wide gaps are filled with the median of tiles of this size
_LEVEL_NM: Final = 3.0


def with_narrow_gaps_filled(image: Image, pixel_size_nm: float) -> tuple[Image, Mask]:
    """Fill narrow gaps with the mean of what is near.

    Parameters
    ----------
    image
        (y, x) pixel values, nan in the gaps.
    pixel_size_nm
        Side of a pixel in nm.

    Returns
    -------
    The image, and (y, x) where it was filled.
    """
    reach_px = max(_FILLED_PX, _FILLED_NM / pixel_size_nm)
    gaps = np.isnan(image)
    wide = ndimage.distance_transform_edt(gaps) > reach_px
    # the rim of a wide gap stays open with it, a thin line that runs into it does not
    narrow = gaps & ~ndimage.binary_dilation(wide, iterations=int(reach_px) + 1) if wide.any() else gaps
    y, x = np.nonzero(narrow)
    if not len(y):
        return image, narrow
    image = image.copy()
    half = int(np.ceil(reach_px)) + 1
    batch = 200_000
    values = np.concatenate(
        [_mean_around(image, y[k : k + batch], x[k : k + batch], half) for k in range(0, len(y), batch)]
    )
    image[y, x] = values
    return image, narrow


def _mean_around(
    image: Image, y: npt.NDArray[np.int64], x: npt.NDArray[np.int64], half: int
) -> npt.NDArray[np.float32]:
    """Mean of the pixels that hold data, the nearest counting most."""
    total, weight = np.zeros(len(y)), np.zeros(len(y))
    for dy in range(-half, half + 1):
        for dx in range(-half, half + 1):
            near = image[np.clip(y + dy, 0, image.shape[0] - 1), np.clip(x + dx, 0, image.shape[1] - 1)]
            there = np.isfinite(near)
            share = np.exp(-1.5 * (dy * dy + dx * dx)) + 1e-12
            total += np.where(there, share * near, 0)
            weight += share * there
    return np.asarray(total / np.maximum(weight, 1e-30), dtype=np.float32)


def without_gaps(image: npt.NDArray[np.floating], pixel_size_nm: float) -> npt.NDArray[np.floating]:
    """Replace nan by the level of the support around: nothing bright goes on into a gap.

    Parameters
    ----------
    image
        (y, x) pixel values, nan in the gaps.
    pixel_size_nm
        Side of a pixel in nm.
    """
    gaps = ~np.isfinite(image)
    if not gaps.any():
        return image
    side = max(4, round(_LEVEL_NM / pixel_size_nm))
    rows, cols = (max(1, n // side) for n in image.shape)
    levels = np.full((rows, cols), np.nan)
    for i, strip in enumerate(np.array_split(image, rows)):
        for j, tile in enumerate(np.array_split(strip, cols, axis=1)):
            data = tile[np.isfinite(tile)]
            if len(data) >= 0.1 * tile.size:
                levels[i, j] = np.median(data)
    unknown = np.isnan(levels)
    if unknown.all():
        levels[:] = np.median(image[~gaps]) if not gaps.all() else 0
    elif unknown.any():
        nearest = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
        levels = levels[tuple(nearest)]
    y, x = np.nonzero(gaps)
    places = np.stack([(y + 0.5) * rows / image.shape[0] - 0.5, (x + 0.5) * cols / image.shape[1] - 0.5])
    filled = image.copy()
    filled[y, x] = ndimage.map_coordinates(levels, places, order=1, mode="nearest")
    return filled
