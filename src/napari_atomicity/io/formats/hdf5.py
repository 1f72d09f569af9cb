"""HDF5 files of home-made layout: every two- or three-dimensional data set, calibrated by its attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats import _hdf5, emd, hspy
from napari_atomicity.io.grey import PHOTOGRAPH
from napari_atomicity.io.raw import RawImage, axes_sentence, complex_sentence, unreadable
from napari_atomicity.io.units import Calibration, calibrate

_SCALES: Final = ("pixel_size", "pixelsize", "scale", "pixel size", "resolution")
_UNITS: Final = ("unit", "units", "scale_unit", "scale_units", "pixel_unit", "pixel_size_unit", "pixelunit")


def images(path: Path) -> list[RawImage]:
    """The images of the file, whoever wrote it."""
    with _hdf5.opened(path) as file:
        if hspy.is_hspy(file):
            return hspy.images(path)
        if emd.is_emd(file):
            return emd.images(path)
        found: list[RawImage] = []
        file.visititems(lambda name, item: found.extend(_of_dataset(path, name, item)))
    if not found:
        raise InputError(f"{path.name} holds no image (a data set of rows and columns); export the image as TIFF.")
    return found


def _of_dataset(path: Path, name: str, item: Any) -> list[RawImage]:
    if not hasattr(item, "dtype") or item.dtype.kind not in "buifc" or item.ndim < 2:
        return []
    sizes = [axis for axis, size in enumerate(item.shape) if size > 1]
    if len(sizes) < 2:
        return []
    if item.dtype.kind == "c":
        return [unreadable(name, item.shape, item.dtype, complex_sentence())]
    if len(sizes) > 3:
        return [unreadable(name, item.shape, item.dtype, axes_sentence(len(sizes)))]
    if item.dtype == np.uint8 and item.ndim == 3 and item.shape[-1] in (3, 4):
        return [unreadable(name, item.shape, item.dtype, PHOTOGRAPH)]
    reader = _hdf5.reader_name("HDF5")
    return [_hdf5.image(path, item, sizes, title=name, reader=reader, calibration=_calibration(item))]


def _calibration(item: Any) -> Calibration:
    """From attributes such as ``scale`` = "0.33" and ``scale_unit`` = "nm", of the data set or its group."""
    attributes = {str(key).lower(): value for holder in (item.parent, item) for key, value in holder.attrs.items()}
    if "pixel_size_nm" in attributes:
        scale, unit = attributes["pixel_size_nm"], "nm"
    else:
        scale = next((attributes[name] for name in _SCALES if name in attributes), None)
        unit = next((_hdf5.text(attributes[name]) for name in _UNITS if name in attributes), "")
    if scale is None:
        return Calibration()
    y, x = np.ravel(scale)[[-2, -1]] if np.size(scale) > 1 else (np.ravel(scale)[0],) * 2
    return calibrate((y, unit), (x, unit))
