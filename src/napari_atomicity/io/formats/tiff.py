"""TIFF of every kind a microscope room produces: which images a file holds. tifffile reads the pages."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io.files import watched
from napari_atomicity.io.formats._claims import claims, damaged
from napari_atomicity.io.formats._ome import read_ome, why_not_borne_out
from napari_atomicity.io.formats._tiff_frames import (
    FlatFrames,
    PageFrames,
    SeriesFrames,
    is_grey_table,
    is_slip,
    opened,
)
from napari_atomicity.io.formats._tiff_pages import Chain, chain
from napari_atomicity.io.formats.tiff_calibration import Facts
from napari_atomicity.io.raw import RawImage, axes_sentence, complex_sentence, lazy_stack, unreadable
from napari_atomicity.io.text import size_of
from napari_atomicity.io.units import Calibration

#: beyond this, pages are put together by how they are stored, which is quicker than asking tifffile
_MANY: Final = 2000
#: so many images of different kinds are listed
_MOST_IMAGES: Final = 1000
_ELSE: Final = "something else where one whole number belongs"
_AS_PAGES: Final = {"is_ome": False, "is_imagej": False, "is_shaped": False, "is_sis": False}


def images(path: Path) -> list[RawImage]:
    """The images of the file: one a series, and one a named channel where a series has several."""
    pages = chain(path)
    with opened(path) as tif:
        facts, doubt = _facts(path, tif, pages)
        if not doubt and not (len(pages) > _MANY and facts.n_leading < 2):
            try:
                return _all_or_some(path, _by_series(path, tif, facts))
            except (InputError, MemoryError):
                raise
            except Exception as error:  # of many kinds, where what a file says about its pages is odd
                if is_slip(error):
                    raise
                doubt = f"it cannot be read ({type(error).__name__})"
    with opened(path, **_AS_PAGES) as tif:
        return _all_or_some(path, _by_layout(path, tif, pages, facts, doubt))


def _facts(path: Path, tif: Any, pages: Chain) -> tuple[Facts, str]:
    """What the file says about its pages, and why that is not believed, in words; empty where it is."""
    first = tif.pages[0]
    if pages.fault:
        return Facts.of(tif, None), pages.fault
    if not tif.is_ome:
        return Facts.of(tif, None), ""
    ome = read_ome(first.description, path.name)
    if ome is None:
        return Facts.of(tif, None), "its OME description cannot be read"
    shape = (int(first.imagelength), int(first.imagewidth))
    doubt = why_not_borne_out(ome, len(pages), shape)
    return Facts.of(tif, ome), f"its OME description does not fit ({doubt})" if doubt else ""


def _all_or_some(path: Path, found: list[RawImage]) -> list[RawImage]:
    """`found`, unless there is nothing in it to open but damage: then the error says it."""
    if not found:
        raise damaged(path, "it holds no image")
    if all("copy it again" in image.cannot_open for image in found):
        raise damaged(path, found[0].cannot_open.removesuffix("; copy it again."))
    return [_with_size_of_copy(image, found) for image in found]


def _with_size_of_copy(image: RawImage, found: list[RawImage]) -> RawImage:
    """`image` with the pixel size of its display copy (or the copy with that of the image) where it has none itself."""
    if image.cannot_open or image.calibration != Calibration():
        return image
    copies = [
        one
        for one in found
        if one.shape == image.shape
        and one.calibration.pixel_size_nm is not None
        and not one.calibration.refusal
        and (one.dtype.itemsize == 1) != (image.dtype.itemsize == 1)
    ]
    if len({one.calibration.pixel_size_nm for one in copies}) != 1:
        return image
    said = f"The pixel size is that of the {copies[0].dtype} image of the same shape in the file; this one gives none."
    return replace(image, calibration=copies[0].calibration, warnings=(*image.warnings, said))


# ---------------------------------------------------------------------- as the file describes them


def _by_series(path: Path, tif: Any, facts: Facts) -> list[RawImage]:
    listed = tif.series[:_MOST_IMAGES]
    found = [image for index in range(len(listed)) for image in _of_series(path, tif, index, facts)]
    return _with_rest(found, len(tif.series) - len(listed))


def _with_rest(found: list[RawImage], n_more: int) -> list[RawImage]:
    if n_more > 0:
        why = f"the file holds {n_more} more images, too many to list; save the one you want as a file of its own."
        found.append(unreadable("(more images)", (), np.uint8, why))
    return found


def _of_series(path: Path, tif: Any, index: int, facts: Facts) -> list[RawImage]:
    series = tif.series[index]
    title = "thumbnail" if series.keyframe.is_reduced else facts.title(tif, index)
    axes, shape = _without_singletons(series)
    if why := _why_not_opened(path, series, axes):
        return [unreadable(title, shape, series.dtype or np.uint8, why, broken="copy it again" in why)]
    colour = _is_colour(series.keyframe, dict(zip(axes, shape, strict=True)).get("S", 1))
    leading = "".join(axis for axis in axes if axis not in ("YXS" if colour else "YX"))
    names = facts.channels(index, shape[axes.index("C")]) if "C" in leading else ()
    if len(leading) - bool(names) > 1:
        return [unreadable(title, shape, series.dtype, axes_sentence(len(axes)))]
    parts: list[tuple[str, int | None]] = [(name, channel) for channel, name in enumerate(names)] or [(title, None)]
    return [_image(path, tif, index, leading, colour, name, channel, facts) for name, channel in parts]


def _is_colour(page: Any, n_samples: int) -> bool:
    return n_samples > 1 and (page.photometric in (2, 6) or n_samples == 2)  # RGB, YCbCr, grey + alpha


def _why_not_opened(path: Path, series: Any, axes: str) -> str:
    """Why the pixels of a series are not opened; empty where they can be."""
    if series.dtype is None or np.issubdtype(series.dtype, np.complexfloating):
        return complex_sentence()
    if why := _why_too_short(path, series):
        return why
    if "Y" not in axes or "X" not in axes:
        return axes_sentence(len(axes))
    if min(series.shape, default=0) < 1:
        return f"it claims {claims(series.shape, series.dtype)}, which is no image; export it again."
    return _why_not_unpacked(series.keyframe)


def _why_not_unpacked(page: Any) -> str:
    """Why the pixels of a page cannot be unpacked, empty where they can."""
    import tifffile

    if page.compression in tifffile.TIFF.DECOMPRESSORS:
        return ""
    return f"its pixels are packed in a way ({int(page.compression)}) that is not known here; export it unpacked."


def _why_too_short(path: Path, series: Any) -> str:
    """A file that was cut short lacks the end of its last page."""
    if series.dataoffset is None:
        pages = [page for page in (series.pages[0], series.pages[-1]) if page is not None]
        return next((why for page in pages if (why := _why_page_too_short(path, page))), "")
    return _why_short(path, series.dataoffset + prod(series.shape) * series.dtype.itemsize, series)


def _why_page_too_short(path: Path, page: Any) -> str:
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
    there = path.stat().st_size
    if end <= there:
        return ""
    return f"it claims {claims(what.shape, what.dtype)}, the file has {size_of(there)}; copy it again."


def _image(
    path: Path, tif: Any, index: int, leading: str, colour: bool, title: str, channel: int | None, facts: Facts
) -> RawImage:
    series = tif.series[index]
    axes, shape = _without_singletons(series)
    sizes = dict(zip(axes, shape, strict=True))
    plane = (sizes["Y"], sizes["X"])
    steps = [sizes[axis] for axis in leading if not (axis == "C" and channel is not None)]
    warnings: tuple[str, ...] = ()
    if "C" in leading and channel is None:
        warnings += ("The channels of the file have no names; they are opened as frames of a stack.",)
    warnings += facts.claims_more(prod(sizes[axis] for axis in leading))
    every = np.arange(prod(sizes[axis] for axis in leading)).reshape([sizes[axis] for axis in leading])
    order = every.ravel() if channel is None else every.take(channel, leading.index("C")).ravel()
    frames: FlatFrames | PageFrames | SeriesFrames
    if axes == f"{leading}YX" and leading and series.dataoffset is not None:
        frames = FlatFrames.of(path, series, plane, order)
    elif len(series.pages) == every.size:
        offsets = np.array([-1 if page is None else page.offset for page in series.pages], np.int64)
        frames = PageFrames(path, offsets[order], plane, colour)
    else:
        frames = SeriesFrames(path, index, leading, channel, colour)
    calibration = facts.calibration(series.keyframe, index, len(tif.series))
    return _raw(path, frames, series.keyframe, (*steps, *plane), title, facts, warnings, calibration)


def _raw(
    path: Path,
    frames: FlatFrames | PageFrames | SeriesFrames,
    page: Any,
    shape: tuple[int, ...],
    title: str,
    facts: Facts,
    warnings: tuple[str, ...],
    calibration: Calibration,
) -> RawImage:
    dtype = np.dtype(page.dtype).newbyteorder("=")
    if page.photometric == 3 and not is_grey_table(page.colormap):
        warnings = ("The false-colour table of the file is left out: its indices are taken as grey levels.", *warnings)
    image = RawImage(
        title=title,
        shape=shape,
        dtype=dtype,
        load=partial(lazy_stack, shape, dtype, watched(path, frames.read))
        if len(shape) == 3
        else partial(frames.read, 0),
        calibration=calibration,
        reader=facts.reader,
        metadata=facts.acquisition,
        warnings=warnings,
        # pieces of a page may be one and the same, so that together they are longer than the file
        stored=path.stat().st_size
        if isinstance(frames, FlatFrames)
        else min(path.stat().st_size, prod(shape[:-2]) * sum(page.databytecounts)),
    )
    if isinstance(frames, FlatFrames) or not frames.colour:
        return image
    return replace(image, examine=frames.look)


def _without_singletons(series: Any) -> tuple[str, tuple[int, ...]]:
    pairs = [(axis, size) for axis, size in zip(series.axes, series.shape, strict=True) if size > 1 or axis in "YX"]
    return "".join(axis for axis, _ in pairs), tuple(int(size) for _, size in pairs)


# ---------------------------------------------------------------------- as the pages are


def _by_layout(path: Path, tif: Any, pages: Chain, facts: Facts, doubt: str) -> list[RawImage]:
    """Pages that are stored alike are the frames of a stack, whatever the file says."""
    warnings = (f"The pages of the file are opened as they are: {doubt}.",) if doubt else ()
    groups = pages.groups()
    found = [
        unreadable("", (), np.uint8, f"its page gives {_ELSE}; copy it again.", broken=True)
        if int(pages.layout[group[0]]) in pages.odd
        else _of_pages(path, tif, pages.offsets[group], facts, warnings)
        for group in groups[:_MOST_IMAGES]
    ]
    return _with_rest(found, len(groups) - _MOST_IMAGES)


def _of_pages(path: Path, tif: Any, offsets: Any, facts: Facts, warnings: tuple[str, ...]) -> RawImage:
    frames = PageFrames(path, offsets, (0, 0))
    try:
        first, last = frames.page(tif, 0), frames.page(tif, len(offsets) - 1)
    except Exception as error:  # tifffile fails in many ways
        return unreadable("", (), np.uint8, f"its page cannot be read ({type(error).__name__}).", broken=True)
    title = "thumbnail" if first.is_reduced else ""
    steps = (len(offsets),) if len(offsets) > 1 else ()
    axes, shape = _without_singletons(first)
    why = _why_page_too_short(path, first) or _why_page_too_short(path, last) or _why_not_unpacked(first)
    if min(shape, default=0) < 1:
        why = f"it claims {claims(shape, first.dtype or np.uint8)}, which is no image; export it again."
    if first.dtype is None or first.dtype.kind == "c":
        why = complex_sentence()
    colour = _is_colour(first, dict(zip(axes, shape, strict=True)).get("S", 1))
    if sorted(axes) != sorted("YXS" if colour else "YX"):
        why = axes_sentence(len(axes))
    if why:
        return unreadable(title, (*steps, *shape), first.dtype or np.uint8, why, broken="copy it again" in why)
    plane = (shape[axes.index("Y")], shape[axes.index("X")])
    frames = PageFrames(path, offsets, plane, colour)
    return _raw(path, frames, first, (*steps, *plane), title, facts, warnings, facts.calibration(first, -1, 0))
