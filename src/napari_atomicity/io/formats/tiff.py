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
from napari_atomicity.io.formats import _tiff_names
from napari_atomicity.io.formats._claims import claims, damaged
from napari_atomicity.io.formats._detectors import Detectors, are_detectors
from napari_atomicity.io.formats._ome import read_ome, why_not_borne_out
from napari_atomicity.io.formats._tiff_checks import (
    n_bytes,
    why_not_opened,
    why_not_unpacked,
    why_page_too_short,
    without_singletons,
)
from napari_atomicity.io.formats._tiff_frames import (
    FlatFrames,
    PageFrames,
    SeriesFrames,
    is_grey_table,
    is_slip,
    opened,
)
from napari_atomicity.io.formats._tiff_pages import Chain, chain
from napari_atomicity.io.formats._tiff_shaped import why_not_shaped
from napari_atomicity.io.formats.tiff_calibration import TiffDescription
from napari_atomicity.io.raw import RawImage, axes_sentence, complex_sentence, lazy_stack, unreadable
from napari_atomicity.io.units import PixelCalibration

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
        description, doubt = _description(path, tif, pages)
        if not doubt and not (len(pages) > _MANY and description.n_leading < 2):
            try:
                return _all_or_some(path, _by_series(path, tif, description))
            except (InputError, MemoryError):
                raise
            except Exception as error:  # of many kinds, where what a file says about its pages is odd
                if is_slip(error):
                    raise
                doubt = f"it cannot be read ({type(error).__name__})"
    with opened(path, **_AS_PAGES) as tif:
        return _all_or_some(path, _by_layout(path, tif, pages, description, doubt))


def _description(path: Path, tif: Any, pages: Chain) -> tuple[TiffDescription, str]:
    """What the file says about its pages, and why that is not believed, in words; empty where it is."""
    first = tif.pages[0]
    if pages.fault:
        return TiffDescription.of(tif, None), pages.fault
    if not tif.is_ome:
        doubt = why_not_shaped(tif, len(pages)) if first.shaped_description else ""
        said = f"its description does not fit ({doubt})" if doubt else ""
        return TiffDescription.of(tif, None), said
    ome = read_ome(first.description, path.name)
    if ome is None:
        return TiffDescription.of(tif, None), "its OME description cannot be read"
    shape = (int(first.imagelength), int(first.imagewidth))
    doubt = why_not_borne_out(ome, len(pages), shape)
    return TiffDescription.of(tif, ome), f"its OME description does not fit ({doubt})" if doubt else ""


def _all_or_some(path: Path, found: list[RawImage]) -> list[RawImage]:
    """`found`, unless there is nothing in it to open but damage: then the error says it."""
    if not found:
        raise damaged(path, "it holds no image")
    if all("copy it again" in image.cannot_open for image in found):
        raise damaged(path, found[0].cannot_open.removesuffix("; copy it again."))
    return [_with_size_of_copy(image, found) for image in found]


def _with_size_of_copy(image: RawImage, found: list[RawImage]) -> RawImage:
    """`image` with the pixel size of its display copy (or the copy with that of the image) where it has none itself."""
    if image.cannot_open or image.calibration != PixelCalibration():
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


def _by_series(path: Path, tif: Any, description: TiffDescription) -> list[RawImage]:
    listed = tif.series[:_MOST_IMAGES]
    found = [image for index in range(len(listed)) for image in _of_series(path, tif, index, description)]
    return _with_rest(found, len(tif.series) - len(listed))


def _with_rest(found: list[RawImage], n_more: int) -> list[RawImage]:
    if n_more > 0:
        why = f"the file holds {n_more} more images, too many to list; save the one you want as a file of its own."
        found.append(unreadable("(more images)", (), np.uint8, why))
    return found


def _of_series(path: Path, tif: Any, index: int, description: TiffDescription) -> list[RawImage]:
    series = tif.series[index]
    title = (
        "thumbnail"
        if series.keyframe.is_reduced
        else _tiff_names.title(description, index, description.title(tif, index))
    )
    axes, shape = without_singletons(series)
    if why := why_not_opened(path, series, axes):
        return [unreadable(title, shape, series.dtype or np.uint8, why, broken="copy it again" in why)]
    sizes = dict(zip(axes, shape, strict=True))
    colour = _is_colour(series.keyframe, sizes.get("S", 1))
    leading = "".join(axis for axis in axes if axis not in ("YXS" if colour else "YX"))
    named = _tiff_names.along(tif, description, index, leading, sizes)
    if len(leading) - bool(named) > 1:
        return [unreadable(title, shape, series.dtype, axes_sentence(len(axes)))]
    if named is None:
        return [_image(path, tif, index, leading, colour, title, None, description)]
    said = Detectors(0, named.names).sentence(title) if are_detectors(named.names) else ""
    return [
        _image(path, tif, index, leading, colour, name, (named.axis, k), description, said)
        for k, name in enumerate(named.names)
    ]


