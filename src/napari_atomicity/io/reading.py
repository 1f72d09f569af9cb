"""From a file to a `Micrograph`: the image to count, calibrated in nm, with everything odd said in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_atomicity.errors import InputError
from napari_atomicity.io import formats, text
from napari_atomicity.io.choosing import Candidate, choose, loaded
from napari_atomicity.io.files import check_unchanged, enough_memory, existing_file, file_state
from napari_atomicity.io.pixels import nothing_to_see
from napari_atomicity.io.raw import RawImage, mark_element_maps
from napari_atomicity.micrograph import FileState, Micrograph, Provenance


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
    return _infos(_images(existing_file(path)))


def read(path: str | Path, image: int | None = None) -> Micrograph:
    """Open the micrograph in the file `path`.

    Parameters
    ----------
    path
        TIFF, DM3, DM4, EMD, SER, EMI, MRC, HSPY, HDF5, PNG or JPEG.
    image
        Which image of a file with several, an index of `list_images`; by default the likeliest to count, see
        `choosing`.

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
    path = existing_file(path)
    before = file_state(path)
    return _opened(path, _images(path), image, before)


def look(path: str | Path) -> tuple[list[ImageInfo], Micrograph | InputError]:
    """What `list_images` and `read` give, the file looked through only once; the error where no image can be read."""
    path = existing_file(path)
    before = file_state(path)
    images = _images(path)
    try:
        return _infos(images), _opened(path, images, None, before)
    except InputError as error:
        return _infos(images), error


def _images(path: Path) -> list[RawImage]:
    with enough_memory(path):
        return mark_element_maps(formats.images(path))


def _infos(images: Sequence[RawImage]) -> list[ImageInfo]:
    return [
        ImageInfo(
            index=index,
            title=image.title,
            shape=image.shape,
            dtype=str(image.dtype) if image.shape else "",
            pixel_size_nm=image.calibration.pixel_size_nm,
            countable=not image.why_not,
            why_not=_sentence(image.why_not),
        )
        for index, image in enumerate(images)
    ]


def _opened(path: Path, images: Sequence[RawImage], image: int | None, before: FileState | None) -> Micrograph:
    with enough_memory(path):
        chosen = _best(path, images) if image is None else _asked_for(path, images, image)
    check_unchanged(path, before)
    raw, data = chosen.image, chosen.data
    return Micrograph(
        data=data,
        pixel_size_nm=raw.calibration.pixel_size_nm,
        name=_name(path, raw, len(images)),
        provenance=Provenance(path, raw.reader, chosen.index, raw.title, before),
        warnings=(*raw.warnings, *raw.calibration.warnings, *chosen.warnings),
        refusal=_sentence(raw.why_not or (nothing_to_see(data) if data.ndim == 2 else "")),
        metadata=dict(raw.metadata),
    )


def _best(path: Path, images: Sequence[RawImage]) -> Candidate:
    reasons = [image.cannot_open for image in sorted(images, key=lambda image: not image.broken)]
    if all(reasons):
        raise InputError(f"{text.clean(path.name)} cannot be opened: {reasons[0]}")
    return choose(images)


def _asked_for(path: Path, images: Sequence[RawImage], index: int) -> Candidate:
    name = text.clean(path.name)
    if not 0 <= index < len(images):
        raise InputError(f"{name} has images 0 to {len(images) - 1}; there is no image {index}.")
    if images[index].cannot_open:
        raise InputError(f"{name}, image {index}, cannot be opened: {images[index].cannot_open}")
    return loaded(index, images[index])


def _name(path: Path, raw: RawImage, n_images: int) -> str:
    stem = path.name[: -len(".ome.tif")] if path.name.lower().endswith(".ome.tif") else path.stem
    title = raw.title.replace("/", "_")  # a path in HDF5; the name is also proposed for files
    return text.clean(f"{stem} [{title}]" if n_images > 1 and title else stem)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
