"""Whether the pixels of a TIFF series or page can be opened, in words."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_atomicity.io.formats._claims import claims
from napari_atomicity.io.raw import axes_sentence, complex_sentence
from napari_atomicity.io.text import size_of


def why_not_opened(path: Path, series: Any, axes: str) -> str:
    """Why the pixels of a series are not opened; empty where they can be.

    Parameters
    ----------
    path
        The file.
    series
        Of an open `tifffile.TiffFile`.
    axes
        Its axes without those of length one, a letter each.
    """
    if series.dtype is None or np.issubdtype(series.dtype, np.complexfloating):
        return complex_sentence()
    if why := _why_too_short(path, series):
        return why
    sizes = dict(zip(series.axes, series.shape, strict=True))
    if "Y" not in axes or "X" not in axes:
        return axes_sentence(len(axes))
    if (
        prod(series.shape) > max(1, prod(sizes[axis] for axis in "YX")) * path.stat().st_size
    ):  # less than a byte a frame
        return f"it claims {claims(series.shape, series.dtype)}, the file has {size_of(path.stat().st_size)}."
    if min(series.shape, default=0) < 1:
        return f"it claims {claims(series.shape, series.dtype)}, which is no image; export it again."
    return why_not_unpacked(series.keyframe)


def why_not_unpacked(page: Any) -> str:
    """Why the pixels of a page cannot be unpacked, empty where they can."""
    import tifffile

    if page.compression in tifffile.TIFF.DECOMPRESSORS:
        return ""
    return f"its pixels are packed in a way ({int(page.compression)}) that is not known here; export it unpacked."


def _why_too_short(path: Path, series: Any) -> str:
    """A file that was cut short lacks the end of its last page."""
    if series.dataoffset is None:
        pages = [page for page in (series.pages[0], series.pages[-1]) if page is not None]
        return next((why for page in pages if (why := why_page_too_short(path, page))), "")
    return _why_short(path, series.dataoffset + prod(series.shape) * series.dtype.itemsize, series)


def why_page_too_short(path: Path, page: Any) -> str:
    """Why the pixels of a page cannot be whole; empty where they can.

    Parameters
    ----------
    path
        The file.
    page
        Of an open `tifffile.TiffFile`.
    """
    stored, layout = sum(page.databytecounts), page.keyframe
    # the colours of YCbCr may be stored at half the resolution
    bits = min(np.ravel(layout.bitspersample).tolist(), default=0)  # several where the samples differ
    if layout.compression == 1 and layout.photometric != 6 and 8 * stored < prod(layout.shape) * bits:
        return (
            f"it claims {claims(layout.shape, layout.dtype or np.uint8)}, {size_of(stored)} are there; copy it again."
        )
    pieces = zip(page.dataoffsets, page.databytecounts, strict=False)
    return _why_short(path, max((start + length for start, length in pieces), default=0), page)


def _why_short(path: Path, end: int, what: Any) -> str:
    file_size = path.stat().st_size
    if end <= file_size:
        return ""
    return f"it claims {claims(what.shape, what.dtype)}, the file has {size_of(file_size)}; copy it again."


def without_singletons(series: Any) -> tuple[str, tuple[int, ...]]:
    pairs = [(axis, size) for axis, size in zip(series.axes, series.shape, strict=True) if size > 1 or axis in "YX"]
    return "".join(axis for axis, _ in pairs), tuple(int(size) for _, size in pairs)


def n_bytes(what: Any) -> int:
    """Of the pixels of a page or series, with all of its samples, unpacked."""
    return int(prod(what.shape)) * (1 if what.dtype is None else int(what.dtype.itemsize))
