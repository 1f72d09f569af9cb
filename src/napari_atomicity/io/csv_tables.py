"""Cluster tables as CSV with their facts beside them: written whole, read back to the last bit where they are ours."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import (
    NO_TRACK,
    OTHER_PROBABILITY,
    TEXTS,
    WHOLE_NUMBERS,
    ClusterTable,
    class_sizes_of,
    columns,
    rest_to_one,
    written_rows,
)
from napari_atomicity.io.atomic import fill, write_atomically, write_together
from napari_atomicity.io.by_hand import ReadTable, known, table_of_sheet
from napari_atomicity.io.sheets import content_of, quoted, sheet_of, text_of, unquoted
from napari_atomicity.io.table_metadata import (
    MOST_ID,
    TableMetadata,
    as_json,
    beside,
    is_as_written,
    signed,
    stored,
    versions,
    with_earlier,
)

_ADVICE: Final = "it is damaged or not a cluster table"
#: columns that earlier versions did not write
_LATER: Final = (["track"], [OTHER_PROBABILITY, "track"])
#: rows of a CSV that are written in one go
_AT_ONCE: Final = 200


def write_csv(table: ClusterTable, path: Path, facts: Mapping[str, Any]) -> None:
    """Write a table of clusters and, beside it, the facts that belong to it.

    Parameters
    ----------
    table
        The clusters.
    path
        The CSV; an earlier one is replaced.
    facts
        What belongs to the table and is not in it; see `facts_of`.

    Raises
    ------
    InputError
        Where the system does not let us write there.
    """
    text = csv_text(written_rows(table.rows))
    write_with_facts(path, text, signed(facts, text, table.rows))


def write_with_facts(path: Path, text: str, facts: Mapping[str, Any]) -> None:
    """Write a CSV and the facts beside it: both, or neither; killed in between, each version still has its facts.

    Parameters
    ----------
    path
        The CSV; an earlier one is replaced.
    text
        Its content.
    facts
        The content of the file beside it, with the hash of `text`.

    Raises
    ------
    InputError
        Where the system does not let us write there.
    """
    earlier = stored(path) if path.exists() else None
    first = facts if earlier is None else with_earlier(facts, earlier)
    write_together([(beside(path), lambda draft: fill(draft, as_json(first))), (path, lambda draft: fill(draft, text))])
    if earlier is not None:
        write_atomically(beside(path), lambda draft: fill(draft, as_json(facts)))


def csv_text(rows: pd.DataFrame) -> str:
    """`rows` as plain CSV; numbers with all their digits, those that are missing empty, and no text a formula."""
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
    """Rows of a cluster table that `csv_text` wrote, as they were.

    Parameters
    ----------
    text
        The CSV.
    class_sizes
        Atoms of each class of the table.

    Returns
    -------
    The rows; a `ValueError` or `KeyError` meets any other text.
    """
    cells = _parsed(text)
    # tables of earlier versions have no column of tracks
    cells.setdefault("track", np.full(len(cells["id"]), str(NO_TRACK), dtype=object))
    values = {name: _typed(name, cells[name]) for name in columns(class_sizes) if name != OTHER_PROBABILITY}
    if class_sizes:
        # tables of earlier versions have no column of it
        rest = cells.get(OTHER_PROBABILITY)
        values[OTHER_PROBABILITY] = rest_to_one(values, class_sizes) if rest is None else _typed("", rest)
    values = {name: values[name] for name in columns(class_sizes)}
    # the type is named, or pandas turns texts into strings of its own
    return pd.DataFrame({name: pd.Series(column, dtype=column.dtype) for name, column in values.items()})


def open_csv(path: Path) -> ReadTable:
    """The table of clusters in a CSV, ours to the last bit, or one that other programs or people wrote."""
    content, beside_it = content_of(path, _ADVICE), stored(path)
    for facts in versions(beside_it):
        if is_as_written(facts, content):
            return ReadTable(_exactly(_parsed(content.decode("utf-8")), facts), facts, is_as_written=True)
    text = text_of(content, path.name, _ADVICE)
    read = table_of_sheet(sheet_of(text, path.name, known), path.name, versions(beside_it))
    if beside_it is None or is_as_written(beside_it, b"") is None:
        # written without a hash of it, by an earlier version or other programs: it is ours if we would write the same
        rows = read.table.rows
        older = [rows.drop(columns=names, errors="ignore") for names in _LATER]
        is_ours = text in (csv_text(rows), *map(csv_text, older))
        return ReadTable(read.table, read.facts, read.remarks, is_ours, read.extra)
    return read


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


def _exactly(rows: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]) -> ClusterTable:
    """The table whose columns are those that we wrote."""
    sizes = class_sizes_of(rows)
    known_columns = {name: _typed(name, rows[name]) for name in columns(sizes) if name in rows}
    table = ClusterTable.from_columns(known_columns, sizes)
    return TableMetadata.of(facts).identify(table)


def _typed(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if name in TEXTS:
        return np.array([unquoted(value) for value in values], dtype=object)
    if name in WHOLE_NUMBERS:
        whole = [int(value) for value in values]
        if whole and not -MOST_ID <= min(whole) <= max(whole) <= MOST_ID:
            raise ValueError(f"{name} beyond all bounds")
        return np.array(whole, dtype=np.int64)
    return np.array([float(value) if value != "" else np.nan for value in values], dtype=np.float64)
