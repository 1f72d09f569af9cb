"""EMD, the two formats of that name: Velox (Thermo Fisher) and NCEM (Berkeley, Prismatic, py4DSTEM)."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats import _axes, _hdf5, _hdf5_beside
from napari_atomicity.io.formats._detectors import along
from napari_atomicity.io.formats._hdf5_tree import FAULTS, Node, at, attribute, attributes, children, text
from napari_atomicity.io.raw import RawImage

_DIM = re.compile(r"dim\d+")


def arrays(nodes: list[Node]) -> list[tuple[str, Any, Any]]:
    """Title, group and data set of the NCEM arrays among the groups and data sets of a file.

    The data set is called ``data``; Prismatic calls it otherwise, and puts it beside the dim1, dim2 of its axes. These
    come last, so that an image keeps its number.
    """
    listed = [
        (node.name.rsplit("/", 1)[-1], node.item, dataset)
        for node in nodes
        if not node.is_dataset and attribute(node.item, "emd_group_type") is not None
        for dataset in _arrays_of(node.item)
    ]
    return sorted(listed, key=lambda entry: not str(entry[2].name).endswith("/data"))


def _arrays_of(group: Any) -> list[Any]:
    datasets = {name: item for name, item in children(group) if hasattr(item, "chunks")}
    if "data" in datasets:
        return [datasets["data"]]
    return [item for name, item in datasets.items() if not _DIM.fullmatch(name) and _has_rows(item)]


def _has_rows(dataset: Any) -> bool:
    try:
        _hdf5.check_place(dataset)
    except InputError:
        return True  # it is said what is the matter with it
    return len(dataset.shape or ()) >= 2


def images(path: Path, title: str, group: Any, dataset: Any, left_out: tuple[str, ...]) -> list[RawImage]:
    """The array of an NCEM group as an image, or one a detector, or the reason why it is none.

    Parameters
    ----------
    path
        The file.
    title
        Of the group.
    group, dataset
        The open h5py group and its data set of pixels.
    left_out
        Warnings about what is not read.
    """
    _hdf5.check_place(dataset)
    first = 0 if "dim0" in group else 1
    dims = [at(group, f"dim{k + first}") for k in range(len(dataset.shape))]
    # the slices of py4DSTEM are named along an axis
    named = along(dataset.shape, map(_hdf5_beside.names, dims)) if dataset.ndim > 2 else None
    return _axes.images(
        [_axis(dim, size) for dim, size in zip(dims, dataset.shape, strict=True)],
        named or _hdf5_beside.detectors(dataset, group),
        title=title,
        dtype=dataset.dtype,
        shape=dataset.shape,
        make=partial(_hdf5.image, path, dataset),
        warnings=left_out,
        reader=_hdf5.reader_name("NCEM EMD"),
    )


def _axis(dim: Any, size: int) -> _axes.Axis:
    values = attributes(dim, {"name", "units"})
    name, unit = text(values.get("name", "")), text(values.get("units", ""))
    try:
        return _axes.from_positions(_hdf5_beside.numbers(dim), size, name, unit)
    except FAULTS:
        return _axes.Axis(name, None, unit)
