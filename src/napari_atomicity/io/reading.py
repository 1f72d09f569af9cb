"""From a file to a `Micrograph`: the image to count, calibrated in nm, with everything odd said in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io import formats
from napari_atomicity.io.files import check_unchanged, existing_file, file_state
from napari_atomicity.io.raw import RawImage, mark_element_maps
from napari_atomicity.micrograph import Micrograph, Provenance


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """One image of a file, as `list_images` reports it.

    Attributes
    ----------
    index
        What to give to ``read(path, image=index)``.
    countable
        Whether clusters in it can be counted, as far as its headers tell; `why_not` says the reason in words.
    """

    index: int
    title: str
    shape: tuple[int, ...]
    dtype: str
    pixel_size_nm: float | None
    countable: bool
    why_not: str


def list_images(path: str | Path) -> list[ImageInfo]:
    """All images of the file `path`, in its own order, pixels not read.

    Raises
    ------
    InputError
        Where the file is missing, damaged, or of a type that is not read.
    """
    return [
        ImageInfo(
            index=index,
            title=image.title,
            shape=image.shape,
            dtype=str(image.dtype),
            pixel_size_nm=image.calibration.pixel_size_nm,
            countable=not image.why_not,
            why_not=_sentence(image.why_not),
        )
        for index, image in enumerate(_images(path))
    ]


def read(path: str | Path, image: int | None = None) -> Micrograph:
    """Open the micrograph in the file `path`.

    Parameters
    ----------
    path
        TIFF, DM3, DM4, EMD, SER, EMI, MRC, HSPY, HDF5, PNG or JPEG.
    image
        Which image of a file with several, an index of `list_images`; by default the HAADF or ADF one.

    Returns
    -------
    Micrograph
        With `data` (y, x), or (t, y, x) read frame by frame, in the type that is stored. An image that can be
        shown but not counted carries its `refusal`.

    Raises
    ------
    InputError
        Where there is no such image, or nothing in the file that is one.
    """
    path = Path(path)
    before = file_state(path)
    found = _images(path)
    index, data = _best(path, found) if image is None else _chosen(path, found, image)
    check_unchanged(path, before)
    raw = found[index]
    why = raw.why_not or (_nothing_to_see(data) if data.ndim == 2 else "")
    return Micrograph(
        data=data,
        pixel_size_nm=raw.calibration.pixel_size_nm,
        name=_name(path, raw, len(found)),
        provenance=Provenance(path, raw.reader, index, raw.title, before),
        warnings=(*raw.warnings, *raw.calibration.warnings, *_others(found, index, chosen=image is not None)),
        refusal=_sentence(why),
        metadata=dict(raw.metadata),
    )


def _images(path: str | Path) -> list[RawImage]:
    return mark_element_maps(formats.images(existing_file(path)))


def _best(path: Path, found: Sequence[RawImage]) -> tuple[int, Any]:
    """The likeliest image that is not empty: detectors that were switched off leave constant images."""
    order = sorted(
        (index for index, image in enumerate(found) if not image.cannot_open),
        key=lambda index: found[index].rank,
        reverse=True,
    )
    if not order:
        raise InputError(f"{path.name} cannot be opened: {found[0].cannot_open}")
    for index in order:
        data = found[index].load()
        if len(order) == 1 or not _nothing_to_see(data if data.ndim == 2 else np.asarray(data[0])):
            return index, data
    return order[0], found[order[0]].load()


def _chosen(path: Path, found: Sequence[RawImage], image: int) -> tuple[int, Any]:
    if not 0 <= image < len(found):
        raise InputError(f"{path.name} has images 0 to {len(found) - 1}; there is no image {image}.")
    if found[image].cannot_open:
        raise InputError(f"{path.name}, image {image}, cannot be opened: {found[image].cannot_open}")
    return image, found[image].load()


def _nothing_to_see(image: npt.NDArray[Any]) -> str:
    if image.dtype == bool:
        return "This is a mask of zeros and ones, not a micrograph; open the image that it was made from."
    low, high = value_range(image)
    if not low <= high:
        return "This image holds no number in any pixel (only NaN); export it again from the microscope's software."
    if low == high:
        return f"Every pixel of this image has the same value ({low:g}); check that the detector was on."
    return ""


def value_range(image: npt.NDArray[Any]) -> tuple[float, float]:
    """Least and greatest finite value of `image` (y, x); (inf, -inf) where there is none."""
    low, high = np.inf, -np.inf
    for rows in _bands(image):
        numbers = rows[np.isfinite(rows)] if rows.dtype.kind == "f" else rows
        if numbers.size:
            low, high = min(low, float(numbers.min())), max(high, float(numbers.max()))
    return low, high


def _bands(image: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Some rows at a time, so that temporary arrays stay small beside a large frame."""
    step = max(1, 2**20 // max(1, image.shape[1]))
    for start in range(0, image.shape[0], step):
        yield image[start : start + step]


def _others(found: Sequence[RawImage], index: int, chosen: bool) -> tuple[str, ...]:
    others = [k for k, image in enumerate(found) if k != index and not image.why_not]
    if chosen or not others:
        return ()
    named = ", ".join(f"{k} “{found[k].title}”" if found[k].title else str(k) for k in others[:5])
    rest = f" and {len(others) - 5} more" if len(others) > 5 else ""
    return (f"The file holds several images; this is image {index}, the others are {named}{rest}.",)


def _name(path: Path, raw: RawImage, n_images: int) -> str:
    stem = path.name[: -len(".ome.tif")] if path.name.lower().endswith(".ome.tif") else path.stem
    return f"{stem} [{raw.title}]" if n_images > 1 and raw.title else stem


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
