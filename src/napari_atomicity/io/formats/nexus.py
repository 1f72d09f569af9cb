"""The axes of a data set of HDF5 where other data sets hold the positions: NeXus, or dimension scales."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from napari_atomicity.io.formats import _axes, _hdf5_beside
from napari_atomicity.io.formats._hdf5_tree import FAULTS, Node, attribute, attributes, full, linked, text

_UNITS: Final = ("units", "unit")
#: characters of a list of axes
_LONGEST: Final = 1000


def groups(nodes: Sequence[Node]) -> dict[str, Any]:
    """Groups that describe a data set elsewhere in the file, which a link leads to, by the name of that data set."""
    describing: dict[str, Any] = {}
    for node in nodes:
        signal = "" if node.is_dataset else text(attribute(node.item, "signal", ""))
        dataset = linked(node.item, signal) if signal and attribute(node.item, "axes") is not None else None
        if dataset is not None:
            describing.setdefault(str(dataset.name), node.item)
    return describing


def axes(dataset: Any, group: Any) -> list[_axes.Axis]:
    """One for each dimension, as far as positions are given along it; none at all where they are for no dimension.

    The positions are those that the attribute `axes` of the group or the data set names, as NeXus has it, else the
    scales that are attached to the dimensions.

    Parameters
    ----------
    dataset
        The open h5py data set.
    group
        The group that tells of its axes.
    """
    shape: tuple[int, ...] = dataset.shape
    scales = _named(dataset, group)
    if not any(scale is not None for scale in scales):
        scales = _hdf5_beside.dimension_scales(dataset)
    given = [_axis(scale, size) for scale, size in zip(scales, shape, strict=True)]
    return [axis or _axes.Axis() for axis in given] if any(given) else []


def _named(dataset: Any, group: Any) -> list[Any]:
    """The data set with the positions along each dimension, None where none is named."""
    rank = len(dataset.shape)
    scales: list[Any] = [None] * rank
    for item in (dataset, group):
        names = _names(attribute(item, "axes"))
        if not names or len(names) > rank:
            continue
        at = {name: attribute(item, f"{name}_indices") for name in names}
        for k, name in enumerate(names):
            axis = at[name] if isinstance(at[name], int | np.integer) and 0 <= at[name] < rank else k
            scales[int(axis)] = linked(group, name)
        if any(scale is not None for scale in scales):
            break
    return scales


def _names(value: Any) -> list[str]:
    """The axes in a list of texts, or in one text: ``y:x``, ``[y,x]``."""
    if isinstance(value, np.ndarray):
        return [text(one) for one in value.ravel()[:32]]
    listed = text(value)[:_LONGEST].strip("[] ") if isinstance(value, str | bytes) else ""
    return [name.strip() for name in re.split(r"[:,;]", listed)] if listed else []


def _axis(scale: Any, size: int) -> _axes.Axis | None:
    """The axis with these positions; None where they are not one a pixel, or the edges of pixels."""
    if scale is None or not hasattr(scale, "chunks"):
        return None
    values = attributes(scale, {*_UNITS, "name", "long_name"})
    unit = next((text(values[key]) for key in _UNITS if key in values), "")
    name = str(scale.name).rsplit("/", 1)[-1]
    try:
        positions = _hdf5_beside.numbers(scale)
        is_one_each = len(positions) in (size, size + 1)
        return _axes.from_positions(positions, size, name, unit) if is_one_each else _axes.Axis(name)
    except FAULTS as error:
        full(error)
        return None
