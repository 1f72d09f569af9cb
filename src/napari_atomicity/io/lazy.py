"""An image whose pixels are read whenever they are asked for instead of kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.micrograph import Micrograph

Array = npt.NDArray[Any]


class ImageOnDisk:
    """Pixels (y, x) that ``pixels()`` reads whenever they are asked for; none of them is kept.

    NumPy takes it as an array. It is read by who asks, in the same thread, whatever else the process may have set up
    for arrays that are read later.

    Parameters
    ----------
    shape
        (y, x).
    dtype
        What `pixels` gives.
    pixels
        Reads the image.
    """

    ndim = 2

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike, pixels: Callable[[], Array]) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.size = prod(self.shape)
        self.nbytes = self.size * self.dtype.itemsize
        self._pixels = pixels

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Array:
        part: Array = np.asarray(self)[key]
        return part

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("the pixels are on disk; an array of them is always a copy")
        return np.asarray(self._pixels(), self.dtype if dtype is None else dtype)

    def __repr__(self) -> str:
        return f"ImageOnDisk(shape={self.shape}, dtype={self.dtype})"


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
    from napari_atomicity.io.files import watched

    if micrograph.data.ndim == 3:  # frames of a stack are read like that anyway
        return micrograph
    read = watched(path, lambda _: np.asarray(again()))
    return replace(micrograph, data=ImageOnDisk(micrograph.data.shape, micrograph.data.dtype, lambda: read(0)))
