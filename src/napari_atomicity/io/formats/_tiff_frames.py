"""Frames of a TIFF file, each found at once by where its page lies. The file is closed between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats._claims import damaged, odd, why_too_many_passes
from napari_atomicity.io.grey import to_grey, verdict
from napari_atomicity.io.quiet import without_log
from napari_atomicity.io.text import clean

Array = npt.NDArray[Any]

#: flavours of light microscopes and slide scanners; some of them follow names of other files
_NOT_OURS: Final = frozenset(
    {"lsm", "mmstack", "ndtiff", "fluoview", "stk", "svs", "scn", "qpi", "ndpi", "bif", "avs", "eer", "philips"}
    | {"scanimage", "nih", "mdgel", "indica"}
)


_JPEG: Final = frozenset({6, 7, 33007, 34892})


@contextmanager
def opened(path: Path, **flags: bool) -> Iterator[Any]:
    """The open `tifffile.TiffFile`; whatever goes wrong in it becomes one sentence for the user.

    Parameters
    ----------
    path
        The file.
    flags
        Of `tifffile.TiffFile`, such as ``is_ome=False``.

    Raises
    ------
    InputError
        Where it cannot be opened, or is damaged.
    """
    import tifffile

    known = tifffile.TIFF.FILE_FLAGS
    flags = {**{f"is_{name}": False for name in _NOT_OURS if name in known}, **flags}
    try:
        # the log tells the same damage again, in its own words
        with without_log("tifffile"), tifffile.TiffFile(path, **flags) as tif:
            yield tif
    except InputError:
        raise
    except MemoryError:
        raise
    except PermissionError as error:
        raise InputError(f"{clean(path.name)} cannot be opened ({error.strerror}); check the access rights.") from error
    except Exception as error:  # a damaged TIFF fails in many ways
        if is_slip(error):
            raise
        raise damaged(path, "its pages cannot be read") from error


def is_slip(error: Exception) -> bool:
    """Whether it is a mistake in this package, not damage that tifffile has met."""
    if not isinstance(error, TypeError | AttributeError | NameError | AssertionError):
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith("napari_atomicity.")


@dataclass(frozen=True)
class PageFrames:
    """Frames that are a page each.

    Attributes
    ----------
    offsets
        The byte at which the directory of each frame's page begins; -1 where there is none.
    shape
        (y, x) that every frame must have.
    colour
        Whether the pages hold colour samples, of which grey levels are made.
    """

    path: Path
    offsets: Sequence[int] | npt.NDArray[np.int64]
    shape: tuple[int, int]
    colour: bool = False

    def read(self, t: int = 0) -> Array:
        """Frame `t` as (y, x), bright where the sample scatters."""
        with opened(self.path) as tif:
            page = self.page(tif, t)
            plane = self._plane(page, t)
            return upright(to_grey(plane) if self.colour else plane, top_of_inverted(page))

    def look(self) -> tuple[tuple[str, ...], str]:
        """Warnings and refusal that the colours of the first frame tell."""
        with opened(self.path) as tif:
            return verdict(self._plane(self.page(tif, 0), 0))

    def page(self, tif: Any, t: int) -> Any:
        """The page of a frame.

        Parameters
        ----------
        tif
            The open `tifffile.TiffFile`.
        t
            Which frame.
        """
        import tifffile

        offset = int(self.offsets[t])
        if offset < 0:
            raise damaged(self.path, f"the page of frame {t} is missing")
        if offset == tif.pages[0].offset:
            return tif.pages[0]
        tif.filehandle.seek(offset)
        return tifffile.TiffPage(tif, index=t)

    def _plane(self, page: Any, t: int) -> Array:
        check_passes(self.path, page)
        plane = arranged(page.asarray(squeeze=True), page.axes, "", self.colour)
        if plane.shape[:2] != self.shape:
            raise damaged(self.path, f"frame {t} has {' × '.join(map(str, plane.shape))} pixels, the first others")
        return native(plane)


@dataclass(frozen=True)
class SeriesFrames:
    """Frames of a series whose pages hold several of them, or parts of one: the series is read as a whole.

    `taken` is an axis among `leading`, with the one place along it that is read.
    """

    path: Path
    series: int
    leading: str
    taken: tuple[str, int] | None
    colour: bool

    def read(self, t: int = 0) -> Array:
        """Frame `t` as (y, x), bright where the sample scatters."""
        with opened(self.path) as tif:
            series = tif.series[self.series]
            plane = self._plane(series, t)
            return upright(to_grey(plane) if self.colour else plane, top_of_inverted(series.keyframe))

    def look(self) -> tuple[tuple[str, ...], str]:
        """Warnings and refusal that the colours of the first frame tell."""
        with opened(self.path) as tif:
            return verdict(self._plane(tif.series[self.series], 0))

    def _plane(self, series: Any, t: int) -> Array:
        axis_taken, place = self.taken or ("", 0)
        at = tuple(place if axis == axis_taken else t for axis in self.leading)
        whole = arranged(series.asarray(), series.axes, self.leading, self.colour)
        return native(np.ascontiguousarray(whole[at]))


@dataclass(frozen=True)
class FlatFrames:
    """Frames without gaps and compression between them, read past tifffile.

    Attributes
    ----------
    dtype, shape
        The type of a pixel as stored, and (y, x).
    start, order
        The byte at which the first plane begins, and the number of the plane that each frame is.
    top
        The level that stands for black; None where the sample is bright as stored.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, int]
    start: int
    order: npt.NDArray[np.int64]
    top: int | None

    @classmethod
    def of(cls, path: Path, series: Any, shape: tuple[int, int], order: npt.NDArray[np.int64]) -> FlatFrames:
        """The planes of a series whose pixels lie one after the other, without pages of their own.

        Parameters
        ----------
        path
            The file.
        series
            Of an open `tifffile.TiffFile`.
        shape
            (y, x) of a plane in pixels.
        order
            (t,) which plane each frame is.
        """
        dtype = np.dtype(series.keyframe.parent.byteorder + series.dtype.char)
        return cls(path, dtype, shape, series.dataoffset, order, top_of_inverted(series.keyframe))

    def read(self, t: int = 0) -> Array:
        """Frame `t` as (y, x), bright where the sample scatters."""
        n = prod(self.shape)
        offset = self.start + int(self.order[t]) * n * self.dtype.itemsize
        plane = np.fromfile(self.path, self.dtype, n, offset=offset)
        if plane.size != n:
            raise damaged(self.path, f"frame {t} is not all there")
        return upright(native(plane.reshape(self.shape)), self.top)


