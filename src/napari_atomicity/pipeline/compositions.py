"""What is known of the compositions of clusters besides their count: one composition, fractions, a second detector."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.metals import Composition, Pair, Second

Floats = npt.NDArray[np.float64]

#: a project that others wrote may hold any text in the place of an id
_IS_ID: Final = re.compile("[0-9]{1,16}").fullmatch


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of the compositions besides the count.

    Attributes
    ----------
    fraction
        (n,) atomic fractions of the guest and their standard deviations, for the rows of the table; nan where unknown.
    second
        The count by a second detector.
    how
        In a few words, for people.
    """

    fraction: tuple[Floats, Floats] | None = None
    second: Second | None = None
    how: str = ""


def measured_fractions(
    table: ClusterTable, fractions: Mapping[str, float], fractions_sd: Mapping[str, float]
) -> Known | None:
    """What the measured fractions that belong to an image say of clusters.

    Parameters
    ----------
    table
        The clusters.
    fractions, fractions_sd
        Atomic fractions of the second metal and their standard deviations, by id.

    Returns
    -------
    None where none of the clusters has one.

    Raises
    ------
    InputError
        For what is no fraction, or has no error.
    """
    values, sds = (
        pd.Series({int(key): value for key, value in column.items() if _IS_ID(key)}, dtype=np.float64)
        for column in (fractions, fractions_sd)
    )
    if not np.isin(table.ids, values.index.to_numpy()).any():
        return None
    return known_fraction(table, values, sds, "measured fractions")


def known_composition(table: ClusterTable, pair: Pair, composition: Composition) -> Known:
    """What one composition of all clusters says of those of a table.

    Parameters
    ----------
    table
        The clusters.
    pair
        The two metals.
    composition
        What they are made of.

    Raises
    ------
    InputError
        Where it is of other metals than the pair.
    """
    parts = {part.element: part for part in composition.parts}
    if set(parts) != {pair.host, pair.guest}:
        raise InputError(
            f"The composition is of {' and '.join(parts)}, and the alloy of {pair.host} and {pair.guest}; "
            "name the same metals."
        )
    n, sd = len(table), max(part.sd for part in parts.values())
    return Known((np.full(n, parts[pair.guest].fraction), np.full(n, sd)), None, "the composition")


def known_fraction(table: ClusterTable, values: pd.Series, sd: float | pd.Series, how: str) -> Known:
    """What a column of fractions says of the clusters of a table.

    Parameters
    ----------
    table
        The clusters.
    values
        Atomic fractions of the guest by id.
    sd
        Their standard deviations, one for all or by id.
    how
        Where they come from, in a few words.

    Raises
    ------
    InputError
        For values that are no fractions, or where no cluster of the table has one.
    """
    own = values.reindex(table.ids).to_numpy(dtype=np.float64)
    errors = sd.reindex(table.ids).to_numpy(dtype=np.float64) if isinstance(sd, pd.Series) else np.full(len(own), sd)
    _check_shared(own, values, how)
    finite = own[np.isfinite(own)]
    if finite.min() < 0 or finite.max() > 1:
        worst = finite.max() if finite.max() > 1 else finite.min()
        raise InputError(f"{how} holds {worst:g}; atomic fractions lie between 0 and 1, so divide per cent by 100.")
    if not (errors[np.isfinite(own)] > 0).all():
        raise InputError(f"The standard deviations of {how} must be above 0, one for each fraction.")
    return Known(fraction=(own, errors), how=how)


def known_second(table: ClusterTable, values: pd.Series, scale: float, sd: float | None, second: Any) -> Known:
    """What the integrals of a second detector say of the clusters of a table.

    Parameters
    ----------
    table
        The clusters, counted by the first.
    values
        Integrated intensities by id, in counts·nm².
    scale
        Integrated intensity of one atom of the reference there.
    sd
        Their relative standard deviation; that of the count by the first where None.
    second
        Power of the atomic number of the second detector.

    Raises
    ------
    InputError
        Where no cluster of the table has one.
    """
    own = values.reindex(table.ids).to_numpy(dtype=np.float64) / scale
    _check_shared(own, values, "the second detector")
    first, first_sd = (table.rows[name].to_numpy(dtype=np.float64) for name in ("n_atoms", "n_atoms_sd"))
    relative = first_sd / np.maximum(first, np.finfo(float).tiny) if sd is None else np.full(len(own), sd)
    return Known(second=Second(own, own * relative, second), how="the second detector")


def _check_shared(own: Floats, values: pd.Series, how: str) -> None:
    if not np.isfinite(own).any():
        raise InputError(
            f"None of the {len(values)} ids of {how} is one of the cluster table; "
            "the column id must be that of the table."
        )
