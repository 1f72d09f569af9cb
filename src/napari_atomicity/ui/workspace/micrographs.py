"""From an image layer of napari, whoever opened it, to a micrograph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from napari.layers import Image

from napari_atomicity.errors import InputError
from napari_atomicity.io.grey import to_grey, verdict
from napari_atomicity.io.units import PixelCalibration, pixel_calibration, recalibrated
from napari_atomicity.micrograph import Micrograph, Provenance

#: pixel sizes that differ by less are the same
_SAME: Final = 1e-6


def micrograph_of(layer: Image) -> Micrograph:
    """The micrograph behind a layer: the one that our reader left there, else what the layer itself says.

    Raises
    ------
    InputError
        For a layer that is neither an image nor a stack of images.
    """
    data, calibration = pixels_of(layer), calibration_of(layer)
    for value in layer.metadata.values():
        if isinstance(value, Micrograph) and value.data is data:
            return _as_shown(value, calibration)
    warnings: tuple[str, ...] = ()
    refusal = ""
    if layer.rgb:
        picture = np.asarray(data)
        first = picture.reshape(-1, *picture.shape[-3:])[0]
        warnings, refusal = verdict(first)
        data = to_grey(picture)
    if np.iscomplexobj(data):
        raise InputError(f"{layer.name} holds complex numbers (a Fourier transform); open the image itself.")
    path = None if layer.source.path is None else Path(layer.source.path)
    return Micrograph(
        _without_empty_axes(data),
        pixel_size_nm=calibration.pixel_size_nm,
        name=layer.name,
        provenance=Provenance(path=path, reader=layer.source.reader_plugin or ""),
        warnings=(*warnings, *calibration.warnings),
        refusal=refusal or calibration.refusal,
    )


def pixels_of(layer: Image) -> Any:
    """The pixels of a layer; of a pyramid the finest ones."""
    return layer.data[0] if layer.multiscale else layer.data


def calibration_of(layer: Image) -> PixelCalibration:
    """Pixel size of a layer as its scale and units say; a scale below zero shows the image mirrored."""
    y, x = ((float(scale), str(unit)) for scale, unit in zip(layer.scale[-2:], layer.units[-2:], strict=True))
    return pixel_calibration(y, x, "The layer")


def same_size(old: float | None, new: float) -> bool:
    """Whether a pixel size is what it was, but for the digits that scales lose."""
    return old is not None and abs(new / old - 1) <= _SAME


def same_pixels(one: Any, other: Any) -> bool:
    """Whether two arrays are the same pixels in memory, not only equal ones."""
    if one is other:
        return True
    if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)):
        return False
    a, b = one.__array_interface__, other.__array_interface__
    return one.shape == other.shape and (a["data"], a["typestr"]) == (b["data"], b["typestr"])


def _as_shown(micrograph: Micrograph, calibration: PixelCalibration) -> Micrograph:
    """A micrograph as its layer is scaled: a person may have opened it with another scale, or corrected it since."""
    old, size = micrograph.pixel_size_nm, calibration.pixel_size_nm
    if micrograph.refusal or (calibration.refusal and old is None):
        return micrograph
    if calibration.refusal:
        return replace(micrograph, refusal=calibration.refusal)
    return micrograph if size is None or same_size(old, size) else recalibrated(micrograph, size)


def _without_empty_axes(data: Any) -> Any:
    """An image or stack without the axes of length 1 that other readers put before them: (1, 1, y, x) is (y, x)."""
    while data.ndim > 3 and data.shape[0] == 1:
        data = data[0]
    return data
