"""What lies beside a data set of HDF5: texts, the positions along its axes, the names of detectors."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats._detectors import MOST, Detectors, along, listed
from napari_atomicity.io.formats._hdf5 import check_place
from napari_atomicity.io.formats._hdf5_tree import FAULTS, at, full, text, texts

#: bytes that a text or an axis may have, and a block in which it is compressed
_MOST_BYTES: Final = 2**20
_MOST_BLOCK: Final = 2**25
#: data sets that may hold the names of the detectors of one beside them
_LISTS: Final = (
    *("detectors", "detector_names", "detector", "channels", "channel_names", "channel"),
    *("names", "labels", "titles", "signals"),
)


def numbers(found: Any) -> npt.NDArray[Any]:
    """The numbers of an attribute or a small data set, in a row; none where they are not small."""
    if not hasattr(found, "chunks"):
        return np.ravel(found)
    return np.ravel(found[()]) if _is_small(found) and found.dtype.kind in "iuf" else np.empty(0)


def first_text(dataset: Any) -> str:
    """The text of a data set, kept as such or as a column of bytes; empty where there is none, or no end of it."""
    if not hasattr(dataset, "chunks") or not _is_small(dataset):
        return ""
    try:
        found = dataset[()] if dataset.ndim == 0 else dataset[:, 0] if dataset.ndim == 2 else dataset[:]
    except FAULTS as error:
        full(error)
        return ""
    if isinstance(found, np.ndarray) and found.dtype == np.uint8:
        return found.tobytes().decode("utf-8", "replace")
    return text(found)


def detectors(dataset: Any, group: Any) -> Detectors | None:
    """The axis of a data set along which detectors lie that a list of texts names; None where there is none.

    The list may be an attribute of the data set, of its group or of the file, or lie beside the data set.

    Parameters
    ----------
    dataset
        The open h5py data set.
    group
        The group that it lies in.
    """
    shape: tuple[int, ...] = dataset.shape or ()
    if not 3 <= len(shape) <= 4:
        return None
    return along(shape, _lists(dataset, group))


def _lists(dataset: Any, group: Any) -> Iterator[tuple[str, ...]]:
    """Lists of names that may be those of its images, the nearest first."""
    for scale in dimension_scales(dataset):
        yield names(scale)
    yield from map(listed, texts(dataset))
    yield from map(listed, texts(group))
    for key in _LISTS:
        yield names(at(group, key))
    yield from map(listed, texts(dataset.file))


def names(dataset: Any) -> tuple[str, ...]:
    """The texts of a small data set in a row; none where there are no such."""
    try:
        row = hasattr(dataset, "chunks") and _is_small(dataset) and dataset.ndim == 1 and dataset.dtype.kind in "OS"
        return listed(dataset[:]) if row and len(dataset) <= MOST else ()
    except FAULTS as error:
        full(error)
        return ()


def dimension_scales(dataset: Any) -> list[Any]:
    """The first scale of each dimension, None where it has none or one that cannot be read."""
    import h5py

    found: list[Any] = []
    for axis in range(dataset.ndim):
        try:
            one = list(dataset.dims[axis].values())[:1]
            found += [item if isinstance(item, h5py.Dataset) else None for item in one or [None]]
        except FAULTS as error:
            full(error)
            found.append(None)
    return found


def _is_small(dataset: Any) -> bool:
    try:
        check_place(dataset)
    except InputError:
        return False
    shape: tuple[int, ...] | None = dataset.shape
    if not shape:
        return shape is not None
    read = prod(shape[:1] if len(shape) == 2 else shape) * int(dataset.dtype.itemsize)
    block = prod(dataset.chunks or (0,)) * int(dataset.dtype.itemsize)
    return 0 < read <= _MOST_BYTES and block <= _MOST_BLOCK
