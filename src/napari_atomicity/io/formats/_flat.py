"""Pixels that lie uncompressed at known places of a file, opened anew for each frame, so that it stays free between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io.raw import RawImage, lazy_stack

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Frames:
    """Where the frames of an image lie.

    Attributes
    ----------
    path, dtype
        The file, and the type of a pixel as stored.
    shape
        (y, x).
    starts
        The byte at which each frame begins.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, int]
    starts: Sequence[int] | npt.NDArray[np.int64]

    @classmethod
    def one_after_another(cls, path: Path, dtype: Any, shape: Sequence[int], start: int) -> Frames:
        """Frames of `shape` (t, y, x) or (y, x) without gaps, the first at the byte `start`."""
        dtype = np.dtype(dtype)
        n_frames = shape[0] if len(shape) == 3 else 1
        step = prod(shape[-2:]) * dtype.itemsize
        return cls(path, dtype, (shape[-2], shape[-1]), range(start, start + n_frames * step, max(1, step)))

    @property
    def end(self) -> int:
        """The byte after the last frame."""
        return int(self.starts[len(self.starts) - 1]) + prod(self.shape) * self.dtype.itemsize

    def read(self, t: int = 0) -> Array:
        """Frame `t` in the machine's byte order."""
        with opened(self.path) as file:
            file.seek(int(self.starts[t]))
            found = np.fromfile(file, self.dtype, prod(self.shape))
        if found.size != prod(self.shape):
            claimed = size(prod(self.shape) * self.dtype.itemsize)
            raise damaged(self.path, f"frame {t} should have {claimed}, {size(found.nbytes)} are there")
        plane: Array = found.reshape(self.shape)
        return plane.byteswap(inplace=True).view(self.dtype.newbyteorder("=")) if not self.dtype.isnative else plane

    def image(self, n_frames: int, change: Callable[[Array], Array] | None = None, **about: Any) -> RawImage:
        """The `RawImage` of these frames; a stack where there are several.

        Parameters
        ----------
        n_frames
            1 gives a single image.
        change
            Made of each frame before it is handed on.
        about
            The other fields of `RawImage`.
        """
        shape = (n_frames, *self.shape) if n_frames > 1 else self.shape
        frame = partial(_changed, self, change) if change else self.read
        dtype = about.pop("dtype", self.dtype.newbyteorder("="))
        load: Callable[[], Any] = partial(lazy_stack, shape, dtype, frame) if n_frames > 1 else partial(frame, 0)
        return RawImage(shape=shape, dtype=dtype, load=load, **about)


def _changed(frames: Frames, change: Callable[[Array], Array], t: int) -> Array:
    return change(frames.read(t))


def opened(path: Path) -> Any:
    """The open file `path`; an `InputError` where it has gone or may not be read."""
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path.name} cannot be opened ({error.strerror}); check that it is still there.") from error


def damaged(path: Path, how: str) -> InputError:
    """The error for a file with bytes missing, `how` in words."""
    return InputError(
        f"{path.name} is damaged, cut short or not {_kind(path)} file: {how}; "
        "copy it again from the microscope."
    )


def odd(path: Path, how: str) -> InputError:
    """The error for a file that is whole and yet makes no sense, `how` in words."""
    return InputError(f"{path.name} cannot be read: {how}; export the image again, as TIFF if there is a choice.")


def _kind(path: Path) -> str:
    name = path.suffix.lstrip(".").upper()
    name = {"TIF": "TIFF", "JPG": "JPEG"}.get(name, name)
    return f"{'an' if name in ('MRC', 'EMI') else 'a'} {name}"


def claims(shape: Sequence[int], dtype: Any) -> str:
    """What a header claims, in words: ``60000 × 60000 pixels of uint16 (7.2 GB)``."""
    n_bytes = prod(int(n) for n in shape) * np.dtype(dtype).itemsize
    return f"{' × '.join(str(n) for n in shape)} pixels of {np.dtype(dtype).name} ({size(n_bytes)})"


def size(n_bytes: int) -> str:
    """A number of bytes for people."""
    amount = float(n_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"
