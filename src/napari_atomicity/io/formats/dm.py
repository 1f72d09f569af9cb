"""DigitalMicrograph DM3 and DM4."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

import napari_atomicity
from napari_atomicity.io.formats import _axes
from napari_atomicity.io.formats._dm_tags import Block, Tags, Tree, read_tags
from napari_atomicity.io.formats._flat import Frames, claims, damaged, odd, size
from napari_atomicity.io.grey import to_grey, verdict
from napari_atomicity.io.raw import RawImage, complex_sentence, unreadable

_RGB_TYPE: Final = 23
_RGB: Final = np.dtype([(name, "u1") for name in "BGRA"])
#: pixels by the number in the tag DataType
_TYPES: Final[dict[int, Any]] = {
    1: "i2", 2: "f4", 3: "c8", 6: "u1", 7: "i4", 8: _RGB, 9: "i1", 10: "u2", 11: "u4", 12: "f8", 13: "c16",
    14: "?", _RGB_TYPE: _RGB, 39: "i8", 40: "u8",
}  # fmt: skip
#: halves of Fourier transforms, packed in a way of their own
_PACKED: Final = {5: "c8", 27: "c8", 28: "c16"}
#: signals that are spectra, as `_axes` knows them
_SPECTRA: Final = {"EELS": "EELS", "X-ray": "EDS", "CL": "CL"}


def images(path: Path) -> list[RawImage]:
    """The images of the file, without the thumbnail."""
    tags = read_tags(path)
    entries = _group(tags.root, "ImageList")
    thumbnails = _thumbnails(tags, entries)
    whole = [entry for index, entry in enumerate(entries.values()) if index not in thumbnails]
    found = [image for entry in whole if isinstance(entry, dict) for image in _of_entry(path, tags, entry)]
    if not found or (tags.fault and all(image.cannot_open for image in found)):
        if tags.fault:
            raise damaged(path, tags.fault)
        raise odd(path, "it holds no image")
    return found


def _thumbnails(tags: Tags, entries: Tree) -> set[Any]:
    """Which entries are small coloured copies: as the file says, else the first where it is in colour."""
    named = {tree.get("ImageIndex") for tree in _group(tags.root, "Thumbnails").values() if isinstance(tree, dict)}
    if named and not tags.fault:
        return named if len(entries) > 1 else set()
    first = _group(_group(entries, "0"), "ImageData").get("DataType")
    return named | ({0} if (len(entries) > 1 or tags.fault) and first == _RGB_TYPE else set())


def _of_entry(path: Path, tags: Tags, entry: Tree) -> list[RawImage]:
    about, title = _group(entry, "ImageData"), _text(entry.get("Name"), tags)
    block, kind = about.get("Data"), about.get("DataType")
    dimensions = [n for n in _group(about, "Dimensions").values() if isinstance(n, int)]
    if not isinstance(block, Block) or not dimensions:
        return []
    shape = tuple(reversed(dimensions))
    if kind in _PACKED:
        return [unreadable(title, shape, _PACKED[kind], complex_sentence())]
    if kind not in _TYPES:
        return [unreadable(title, shape, np.uint8, f"its pixels are of the unknown type {kind}; export it as TIFF.")]
    dtype = np.dtype(_TYPES[kind]).newbyteorder(tags.order)
    there = max(0, min(block.n_bytes, path.stat().st_size - block.start))
    if min(shape) < 1 or prod(shape) * dtype.itemsize > there:
        why = f"it claims {claims(shape, dtype)}, {size(there)} are there; copy the file again from the microscope."
        return [unreadable(title, shape, dtype, why)]
    signal = _group(_group(entry, "ImageTags"), "Meta Data").get("Signal")

    def make(order: Sequence[int], **fields: Any) -> RawImage:
        long = [shape[axis] for axis in order]
        frames = Frames.one_after_another(path, dtype, long, block.start)
        if dtype.names:
            fields |= {"dtype": np.dtype(np.uint8), "change": _grey, "look": partial(_look, frames)}
        if tags.fault:
            fields["warnings"] = (f"The file is damaged ({tags.fault}); what cannot be read there is left out.",)
        return frames.image(long[0] if len(long) == 3 else 1, metadata=_acquisition(tags, entry), **fields)

    found = _axes.image(
        _axes_of(tags, about, len(shape)),
        title=title,
        dtype=dtype,
        shape=shape,
        signal_type=_SPECTRA.get(_text(signal, tags), ""),
        make=make,
        reader=f"napari-atomicity {napari_atomicity.__version__} (DigitalMicrograph)",
    )
    return [found]


def _grey(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return to_grey(np.stack([picture[name] for name in "RGB"], axis=-1))


def _look(frames: Frames) -> tuple[tuple[str, ...], str]:
    return verdict(np.stack([frames.read()[name] for name in "RGB"], axis=-1))


def _axes_of(tags: Tags, about: Tree, n_axes: int) -> list[_axes.Axis]:
    """In the order of the stored array, the slowest first; a stack may leave out the axis of its frames."""
    found = [tree for tree in _group(_group(about, "Calibrations"), "Dimension").values() if isinstance(tree, dict)]
    axes = [_axes.Axis("", tree.get("Scale"), _text(tree.get("Units"), tags)) for tree in found[:n_axes]]
    return [*[_axes.Axis()] * (n_axes - len(axes)), *reversed(axes)]


def _acquisition(tags: Tags, entry: Tree) -> dict[str, Any]:
    about = _group(entry, "ImageTags")
    microscope = _group(about, "Microscope Info")
    facts = {
        "microscope": _text(microscope.get("Microscope") or microscope.get("Name"), tags),
        "acceleration_voltage_v": microscope.get("Voltage"),
        "detector": _text(_group(about, "DataBar").get("Signal Name"), tags),
        "date": _text(_group(about, "DataBar").get("Acquisition Date"), tags),
    }
    return {name: value for name, value in facts.items() if isinstance(value, str | int | float) and value}


def _group(tree: Tree, name: str) -> Tree:
    value = tree.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: Any, tags: Tags) -> str:
    if not isinstance(value, Block):
        return ""
    return value.content.decode("utf-16-le" if tags.order == "<" else "utf-16-be", "replace").strip("\0 ")
