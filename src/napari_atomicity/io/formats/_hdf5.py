"""What the HDF5 formats share. A file is opened for each frame and closed again, so that it stays free."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io.files import watched
from napari_atomicity.io.formats._extra import missing_formats
from napari_atomicity.io.raw import RawImage, lazy_stack

Array = npt.NDArray[Any]


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The h5py file `path`; an `InputError` where it is damaged or h5py is not installed."""
    try:
        import h5py
    except ImportError as error:
        raise missing_formats(path) from error
    try:
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    except Exception as error:  # damage shows itself in many ways
        raise InputError(
            f"{path.name} is damaged, cut short or not the HDF5 file that its name promises; copy it again."
        ) from error


def reader_name(what: str) -> str:
    """Name and version of the reader, for the provenance."""
    import h5py

    return f"h5py {h5py.__version__} ({what})"


def image(path: Path, dataset: Any, order: Sequence[int], **about: Any) -> RawImage:
    """A `RawImage` of an h5py `dataset`.

    Parameters
    ----------
    path
        The file.
    dataset
        The h5py data set; only its name, type and shape are kept.
    order
        Its axes in the order (t, y, x) or (y, x); those that are left out have length one.
    about
        The other fields of `RawImage`.
    """
    plane = partial(_plane, path, dataset.name, tuple(order))
    shape = tuple(int(dataset.shape[axis]) for axis in order)
    dtype = dataset.dtype.newbyteorder("=")
    load: Callable[[], Any] = (
        partial(lazy_stack, shape, dtype, watched(path, plane)) if len(order) == 3 else partial(plane, 0)
    )
    return RawImage(shape=shape, dtype=dtype, load=load, **about)


def _plane(path: Path, name: str, order: tuple[int, ...], t: int) -> Array:
    y, x = order[-2:]
    with opened(path) as file:
        dataset = file[name]
        at = [slice(None) if axis in (y, x) else t if axis in order else 0 for axis in range(dataset.ndim)]
        plane = np.asarray(dataset[tuple(at)])
    if y > x:
        plane = np.ascontiguousarray(plane.T)
    return plane.astype(plane.dtype.newbyteorder("="), copy=False)


def text(value: Any) -> str:
    """An attribute as text, however it was stored."""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
