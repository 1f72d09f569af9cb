"""An image whose pixels are read whenever they are asked for instead of kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.micrograph import Micrograph


def read_when_asked(micrograph: Micrograph, path: Path, again: Callable[[], Any]) -> Micrograph:
    """The same image of the file, its pixels read whenever they are asked for instead of kept.

    Of many images that calibrate each other only one is then in memory. An `InputError` meets who asks for the pixels
    of a file that has changed.

    Parameters
    ----------
    micrograph
        The image as it was opened.
    path
        The file.
    again
        Reads its pixels.
    """
    import dask.array as da
    from dask.delayed import delayed

    from napari_atomicity.io.files import watched

    if micrograph.data.ndim == 3:  # frames of a stack are read like that anyway
        return micrograph

    def pixels(_: int) -> npt.NDArray[Any]:
        return np.asarray(again())

    whenever_asked = delayed(watched(path, pixels), pure=False)(0)
    return replace(micrograph, data=da.from_delayed(whenever_asked, micrograph.data.shape, micrograph.data.dtype))
