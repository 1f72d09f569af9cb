"""TIFF of every kind a microscope room produces, through tifffile."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io.files import watched
from napari_atomicity.io.formats import tiff_calibration
from napari_atomicity.io.grey import to_grey, verdict
from napari_atomicity.io.raw import RawImage, axes_sentence, complex_sentence, lazy_stack, unreadable

Array = npt.NDArray[Any]


def images(path: Path) -> list[RawImage]:
    """The images of the file: one a series, and one a named channel where a series has several."""
    with _opened(path) as tif:
        _check_chain(path, tif)
        found = [image for index in range(len(tif.series)) for image in _of_series(path, tif, index)]
    if not found:
        raise _damaged(path)
    return found


def _damaged(path: Path) -> InputError:
    return InputError(f"{path.name} is damaged, cut short or not a TIFF file; copy it again from the microscope.")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The open `tifffile.TiffFile`; whatever goes wrong in it becomes one sentence for the user."""
    import tifffile

    log = logging.getLogger("tifffile")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)  # it tells the same damage again, in its own words
    try:
        with tifffile.TiffFile(path) as tif:
            yield tif
    except InputError:
        raise
    except Exception as error:  # a damaged TIFF fails in many ways
        raise _damaged(path) from error
    finally:
        log.setLevel(level)


def _of_series(path: Path, tif: Any, index: int) -> list[RawImage]:
    series = tif.series[index]
    page = series.keyframe
    title = "thumbnail" if page.is_reduced else _title(tif, index)
    axes, shape = _without_singletons(series)
    if series.dtype is None or np.issubdtype(series.dtype, np.complexfloating):
        return [unreadable(title, shape, series.dtype or np.uint8, complex_sentence())]
    _check_length(path, series)
    colour = "S" in axes and (page.photometric in (2, 6) or shape[axes.index("S")] == 2)  # RGB, YCbCr, grey + alpha
    leading = [axis for axis in axes if axis not in ("YXS" if colour else "YX")]
    if "Y" not in axes or "X" not in axes:
        return [unreadable(title, shape, series.dtype, axes_sentence(len(axes)))]
    names = _channel_names(tif, index, shape[axes.index("C")]) if "C" in leading else ()
    if len(leading) - bool(names) > 1:
        return [unreadable(title, shape, series.dtype, axes_sentence(len(axes)))]
    reader = _Reader(path, index, "".join(leading), colour)
    if not names:
        return [_image(tif, reader, title, None)]
    return [_image(tif, reader, name, channel) for channel, name in enumerate(names)]


def _image(tif: Any, reader: _Reader, title: str, channel: int | None) -> RawImage:
    import tifffile

    series = tif.series[reader.series]
    axes, shape = _without_singletons(series)
    sizes = dict(zip(axes, shape, strict=True))
    steps = [sizes[axis] for axis in reader.leading if not (axis == "C" and channel is not None)]
    frame_shape = (sizes["Y"], sizes["X"])
    dtype = np.dtype(series.dtype).newbyteorder("=")
    calibration = tiff_calibration.of_series(tif, reader.series)
    warnings, refusal = _colours(reader, channel) if reader.colour else ((), "")
    if series.keyframe.photometric == 3 and not _is_grey_table(series.keyframe.colormap):
        warnings += ("The false-colour table of the file is left out: its indices are taken as grey levels.",)
    if "C" in reader.leading and channel is None:
        warnings += ("The channels of the file have no names; they are opened as frames of a stack.",)
    frame = partial(reader.frame, channel)
    load = (
        partial(lazy_stack, (*steps, *frame_shape), dtype, watched(reader.path, frame)) if steps else partial(frame, 0)
    )
    return RawImage(
        title=title,
        shape=(*steps, *frame_shape),
        dtype=dtype,
        load=load,
        calibration=calibration,
        reader=f"tifffile {tifffile.__version__}",
        metadata=tiff_calibration.acquisition(tif),
        warnings=warnings,
        refusal=refusal,
    )


