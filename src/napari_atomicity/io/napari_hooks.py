"""What the manifest offers to napari: reader, writer and sample images, as plain functions.

They return napari's layer-data tuples and import nothing of napari, so that the plug-in is found at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_atomicity.errors import InputError
from napari_atomicity.io.samples import sample_dir

LayerData = tuple[Any, dict[str, Any], str]
#: single-layer readers take a path or a list of paths that napari was asked to open together
PathOrPaths = str | Sequence[str]


def get_reader(path: PathOrPaths) -> Callable[[PathOrPaths], list[LayerData]] | None:
    """The reader for `path`, or None where the suffix (or the content) belongs to other plug-ins."""
    from napari_atomicity.io.formats import SUFFIXES

    paths = _listed(path)
    if not paths or any(listed.suffix.lower() not in SUFFIXES or listed.is_dir() for listed in paths):
        return None
    return read_layers


def read_layers(path: PathOrPaths) -> list[LayerData]:
    """One image layer a file, in nm where the file is calibrated, with its `Micrograph` in the metadata."""
    from napari_atomicity.io.reading import read

    return [as_layer(read(listed)) for listed in _listed(path)]


def as_layer(micrograph: Any) -> LayerData:
    """The layer-data tuple of a `Micrograph`."""
    from napari_atomicity.micrograph import contrast_limits

    size = micrograph.pixel_size_nm
    limits = contrast_limits(micrograph.frame(0))
    stack = micrograph.data.ndim == 3
    options = {
        "name": micrograph.name,
        "scale": (1.0,) * stack + (size or 1.0,) * 2,
        "units": ("pixel",) * stack + ("pixel" if size is None else "nm",) * 2,
        "axis_labels": ("t",) * stack + ("y", "x"),
        "metadata": {"micrograph": micrograph},
        **({} if limits is None else {"contrast_limits": limits}),
    }
    return micrograph.data, options, "image"


def write_points_csv(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save a points layer of clusters as CSV or Parquet, with everything the table holds.

    Parameters
    ----------
    path
        Ends in ``.csv`` or ``.parquet``.
    data
        Point coordinates; they are not used, because the table in the features carries the positions.
    attributes
        Layer attributes; ``features`` is the table, ``metadata["table"]`` the `ClusterTable` it was made from.

    Returns
    -------
    The paths that were written.

    Raises
    ------
    InputError
        Where the layer holds no cluster table, or the file cannot be written.
    """
    from napari_atomicity.io.keeping import kept_sentence
    from napari_atomicity.io.tables import write_table

    micrograph = attributes.get("metadata", {}).get("micrograph")
    facts = {} if micrograph is None else {"image": micrograph.name, "pixel_size_nm": micrograph.pixel_size_nm}
    kept = write_table(_table_of(attributes), path, facts)
    if kept is not None:
        warnings.warn(kept_sentence(Path(path), kept), stacklevel=2)  # napari shows it
    return [path]


def _table_of(attributes: dict[str, Any]) -> Any:
    import pandas as pd

    from napari_atomicity.clusters import ClusterTable, class_sizes_of, columns

    features = pd.DataFrame(attributes.get("features", {}))
    sizes = class_sizes_of(features.columns)
    if not set(columns(())) <= set(features.columns):
        raise InputError(
            f"The layer {attributes.get('name', '')!r} holds no table of clusters; "
            "save the points layer that Atomicity made."
        )
    known = attributes.get("metadata", {}).get("table")
    rows = {name: features[name].to_numpy() for name in columns(sizes) if name in features}
    table = ClusterTable.from_columns(rows, class_sizes=sizes)
    if not isinstance(known, ClusterTable):
        return table
    return ClusterTable(table.rows, sizes, known.next_id, known.hand_placed, known.removed)


def _listed(path: PathOrPaths) -> list[Path]:
    return [Path(path)] if isinstance(path, str | Path) else [Path(each) for each in path]


# ---------------------------------------------------------------------- sample images


def open_sample_mixed() -> list[LayerData]:
    """A simulated frame of all five sizes."""
    return _sample("sample_mixed.tif")


def open_sample_pt19() -> list[LayerData]:
    """Pt19 alone."""
    return _sample("sample_pt19.tif")


def open_sample_pt30() -> list[LayerData]:
    """Pt30 alone."""
    return _sample("sample_pt30.tif")


def open_sample_pt41() -> list[LayerData]:
    """Pt41 alone."""
    return _sample("sample_pt41.tif")


def open_sample_pt55() -> list[LayerData]:
    """Pt55 alone."""
    return _sample("sample_pt55.tif")


def open_sample_pt70() -> list[LayerData]:
    """Pt70 alone."""
    return _sample("sample_pt70.tif")


def open_sample_shifted() -> list[LayerData]:
    """A simulated frame under other conditions than the model was trained for."""
    return _sample("sample_shifted.tif")


def _sample(name: str) -> list[LayerData]:
    return read_layers(str(sample_dir() / name))
