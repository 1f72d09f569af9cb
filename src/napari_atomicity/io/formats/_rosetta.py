"""The one place that imports rosettasciio, which is GPL-3 and therefore an optional extra."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io.files import watched
from napari_atomicity.io.formats import _axes, _guard
from napari_atomicity.io.formats._claims import claims
from napari_atomicity.io.formats._extra import missing_formats
from napari_atomicity.io.grey import to_grey, verdict
from napari_atomicity.io.quiet import without_warnings
from napari_atomicity.io.raw import RawImage, Remarks, lazy_stack, says_detector, unreadable
from napari_atomicity.io.text import clean, size_of
from napari_atomicity.io.timing import entry, seconds, timing

#: entries that name a window or what it was recorded with
_NAMING: Final = re.compile(r"name|title|label|detector|camera|channel|signal", re.IGNORECASE)
_MOST_ENTRIES: Final = 1000
_DEEPEST: Final = 8
_LONGEST: Final = 100


def images(path: Path, plugin: str, pixels: Sequence[Path] = (), swapped: bool = False) -> list[RawImage]:
    """The images of `path`, read by the `plugin` of rosettasciio; an `InputError` where it cannot within limits.

    Parameters
    ----------
    path, plugin
        The file, and which module of the library reads it.
    pixels
        The files that hold the pixels, where they are others.
    swapped
        Whether the bytes of the pixels have to be swapped.
    """
    try:
        import rsciio
    except ImportError as error:
        raise missing_formats(path) from error
    reader = f"rosettasciio {rsciio.__version__}"
    _guard.check(path, __name__, [plugin], meanwhile=partial(_prepare, plugin))
    signals = _signals(path, plugin)
    if swapped:
        signals = [{**signal, "data": _swapped(signal["data"])} for signal in signals]
    n_bytes = sum(file.stat().st_size for file in pixels or [path])
    return [_image(path, signal, f"{reader} ({plugin})", n_bytes) for signal in signals]


def _swapped(data: Any) -> Any:
    return data.byteswap() if isinstance(data, np.ndarray) else data.map_blocks(np.ndarray.byteswap, dtype=data.dtype)


def _prepare(plugin: str) -> None:
    """Import what the plug-in needs, which takes longer than to list a file."""
    import_module("dask.array")
    import_module(f"rsciio.{plugin}")


def _signals(path: Path, plugin: str) -> list[dict[str, Any]]:
    last: Exception | None = None
    # TIA files are read at once in any case; of DigitalMicrograph's only some have to be
    for lazy in (True, False) if plugin != "tia" else (False,):
        try:
            with without_warnings():
                signals = import_module(f"rsciio.{plugin}").file_reader(str(path), lazy=lazy)
        except MemoryError as error:
            raise InputError(
                f"{clean(path.name)} is damaged: its headers claim more than fits into memory; "
                "copy it again from the microscope or export it as TIFF."
            ) from error
        except Exception as error:  # a damaged file fails in many ways
            last = error
            if "lazy" not in str(error).lower():
                break
            continue
        if signals:
            return list(signals)
    raise InputError(
        f"{clean(path.name)} is damaged, cut short or of an unknown variant of {path.suffix.lower()}; "
        "copy it again from the microscope or export it as TIFF."
    ) from last


def _image(path: Path, signal: dict[str, Any], reader: str, n_bytes: int) -> RawImage:
    data, about = signal["data"], signal.get("metadata", {})
    facts = _acquisition(about, signal.get("original_metadata", {}))
    # axes come in any order, some only in the metadata of the signal: rank them by position in the array
    listed = sorted(signal["axes"], key=lambda axis: axis.get("index_in_array", 0))
    axes = [_axis(axis) for axis in listed] if len(listed) == data.ndim else []
    return _axes.image(
        axes,
        title=_title(str(about.get("General", {}).get("title") or ""), signal.get("original_metadata", {})),
        dtype=data.dtype,
        shape=data.shape,
        signal_type=str(about.get("Signal", {}).get("signal_type") or ""),
        make=lambda order, **fields: _ordered(path, data, order, n_bytes, metadata=facts, **fields),
        reader=reader,
    )


def _title(title: str, metadata: dict[str, Any]) -> str:
    """`title`, with the detector that an EMI file names for the object where the title names none."""
    if says_detector(title):
        return title
    detector = next((name for name in _names(metadata.get("ObjectInfo"), 0) if says_detector(name)), "")
    return f"{title} ({detector})" if title and detector else title or detector


def _names(entries: Any, level: int) -> Iterator[str]:
    """Texts of the entries, within each other, that may name a window or a detector."""
    if not isinstance(entries, dict) or level > _DEEPEST:
        return
    for key, value in list(entries.items())[:_MOST_ENTRIES]:
        if isinstance(value, str) and len(value) < _LONGEST and _NAMING.search(str(key)):
            yield clean(value)
        yield from _names(value, level + 1)


def _axis(axis: dict[str, Any]) -> _axes.Axis:
    return _axes.Axis(str(axis.get("name") or ""), axis.get("scale", 1.0), str(axis.get("units") or ""))


def _ordered(path: Path, data: Any, order: Sequence[int], n_bytes: int, **fields: Any) -> RawImage:
    if data.nbytes > n_bytes:
        why = f"it claims {claims(data.shape, data.dtype)}, the file has {size_of(n_bytes)}; copy it again."
        return unreadable(fields["title"], data.shape, data.dtype, why, broken=True)
    long = [axis for axis, n in enumerate(data.shape) if n > 1]
    data = data.reshape([data.shape[axis] for axis in long]).transpose([long.index(axis) for axis in order])
    frame = partial(_frame, path, data)
    dtype = np.dtype(np.uint8) if data.dtype.names else data.dtype.newbyteorder("=")
    load = partial(lazy_stack, data.shape, dtype, watched(path, frame)) if data.ndim == 3 else partial(frame, None)
    examine = partial(_examine, path, data) if data.dtype.names else None
    return RawImage(shape=data.shape, dtype=dtype, load=load, examine=examine, stored=n_bytes, **fields)


def _examine(path: Path, data: Any) -> Remarks:
    return verdict(_samples(_computed(path, data[0] if data.ndim == 3 else data)))


def _frame(path: Path, data: Any, t: int | None) -> npt.NDArray[Any]:
    plane = _computed(path, data if t is None else data[t])
    if plane.dtype.names:
        plane = to_grey(_samples(plane))
    return np.ascontiguousarray(plane, dtype=plane.dtype.newbyteorder("="))


def _computed(path: Path, data: Any) -> npt.NDArray[Any]:
    try:
        return np.asarray(data.compute(scheduler="synchronous") if hasattr(data, "compute") else data)
    except MemoryError:
        raise
    except Exception as error:  # the pixels of a file that was cut short
        raise InputError(f"{clean(path.name)} is cut short or damaged; copy it again from the microscope.") from error


def _samples(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.stack([picture[name] for name in "RGB"], axis=-1)


def _acquisition(about: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    tem = about.get("Acquisition_instrument", {}).get("TEM", {})
    found = {str(key): value for key, value in tem.items() if isinstance(value, str | int | float)}
    found |= _timing(tem, stored)
    sample = about.get("Sample")
    elements = sample.get("elements") if isinstance(sample, dict) else None
    if isinstance(elements, list | tuple) and len(elements) == 1:  # several name no metal of the clusters
        found["sample_elements"] = clean(str(elements[0]))
    return found


def _timing(tem: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """Of a scan: from what the library knows (s, nA), DigiScan or a spectrum image in DM files, or an EMI file."""
    tags, acquired = entry(stored, "ImageList", "TagGroup0", "ImageTags"), entry(stored, "ObjectInfo", "AcquireInfo")
    dwells = (
        tem.get("dwell_time"), seconds(entry(tags, "DigiScan", "Sample Time"), "us"),
        entry(tags, "SI", "Acquisition", "Pixel time (s)"), entry(acquired, "DwellTimePath"),
    )  # fmt: skip
    current = tem.get("beam_current") or entry(tags, "Microscope Info", "Probe Current (nA)")
    return timing(entry(acquired, "FrameTime"), next(filter(None, dwells), None), current, 1e-9)


if __name__ == "__main__":
    _path, _plugin = Path(sys.argv[1]), sys.argv[2]
    logging.disable()
    _prepare(_plugin)
    _guard.in_child(_path, lambda: [_image(_path, signal, "", 0) for signal in _signals(_path, _plugin)])