class _Reader:
    """Reads single frames of one series of one file, opening the file each time so that it stays free between."""

    def __init__(self, path: Path, series: int, leading: str, colour: bool) -> None:
        self.path = path
        self.series = series
        self.leading = leading
        self.colour = colour

    def frame(self, channel: int | None, t: int) -> Array:
        """Frame `t` (of `channel`) as (y, x)."""
        with _opened(self.path) as tif:
            series = tif.series[self.series]
            plane = self.plane(series, channel, t)
            return _display_order(series.keyframe, to_grey(plane) if self.colour else plane)

    def plane(self, series: Any, channel: int | None, t: int) -> Array:
        """The same as stored, with its colour samples."""
        axes, shape = _without_singletons(series)
        sizes = dict(zip(axes, shape, strict=True))
        at = [channel if axis == "C" and channel is not None else t for axis in self.leading]
        flat = int(np.ravel_multi_index(at, [sizes[axis] for axis in self.leading])) if at else 0
        in_order = axes == f"{self.leading}YX"
        n_planes = prod(sizes[axis] for axis in self.leading)
        if in_order and at and series.dataoffset is not None:
            return self._from_disk(series, flat, (sizes["Y"], sizes["X"]))
        if len(series.pages) == n_planes and series.pages[flat] is not None:
            page = series.pages[flat]
            return _native(_arranged(page.asarray(squeeze=True), page.axes, "", self.colour))
        whole = _arranged(series.asarray(), series.axes, self.leading, self.colour)
        return _native(np.ascontiguousarray(whole[tuple(at)]))

    def _from_disk(self, series: Any, flat: int, shape: tuple[int, int]) -> Array:
        dtype = np.dtype(series.keyframe.parent.byteorder + series.dtype.char)
        offset = series.dataoffset + flat * prod(shape) * dtype.itemsize
        return _native(np.fromfile(self.path, dtype=dtype, count=prod(shape), offset=offset).reshape(shape))


def _arranged(array: Array, axes: str, leading: str, colour: bool) -> Array:
    """`array` with its axes in the order `leading`, y, x and colour samples; axes of length one are dropped."""
    kept = [axis for axis, size in zip(axes, array.shape, strict=True) if size > 1 or axis in "YX"]
    array = array.reshape([size for axis, size in zip(axes, array.shape, strict=True) if size > 1 or axis in "YX"])
    return array.transpose([kept.index(axis) for axis in f"{leading}YX{'S' if colour else ''}"])


def _without_singletons(series: Any) -> tuple[str, tuple[int, ...]]:
    pairs = [(axis, size) for axis, size in zip(series.axes, series.shape, strict=True) if size > 1 or axis in "YX"]
    return "".join(axis for axis, _ in pairs), tuple(int(size) for _, size in pairs)


def _native(array: Array) -> Array:
    if array.dtype.isnative:
        return array
    # in place where possible: a copy would double the memory of a large frame
    return array.byteswap(inplace=array.flags.writeable).view(array.dtype.newbyteorder("="))


def _display_order(page: Any, image: Array) -> Array:
    """Bright where the sample scatters: some files store white as zero, or invert through their palette."""
    if image.dtype == bool or not np.issubdtype(image.dtype, np.unsignedinteger):
        return image
    inverted = page.photometric == 0
    if page.photometric == 3 and _is_grey_table(page.colormap):
        inverted = int(page.colormap[0][0]) > int(page.colormap[0][-1])
    if not inverted:
        return image
    top = (1 << page.bitspersample) - 1
    flipped: Array = np.subtract(image.dtype.type(top), image)
    return flipped


def _is_grey_table(table: Any) -> bool:
    return table is not None and bool((table[0] == table[1]).all() and (table[0] == table[2]).all())


def _colours(reader: _Reader, channel: int | None) -> tuple[tuple[str, ...], str]:
    with _opened(reader.path) as tif:
        return verdict(reader.plane(tif.series[reader.series], channel, 0))


def _check_chain(path: Path, tif: Any) -> None:
    """In a file that was cut short a page points to a next one beyond the end; tifffile reads what is left."""
    form, file = tif.tiff, tif.filehandle
    offset, seen = tif.pages[0].offset, set()
    while offset and offset not in seen:
        seen.add(offset)
        if offset >= file.size:
            raise _damaged(path)
        file.seek(offset)
        (n_tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
        file.seek(offset + form.tagnosize + n_tags * form.tagsize)
        (offset,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))


def _check_length(path: Path, series: Any) -> None:
    """A file that was cut short lacks the end of its last page."""
    size = path.stat().st_size
    if series.dataoffset is not None:
        end = series.dataoffset + prod(series.shape) * series.dtype.itemsize
    else:
        pages = [page for page in (series.pages[0], series.pages[-1]) if page is not None]
        ends = (a + b for page in pages for a, b in zip(page.dataoffsets, page.databytecounts, strict=False))
        end = max(ends, default=0)
    if end > size and not series.is_multifile:
        raise _damaged(path)


def _title(tif: Any, index: int) -> str:
    name = str(tif.series[index].name or "")
    if not tif.is_ome and tif.is_imagej:
        labels = (tif.imagej_metadata or {}).get("Labels")
        name = labels if isinstance(labels, str) else ""
    return name if name not in ("Image0", "Series 0", "Generic 0", "Uniform 0") else ""


def _channel_names(tif: Any, index: int, n_channels: int) -> tuple[str, ...]:
    names: list[Any] = []
    if tif.is_ome:
        names = tiff_calibration.ome_channel_names(tif, index)
    elif tif.is_imagej:
        names = list((tif.imagej_metadata or {}).get("Labels") or [])
    return tuple(str(name) for name in names) if len(names) == n_channels and all(names) else ()
