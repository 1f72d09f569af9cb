"""Rows of a table of clusters as a data frame: all columns, in their types, with flags that are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters.classes import OTHER_PROBABILITY, class_sizes_of, probability_column
from napari_atomicity.clusters.columns import FLAGS, NO_TRACK, Column, rest_to_one
from napari_atomicity.errors import InputError


def neutral_values(column: Column, n: int) -> npt.NDArray[Any]:
    """What a column holds of clusters of which nothing is known.

    Parameters
    ----------
    column
        The column.
    n
        Number of clusters.

    Returns
    -------
    (n,) its neutral value.
    """
    return np.full(n, column.neutral, dtype=column.dtype)


def complete_rows(columns: Mapping[str, Column], values: Mapping[str, Any], n: int) -> pd.DataFrame:
    """All columns of some clusters.

    Parameters
    ----------
    columns
        The columns by name.
    values
        (n,) of each column that is known; the others are neutral. Where all classes have their probabilities, that of
        none of them is what is missing to 1.
    n
        Number of clusters.

    Raises
    ------
    InputError
        For an unknown flag.
    """
    sizes = class_sizes_of(columns)
    if sizes and OTHER_PROBABILITY not in values and {probability_column(size) for size in sizes} <= values.keys():
        values = {**values, OTHER_PROBABILITY: rest_to_one(values, sizes)}
    data = {name: values[name] if name in values else neutral_values(column, n) for name, column in columns.items()}
    return _typed(columns, pd.DataFrame(data))


def changed_rows(columns: Mapping[str, Column], rows: pd.DataFrame, values: Mapping[str, Any]) -> pd.DataFrame:
    """Rows with other values in whole columns; the other columns share their memory.

    Parameters
    ----------
    columns
        The columns by name.
    rows
        The rows so far.
    values
        (n,) of each column that changes, by name.

    Raises
    ------
    InputError
        For an unknown column or flag.
    """
    unknown = set(values) - set(columns)
    if unknown:
        raise InputError(f"The cluster table has no column {', '.join(sorted(unknown))}.")
    new: dict[str, pd.Series[Any]] = {}
    for name, column in values.items():
        dtype: Any = columns[name].dtype
        # by its dtype: of an array of objects pandas 3 makes strings, which are another dtype
        new[name] = pd.Series(np.array(column, dtype=dtype), index=rows.index, dtype=dtype)
    return _checked(rows.assign(**new)) if "flag" in new else rows.assign(**new)


def stacked_rows(columns: Mapping[str, Column], first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The rows of two tables, one below the other.

    Parameters
    ----------
    columns
        The columns by name.
    first, second
        Rows with these columns.

    Raises
    ------
    InputError
        For an unknown flag.
    """
    parts = [part for part in (first, second) if len(part)]
    return _typed(columns, pd.concat(parts, ignore_index=True)) if parts else first.reset_index(drop=True)


def written_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """What files hold of rows of a table: where no cluster has a track there is no column of them."""
    return rows if (rows["track"] != NO_TRACK).any() else rows.drop(columns="track")


def _typed(columns: Mapping[str, Column], rows: pd.DataFrame) -> pd.DataFrame:
    dtypes: dict[str, Any] = {name: columns[name].dtype for name in rows.columns}
    return _checked(rows.astype(dtypes).reset_index(drop=True))


def _checked(rows: pd.DataFrame) -> pd.DataFrame:
    bad = set(rows["flag"].tolist()) - set(FLAGS)
    if bad:
        raise InputError(f"The flag {bad.pop()!r} is not one of {', '.join(FLAGS)}.")
    return rows
