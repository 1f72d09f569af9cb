"""Cluster tables as CSV and Parquet; what is written is read back exactly, and what people changed as far as it can."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import TEXTS, WHOLE_NUMBERS, ClusterTable, class_sizes_of, columns
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import fill, write_atomically, write_together
from napari_atomicity.io.by_hand import Found, known, table_of_sheet
from napari_atomicity.io.facts import (
    MOST_ID,
    Facts,
    as_json,
    beside,
    facts_of,
    is_as_written,
    signed,
    stored,
    versions,
    with_earlier,
)
from napari_atomicity.io.files import existing_file
from napari_atomicity.io.parquet import open_parquet, pyarrow, write_parquet
from napari_atomicity.io.sheets import content_of, quoted, sheet_of, text_of, unquoted

SUFFIXES: Final = (".csv", ".parquet")
_ADVICE: Final = "it is damaged or not a cluster table"
#: rows of a CSV that are written in one go
_AT_ONCE: Final = 200


def write_table(table: ClusterTable, path: str | Path, metadata: Mapping[str, Any] | None = None) -> Path | None:
    """Write `table` with all that belongs to it: identities, classes, what a person placed and deleted.

    Parameters
    ----------
    table
        The clusters.
    path
        CSV (a plain one, with its units and metadata beside it in ``NAME.csv-metadata.json``, the name that "CSV on
        the Web" gives to such a file) or Parquet, by suffix. An earlier file is replaced only by a complete new one,
        and one that holds what the new one does not, labels of a person or cells that are not ours, is kept.
    metadata
        JSON-serialisable facts the numbers depend on, such as pixel size, hashes and versions.

    Returns
    -------
    The new name of an earlier file that was kept; None where nothing would have been lost.

    Raises
    ------
    InputError
        For another suffix, a missing package or a place that cannot be written to.
    """
    from napari_atomicity.io.keeping import kept_while

    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise _unknown_suffix(path)
    facts = facts_of(table, metadata or {})
    write = _write_csv
    if suffix == ".parquet":
        pyarrow(path)
        write = write_parquet
    return kept_while(path, table, lambda: write(table, path, facts))


def read_table(path: str | Path) -> ClusterTable:
    """The cluster table in a file.

    Parameters
    ----------
    path
        CSV or Parquet.

    Raises
    ------
    InputError
        As by `open_table`.
    """
    return open_table(path).table


def read_metadata(path: str | Path) -> dict[str, Any]:
    """The facts that were written with a table: pixel size, hashes, versions, units.

    Parameters
    ----------
    path
        Of the table: CSV or Parquet.

    Raises
    ------
    InputError
        As by `open_table`.
    """
    return open_table(path).facts


def open_table(path: str | Path) -> Found:
    """The cluster table in a file with its facts.

    As it was written, to the last bit, where nobody changed it since. A table that went through a spreadsheet is read
    by its headings, in any order, parted by commas, semicolons or tabs, with decimal points or commas, in any usual
    encoding; columns that are missing get their neutral value.

    Parameters
    ----------
    path
        CSV or Parquet.

    Returns
    -------
    The table, the facts that belong to it, and remarks for a person who changed it.

    Raises
    ------
    InputError
        Where the file is missing, damaged or not a cluster table.
    """
    path = existing_file(path)
    read = {".csv": _open_csv, ".parquet": open_parquet}.get(path.suffix.lower())
    if read is None:
        raise _unknown_suffix(path)
    try:
        return read(path)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # damage shows itself in many ways
        raise InputError(f"{path.name} is damaged or not a cluster table.") from error


def _unknown_suffix(path: Path) -> InputError:
    return InputError(f"{path.name}: tables are CSV or Parquet; end the file name in .csv or .parquet.")


def _exactly(rows: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]) -> ClusterTable:
    """The table whose columns are those that we wrote."""
    sizes = class_sizes_of(rows)
    table = ClusterTable.from_columns({name: _typed(name, rows[name]) for name in columns(sizes)}, sizes)
    return Facts.of(facts).identify(table)


def _typed(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if name in TEXTS:
        return np.array([unquoted(value) for value in values], dtype=object)
    if name in WHOLE_NUMBERS:
        whole = [int(value) for value in values]
        if whole and not -MOST_ID <= min(whole) <= max(whole) <= MOST_ID:
            raise ValueError(f"{name} beyond all bounds")
        return np.array(whole, dtype=np.int64)
    return np.array([float(value) if value != "" else np.nan for value in values], dtype=np.float64)


# ---------------------------------------------------------------------- CSV


def _write_csv(table: ClusterTable, path: Path, facts: Mapping[str, Any]) -> None:
    """The table and the facts beside it: both, or neither; killed in between, each version still has its facts."""
    text = csv_text(table.rows)
    new = signed(facts, text, table.rows)
    earlier = stored(path) if path.exists() else None
    first = new if earlier is None else with_earlier(new, earlier)
    write_together([(beside(path), lambda draft: fill(draft, as_json(first))), (path, lambda draft: fill(draft, text))])
    if earlier is not None:
        write_atomically(beside(path), lambda draft: fill(draft, as_json(new)))


def csv_text(rows: pd.DataFrame) -> str:
    """Rows as plain CSV: numbers with all their digits, those that are missing empty, and no text a formula.

    Parameters
    ----------
    rows
        Of a table of clusters, or any others.

    Returns
    -------
    The headings and a line a row, parted by commas, each ended by a line feed alone.
    """
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
    cells: list[Any] = values.tolist()
    if values.dtype.kind not in "fO":
        return cells
    # what is missing is not equal to itself
    return ["" if cell != cell else quoted(cell) if isinstance(cell, str) else cell for cell in cells]


def rows_of_csv(text: str, class_sizes: Sequence[int]) -> pd.DataFrame:
    """Rows of a cluster table from a CSV, as they were.

    Parameters
    ----------
    text
        What `csv_text` made of them.
    class_sizes
        Atoms of each class of the model behind the probabilities.

    Raises
    ------
    ValueError, KeyError
        For a text that `csv_text` did not make of such rows.
    """
    found = _parsed(text)
    values = {name: _typed(name, found[name]) for name in columns(class_sizes)}
    # the type is named, or pandas turns texts into strings of its own
    return pd.DataFrame({name: pd.Series(column, dtype=column.dtype) for name, column in values.items()})


def _open_csv(path: Path) -> Found:
    content, beside_it = content_of(path, _ADVICE), stored(path)
    for facts in versions(beside_it):
        if is_as_written(facts, content):
            return Found(_exactly(_parsed(content.decode("utf-8")), facts), facts, is_as_written=True)
    text = text_of(content, path.name, _ADVICE)
    found = table_of_sheet(sheet_of(text, path.name, known), path.name, versions(beside_it))
    if beside_it is None or is_as_written(beside_it, b"") is None:
        # written without a hash of it, by an earlier version or other programs: it is ours if we would write the same
        same = text == csv_text(found.table.rows)
        return Found(found.table, found.facts, found.remarks, same, found.extra)
    return found


def _parsed(text: str) -> dict[str, npt.NDArray[Any]]:
    """All columns of a CSV text as `csv_text` writes it, as text; a `ValueError` for another."""
    records = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(records, [])
        rows = [row for row in records if row]
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if any(len(row) != len(header) for row in rows):
        raise ValueError("a row is not as long as the heading")
    values = np.array(rows, dtype=object).reshape(len(rows), len(header))
    return {name: values[:, k] for k, name in enumerate(header)}
