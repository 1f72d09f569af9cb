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
from napari_atomicity.io.formats._extra import missing_formats
from napari_atomicity.io.grey import to_grey
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


def image(
    path: Path, dataset: Any, order: Sequence[int], *, index: int | None = None, samples: bool = False, **about: Any
) -> RawImage:
    """A `RawImage` of an h5py `dataset`.

    Parameters
    ----------
    path
        The file.
    dataset
        The h5py data set; only its name and shape are kept.
    order
        Its axes in the order (t, y, x) or (y, x); axes that are left out are read at `index`.
    index
        Position along the axes that are left out (of length one where it is 0).
    samples
        Whether the last axis holds colour samples, which become grey.
    about
        The other fields of `RawImage`.
    """
    plane = partial(_plane, path, dataset.name, tuple(order[-2:]), index or 0, samples)
    shape = tuple(int(dataset.shape[axis]) for axis in order)
    dtype = dataset.dtype.newbyteorder("=")
    load: Callable[[], Any] = partial(plane, None, 0)
    if len(order) == 3:
        load = partial(lazy_stack, shape, dtype, partial(plane, order[0]))
    return RawImage(shape=shape, dtype=dtype, load=load, **about)


def _plane(
    path: Path, name: str, order: tuple[int, int], index: int, samples: bool, t_axis: int | None, t: int
) -> Array:
    with opened(path) as file:
        dataset = file[name]
        kept = {*order, dataset.ndim - 1} if samples else set(order)
        at = [slice(None) if axis in kept else t if axis == t_axis else index for axis in range(dataset.ndim)]
        plane = np.asarray(dataset[tuple(at)])
    if order[0] > order[1]:
        plane = np.ascontiguousarray(plane.swapaxes(0, 1))
    if samples:
        plane = to_grey(plane)
    return plane.astype(plane.dtype.newbyteorder("="), copy=False)


def text(value: Any) -> str:
    """An attribute as text, however it was stored."""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
