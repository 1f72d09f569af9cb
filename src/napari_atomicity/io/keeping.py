"""What is in the way of a new file and would be lost: kept under another name, never overwritten."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pandas as pd

from napari_atomicity import __version__
from napari_atomicity.clusters import PLACE, ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import fill, write_atomically, write_together
from napari_atomicity.io.facts import (
    ROWS,
    as_json,
    beside,
    is_as_written,
    signed_text,
    stored,
    versions,
    with_earlier,
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


def earlier(path: Path) -> Earlier | None:
    """What is at `path`; None where there is nothing."""
    from napari_atomicity.io.tables import open_table

    if not path.exists() or path.is_dir():
        return None
    try:
        found = open_table(path)
    except InputError:
        return Earlier(0, False, None, False)
    is_counted = bool((found.table.rows["label"] != "").any())
    return Earlier(int(found.table.labelled.sum()), is_counted, found.table, found.is_as_written)


def kept_while(path: Path, table: ClusterTable, write: Callable[[], None]) -> Path | None:
    """Write with `write` the `table` at `path`; gives the new name of what was there, where that had to be kept."""
    there = earlier(path)
    if there is None or (there.is_ours and _holds(table, there.table) and _is_known(path, table)):
        write()
        return None
    return _aside_while(path, write)


def write_rows(rows: pd.DataFrame, path: Path) -> Path | None:
    """Write `rows` as CSV with their hash beside it; an earlier file that is not as we wrote it is kept as above."""
    from napari_atomicity.io.tables import csv_text

    text = csv_text(rows)

    def write() -> None:
        new, before = signed_text({"software": f"napari-atomicity {__version__}"}, text, ROWS), stored(path)
        first = new if before is None else with_earlier(new, before)
        with_hash = (beside(path), lambda draft: fill(draft, as_json(first)))
        write_together([with_hash, (path, lambda draft: fill(draft, text))])
        if before is not None:
            write_atomically(beside(path), lambda draft: fill(draft, as_json(new)))

    if not path.is_file() or _is_ours(path, text):
        write()
        return None
    return _aside_while(path, write)


def kept_sentence(path: Path, kept: Path) -> str:
    """What a person reads where an earlier file was kept."""
    return f"{path.name} was changed by hand or by another program; that version is now {kept.name}."


def _holds(table: ClusterTable, there: ClusterTable | None) -> bool:
    """Whether `table` has every label that a person gave in the table that is `there`."""
    if there is None:
        return False
    names = [*PLACE, "annotation"]
    given, mine = (each.rows.loc[each.labelled, names].to_numpy(dtype=object) for each in (there, table))
    labels = {(int(f), round(y), round(x)): label for f, y, x, label in mine if y == y and x == x}
    near = range(-1, 2)
    return all(
        y == y and x == x and any(labels.get((int(f), round(y) + i, round(x) + j)) == label for i in near for j in near)
        for f, y, x, label in given
    )


def _is_known(path: Path, table: ClusterTable) -> bool:
    """Whether a hash tells that a CSV is ours, or nothing would be lost; its form alone tells nothing."""
    from napari_atomicity.io.tables import csv_text

    return path.suffix.lower() != ".csv" or _is_ours(path, csv_text(table.rows))


def _is_ours(path: Path, text: str) -> bool:
    """Whether the file is to the last byte what we wrote there, or what we would write now."""
    content = path.read_bytes()
    if content == text.encode("utf-8", "backslashreplace"):
        return True
    return any(is_as_written(facts, content) for facts in versions(stored(path)))


def _aside_while(path: Path, write: Callable[[], None]) -> Path:
    """Copy what is at `path`, with the facts beside it, under a free name, and then `write`."""
    kept = _free(path)
    if not kept.exists():
        write_atomically(kept, lambda draft: _copy(path, draft))
        if beside(path).is_file():
            write_atomically(beside(kept), lambda draft: _copy(beside(path), draft))
        made = [kept, beside(kept)]
    else:
        made = []  # this very version was kept before
    try:
        write()
    except BaseException:
        for each in made:
            with contextlib.suppress(OSError):
                each.unlink(missing_ok=True)
        raise
    return kept


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with contextlib.suppress(OSError):
        shutil.copystat(source, target)


def _free(path: Path) -> Path:
    """``NAME.kept.csv``, or with the first number that is free, or that holds the very same."""
    content = path.read_bytes() if path.is_file() else b""
    for n in count(1):
        kept = path.with_name(f"{path.stem}.kept{'' if n == 1 else f'-{n}'}{path.suffix}")
        if not kept.exists() or (kept.is_file() and kept.read_bytes() == content):
            return kept
    raise AssertionError
