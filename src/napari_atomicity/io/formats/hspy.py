"""HyperSpy files (HDF5): signals with named, calibrated axes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from napari_atomicity.io.formats import _axes, _hdf5, _hdf5_beside
from napari_atomicity.io.formats._hdf5_tree import FAULTS, at, attribute, attributes, children, text
from napari_atomicity.io.raw import RawImage


def signals(file: Any) -> list[tuple[str, Any]]:
    """Name and group of the signals in an open h5py file; none where it has not the layout of HyperSpy."""
    if text(attribute(file, "file_format", "")) != "HyperSpy":
        return []
    return list(children(at(file, "Experiments")))


def images(path: Path, name: str, group: Any, left_out: tuple[str, ...]) -> list[RawImage]:
    """The signal as an image, or one a detector, or the reason why it is none.

    Parameters
    ----------
    path
        The file.
    name
        Of the group.
    group
        The open h5py group of the signal.
    left_out
        Warnings about what is not read.
    """
    dataset = _hdf5.data_of(group, "data")
    axes = [_axis(at(group, f"axis-{k}"), size) for k, size in enumerate(dataset.shape)]
    return _axes.images(
        axes,
        _hdf5_beside.detectors(dataset, group),
        title=text(attribute(at(group, "metadata/General"), "title", "")) or name.strip("_"),
        dtype=dataset.dtype,
        shape=dataset.shape,
        signal_type=text(attribute(at(group, "metadata/Signal"), "signal_type", "")),
        make=partial(_hdf5.image, path, dataset),
        warnings=left_out,
        reader=_hdf5.reader_name("HyperSpy"),
    )


def _axis(group: Any, size: int) -> _axes.Axis:
    """A `UniformDataAxis` has a scale, a `DataAxis` positions, and a `FunctionalDataAxis` an expression."""
    values = attributes(group, {"_type", "name", "units", "scale", "axis"})
    name, unit = text(values.get("name", "")), text(values.get("units", ""))
    if values.get("scale") is not None:
        return _axes.Axis(name, values["scale"], unit)
    positions = values.get("axis", at(group, "axis"))
    if positions is not None:
        try:
            return _axes.from_positions(_hdf5_beside.numbers(positions), size, name, unit)
        except FAULTS:
            return _axes.Axis(name, None, unit)
    return _axes.Axis(name, None, unit, uneven="_type" in values and size > 1)
