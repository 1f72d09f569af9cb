"""Cluster tables as CSV and Parquet; what is written is read back exactly, and what people changed as far as it can."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.io.by_hand import ReadTable
from napari_atomicity.io.csv_tables import open_csv, write_csv
from napari_atomicity.io.files import existing_file
from napari_atomicity.io.keeping import Earlier, kept_while
from napari_atomicity.io.parquet import open_parquet, pyarrow, write_parquet
from napari_atomicity.io.table_metadata import facts_of

SUFFIXES: Final = (".csv", ".parquet")


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
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise _unknown_suffix(path)
    facts = facts_of(table, metadata or {})
    write = write_csv
    if suffix == ".parquet":
        pyarrow(path)
        write = write_parquet
    return kept_while(path, table, earlier(path), lambda: write(table, path, facts))


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


def open_table(path: str | Path) -> ReadTable:
    """The cluster table in the file `path` (CSV or Parquet) with its facts.

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
    read = {".csv": open_csv, ".parquet": open_parquet}.get(path.suffix.lower())
    if read is None:
        raise _unknown_suffix(path)
    try:
        return read(path)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # damage shows itself in many ways
        raise InputError(f"{path.name} is damaged or not a cluster table.") from error


def earlier(path: Path) -> Earlier | None:
    """What is at `path`; None where there is nothing."""
    if not path.exists() or path.is_dir():
        return None
    try:
        read = open_table(path)
    except InputError:
        return Earlier(0, False, None, False)
    rows = read.table.rows
    labels = int((rows["annotation"] != "").sum())
    return Earlier(labels, bool((rows["label"] != "").any()), read.table, read.is_as_written)


def _unknown_suffix(path: Path) -> InputError:
    return InputError(f"{path.name}: tables are CSV or Parquet; end the file name in .csv or .parquet.")
