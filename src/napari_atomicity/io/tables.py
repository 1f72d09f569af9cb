"""Cluster tables as CSV and Parquet; what is written is read back exactly."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from napari_atomicity import __version__
from napari_atomicity.clusters import UNITS, ClusterTable, columns
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_atomically
from napari_atomicity.io.files import existing_file

SUFFIXES: Final = (".csv", ".parquet")
_TITLE: Final = "napari-atomicity clusters"
_PARQUET_KEY: Final = b"napari_atomicity"
_TEXT: Final = frozenset({"label", "annotation", "flag", "source"})
_WHOLE: Final = frozenset({"id", "frame"})
#: rows of a CSV that are written in one go
_AT_ONCE: Final = 200


def write_table(table: ClusterTable, path: str | Path, metadata: Mapping[str, Any] | None = None) -> None:
    """Write `table` with all that belongs to it: identities, classes, what a person placed and deleted.

    Parameters
    ----------
    table
        The clusters.
    path
        CSV (a plain one, with its units and metadata beside it in ``NAME.csv-metadata.json``, the name that "CSV on
        the Web" gives to such a file) or Parquet, by suffix. An earlier file is replaced only by a complete new one.
    metadata
        JSON-serialisable facts the numbers depend on, such as pixel size, hashes and versions.

    Raises
    ------
    InputError
        For another suffix, a missing package or a place that cannot be written to.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise _unknown_suffix(path)
    facts = {**_identity(table), **(metadata or {})}
    if suffix == ".parquet":
        write_atomically(path, lambda beside: _write_parquet(table, beside, facts))
        return
    write_atomically(path, lambda beside: _write_csv(table, beside))
    write_atomically(_beside(path), lambda beside: _write_facts(facts, beside))


def read_table(path: str | Path) -> ClusterTable:
    """The cluster table in the file `path` (CSV or Parquet), as it was written.

    Raises
    ------
    InputError
        Where the file is missing, damaged or not a cluster table.
    """
    facts, rows = _read(existing_file(path))
    try:
        sizes = tuple(int(name[2:]) for name in rows.columns if name.startswith("p_"))
        missing = set(columns(sizes)) - set(rows.columns)
        if missing:
            raise InputError(
                f"{Path(path).name} is not a cluster table: the column {', '.join(sorted(missing))} is missing."
            )
        table = ClusterTable.from_columns(
            {name: _typed(name, rows[name].to_numpy(dtype=object)) for name in columns(sizes)}, sizes
        )
        return replace(
            table,
            next_id=max(table.next_id, int(facts.get("next_id", 0))),
            hand_placed=frozenset(int(i) for i in facts.get("hand_placed", [])),
            removed=np.array(facts.get("removed", []), dtype=np.float64).reshape(-1, 3),
        )
    except (ValueError, TypeError) as error:
        raise InputError(f"{Path(path).name} is damaged: a value in it is not what its column holds.") from error


def read_metadata(path: str | Path) -> dict[str, Any]:
    """The facts that were written with the table in the file `path`."""
    return _read(existing_file(path))[0]


def _identity(table: ClusterTable) -> dict[str, Any]:
    return {
        "software": f"napari-atomicity {__version__}",
        "units": {name: unit for name, unit in UNITS.items() if name in table.rows.columns},
        "class_sizes": list(table.class_sizes),
        "next_id": table.next_id,
        "hand_placed": sorted(table.hand_placed),
        "removed": table.removed.tolist(),
    }


def _read(path: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    read = {".csv": _read_csv, ".parquet": _read_parquet}.get(path.suffix.lower())
    if read is None:
        raise _unknown_suffix(path)
    try:
        return read(path)
    except InputError:
        raise
    except Exception as error:  # damage shows itself in many ways
        raise InputError(f"{path.name} is damaged or not a cluster table.") from error


def _unknown_suffix(path: Path) -> InputError:
    return InputError(f"{path.name}: tables are CSV or Parquet; end the file name in .csv or .parquet.")


def _typed(name: str, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if name in _TEXT:
        return values
    if name in _WHOLE:
        return np.array([int(value) for value in values], dtype=np.int64)
    return np.array([float(value) if value != "" else np.nan for value in values], dtype=np.float64)


# ---------------------------------------------------------------------- CSV


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}-metadata.json")


def _write_facts(facts: Mapping[str, Any], path: Path) -> None:
    text = json.dumps({"title": _TITLE, **facts}, default=_jsonable, ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def _write_csv(table: ClusterTable, path: Path) -> None:
    path.write_text(csv_text(table.rows), encoding="utf-8", newline="")


def csv_text(rows: pd.DataFrame) -> str:
    """`rows` as plain CSV; numbers with all their digits, those that are missing empty."""
    file = io.StringIO(newline="")
    # the csv module writes floats with all their digits
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(rows.columns)
    columns = [_cells(rows[name].to_numpy()) for name in rows.columns]
    # a few rows at a time: meanwhile no other thread has its turn, and this may run beside a window
    for start in range(0, len(rows), _AT_ONCE):
        writer.writerows(zip(*(cells[start : start + _AT_ONCE] for cells in columns), strict=True))
    return file.getvalue()


def _cells(values: np.ndarray[Any, Any]) -> list[Any]:
    cells = values.tolist()
    # what is missing is not equal to itself
    return ["" if cell != cell else cell for cell in cells] if values.dtype.kind in "fO" else cells


def rows_of_csv(text: str, class_sizes: Sequence[int]) -> pd.DataFrame:
    """Rows of a cluster table that `csv_text` wrote, as they were; a `ValueError` or `KeyError` for anything else."""
    found = _parsed(text, "The table")
    values = {name: _typed(name, found[name]) for name in columns(class_sizes)}
    # the type is named, or pandas turns texts into strings of its own
    return pd.DataFrame({name: pd.Series(column, dtype=column.dtype) for name, column in values.items()})


def _read_csv(path: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = _parsed(file.read(), path.name)
    facts = json.loads(_beside(path).read_text(encoding="utf-8")) if _beside(path).is_file() else {}
    return facts, pd.DataFrame(found, dtype=object)


def _parsed(text: str, name: str) -> dict[str, np.ndarray[Any, Any]]:
    """All columns of a CSV text, as text."""
    records = csv.reader(io.StringIO(text, newline=""))
    header = next(records, [])
    rows = [row for row in records if row]
    if any(len(row) != len(header) for row in rows):
        raise InputError(f"{name} is damaged: a row of it is not as long as its heading.")
    values = np.array(rows, dtype=object).reshape(len(rows), len(header))
    return {name: values[:, k] for k, name in enumerate(header)}


def _jsonable(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)


# ---------------------------------------------------------------------- Parquet


def _write_parquet(table: ClusterTable, path: Path, facts: Mapping[str, Any]) -> None:
    pa, parquet = _pyarrow(path)
    found = pa.Table.from_pandas(table.rows, schema=_schema(pa, table), preserve_index=False)
    extra = {_PARQUET_KEY: json.dumps(dict(facts), default=_jsonable).encode()}
    parquet.write_table(found.replace_schema_metadata({**(found.schema.metadata or {}), **extra}), path)


def _schema(pa: Any, table: ClusterTable) -> Any:
    kinds = {
        name: pa.string() if name in _TEXT else pa.int64() if name in _WHOLE else pa.float64()
        for name in table.rows.columns
    }
    return pa.schema(list(kinds.items()))


def _read_parquet(path: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    _, parquet = _pyarrow(path)
    found = parquet.read_table(path)
    facts = json.loads((found.schema.metadata or {}).get(_PARQUET_KEY, b"{}"))
    data = {name: np.array(found[name].to_pylist(), dtype=object) for name in found.column_names}
    # a missing number is null in Parquet and nan in memory
    values = {
        name: [np.nan if value is None and name not in _TEXT else value for value in column]
        for name, column in data.items()
    }
    return facts, pd.DataFrame({name: np.array(column, dtype=object) for name, column in values.items()})


def _pyarrow(path: Path) -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(
            f"{path.suffix} files need an extra; install it with  pip install "
            '"napari-atomicity[parquet]"  or choose a name that ends in .csv.'
        ) from error
    return pyarrow, parquet
