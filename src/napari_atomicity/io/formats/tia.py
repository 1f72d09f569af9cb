"""FEI TIA: SER with the pixels, EMI with what is known about them."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

import napari_atomicity
from napari_atomicity.errors import InputError
from napari_atomicity.io.formats import _axes
from napari_atomicity.io.formats._emi import About, read_emi
from napari_atomicity.io.formats._flat import Frames, claims, damaged, odd, opened, size
from napari_atomicity.io.raw import RawImage, spectrum_sentence, unreadable

_TYPES: Final = {1: "u1", 2: "u2", 3: "u4", 4: "i1", 5: "i2", 6: "i4", 7: "f4", 8: "f8", 9: "c8", 10: "c16"}
_PROFILES, _IMAGES = 0x4120, 0x4122
#: calibration (offset, step, element), type, sizes, of a profile and of an image; the pixels follow
_PROFILE: Final = struct.Struct("<ddihi")
_IMAGE: Final = struct.Struct("<ddiddihii")


@dataclass(frozen=True)
class _Series:
    """What the header of a SER file says."""

    kind: int
    #: steps of the scan or of time, the slowest first
    steps: tuple[int, ...]
    #: where each element begins
    places: npt.NDArray[np.int64]


def images(path: Path) -> list[RawImage]:
    """The images of a SER file, or of the SER files beside an EMI file."""
    if path.suffix.lower() != ".emi":
        return [_of_ser(path, _about(path))]
    beside = sorted(path.parent.glob(f"{_escaped(path.stem)}_[0-9]*.ser"), key=_number)
    if not beside:
        raise InputError(
            f"{path.name} holds no pixels; put {path.stem}_1.ser, which does, into the same folder and open that."
        )
    known = read_emi(path)
    found = [_one_of_several(one, known.get(_number(one), About())) for one in beside]
    if all(image.cannot_open for image in found) and len(found) == 1:
        return [_of_ser(beside[0], About())]  # says in its own words what is wrong with the file
    return found


def _one_of_several(path: Path, about: About) -> RawImage:
    try:
        return _of_ser(path, about)
    except InputError as error:
        return unreadable(path.name, (), np.uint8, str(error))


def _about(path: Path) -> About:
    """What an EMI file beside a SER file knows about it."""
    emi = path.with_name(f"{re.sub(r'_[0-9]+$', '', path.stem)}.emi")
    try:
        return read_emi(emi).get(_number(path), About()) if emi.is_file() else About()
    except (InputError, OSError):
        return About()


def _of_ser(path: Path, about: About) -> RawImage:
    with opened(path) as file:
        file_size = file.seek(0, 2)
        series = _header(path, file, file_size)
        element = _PROFILE if series.kind == _PROFILES else _IMAGE
        first, final = (_element(path, file, element, int(place)) for place in series.places[[0, -1]])
    if first[-3:] != final[-3:]:
        raise odd(path, "its images are of different sizes")
    *fields, kind, width, height = first
    if kind not in _TYPES or width < 1 or height < 1:
        raise odd(path, f"its first image claims {height} × {width} pixels of type {kind}")
    dtype, shape = np.dtype(_TYPES[kind]).newbyteorder("<"), (height, width)
    last = int(series.places[-1]) + element.size + prod(shape) * dtype.itemsize
    if last > file_size:
        raise damaged(path, f"it claims {claims((*series.steps, *shape), dtype)}, the file has {size(file_size)}")
    if element is _PROFILE:
        return unreadable(about.title, (*(n for n in series.steps if n > 1), width), dtype, spectrum_sentence(width))
    unit = "1 / nm" if about.reciprocal else "m"  # the header gives m, even for a diffraction pattern
    axes = [*[_axes.Axis()] * len(series.steps), _axes.Axis("y", fields[4], unit), _axes.Axis("x", fields[1], unit)]
    frames = Frames(path, dtype, shape, series.places + element.size)
    n_frames = len(series.places)

    def make(_: Any, **fields: Any) -> RawImage:
        return frames.image(n_frames, change=_upright, metadata=about.acquisition, **fields)

    return _axes.image(
        axes,
        title=about.title,
        dtype=dtype,
        shape=(*series.steps, *shape),
        make=make,
        reader=f"napari-atomicity {napari_atomicity.__version__} (TIA)",
    )


def _element(path: Path, file: Any, element: struct.Struct, place: int) -> tuple[Any, ...]:
    """Calibration, type and sizes of the image at a byte; a profile has height 1."""
    file.seek(place)
    content = file.read(element.size)
    if len(content) < element.size:
        raise damaged(path, f"an image should lie at byte {place}, where the file ends")
    return element.unpack(content) if element is _IMAGE else (*element.unpack(content), 1)


def _upright(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """TIA stores the lowest row first."""
    return np.ascontiguousarray(plane[::-1])


def _header(path: Path, file: Any, file_size: int) -> _Series:
    file.seek(0)
    content = file.read(4096)
    if len(content) < 34 or content[:4] != b"II\x97\x01":
        raise damaged(path, "it does not begin as one")
    version, kind, _, total, valid = struct.unpack_from("<hiiii", content, 4)
    long = version >= 0x220
    places, n_axes = struct.unpack_from("<qi" if long else "<ii", content, 22)
    if kind not in (_PROFILES, _IMAGES):
        raise odd(path, f"its content is of the unknown type {kind:#x}")
    item = 8 if long else 4
    if not 0 < places <= file_size - item * max(valid, 1) or valid > total:
        raise damaged(path, f"it claims {valid} of {total} images at byte {places}, the file has {size(file_size)}")
    if valid < 1:
        raise odd(path, "it holds no image, as happens where the recording was stopped at once")
    file.seek(places)
    starts = np.frombuffer(file.read(item * valid), "<i8" if long else "<i4").astype(np.int64)
    if starts.min() < 1 or starts.max() >= file_size:
        raise damaged(path, f"an image should lie at byte {starts.max()}, the file has {size(file_size)}")
    steps = _steps(content, 34 if long else 30, n_axes)
    if prod(steps) != valid:  # stopped before its end, or a header without axes
        steps = (valid,)
    return _Series(kind, steps, starts)


def _steps(content: bytes, at: int, n_axes: int) -> tuple[int, ...]:
    """Sizes of the axes, the slowest first; empty where they make no sense."""
    steps: list[int] = []
    for _ in range(min(max(n_axes, 0), 8)):
        try:
            (steps_along,) = struct.unpack_from("<i", content, at)
            for field in (24, 4):  # over the calibration, then the description, then the unit
                (length,) = struct.unpack_from("<i", content, at + field)
                at += field + length
            at += 4
        except struct.error:
            return ()
        steps.append(steps_along)
    return tuple(reversed(steps))


def _number(path: Path) -> int:
    match = re.search(r"_([0-9]{1,6})$", path.stem)
    return int(match[1]) if match else 0


def _escaped(stem: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in stem)
