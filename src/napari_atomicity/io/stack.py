"""A stack of frames that stays on disk: it looks like an array and reads a frame when that frame is asked for."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class FrameStack:
    """Frames (t, y, x), each read by ``frame(t)`` when it is asked for; none of them is kept.

    It costs the same to make, and a frame the same to read, however many frames there are. napari shows it as it is;
    NumPy takes it as an array, all frames then, and `dask.array.from_array` makes a dask array of it.

    Parameters
    ----------
    shape
        (t, y, x).
    dtype
        What `frame` gives.
    frame
        Called with the index of a frame; gives (y, x).
    """

    ndim = 3

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike, frame: Callable[[int], Array]) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.size = prod(self.shape)
        self.nbytes = self.size * self.dtype.itemsize
        #: what is read together, as other lazy arrays tell it
        self.chunks = (1, *self.shape[1:])
        self._frame = frame

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Array:
        which, *within = self._whole(key if isinstance(key, tuple) else (key,))
        if isinstance(which, int | np.integer):
            return self._read(range(len(self))[which], tuple(within))
        chosen = range(len(self))[which] if isinstance(which, slice) else np.arange(len(self))[which]
        if not isinstance(chosen, range) and chosen.ndim != 1:
            whole: Array = np.asarray(self)
            return np.asarray(whole[key])
        planes = [self._read(int(t), tuple(within)) for t in chosen]
        return np.stack(planes) if planes else np.empty((1, *self.shape[1:]), self.dtype)[(slice(0), *within)]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("the frames are on disk; an array of them is always a copy")
        whole = np.empty(self.shape, self.dtype if dtype is None else dtype)
        for t in range(len(self)):
            whole[t] = self._frame(t)
        return whole

    def compute(self) -> Array:
        """All frames in memory, under the name that dask has for it."""
        return np.asarray(self)

    def __repr__(self) -> str:
        return f"FrameStack(shape={self.shape}, dtype={self.dtype})"

    def _read(self, t: int, within: tuple[Any, ...]) -> Array:
        plane = self._frame(t)
        within_plane: Array = plane[within] if within else plane
        return within_plane

    def _whole(self, key: tuple[Any, ...]) -> tuple[Any, ...]:
        """`key` with an ellipsis written out."""
        at = next((k for k, part in enumerate(key) if part is Ellipsis), None)
        if at is None:
            return key or (slice(None),)
        missing = self.ndim - len(key) + 1
        return (*key[:at], *[slice(None)] * missing, *key[at + 1 :]) or (slice(None),)
