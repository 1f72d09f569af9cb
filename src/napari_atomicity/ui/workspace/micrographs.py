"""From an image layer of napari, whoever opened it, to a micrograph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image

from napari_atomicity.errors import InputError
from napari_atomicity.io.grey import to_grey, verdict
from napari_atomicity.io.units import PixelCalibration, pixel_calibration
from napari_atomicity.micrograph import Micrograph, Provenance


def micrograph_of(layer: Image) -> Micrograph:
    """The micrograph behind a layer: the one that our reader left there, else what the layer itself says.

    Raises
    ------
    InputError
        For a layer that is neither an image nor a stack of images.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    for value in layer.metadata.values():
        if isinstance(value, Micrograph) and value.data is data:
            return value
    warnings: tuple[str, ...] = ()
    refusal = ""
    if layer.rgb:
        picture = np.asarray(data)
        first = picture.reshape(-1, *picture.shape[-3:])[0]
        warnings, refusal = verdict(first)
        data = to_grey(picture)
    if np.iscomplexobj(data):
        raise InputError(f"{layer.name} holds complex numbers (a Fourier transform); open the image itself.")
    calibration = calibration_of(layer)
    path = None if layer.source.path is None else Path(layer.source.path)
    return Micrograph(
        _without_empty_axes(data),
        pixel_size_nm=calibration.pixel_size_nm,
        name=layer.name,
        provenance=Provenance(path=path, reader=layer.source.reader_plugin or ""),
        warnings=(*warnings, *calibration.warnings),
        refusal=refusal or calibration.refusal,
    )


def calibration_of(layer: Image) -> PixelCalibration:
    """Pixel size of a layer as its scale and units say; a scale below zero shows the image mirrored."""
    y, x = ((float(scale), str(unit)) for scale, unit in zip(layer.scale[-2:], layer.units[-2:], strict=True))
    return pixel_calibration(y, x, "The layer")


def same_pixels(one: Any, other: Any) -> bool:
    """Whether two arrays are the same pixels in memory, not only equal ones."""
    if one is other:
        return True
    if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)):
        return False
    a, b = one.__array_interface__, other.__array_interface__
    return one.shape == other.shape and (a["data"], a["typestr"]) == (b["data"], b["typestr"])


def _without_empty_axes(data: Any) -> Any:
    """An image or stack without the axes of length 1 that other readers put before them: (1, 1, y, x) is (y, x)."""
    while data.ndim > 3 and data.shape[0] == 1:
        data = data[0]
    return data