def _is_colour(page: Any, n_samples: int) -> bool:
    return n_samples > 1 and (page.photometric in (2, 6) or n_samples == 2)  # RGB, YCbCr, grey + alpha


def _image(
    path: Path,
    tif: Any,
    index: int,
    leading: str,
    colour: bool,
    title: str,
    taken: tuple[str, int] | None,
    description: TiffDescription,
    said: str = "",
) -> RawImage:
    """A series, or what is `taken` of it at one place along an axis, as an image."""
    series = tif.series[index]
    axes, shape = without_singletons(series)
    sizes = dict(zip(axes, shape, strict=True))
    plane = (sizes["Y"], sizes["X"])
    steps = [sizes[axis] for axis in leading if taken is None or axis != taken[0]]
    warnings: tuple[str, ...] = (said,) if said else ()
    if "C" in leading and taken is None:
        warnings += ("The channels of the file have no names; they are opened as frames of a stack.",)
    warnings += description.claims_more(prod(sizes[axis] for axis in leading))
    every = np.arange(prod(sizes[axis] for axis in leading)).reshape([sizes[axis] for axis in leading])
    order = every.ravel() if taken is None else every.take(taken[1], leading.index(taken[0])).ravel()
    frames: FlatFrames | PageFrames | SeriesFrames
    together = 0
    if axes == f"{leading}YX" and leading and series.dataoffset is not None:
        frames = FlatFrames.of(path, series, plane, order)
    elif len(series.pages) == every.size:
        offsets = np.array([-1 if page is None else page.offset for page in series.pages], np.int64)
        frames = PageFrames(path, offsets[order], plane, colour)
        together = n_bytes(series.keyframe)
    else:
        frames = SeriesFrames(path, index, leading, taken, colour)
        together = n_bytes(series)
    calibration = description.calibration(series.keyframe, index, len(tif.series))
    return _raw(path, frames, series.keyframe, together, (*steps, *plane), title, description, warnings, calibration)


def _raw(
    path: Path,
    frames: FlatFrames | PageFrames | SeriesFrames,
    page: Any,
    together: int,
    shape: tuple[int, ...],
    title: str,
    description: TiffDescription,
    warnings: tuple[str, ...],
    calibration: PixelCalibration,
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
        reader=description.reader,
        metadata=description.acquisition,
        warnings=warnings,
        # pieces of a page may be one and the same, so that together they are longer than the file
        stored=path.stat().st_size
        if isinstance(frames, FlatFrames)
        else min(path.stat().st_size, prod(shape[:-2]) * sum(page.databytecounts)),
        together=together,
    )
    if isinstance(frames, FlatFrames) or not frames.colour:
        return image
    return replace(image, examine=frames.look)


# ---------------------------------------------------------------------- as the pages are


def _by_layout(path: Path, tif: Any, pages: Chain, description: TiffDescription, doubt: str) -> list[RawImage]:
    """Pages that are stored alike are the frames of a stack, whatever the file says."""
    warnings = (f"The pages of the file are opened as they are: {doubt}.",) if doubt else ()
    groups = pages.groups()
    found: list[RawImage] = []
    for group in groups[:_MOST_IMAGES]:
        if int(pages.layout[group[0]]) in pages.odd:
            found.append(unreadable("", (), np.uint8, f"its page gives {_ELSE}; copy it again.", broken=True))
            continue
        parts = _tiff_names.by_description(len(pages), group, description)
        said = (Detectors(0, tuple(parts)).sentence(""),) if parts else ()
        for name, part in (parts or {"": group}).items():
            found.append(_of_pages(path, tif, pages.offsets[part], description, (*warnings, *said), name))
    return _with_rest(found, len(groups) - _MOST_IMAGES)


def _of_pages(
    path: Path, tif: Any, offsets: Any, description: TiffDescription, warnings: tuple[str, ...], name: str
) -> RawImage:
    frames = PageFrames(path, offsets, (0, 0))
    try:
        first, last = frames.page(tif, 0), frames.page(tif, len(offsets) - 1)
    except Exception as error:  # tifffile fails in many ways
        return unreadable("", (), np.uint8, f"its page cannot be read ({type(error).__name__}).", broken=True)
    title = "thumbnail" if first.is_reduced else name
    steps = (len(offsets),) if len(offsets) > 1 else ()
    axes, shape = without_singletons(first)
    why = why_page_too_short(path, first) or why_page_too_short(path, last) or why_not_unpacked(first)
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
    return _raw(
        path,
        frames,
        first,
        n_bytes(first),
        (*steps, *plane),
        title,
        description,
        warnings,
        description.calibration(first, -1, 0),
    )
