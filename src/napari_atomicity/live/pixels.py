"""Images that came without a file, as files: what was counted can be opened, corrected and counted again later."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from napari_atomicity.io.atomic import write_atomically
from napari_atomicity.live.tables import make_folder
from napari_atomicity.micrograph import Micrograph


def save_pixels(micrograph: Micrograph, folder: Path, stem: str, taken: float) -> Path:
    """Write an image as TIFF with its pixel size; no earlier file is replaced.

    Parameters
    ----------
    micrograph
        The image; it must be calibrated.
    folder
        Where to; made where it is not there.
    stem
        Name of the file.
    taken
        When the image was taken, in seconds since 1970.

    Returns
    -------
    The file.

    Raises
    ------
    InputError
        Where the system does not let us write there.
    """
    from tifffile import imwrite

    make_folder(folder)
    data = np.asarray(micrograph.data)
    if data.dtype not in (np.uint8, np.uint16, np.float32):
        whole = data.dtype.kind in "iu" and data.size and data.min() >= 0 and data.max() < 2**16
        data = data.astype(np.uint16 if whole else np.float32)
    resolution = (1 / micrograph.calibrated_pixel_size_nm,) * 2
    metadata = {"unit": "nm", "axes": "TYX" if data.ndim == 3 else "YX"}
    path = folder / f"{stem}.tif"
    if path.exists():
        path = folder / f"{stem}_{time.strftime('%H%M%S', time.localtime(taken))}_{time.time_ns() % 10**9:09d}.tif"
    write_atomically(path, lambda draft: imwrite(draft, data, imagej=True, resolution=resolution, metadata=metadata))
    return path
