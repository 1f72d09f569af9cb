"""HyperSpy files (HDF5): signals with named, calibrated axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats import _axes, _hdf5
from napari_atomicity.io.raw import RawImage


def is_hspy(file: Any) -> bool:
    """Whether an open h5py file has the layout of HyperSpy."""
    return _hdf5.text(file.attrs.get("file_format", "")) == "HyperSpy" and "Experiments" in file


def images(path: Path) -> list[RawImage]:
    """The signals of the file that are images, and the others with the reason why not."""
    with _hdf5.opened(path) as file:
        if not is_hspy(file):
            raise InputError(f"{path.name} has no HyperSpy signal in it; export the image again as TIFF or HSPY.")
        return [_of_signal(path, name, group) for name, group in file["Experiments"].items() if "data" in group]


def _of_signal(path: Path, name: str, group: Any) -> RawImage:
    dataset = group["data"]
    axes = [_axis(group[f"axis-{k}"].attrs) for k in range(dataset.ndim) if f"axis-{k}" in group]
    general = group["metadata/General"].attrs if "metadata/General" in group else {}
    signal = group["metadata/Signal"].attrs if "metadata/Signal" in group else {}
    return _axes.image(
        axes,
        title=_hdf5.text(general.get("title", "")) or name.strip("_"),
        dtype=dataset.dtype,
        shape=dataset.shape,
        signal_type=_hdf5.text(signal.get("signal_type", "")),
        make=lambda order, **about: _hdf5.image(path, dataset, order, **about),
        reader=_hdf5.reader_name("HyperSpy"),
    )


def _axis(attributes: Any) -> _axes.Axis:
    return _axes.Axis(
        name=_hdf5.text(attributes.get("name", "")),
        scale=attributes.get("scale", 1.0),
        unit=_hdf5.text(attributes.get("units", "")),
    )