def check_passes(path: Path, page: Any) -> None:
    """Raise where a page is a JPEG that would be drawn over and over.

    Parameters
    ----------
    path
        The file.
    page
        Of an open `tifffile.TiffFile`.

    Raises
    ------
    InputError
        Where it is one.
    """
    if page.compression not in _JPEG:
        return
    with path.open("rb") as file:
        for start, length in zip(page.dataoffsets, page.databytecounts, strict=False):
            file.seek(start)
            if why := why_too_many_passes(file.read(length)):
                raise odd(path, why)


def arranged(array: Array, axes: str, leading: str, colour: bool) -> Array:
    """An array with its axes in the order in which they are shown; those of length one are dropped.

    Parameters
    ----------
    array
        Pixels.
    axes
        Its axes, a letter each.
    leading
        Letters of those before y and x, in their new order.
    colour
        Whether colour samples follow y and x.
    """
    kept = [axis for axis, size in zip(axes, array.shape, strict=True) if size > 1 or axis in "YX"]
    array = array.reshape([size for axis, size in zip(axes, array.shape, strict=True) if size > 1 or axis in "YX"])
    return array.transpose([kept.index(axis) for axis in f"{leading}YX{'S' if colour else ''}"])


def native(array: Array) -> Array:
    """`array` in the machine's byte order."""
    if array.dtype.isnative:
        return array
    # in place where possible: a copy would double the memory of a large frame
    return array.byteswap(inplace=array.flags.writeable).view(array.dtype.newbyteorder("="))


def top_of_inverted(page: Any) -> int | None:
    """The level that stands for black, where a page stores white as zero or inverts through its palette."""
    if page.dtype is None or page.dtype.kind != "u":
        return None
    inverted = page.photometric == 0
    if page.photometric == 3 and is_grey_table(page.colormap):
        inverted = int(page.colormap[0][0]) > int(page.colormap[0][-1])
    return (1 << page.bitspersample) - 1 if inverted else None


def upright(image: Array, top: int | None) -> Array:
    """An image bright where the sample scatters.

    Parameters
    ----------
    image
        (y, x) pixels.
    top
        The value of no signal where it is stored inverted; None where it is not.
    """
    if top is None or image.dtype.kind != "u":
        return image
    # in place where possible, as above
    flipped: Array = np.subtract(image.dtype.type(top), image, out=image if image.flags.writeable else None)
    return flipped


def is_grey_table(table: Any) -> bool:
    """Whether a palette holds shades of grey."""
    return table is not None and bool((table[0] == table[1]).all() and (table[0] == table[2]).all())
