"""EMD, the two formats of that name: Velox (Thermo Fisher) and NCEM (Berkeley)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats import _axes, _hdf5
from napari_atomicity.io.raw import RawImage


def is_emd(file: Any) -> bool:
    """Whether an open h5py file is EMD of either kind."""
    return "Data/Image" in file or bool(_ncem_groups(file))


def images(path: Path) -> list[RawImage]:
    """The images of the file: Velox detectors (and element maps), or NCEM data groups."""
    with _hdf5.opened(path) as file:
        if "Data/Image" in file:
            titles = _velox_titles(file)
            found = [_velox(path, titles.get(key, ""), group) for key, group in file["Data/Image"].items()]
        else:
            found = [_ncem(path, group) for group in _ncem_groups(file)]
    if not found:
        raise InputError(f"{path.name} holds no image, only spectra or text; open the HAADF image of the acquisition.")
    return found


# ---------------------------------------------------------------------- Velox: /Data/Image/<key>/{Data, Metadata}


def _velox(path: Path, title: str, group: Any) -> RawImage:
    dataset = group["Data"]  # (y, x, frame)
    facts = _json(group["Metadata"][:, 0].tobytes()) if "Metadata" in group else {}
    result = facts.get("BinaryResult", {})
    size, unit = result.get("PixelSize", {}), result.get("PixelUnitX", "")
    axes = [
        _axes.Axis("y", size.get("height"), result.get("PixelUnitY", unit)),
        _axes.Axis("x", size.get("width"), unit),
        _axes.Axis("time"),
    ]
    return _axes.image(
        axes,
        title=title or result.get("Detector", ""),
        dtype=dataset.dtype,
        shape=dataset.shape,
        make=lambda order, **about: _hdf5.image(path, dataset, order, metadata=_acquisition(facts), **about),
        reader=_hdf5.reader_name("Velox EMD"),
    )


def _velox_titles(file: Any) -> dict[str, str]:
    """Title of each image by its key; kept in one place up to version 10 and in another since."""
    titles: dict[str, str] = {}
    for place in ("Presentation/Displays/ImageDisplay", "Displays/ImageDisplay"):
        for entry in file[place].values() if place in file else ():
            display = _json(entry[0])
            reference = display.get("data")
            target = _json(file[reference][0]) if reference and reference in file else display
            title = display.get("title") or display.get("display", {}).get("label") or ""
            titles[str(target.get("dataPath", "")).rsplit("/", 1)[-1]] = unquote(title)
    return titles


def _acquisition(facts: dict[str, Any]) -> dict[str, Any]:
    wanted = {
        "microscope": ("Instrument", "InstrumentModel"),
        "acceleration_voltage_v": ("Optics", "AccelerationVoltage"),
        "convergence_rad": ("Optics", "BeamConvergence"),
        "camera_length_m": ("Optics", "CameraLength"),
        "dwell_time_s": ("Scan", "DwellTime"),
    }
    found = {name: facts[group][key] for name, (group, key) in wanted.items() if key in facts.get(group, {})}
    return {name: value if name == "microscope" else float(value) for name, value in found.items()}


def _json(data: Any) -> dict[str, Any]:
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
    try:
        found = json.loads(text.split("\0", 1)[0])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


# ---------------------------------------------------------------------- NCEM: groups with data, dim1, dim2, ...


def _ncem_groups(file: Any) -> list[Any]:
    groups: list[Any] = []

    def visit(_: str, item: Any) -> None:
        if "emd_group_type" in item.attrs and hasattr(item, "keys") and "data" in item:
            groups.append(item)

    file.visititems(visit)
    return groups


def _ncem(path: Path, group: Any) -> RawImage:
    dataset = group["data"]
    first = 0 if "dim0" in group else 1
    names = [f"dim{k + first}" for k in range(dataset.ndim)]
    axes = [_ncem_axis(group[name]) if name in group else _axes.Axis() for name in names]
    return _axes.image(
        axes,
        title=group.name.rsplit("/", 1)[-1],
        dtype=dataset.dtype,
        shape=dataset.shape,
        make=lambda order, **about: _hdf5.image(path, dataset, order, **about),
        reader=_hdf5.reader_name("NCEM EMD"),
    )


def _ncem_axis(dim: Any) -> _axes.Axis:
    positions = np.ravel(dim[:])
    numeric = positions.dtype.kind in "buif" and len(positions) > 1
    # the mean step: the float32 positions of the format leave single steps inexact
    scale = float(positions[-1] - positions[0]) / (len(positions) - 1) if numeric else 1.0
    return _axes.Axis(_hdf5.text(dim.attrs.get("name", "")), scale, _hdf5.text(dim.attrs.get("units", "")))
