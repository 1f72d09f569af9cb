"""Cluster tables as Parquet; pyarrow, an optional package, is imported here alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import (
    NO_TRACK,
    OTHER_PROBABILITY,
    TEXTS,
    WHOLE_NUMBERS,
    ClusterTable,
    columns,
    written_rows,
)
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_atomically
from napari_atomicity.io.by_hand import ReadTable, table_of_sheet
from napari_atomicity.io.sheets import Sheet
from napari_atomicity.io.table_metadata import MOST_ID, TableMetadata, jsonable

_KEY: Final = b"napari_atomicity"
#: a file of a few bytes can claim any number of rows; those of a table of others become text first
_MOST_ROWS: Final = 2_000_000
_MOST_ROWS_OF_OTHERS: Final = 200_000
_MOST_BYTES: Final = 512_000_000
#: so many rows may be packed as tightly as they like
_FEW_ROWS: Final = 10_000


def pyarrow(path: Path) -> tuple[Any, Any]:
    """The package and its part for Parquet.

    Raises
    ------
    InputError
        Where they are not installed, with how to install them.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(
            f"{path.suffix} files need an extra; install it with  pip install "
            '"napari-atomicity[parquet]"  or choose a name that ends in .csv.'
        ) from error
    return pyarrow, parquet


def write_parquet(table: ClusterTable, path: Path, facts: Mapping[str, Any]) -> None:
    """Write the table with its facts inside.

    Parameters
    ----------
    table
        The clusters.
    path
        The file; an earlier one is replaced.
    facts
        What belongs to the table and is not in it; see `facts_of`.

    Raises
    ------
    InputError
        Where pyarrow is missing, or the system does not let us write there.
    """
    pa, parquet = pyarrow(path)
    rows = written_rows(table.rows)
    kinds = {
        name: pa.string() if name in TEXTS else pa.int64() if name in WHOLE_NUMBERS else pa.float64()
        for name in rows.columns
    }
    arrow = pa.Table.from_pandas(rows, schema=pa.schema(list(kinds.items())), preserve_index=False)
    extra = {_KEY: json.dumps(dict(facts), default=jsonable).encode()}
    with_facts = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **extra})
    write_atomically(path, lambda draft: parquet.write_table(with_facts, draft))


def open_parquet(path: Path) -> ReadTable:
    """The table of clusters in a Parquet file, ours or one of other programs.

    Raises
    ------
    InputError
        Where pyarrow is missing, or the file claims more rows than a table of clusters has.
    """
    file = _checked(path)
    own = (file.schema_arrow.metadata or {}).get(_KEY)
    facts = json.loads(own) if own is not None else {}
    facts = facts if isinstance(facts, dict) else {}
    sizes = TableMetadata.of(facts).class_sizes
    names = tuple(file.schema_arrow.names)
    # tables of earlier versions have no column of the probability of being none of the classes
    later = ((), ("track",), ("track", OTHER_PROBABILITY))  # nor one of tracks
    ours = [] if sizes is None else [tuple(n for n in columns(sizes) if n not in left_out) for left_out in later]
    if sizes is not None and names in ours:
        table = ClusterTable.from_columns({name: _typed(name, _column(file, name)) for name in names}, sizes)
        return ReadTable(TableMetadata.of(facts).identify(table), facts, is_as_written=True)
    n = file.metadata.num_rows
    if n > _MOST_ROWS_OF_OTHERS:
        raise InputError(f"{path.name} claims {n:,} rows, more than a table of clusters of another program may have.")
    texts = [["" if value is None or value != value else str(value) for value in _column(file, name)] for name in names]
    sheet = Sheet(names, tuple(zip(*texts, strict=True)), tuple(range(1, n + 1)), "", (len(names),) * n, len(names))
    return table_of_sheet(sheet, path.name, [facts] if facts else [])


def _checked(path: Path) -> Any:
    """The file, if it claims no more than a table of clusters can hold."""
    _, parquet = pyarrow(path)
    with parquet.ParquetFile(path) as first:
        claims = first.metadata
        names = first.schema_arrow.names
        groups = [claims.row_group(at) for at in range(min(claims.num_row_groups, _FEW_ROWS))]
        unpacked = sum(group.column(at).total_uncompressed_size for group in groups for at in range(group.num_columns))
    n = claims.num_rows
    # each row has a place of its own, which takes a byte at the very least
    if n > _MOST_ROWS or unpacked > _MOST_BYTES or n > max(_FEW_ROWS, path.stat().st_size):
        raise InputError(f"{path.name} claims {n:,} rows, more than a table of clusters in a file of its size has.")
    # texts as numbers of those that differ: one long text many times would fill the memory
    return parquet.ParquetFile(path, read_dictionary=names)


def _column(file: Any, name: str) -> npt.NDArray[Any]:
    """A column as numbers, or as an array of texts that are None where missing."""
    import pyarrow as pa

    column = file.read(columns=[name]).column(name)
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _joined(
            [np.array([*chunk.dictionary.to_pylist(), None], dtype=object)[_places(chunk)] for chunk in column.chunks]
        )
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return np.asarray(column.to_numpy())
    if len(column) > _MOST_ROWS_OF_OTHERS:
        raise InputError(f"The column {name} holds neither numbers nor texts.")
    return np.array([*column.to_pylist(), None], dtype=object)[:-1]


def _places(chunk: Any) -> npt.NDArray[np.int64]:
    """Which of its texts each row of a chunk has; the last, which is none, where it is missing."""
    places: npt.NDArray[np.int64] = chunk.indices.fill_null(len(chunk.dictionary)).to_numpy(zero_copy_only=False)
    return places


def _joined(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return np.concatenate(parts) if parts else np.array([], dtype=object)


def _typed(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if name in TEXTS:
        if any(not isinstance(value, str) for value in values):
            raise ValueError(f"{name} is no text everywhere")
        return values
    if name in WHOLE_NUMBERS:
        if values.dtype.kind not in "iu" or (len(values) and not NO_TRACK <= values.min() <= values.max() <= MOST_ID):
            raise ValueError(f"{name} beyond all bounds")
        return values.astype(np.int64)
    return values.astype(np.float64)
