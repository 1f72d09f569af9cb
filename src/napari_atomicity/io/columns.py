"""Columns of numbers that people keep beside a table of clusters: fractions by EDX, integrals of another detector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from napari_atomicity.errors import InputError
from napari_atomicity.io.by_hand import word
from napari_atomicity.io.files import existing_file
from napari_atomicity.io.sheets import Sheet, content_of, decimal_mark, number, sheet_of, text_of

_ADVICE: Final = "give a table as CSV, with a heading"
_MOST_ID: Final = 2**53


def read_columns(path: str | Path, names: Sequence[str]) -> pd.DataFrame:
    """Columns of numbers of a table by the ids of its clusters.

    Parameters
    ----------
    path
        CSV, parted and encoded in any usual way.
    names
        Of the columns, as they stand in its heading; capitals and signs between words make no difference.

    Returns
    -------
    pandas.DataFrame
        The columns under the names that were asked for, by id; nan where a cell is empty.

    Raises
    ------
    InputError
        Where the file or a column is missing, an id is there twice, or a cell is no number.
    """
    path = existing_file(path)
    wanted = {word("id"), *map(word, names)}
    text = text_of(content_of(path, _ADVICE), path.name, _ADVICE)
    sheet = sheet_of(text, path.name, lambda cells: sum(word(cell) in wanted for cell in cells if len(cell) < 1000))
    headings = [word(heading) for heading in sheet.heading]
    for name in ("id", *names):
        n = headings.count(word(name))
        if n != 1:
            there = ", ".join(heading for heading in sheet.heading[:20] if heading) or "no heading"
            what = f"has no column {name!r}; it has {there}" if n == 0 else f"has the column {name!r} twice"
            raise InputError(f"{path.name} {what}.")
    cells = [cell for name in names for cell in sheet.column(headings.index(word(name)))]
    mark = decimal_mark(cells, sheet.separator)
    ids = _numbers(sheet, headings.index("id"), path.name, mark)
    if not np.isfinite(ids).all() or (np.abs(ids) > _MOST_ID).any() or (ids != np.round(ids)).any():
        raise InputError(f"{path.name}: the column id holds what is no whole number; use the ids of the cluster table.")
    if len(np.unique(ids)) < len(ids):
        raise InputError(f"{path.name} holds the same id twice; every cluster needs one row.")
    columns = {name: _numbers(sheet, headings.index(word(name)), path.name, mark) for name in names}
    return pd.DataFrame(columns, index=pd.Index(ids.astype(np.int64), name="id"))


def has_column(path: str | Path, name: str) -> bool:
    """Whether a table has a column of that name.

    Parameters
    ----------
    path
        CSV, as for `read_columns`.
    name
        Of the column.

    Raises
    ------
    InputError
        Where the file is missing or no text.
    """
    path = existing_file(path)
    text = text_of(content_of(path, _ADVICE), path.name, _ADVICE)
    wanted = {word("id"), word(name)}
    sheet = sheet_of(text, path.name, lambda cells: sum(word(cell) in wanted for cell in cells if len(cell) < 1000))
    return word(name) in map(word, sheet.heading)


def _numbers(sheet: Sheet, at: int, name: str, mark: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = [number(cell.removesuffix("%").strip(), mark) for cell in sheet.column(at)]
    for row, value in enumerate(values):
        if value is None:
            shown = sheet.rows[row][at][:40]
            raise InputError(f"{name}: in row {sheet.lines[row]}, {sheet.heading[at]}, {shown!r} is no number.")
    return np.array(values, dtype=np.float64)
