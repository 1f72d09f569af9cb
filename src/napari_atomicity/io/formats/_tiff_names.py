"""Names of detectors in TIFF files: in the OME or ImageJ description, in the JSON of tifffile, or on each page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_atomicity.io.formats._detectors import MOST, are_detectors, filled, listed
from napari_atomicity.io.formats._ome import OmeImage
from napari_atomicity.io.formats.tiff_calibration import TiffDescription
from napari_atomicity.io.raw import says_detector
from napari_atomicity.io.text import clean

_PAGE_NAME: Final = 285
_LONGEST: Final = 100


class Named(NamedTuple):
    """The axis of a series that named images lie along, and their names."""

    axis: str
    names: tuple[str, ...]


def along(tif: Any, description: TiffDescription, index: int, leading: str, sizes: Mapping[str, int]) -> Named | None:
    """The axis of a series whose parts are images of their own.

    Parameters
    ----------
    tif
        The open `tifffile.TiffFile`.
    description
        Of the file.
    index
        Which series.
    leading
        Letters of the axes before y and x that are longer than one.
    sizes
        Length of each axis.

    Returns
    -------
    The axis with a name for each part; None where there is none.
    """
    if "C" in leading and (names := description.channels(index, sizes["C"])):
        return Named("C", names)
    lists = [names for names in _lists(tif, description, index) if are_detectors(names)]
    for axis in sorted(leading, key=lambda axis: axis != "C"):
        for names in lists:
            # labels of all frames: channels follow each other first
            whole = axis == "C" and len(names) % sizes[axis] == 0 and are_detectors(names[: sizes[axis]])
            if len(names) == sizes[axis] or whole:
                return Named(axis, filled(names[: sizes[axis]]))
    return None


def of_pages(pages: Sequence[Any]) -> tuple[str, ...]:
    """The detector of each page, by its own name; none where it is not on the pages."""
    names = tuple(_on_page(page) for page in pages) if 2 <= len(pages) <= MOST else ()
    return names if are_detectors(names) and all(names) else ()


def by_description(
    n_pages: int, numbers: npt.NDArray[np.int64], description: TiffDescription
) -> dict[str, npt.NDArray[np.int64]]:
    """Which pages belong to which detector, as OME tells it.

    Parameters
    ----------
    n_pages
        Pages of the file.
    numbers
        (n,) pages that are looked at.
    description
        Of the file.

    Returns
    -------
    Pages by the name of the detector; empty where OME does not tell.
    """
    if len(description.ome) != 1 or not are_detectors(description.ome[0].channels) or len(numbers) < n_pages:
        return {}
    channel = _channel_of(description.ome[0], numbers)
    names = filled(description.ome[0].channels)
    pages_of = {name: numbers[channel == k] for k, name in enumerate(names)}
    return {name: pages for name, pages in pages_of.items() if len(pages)}


def title(description: TiffDescription, index: int, of_series: str) -> str:
    """The title of a series, with the detector where only the one channel of the image names it.

    Parameters
    ----------
    description
        Of the file.
    index
        Which series.
    of_series
        Its title so far.
    """
    names = description.ome[index].channels if index < len(description.ome) else ()
    if len(names) != 1 or not says_detector(names[0]) or says_detector(of_series):
        return of_series
    return f"{of_series} ({names[0]})" if of_series else names[0]


def _channel_of(image: OmeImage, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    t, c, z, *_ = image.sizes
    size = {"T": t, "C": c, "Z": z}
    step = 1
    for axis in image.pixels.get("DimensionOrder", "XYCZT")[2:]:
        if axis == "C":
            break
        step *= size.get(axis, 1)
    return numbers // step % c


def _lists(tif: Any, description: TiffDescription, index: int) -> Iterator[tuple[str, ...]]:
    if index < len(description.ome):
        yield description.ome[index].channels
    yield listed(description.imagej.get("Labels"))
    series = tif.series[index]
    yield from _in_json(series.keyframe.description)
    pages = list(series.pages)
    if 2 <= len(pages) <= MOST and all(page is not None for page in pages):
        yield of_pages([_whole(tif, page) for page in pages])


def _whole(tif: Any, page: Any) -> Any:
    """A page with all its entries, of which those of a series may have been left out."""
    import tifffile

    if isinstance(page, tifffile.TiffPage):
        return page
    tif.filehandle.seek(page.offset)
    return tifffile.TiffPage(tif, index=page.index)


def _in_json(description: str) -> Iterator[tuple[str, ...]]:
    """Lists of texts in a description that is JSON, or one level further down."""
    if not description.startswith("{") or len(description) > 1_000_000:
        return
    try:
        found = json.loads(description)
    except (ValueError, RecursionError):
        return
    for value in list(found.values())[:MOST]:
        yield listed(value)
        if isinstance(value, dict):
            yield from map(listed, list(value.values())[:MOST])


def _on_page(page: Any) -> str:
    """The name on a page, or its description where that is no more than a name."""
    tag = page.tags.get(_PAGE_NAME)
    name = str(tag.value) if tag is not None else ""
    described = page.description if page.description[:1] not in ("{", "<") and "=" not in page.description else ""
    return next((clean(one) for one in (name, described) if 0 < len(one) < _LONGEST), "")
