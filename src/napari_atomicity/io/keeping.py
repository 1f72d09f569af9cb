"""Keeps what people changed: a file that a new one would cost them gets another name, and is never overwritten."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pandas as pd

from napari_atomicity import __version__
from napari_atomicity.clusters import PLACE, ClusterTable, written_rows
from napari_atomicity.io.atomic import write_atomically
from napari_atomicity.io.csv_tables import csv_text, write_with_facts
from napari_atomicity.io.table_metadata import (
    ROWS,
    beside,
    is_as_written,
    signed_text,
    stored,
    versions,
)


@dataclass(frozen=True)
class Earlier:
    """A file that is in the way of a table.

    Attributes
    ----------
    labels
        How many clusters a person labelled in it.
    is_counted
        Whether it holds what a model predicted.
    table
        What is in it; None where it cannot be read.
    is_ours
        Whether nobody but this program wrote it.
    """

    labels: int
    is_counted: bool
    table: ClusterTable | None
    is_ours: bool


def kept_while(path: Path, table: ClusterTable, existing: Earlier | None, write: Callable[[], None]) -> Path | None:
    """Write a table of clusters; where that would lose something of an earlier file, keep it under another name.

    Parameters
    ----------
    path
        The file to write.
    table
        What will be in it.
    existing
        The file that is in the way; None where there is none.
    write
        Writes `table` at `path`.

    Returns
    -------
    The new name of the earlier file, where it had to be kept.

    Raises
    ------
    InputError
        Where the system does not let us write there.
    """
    if existing is None or (existing.is_ours and _holds(table, existing.table) and _is_known(path, table)):
        write()
        return None
    return _keep_copy_while(path, write)


def write_rows(rows: pd.DataFrame, path: Path) -> Path | None:
    """Write any table that is not read back as CSV, with its hash beside it.

    Parameters
    ----------
    rows
        The table.
    path
        The CSV; an earlier file that is not as we wrote it is kept.

    Returns
    -------
    The new name of an earlier file that was kept; None where there was nothing to keep.

    Raises
    ------
    InputError
        Where the system does not let us write there.
    """
    text = csv_text(rows)

    def write() -> None:
        write_with_facts(path, text, signed_text({"software": f"napari-atomicity {__version__}"}, text, ROWS))

    if not path.is_file() or _is_ours(path, text):
        write()
        return None
    return _keep_copy_while(path, write)


def kept_sentence(path: Path, kept: Path) -> str:
    """What a person reads where an earlier file was kept.

    Parameters
    ----------
    path
        The file that was written.
    kept
        Where the earlier one is now.
    """
    return f"{path.name} was changed by hand or by another program; that version is now {kept.name}."


def copies_kept_while(paths: Sequence[Path], write: Callable[[], None]) -> list[Path]:
    """Write over files that belong together, and keep each of them under another name.

    Parameters
    ----------
    paths
        The earlier files that the new ones would cost.
    write
        Writes in the place of all of them.

    Returns
    -------
    The new names of the earlier files, in their order.

    Raises
    ------
    InputError
        Where the system does not let us write there.
    """
    if not paths:
        write()
        return []
    others: list[Path] = []
    first = _keep_copy_while(paths[0], lambda: others.extend(copies_kept_while(paths[1:], write)))
    return [first, *others]


def _holds(table: ClusterTable, existing: ClusterTable | None) -> bool:
    """Whether `table` has every label that a person gave in the `existing` table."""
    if existing is None:
        return False
    names = [*PLACE, "annotation"]
    given, new = (each.rows.loc[each.labelled, names].to_numpy(dtype=object) for each in (existing, table))
    labels = {(int(f), round(y), round(x)): label for f, y, x, label in new if y == y and x == x}
    near = range(-1, 2)
    return all(
        y == y and x == x and any(labels.get((int(f), round(y) + i, round(x) + j)) == label for i in near for j in near)
        for f, y, x, label in given
    )


def _is_known(path: Path, table: ClusterTable) -> bool:
    """Whether a hash tells that a CSV is ours, or nothing would be lost; its form alone tells nothing."""
    return path.suffix.lower() != ".csv" or _is_ours(path, csv_text(written_rows(table.rows)))


def _is_ours(path: Path, text: str) -> bool:
    """Whether the file is to the last byte what we wrote there, or what we would write now."""
    content = path.read_bytes()
    if content == text.encode("utf-8", "backslashreplace"):
        return True
    return any(is_as_written(facts, content) for facts in versions(stored(path)))


def _keep_copy_while(path: Path, write: Callable[[], None]) -> Path:
    """Copy what is at `path`, with the facts beside it, under a free name, and then `write`."""
    kept = _free_name(path)
    if not kept.exists():
        write_atomically(kept, lambda draft: _copy(path, draft))
        if beside(path).is_file():
            write_atomically(beside(kept), lambda draft: _copy(beside(path), draft))
        copies = [kept, beside(kept)]
    else:
        copies = []  # this very version was kept before
    try:
        write()
    except BaseException:
        for copy in copies:
            with contextlib.suppress(OSError):
                copy.unlink(missing_ok=True)
        raise
    return kept


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with contextlib.suppress(OSError):
        shutil.copystat(source, target)


def _free_name(path: Path) -> Path:
    """``NAME.kept.csv``, or with the first number that is free, or that holds the very same."""
    content = path.read_bytes() if path.is_file() else b""
    for n in count(1):
        kept = path.with_name(f"{path.stem}.kept{'' if n == 1 else f'-{n}'}{path.suffix}")
        if not kept.exists() or (kept.is_file() and kept.read_bytes() == content):
            return kept
    raise AssertionError
