"""From data sets of HDF5 to images. A file is opened for each frame and closed again, so that it stays free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io.files import watched
from napari_atomicity.io.formats._hdf5_tree import FAULTS, at, full, opened
from napari_atomicity.io.grey import to_grey, verdict
from napari_atomicity.io.raw import RawImage, Remarks, lazy_stack, too_much, unreadable
from napari_atomicity.io.text import clean, size_of

Array = npt.NDArray[Any]
Order = tuple[int, ...]

#: filters that HDF5 does not bring along, by their registered numbers
_FILTERS: Final = {
    4: "szip",
    305: "LZO",
    307: "bzip2",
    32000: "LZF",
    32001: "Blosc",
    32004: "LZ4",
    32008: "bitshuffle",
    32013: "ZFP",
    32015: "Zstandard",
    32017: "SZ",
    32018: "FCIDECOMP",
    32019: "JPEG",
    32024: "SZ3",
    32026: "Blosc2",
    32028: "SPERR",
}
#: bytes of a frame that are read in one go
_BAND: Final = 2**22
#: chunks of a stack that are looked at to find out how many frames were written
_MOST_CHUNKS: Final = 200_000


def reader_name(what: str) -> str:
    """Name and version of the reader, for the provenance."""
    import h5py

    return f"h5py {h5py.__version__} ({what})"


def load_filters() -> None:
    """Let HDF5 use the filters of hdf5plugin, where that is installed."""
    import contextlib
    from importlib import import_module

    with contextlib.suppress(ImportError):
        import_module("hdf5plugin")


def check_place(dataset: Any) -> None:
    """Raise where the pixels of a data set lie elsewhere; even its shape may have to be read there.

    Raises
    ------
    InputError
        Where they do.
    """
    import h5py

    plan = dataset.id.get_create_plist()
    if plan.get_layout() == h5py.h5d.VIRTUAL:
        raise InputError("its pixels lie in other data sets (it is a virtual one); open the file that holds them.")
    if plan.get_external_count():
        raise InputError("its pixels lie in another file, which is not followed; open that one, or export the image.")


def data_of(group: Any, key: str) -> Any:
    """A data set with pixels.

    Parameters
    ----------
    group
        The open h5py group that it lies in.
    key
        Its name there.

    Returns
    -------
    The open h5py data set.

    Raises
    ------
    InputError
        Where there is none, or it has no pixels.
    """
    dataset = at(group, key)
    if not hasattr(dataset, "chunks"):
        raise InputError("it has no data, or they are damaged; record or export the image again.")
    check_place(dataset)
    if dataset.shape is None or 0 in dataset.shape:
        raise InputError("it has no pixels; record or export the image again.")
    return dataset


def why_not(path: Path, dataset: Any) -> str:
    """Why the pixels of a data set cannot be read; empty where they can.

    Parameters
    ----------
    path
        The file.
    dataset
        The open h5py data set.
    """
    plan, stored = dataset.id.get_create_plist(), dataset.id.get_storage_size()
    if missing := [_filter(plan, k) for k in range(plan.get_nfilters()) if not _has_filter(plan, k)]:
        return (
            f"it is compressed with {missing[0]}, which is not installed here; "
            "install it with  pip install hdf5plugin  and open it again."
        )
    offset = dataset.id.get_offset()
    if offset is not None and offset + stored > path.stat().st_size:
        return "the end of its pixels is missing, the file is cut short; copy it again."
    block = prod(dataset.chunks or (0,)) * dataset.dtype.itemsize
    if stored and too_much(block, stored):  # a block is decompressed as one
        return f"it claims blocks of {size_of(block)}, but the file keeps only {size_of(stored)} for all of them."
    return ""


def _filter(plan: Any, k: int) -> str:
    code, _, _, name = plan.get_filter(k)
    said = clean(name.decode("utf-8", "replace") if isinstance(name, bytes) else name, 60)
    return _FILTERS.get(code) or said or f"the filter {code}"


def _has_filter(plan: Any, k: int) -> bool:
    import h5py

    return bool(h5py.h5z.filter_avail(plan.get_filter(k)[0]))


# ---------------------------------------------------------------------- images


@dataclass(frozen=True)
class _Source:
    """Where the frames of an image lie: the file, the data set in it, and its axes in the order (t,) y, x.

    `samples` is the axis of the colours, or -1 where they are fields of a compound type; `taken` is an axis with the
    one place along it that is read.
    """

    path: Path
    name: str
    order: Order
    samples: int | None
    taken: tuple[int, int] = (-1, 0)

    def frame(self, t: int) -> Array:
        """Frame `t` as (y, x), grey."""
        pixels = self.pixels(t)
        return pixels if self.samples is None else to_grey(pixels)

    def pixels(self, t: int) -> Array:
        """Frame `t` as (y, x), or (y, x, samples)."""
        try:
            with opened(self.path) as file:
                dataset = at(file, self.name)
                if self.samples is None:
                    return self._by_bands(dataset, t)
                found = self._slab(dataset, t)
        except MemoryError as error:
            raise InputError(f"A frame of “{clean(self.name)}” does not fit into the memory that is free.") from error
        if found.dtype.names is not None:
            found = np.stack([found[name] for name in "RGB"], axis=-1)
        dtype = plain_dtype(found.dtype)
        return np.ascontiguousarray(found, dtype=dtype)

    def _by_bands(self, dataset: Any, t: int) -> Array:
        """Frame `t`, some lines as they are stored at a time: turned round or converted, it is never there twice."""
        y, x = self.order[-2:]
        first = min(y, x)
        plane = np.empty((dataset.shape[y], dataset.shape[x]), plain_dtype(dataset.dtype))
        lines = plane.T if first == x else plane
        chunk = dataset.chunks[first] if dataset.chunks else 1
        step = chunk * max(1, _BAND * lines.shape[0] // max(1, plane.nbytes) // chunk)
        for start in range(0, lines.shape[0], step):
            band = slice(start, min(start + step, lines.shape[0]))
            found = self._slab(dataset, t, band)
            lines[band] = found.T if first == x else found
        return plane

    def _slab(self, dataset: Any, t: int, band: slice = slice(None)) -> Array:
        y, x = self.order[-2:]
        kept = (y, x, self.samples)
        try:
            at_t = [slice(None) if axis in kept else t if axis in self.order else 0 for axis in range(dataset.ndim)]
            if self.taken[0] >= 0:
                at_t[self.taken[0]] = self.taken[1]
            at_t[min(y, x)] = band
            found = np.asarray(dataset[tuple(at_t)])
        except FAULTS as error:
            full(error)
            raise InputError(
                f"the pixels of “{clean(self.name)}” are damaged or cut short; copy the file again."
            ) from error
        return np.swapaxes(found, 0, 1) if y > x else found

    def remarks(self) -> Remarks:
        """Whether the colours are those of a grey picture; reads the first frame."""
        return verdict(self.pixels(0))


def image(
    path: Path,
    dataset: Any,
    order: Sequence[int],
    *,
    title: str,
    samples: int | None = None,
    taken: tuple[int, int] = (-1, 0),
    **about: Any,
) -> RawImage:
    """A `RawImage` of an h5py `dataset`.

    Parameters
    ----------
    path
        The file.
    dataset
        The h5py data set; only its name, type and shape are kept.
    order
        Its axes in the order (t, y, x) or (y, x); those that are left out have length one.
    title
        Of the image; empty where it has none.
    samples
        The axis of the colours of a picture; -1 where they are the fields R, G and B of its type.
    taken
        An axis of the detectors, and which of them this is the image of.
    about
        The other fields of `RawImage`.
    """
    if why := why_not(path, dataset):
        return unreadable(title, dataset.shape, dataset.dtype, why, broken=True)
    if dataset.dtype.names is not None:
        samples = -1
    name = dataset.name  # h5py leaves it as bytes where it is no UTF-8
    name = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)
    source = _Source(path, name, tuple(order), samples, taken)
    shape = tuple(int(dataset.shape[axis]) for axis in order)
    stored = int(dataset.id.get_storage_size())
    shape, remarks = _written(dataset, order, shape)
    about["warnings"] = (*about.get("warnings", ()), *remarks)
    field = dataset.dtype[0] if dataset.dtype.names else dataset.dtype
    dtype = plain_dtype(field)
    load: Callable[[], Any] = (
        partial(lazy_stack, shape, dtype, watched(path, source.frame)) if len(shape) == 3 else partial(source.frame, 0)
    )
    examine = source.remarks if samples is not None else None
    colours = 1 if samples is None or samples < 0 else int(dataset.shape[samples])
    together = prod(shape[-2:]) * colours * int(dataset.dtype.itemsize)
    return RawImage(title, shape, dtype, load, stored=stored, together=together, examine=examine, **about)


def plain_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which pixels of the stored type are handed over: native, and one that everything can show."""
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        return np.dtype(np.float32 if dtype.itemsize < 4 else np.float64)
    return np.dtype(dtype.newbyteorder("=")) if dtype.kind in "iuf" else dtype


def _written(dataset: Any, order: Sequence[int], shape: Order) -> tuple[Order, tuple[str, ...]]:
    """`shape` without the frames at its end that were never written, and a warning where any pixels were not."""
    if not dataset.chunks:
        return shape, ()
    written = dataset.id.get_num_chunks()
    claimed = prod(ceil(size / chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    if not 0 < written < claimed:
        return shape, ()
    frames = _frames_written(dataset, order[0]) if len(shape) == 3 and written <= _MOST_CHUNKS else shape[0]
    if frames < shape[0]:
        said = f"The file claims {shape[0]} frames; only the first {frames} were ever written."
        return (frames, *shape[1:]), (said,)
    said = f"Only {100 * written / claimed:.2g} % of the pixels were ever written; the others hold the same value."
    return shape, (said,)


def _frames_written(dataset: Any, axis: int) -> int:
    """How many steps along the axis there are up to the last chunk that was written."""
    last = 0

    def see(chunk: Any) -> None:
        nonlocal last
        last = max(last, chunk.chunk_offset[axis] + dataset.chunks[axis])

    dataset.id.chunk_iter(see)
    return min(int(last), int(dataset.shape[axis]))
