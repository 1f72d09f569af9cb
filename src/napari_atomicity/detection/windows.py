"""Square windows around clusters on a grid of fixed nm per pixel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
#: samples a source pixel or target pixel is divided into when averaging over a target pixel's area
_FINE = 4
#: a target pixel of whose area less than this part holds data is missing
_LEAST_SHARE = 0.5


def extract_windows(
    image: npt.NDArray[np.floating],
    y_px: npt.NDArray[np.floating],
    x_px: npt.NDArray[np.floating],
    pixel_size_nm: float,
    size_px: int = 64,
    nm_per_px: float = 0.05,
) -> Image:
    """Windows centred on points, resampled to a fixed grid.

    Every target pixel is the mean of the linearly interpolated image over the target pixel's area, so that fine
    micrographs are averaged (not sub-sampled) and integrals are kept.

    Parameters
    ----------
    image
        (y, x) micrograph.
    y_px, x_px
        (n,) centres in pixels of the image; pixel centres at integers.
    pixel_size_nm
        Side of a pixel of the image, nm.
    size_px
        Side of a window in target pixels; its centre lies between the two middle ones where even.
    nm_per_px
        Side of a target pixel, nm.

    Returns
    -------
    (n, size_px, size_px) float32; nan outside the image, and where it holds no data.
    """
    n = len(y_px)
    windows = np.empty((n, size_px, size_px), dtype=np.float32)
    ratio = nm_per_px / pixel_size_nm
    half = int(np.ceil(size_px * ratio / 2)) + 2
    span = 2 * half + 1
    rows, cols = _nearest(y_px, image.shape[0]), _nearest(x_px, image.shape[1])
    # a few at a time: the crops of a fine micrograph are large
    batch = max(1, int(1e6 / span**2))
    for start in range(0, n, batch):
        part = slice(start, min(start + batch, n))
        down = _averaging(np.asarray(y_px[part]) - rows[part], span, size_px, ratio)
        across = _averaging(np.asarray(x_px[part]) - cols[part], span, size_px, ratio).transpose(0, 2, 1)
        crops = _crops(image, rows[part], cols[part], half)
        windows[part] = _weighed(crops, down, across)
    _blank_outside(windows, y_px, image.shape[0], ratio, axis=1)
    _blank_outside(windows, x_px, image.shape[1], ratio, axis=2)
    return windows


def _crops(
    image: npt.NDArray[np.floating], rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64], half: int
) -> Image:
    """Squares around pixels; beyond the image its last row and column go on."""
    reach = np.arange(-half, half + 1)
    y = np.clip(rows[:, None] + reach, 0, image.shape[0] - 1)
    x = np.clip(cols[:, None] + reach, 0, image.shape[1] - 1)
    return np.asarray(image[y[:, :, None], x[:, None, :]], dtype=np.float32)


def _weighed(crops: Image, down: Image, across: Image) -> Image:
    """Means over the area of each target pixel, of what there is; nan where more than half of it is missing."""
    missing = ~np.isfinite(crops)
    gappy = missing.any(axis=(1, 2))
    if not gappy.any():
        return np.asarray(down @ crops @ across)
    crops[missing] = 0
    windows = down @ crops @ across
    share = down[gappy] @ (~missing[gappy]).astype(np.float32) @ across[gappy]
    windows[gappy] = np.where(share >= _LEAST_SHARE, windows[gappy] / np.maximum(share, _LEAST_SHARE), np.nan)
    return np.asarray(windows)


def _nearest(centre: npt.NDArray[np.floating], size: int) -> npt.NDArray[np.int64]:
    return np.clip(np.floor(np.asarray(centre) + 0.5), 0, size - 1).astype(np.int64)


def _target(size_px: int, ratio: float) -> npt.NDArray[np.floating]:
    """Centres of the target pixels relative to the window's centre, in source pixels."""
    return (np.arange(size_px) - (size_px - 1) / 2) * ratio


def _averaging(offset: npt.NDArray[np.float64], span: int, size_px: int, ratio: float) -> Image:
    """(n, size_px, span) weights with which source pixels enter target pixels, along one axis."""
    fine = max(_FINE, int(np.ceil(2 * ratio)))
    within = ((np.arange(fine) + 0.5) / fine - 0.5) * ratio
    place = offset[:, None, None] + _target(size_px, ratio)[None, :, None] + within + (span - 1) / 2
    place = np.clip(place, 0, span - 1.001)
    low = np.floor(place).astype(np.int64)
    share = (place - low) / fine
    weights = np.zeros(len(offset) * size_px * span)
    base = (np.arange(len(offset) * size_px) * span).reshape(len(offset), size_px, 1)
    for index, value in ((low, 1 / fine - share), (low + 1, share)):
        weights += np.bincount((base + index).ravel(), value.ravel(), minlength=weights.size)
    return weights.reshape(len(offset), size_px, span).astype(np.float32)


def _blank_outside(windows: Image, centre: npt.NDArray[np.floating], size: int, ratio: float, axis: int) -> None:
    place = np.asarray(centre)[:, None] + _target(windows.shape[axis], ratio)
    outside = (place < -0.5) | (place > size - 0.5)
    if not outside.any():
        return
    mask = outside[:, :, None] if axis == 1 else outside[:, None, :]
    windows[np.broadcast_to(mask, windows.shape)] = np.nan
