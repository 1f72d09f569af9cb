"""HDF5 that people make themselves: every data set of rows and columns is an image."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_atomicity.io.formats import _axes, _hdf5, _hdf5_beside, nexus
from napari_atomicity.io.formats._hdf5_tree import Node, at, attributes, text
from napari_atomicity.io.raw import RawImage, says_detector
from napari_atomicity.io.text import clean
from napari_atomicity.io.units import PixelCalibration, pixel_calibration

_SCALES: Final = ("pixel_size", "pixelsize", "scale", "pixel size", "resolution")
_UNITS: Final = ("unit", "units", "scale_unit", "scale_units", "pixel_unit", "pixel_size_unit", "pixelunit")
#: attributes, or texts beside a data set, that may name the detector
_TITLES: Final = ("detector", "name", "title", "long_name", "label", "channel", "signal", "description")
_CALIBRATION: Final = frozenset({"pixel_size_nm", *_SCALES, *_UNITS})


def images(path: Path, node: Node, described: Any, left_out: tuple[str, ...]) -> list[RawImage]:
    """The data set as an image, or one a detector, or the reason why it is none; nothing where it means none.

    Parameters
    ----------
    path
        The file.
    node
        The data set and where it lies.
    described
        The group that tells of its axes: its own, or one with a link to it.
    left_out
        Warnings about what is not read.
    """
    dataset = node.item
    _hdf5.check_place(dataset)
    dtype: np.dtype[Any] = dataset.dtype
    shape: tuple[int, ...] = dataset.shape or ()
    long = [axis for axis, size in enumerate(shape) if size != 1]
    if len(long) < 2 or not (dtype.kind in "buifc" or _axes.is_colour(dtype)):
        return []
    detectors = _hdf5_beside.detectors(dataset, node.group)
    picture = detectors is None and dtype == np.uint8 and len(shape) == 3 and shape[-1] in (3, 4)
    samples, long = (2, [0, 1]) if picture else (None, long)
    axes = nexus.axes(dataset, described)
    return _axes.images(
        axes,
        detectors,
        title=_title(node),
        dtype=dtype,
        shape=[size if axis in long else 1 for axis, size in enumerate(shape)],
        make=partial(_hdf5.image, path, dataset, samples=samples),
        warnings=left_out,
        reader=_hdf5.reader_name("HDF5"),
        calibration=_calibration(node),
    )


def _title(node: Node) -> str:
    """Its path in the file, and the detector where that is named beside it: ``detectors/1/data (HAADF)``."""
    if says_detector(node.name):
        return node.name
    found = attributes(node.item, _TITLES)
    said = [text(found[name]) for name in _TITLES if name in found]
    if "/" in node.name:  # what the file as a whole says belongs to all that is in it
        found = attributes(node.group, _TITLES)
        said += [text(found[name]) for name in _TITLES if name in found]
        said += [_hdf5_beside.first_text(at(node.group, name)) for name in _TITLES]
    detector = next((clean(one, 60) for one in said if len(one) < 200 and says_detector(one)), "")
    return f"{node.name} ({detector})" if detector else node.name


def _calibration(node: Node) -> PixelCalibration:
    """From attributes such as ``scale`` = "0.33" and ``scale_unit`` = "nm", of the data set or its group."""
    dataset = node.item
    found = {**attributes(node.group, _CALIBRATION), **attributes(dataset, _CALIBRATION)}
    if "pixel_size_nm" in found:
        scale, unit = found["pixel_size_nm"], "nm"
    else:
        scale = next((found[name] for name in _SCALES if name in found), None)
        unit = next((text(found[name]) for name in _UNITS if name in found), "")
    scales: list[Any] = list(np.ravel(scale))
    if scale is None or len(scales) not in (1, 2, dataset.ndim):  # of one axis, of two, or of all
        return PixelCalibration()
    return pixel_calibration((scales[-2:][0], unit), (scales[-1], unit))
