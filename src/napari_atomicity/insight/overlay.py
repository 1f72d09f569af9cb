"""Heat maps of single clusters, laid over the micrograph they come from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.patches import CELL_NM, MARGIN_PX, NM_PER_PX, PATCH_PX
from napari_atomicity.insight.attribution import Attribution

#: over which a map fades to nothing towards the border of what the network looks at; of a density one cell, so that it
#: still adds up
_RIM_NM = 0.3


def compose(
    attribution: Attribution,
    centres_px: npt.NDArray[np.float64],
    shape_yx: tuple[int, int],
    pixel_size_nm: float,
) -> npt.NDArray[np.float32]:
    """One heat image a channel, on the pixels of the micrograph.

    Parameters
    ----------
    attribution
        Heat maps of n clusters.
    centres_px
        (n, 2) centres y, x in pixels of the micrograph, where the patches were cut.
    shape_yx, pixel_size_nm
        Of the micrograph.

    Returns
    -------
    (channels, y, x) float32. The density is in atoms per nm². Of other maps, from 0 to 1, each cluster's are given in
    parts of its strongest place in either channel: clusters compare in where their evidence lies, not in how much there
    is, and channels keep their proportion. Each map is interpolated linearly at the centres of the image's pixels;
    where windows overlap the larger value stands; 0 where nothing is attributed. Over the outermost 0.3 nm of what the
    network looks at (a density: 0.1 nm) a map fades to nothing.
    """
    height, width = shape_yx
    channels = attribution.maps.shape[1]
    image = np.zeros((channels, height, width), dtype=np.float32)
    for maps, (y, x) in zip(attribution.maps, centres_px, strict=True):
        strongest = float(maps.max())
        whole = 1.0 if attribution.method == "density" else strongest
        if strongest <= 0:
            continue
        rim_nm = CELL_NM if attribution.method == "density" else _RIM_NM
        rows, down = _weights(float(y), height, pixel_size_nm, rim_nm)
        cols, across = _weights(float(x), width, pixel_size_nm, rim_nm)
        if rows.stop > rows.start and cols.stop > cols.start:
            window = image[:, rows, cols]
            np.maximum(window, down @ (maps / whole) @ across.T, out=window)
    return image


def _weights(centre_px: float, size: int, pixel_size_nm: float, rim_nm: float) -> tuple[slice, npt.NDArray[np.float32]]:
    """Image pixels that the patch reaches along one axis, and (pixels, 64) weights of linear interpolation."""
    reach = PATCH_PX / 2 * NM_PER_PX / pixel_size_nm
    first = max(int(np.ceil(centre_px - reach)), 0)
    stop = min(int(np.floor(centre_px + reach)) + 1, size)
    pixel = np.arange(first, max(stop, first))
    patch_px = (pixel - centre_px) * pixel_size_nm / NM_PER_PX + (PATCH_PX - 1) / 2
    patch_px = np.clip(patch_px, 0, PATCH_PX - 1)
    low = np.minimum(patch_px.astype(int), PATCH_PX - 2)
    weights = np.zeros((len(pixel), PATCH_PX), dtype=np.float32)
    rows = np.arange(len(pixel))
    weights[rows, low] = 1 - (patch_px - low)
    weights[rows, low + 1] += patch_px - low
    # towards the rim a map fades out, or every patch would stand in the picture as a square
    rim = (PATCH_PX / 2 - MARGIN_PX - np.abs(patch_px - (PATCH_PX - 1) / 2)) * NM_PER_PX
    weights *= np.clip(rim / rim_nm, 0, 1)[:, None]
    return slice(first, max(stop, first)), weights
