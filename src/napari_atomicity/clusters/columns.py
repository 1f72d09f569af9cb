"""The columns of the table of clusters; all lists of names, types, units and neutral values follow from these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters.classes import OTHER_PROBABILITY, probability_column

#: where the values of a column come from
Origin: TypeAlias = Literal["identity", "position", "measured", "predicted", "person", "linked"]

_WHOLE: Final = np.dtype(np.int64)
_NUMBER: Final = np.dtype(np.float64)
_TEXT: Final = np.dtype(object)


@dataclass(frozen=True)
class Column:
    """One column of the table of clusters.

    Attributes
    ----------
    name
        Its heading, in memory and in files.
    origin
        Where its values come from: the ``identity`` of the cluster, its ``position``, what is ``measured`` there, what
        a model ``predicted``, what a ``person`` entered, or how it is ``linked`` to clusters of other frames.
    dtype
        ``int64``, ``float64``, or ``object`` for texts.
    unit
        For headers and exports; empty where there is none.
    neutral
        The value as long as nothing is known.
    """

    name: str
    origin: Origin
    dtype: np.dtype[Any] = _NUMBER
    unit: str = ""
    neutral: Any = np.nan


#: the track of a cluster that belongs to none
NO_TRACK: Final = -1
#: in this order; the probabilities of the classes, which depend on the model, stand before the label
COLUMNS: Final = (
    Column("id", "identity", _WHOLE, neutral=0),
    Column("y_px", "position", unit="px"),
    Column("x_px", "position", unit="px"),
    Column("y_nm", "position", unit="nm"),
    Column("x_nm", "position", unit="nm"),
    Column("frame", "position", _WHOLE, neutral=0),
    Column("diameter_nm", "measured", unit="nm"),
    Column("intensity", "measured", unit="counts nm^2"),
    Column("label", "predicted", _TEXT, neutral=""),
    Column("confidence", "predicted"),
    Column("n_atoms", "predicted", unit="atoms"),
    Column("n_atoms_sd", "predicted", unit="atoms"),
    Column("annotation", "person", _TEXT, neutral=""),
    Column("flag", "measured", _TEXT, neutral="ok"),
    Column("source", "predicted", _TEXT, neutral=""),
    Column("track", "linked", _WHOLE, neutral=NO_TRACK),
)
_PROBABILITIES_AT: Final = next(i for i, column in enumerate(COLUMNS) if column.origin == "predicted")

#: where a cluster is, as `ClusterTable.places` gives it
PLACE: Final = ("frame", "y_px", "x_px")
MEASURED: Final = tuple(column.name for column in COLUMNS if column.origin == "measured")
#: without the probabilities of the classes
PREDICTED: Final = tuple(column.name for column in COLUMNS if column.origin == "predicted")
TEXTS: Final = frozenset(column.name for column in COLUMNS if column.dtype == _TEXT)
WHOLE_NUMBERS: Final = frozenset(column.name for column in COLUMNS if column.dtype == _WHOLE)
FLAGS: Final = ("ok", "border", "touching", "saturated", "outside")
#: flags of clusters whose size the image tells; the others are cut off, merged or saturated
SIZEABLE: Final = ("ok", "outside")
#: unit of each column, for headers and exports; columns that are missing here have none
UNITS: Final[Mapping[str, str]] = {column.name: column.unit for column in COLUMNS if column.unit}


def table_columns(class_sizes: Sequence[int]) -> Mapping[str, Column]:
    """The columns of a table of clusters.

    Parameters
    ----------
    class_sizes
        Atoms of each class of the model behind the table's probabilities, in the model's order; empty where there is
        no model.

    Returns
    -------
    All columns by name, in the order in which they stand in memory and in files.
    """
    return _columns_of(tuple(class_sizes))


@lru_cache(maxsize=32)
def _columns_of(class_sizes: tuple[int, ...]) -> Mapping[str, Column]:
    names = [probability_column(n_atoms) for n_atoms in class_sizes]
    chances = (Column(name, "predicted") for name in (*names, OTHER_PROBABILITY) if names)
    ordered = (*COLUMNS[:_PROBABILITIES_AT], *chances, *COLUMNS[_PROBABILITIES_AT:])
    return MappingProxyType({column.name: column for column in ordered})


def columns(class_sizes: Sequence[int]) -> tuple[str, ...]:
    """Names of the columns of a table of clusters, in order.

    Parameters
    ----------
    class_sizes
        As for `table_columns`.
    """
    return tuple(table_columns(class_sizes))


def rest_to_one(values: Mapping[str, Any], class_sizes: Sequence[int]) -> npt.NDArray[np.float64]:
    """The probability of being none of the classes, where a table of an earlier version has no column of it.

    Parameters
    ----------
    values
        (n,) probabilities of each class, by the name of their column.
    class_sizes
        Atoms of each class.

    Returns
    -------
    (n,) what is missing to 1; nan where a cluster is not classified.
    """
    inside = np.sum([np.asarray(values[probability_column(size)], dtype=np.float64) for size in class_sizes], axis=0)
    return np.asarray(np.clip(1.0 - inside, 0.0, 1.0))
