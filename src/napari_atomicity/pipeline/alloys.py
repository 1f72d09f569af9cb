"""Clusters of two metals: their sizes and compositions as far as a count, and what else was measured, can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.metals import Pair, Second, likeliest_sizes, ridge, size_and_composition, unit_name
from napari_atomicity.pipeline.compositions import Known, known_composition, measured_fractions
from napari_atomicity.pipeline.metals import Counted, basis_of, composition_of

Floats = npt.NDArray[np.float64]

#: of the ridge in a table
_STEP: Final = 20
#: where a second detector settles a smaller part of the clusters, those are its largest errors, and none is given
_MANY: Final = 0.5
#: per cent of the clusters that have fewer equivalents than those that are shown
SHOWN: Final = (10, 50, 90)


@dataclass(frozen=True, eq=False)
class AlloyCount:
    """Sizes and compositions of clusters of two metals.

    Attributes
    ----------
    pair
        The metals, and the unit of the count.
    known
        What was known besides the count.
    table
        One row a cluster that can be sized: id, frame, y_px, x_px, what `metals.size_and_composition` gives, and size
        (atoms of the likeliest class) with its confidence, nan where size and composition stay open.
    """

    pair: Pair
    known: Known
    table: pd.DataFrame

    @property
    def settled(self) -> int:
        """Clusters whose size and composition are known."""
        return int(self.table["settled"].sum())

    def shown(self) -> list[int]:
        """Rows of a small, a middling and a large cluster."""
        order = self.table["equivalents"].to_numpy().argsort()
        return list(dict.fromkeys(int(order[round(q / 100 * (len(order) - 1))]) for q in SHOWN))

    def ridge(self, row: int) -> pd.DataFrame:
        """All pairs of size and composition that explain the count of one cluster; see `metals.ridge`."""
        one = self.table.iloc[row]
        return ridge(float(one["equivalents"]), float(one["equivalents_sd"]), self.pair)

    def ridges(self) -> pd.DataFrame:
        """The ridges of all clusters, at every tenth of the fraction; one row a cluster and fraction."""
        parts = [
            self.ridge(row).iloc[::_STEP].assign(id=int(identity)) for row, identity in enumerate(self.table["id"])
        ]
        return pd.concat(parts, ignore_index=True)[["id", "fraction", "n_atoms", "low", "high", "n_host", "n_guest"]]

    @property
    def sentence(self) -> str:
        """What was found, in a sentence or two."""
        middle = self.shown()[len(self.shown()) // 2]
        one, unit = self.table.iloc[middle], unit_name(self.pair.reference)
        clusters = f"{len(self.table)} clusters"
        if not self.settled:
            line = self.ridge(middle)
            may_be, guest = [f"{line['n_atoms'].iloc[at]:.0f}" for at in (0, 50, 100)], self.pair.guest
            why = f"{self.known.how} does not settle it" if self.known.how else "Intensity alone does not settle it"
            return (
                f"{why[0].upper()}{why[1:]}: the middle one of {clusters}, {one['equivalents']:.1f} {unit}, may be "
                f"{may_be[0]} atoms of {self.pair.host} alone, {may_be[1]} with {guest} 0.25 or {may_be[2]} with "
                f"{guest} 0.5; any pair between is as good. No class is given."
            )
        known = self.table[self.table["settled"]]
        atoms, sd, fraction, fraction_sd = (
            float(known[name].median()) for name in ("n_atoms", "n_atoms_sd", "fraction", "fraction_sd")
        )
        return (
            f"By {self.known.how}, size and composition of {self.settled} of {clusters} are known; in the middle "
            f"{atoms:.1f} ± {sd:.1f} atoms with {self.pair.guest} {fraction:.2f} ± {fraction_sd:.2f}."
        )

    def as_dict(self) -> dict[str, Any]:
        """All but the table, JSON-serialisable."""
        exponents = {"first": self.pair.exponent}
        if self.known.second is not None:
            exponents["second"] = self.known.second.exponent
        return {
            "host": self.pair.host,
            "guest": self.pair.guest,
            "unit": unit_name(self.pair.reference),
            "exponents": {
                name: {"value": one.value, "low": one.low, "high": one.high} for name, one in exponents.items()
            },
            "known_by": self.known.how,
            "clusters": len(self.table),
            "settled": self.settled,
            "sentence": self.sentence,
        }


def alloy_count(table: ClusterTable, pair: Pair, known: Known | None = None) -> AlloyCount:
    """Sizes and compositions of the clusters of a counted table.

    Parameters
    ----------
    table
        The clusters; `n_atoms` in units of the reference of the pair.
    pair
        The two metals.
    known
        What else is known of them.

    Returns
    -------
    AlloyCount
        Of all clusters that can be sized and were counted.

    Raises
    ------
    InputError
        Where no cluster can be.
    """
    known = known or Known()
    rows = table.rows
    count, sd = (rows[name].to_numpy(dtype=np.float64) for name in ("n_atoms", "n_atoms_sd"))
    use = table.sizeable & np.isfinite(count) & np.isfinite(sd) & (count > 0) & (sd > 0)
    if not use.any():
        raise InputError("No cluster of this table is counted, whole and alone; count the atoms first.")
    fraction = None if known.fraction is None else (known.fraction[0][use], known.fraction[1][use])
    beside = None
    if known.second is not None:
        beside = Second(known.second.equivalents[use], known.second.sd[use], known.second.exponent)
    found = size_and_composition(count[use], sd[use], pair, fraction, beside)
    if fraction is None and beside is not None and found["settled"].mean() < _MANY:
        found.loc[:, ~found.columns.isin(("equivalents", "equivalents_sd", "settled"))] = np.nan
        found["settled"] = False
    places = rows.loc[use, ["id", "frame", "y_px", "x_px"]].reset_index(drop=True)
    result = pd.concat([places, found], axis=1)
    if table.class_sizes:
        atoms, atoms_sd = (found[name].to_numpy() for name in ("n_atoms", "n_atoms_sd"))
        sizes = likeliest_sizes(atoms, atoms_sd, "", table.class_sizes)
        result = result.assign(size=sizes["label"], size_confidence=sizes["confidence"])
    return AlloyCount(pair, known, result)


def alloy_of_image(
    state: Counted,
    guest: str,
    fractions: Mapping[str, float],
    fractions_sd: Mapping[str, float],
    ids: Iterable[int] | None = None,
) -> AlloyCount:
    """Sizes and compositions of clusters of a counted image, as far as they are known.

    Parameters
    ----------
    state
        The image; what a person says of its composition is in its settings.
    guest
        Chemical symbol of the second metal.
    fractions, fractions_sd
        Measured atomic fractions of it and their standard deviations, by id; they go before the composition.
    ids
        Which clusters; all where None.

    Raises
    ------
    InputError
        For an image that is not counted, or whose sizes are known, and for metals that do not fit.
    """
    if state.bundle is None:
        raise InputError("Count the atoms first; then their equivalents can be told apart into metals.")
    if basis_of(state) == "deposited":
        raise InputError("The deposited sizes are given, so counts are atoms of both metals; there is nothing to tell.")
    element = state.bundle.card.element
    made_of, _ = composition_of(state.settings_in_force, state.micrograph, element)
    pair = Pair(made_of.host, guest, element, state.settings_in_force.atomic_exponent)
    table = state.table if ids is None else state.table.take(np.isin(state.table.ids, list(ids)))
    known = measured_fractions(table, fractions, fractions_sd)
    if known is None and [part.element for part in made_of.guests] == [guest]:
        known = known_composition(table, pair, made_of)
    return alloy_count(table, pair, known)
