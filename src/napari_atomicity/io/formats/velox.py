"""Velox (Thermo Fisher): /Data/Image/KEY with Data (y, x, frame) and Metadata in JSON, titles elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from napari_atomicity.io.formats import _axes, _hdf5, _hdf5_beside
from napari_atomicity.io.formats._hdf5_tree import at, children
from napari_atomicity.io.raw import RawImage, says_detector
from napari_atomicity.io.text import clean
from napari_atomicity.io.timing import timing

#: titles of one file that are looked at
_MOST_TITLES: Final = 1000
_NOT_UNDERSTOOD: Final = (
    "What the file says about this image (its pixel size too) is damaged or of an unknown kind and was left out."
)


def groups(file: Any) -> list[tuple[str, Any]]:
    """Name and group of each image of an open h5py file; none where it has not the layout of Velox."""
    return list(children(at(file, "Data/Image")))


def titles(file: Any) -> dict[str, str]:
    """Title of each image by its key; kept in one place up to version 10 and in another since."""
    found: dict[str, str] = {}
    for place in ("Presentation/Displays/ImageDisplay", "Displays/ImageDisplay"):
        for _, entry in list(children(at(file, place)))[:_MOST_TITLES]:
            display = _json(_hdf5_beside.first_text(entry))
            target = display
            if reference := _text(display, "data"):
                target = _json(_hdf5_beside.first_text(at(file, reference))) or display
            title = _text(display, "title") or _text(display, "display", "label")
            found[_text(target, "dataPath").rsplit("/", 1)[-1]] = unquote(title)
    return found


def images(path: Path, title: str, group: Any, alone: bool, left_out: tuple[str, ...]) -> list[RawImage]:
    """The image of a group, or the reason why it is none.

    Parameters
    ----------
    path, title, group
        Where it is, and its title if one is known.
    alone
        Whether it is the only one of the file.
    left_out
        What of the file is left out, in sentences.
    """
    dataset = _hdf5.data_of(group, "Data")
    said = _hdf5_beside.first_text(at(group, "Metadata"))
    facts = _json(said)
    result = facts.get("BinaryResult")
    size = _at(result, "PixelSize")
    unit = _text(result, "PixelUnitX")
    axes = [
        _axes.Axis("y", _at(size, "height"), _text(result, "PixelUnitY") or unit),
        _axes.Axis("x", _at(size, "width"), unit),
        _axes.Axis("time"),
    ]
    warnings = (*left_out, *[_NOT_UNDERSTOOD] * (bool(said) and not facts))
    return _axes.images(
        axes,
        None,
        title=_title(title, _detector(facts, alone)),
        dtype=dataset.dtype,
        shape=dataset.shape,
        make=partial(_hdf5.image, path, dataset, metadata=_acquisition(facts)),
        warnings=warnings,
        reader=_hdf5.reader_name("Velox EMD"),
    )


def _title(title: str, detector: str) -> str:
    """`title`, with the detector where it names none: that decides what may be counted."""
    if not title or not says_detector(detector) or says_detector(title):
        return title or detector
    return f"{title} ({detector})"


def _detector(facts: Mapping[str, Any], alone: bool) -> str:
    """Name of the detector of an image: given with it, by its number among all, or the only one that was in use."""
    if name := _text(facts, "BinaryResult", "Detector"):
        return name
    index = _text(facts, "BinaryResult", "DetectorIndex")
    if name := _text(facts, "Detectors", f"Detector-{index}", "DetectorName"):
        return name
    listed = _at(facts, "Detectors")
    every = [one for one in listed.values() if isinstance(one, dict)] if isinstance(listed, dict) else []
    if len(every) > 1 and not alone:
        return ""  # element maps list the same detectors
    in_use = [one for one in every if _text(one, "DetectorType") in ("", "ScanningDetector") and not _is_off(one)]
    return _text(in_use[0], "DetectorName") if len(in_use) == 1 else ""


def _is_off(detector: Mapping[str, Any]) -> bool:
    return any(str(detector.get(state, "")).lower() == "false" for state in ("Inserted", "Enabled"))


def _acquisition(facts: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if microscope := _text(facts, "Instrument", "InstrumentModel"):
        found["microscope"] = microscope
    wanted = {
        "acceleration_voltage_v": ("Optics", "AccelerationVoltage"),
        "convergence_rad": ("Optics", "BeamConvergence"),
        "camera_length_m": ("Optics", "CameraLength"),
    }
    for name, place in wanted.items():
        number = _number(_text(facts, *place))
        if number is not None:
            found[name] = number
    frame, dwell = (_text(facts, "Scan", name) for name in ("FrameTime", "DwellTime"))
    return found | timing(frame, dwell, _text(facts, "Optics", "LastMeasuredScreenCurrent"))


# ---------------------------------------------------------------------- JSON that may hold anything


def _json(content: str) -> dict[str, Any]:
    try:
        found = json.loads(content.split("\0", 1)[0])
    except (ValueError, RecursionError):  # not JSON, a number without end, nested without end
        return {}
    return found if isinstance(found, dict) else {}


def _at(tree: Any, *keys: str) -> Any:
    """What lies at `keys` within each other, None where anything else does."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _text(tree: Any, *keys: str) -> str:
    value = _at(tree, *keys)
    return clean(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _number(content: str) -> float | None:
    try:
        number = float(content)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
