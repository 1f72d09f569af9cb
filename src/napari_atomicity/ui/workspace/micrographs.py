"""From an image layer of napari, whoever opened it, to a micrograph."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from napari.layers import Image

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph, Provenance

#: length of one unit in nm
_NM: Final = {"nanometer": 1.0, "micrometer": 1e3, "angstrom": 0.1, "picometer": 1e-3, "millimeter": 1e6, "meter": 1e9}


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
    if layer.rgb:
        flat = np.asarray(data[..., :3]).mean(axis=-1, dtype=np.float32)
        return Micrograph(
            flat,
            name=layer.name,
            refusal=f"{layer.name} is a colour picture, not a micrograph; open the original file of the microscope.",
        )
    if np.iscomplexobj(data):
        raise InputError(f"{layer.name} holds complex numbers (a Fourier transform); open the image itself.")
    path = None if layer.source.path is None else Path(layer.source.path)
    return Micrograph(
        data,
        pixel_size_nm=_pixel_size_nm(layer),
        name=layer.name,
        provenance=Provenance(path=path, reader=layer.source.reader_plugin or ""),
    )


def _pixel_size_nm(layer: Image) -> float | None:
    """Pixel size of a layer with units of length and square pixels; None where napari only knows pixels."""
    sizes = []
    for scale, unit in zip(layer.scale[-2:], layer.units[-2:], strict=True):
        factor = _NM.get(str(unit))
        if factor is None:
            return None
        sizes.append(float(scale) * factor)
    return sizes[0] if np.isclose(sizes[0], sizes[1], rtol=1e-3) and sizes[0] > 0 else None
