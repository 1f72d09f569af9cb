"""Where a cluster stands among all clusters of its frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.wording import percent

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quantity:
    """A column of the table that clusters are held against each other by."""

    column: str
    name: str
    unit: str
    #: what one is that has more of it than another: ``larger``
    more: str
    most: str
    least: str


QUANTITIES: Final = (
    Quantity("diameter_nm", "diameter", "nm", "larger", "largest", "smallest"),
    Quantity("intensity", "intensity", "counts·nm²", "brighter", "brightest", "faintest"),
    Quantity("n_atoms", "atoms", "", "more atoms", "most atoms", "fewest atoms"),
    Quantity("confidence", "confidence", "", "surer", "surest", "least sure"),
)


@dataclass(frozen=True, eq=False)
class Standing:
    """One quantity of one cluster among all clusters of its frame.

    Attributes
    ----------
    quantity
        Which one.
    value
        Of this cluster; nan where it has none.
    values
        (n,) of all clusters of the frame that have it, this one included.
    fellows
        (m,) those of `values` whose clusters count as the same class.
    below
        Share of the others that lie below; of equals, half do. nan without others.
    """

    quantity: Quantity
    value: float
    values: Floats
    fellows: Floats
    below: float

    @property
    def text(self) -> str:
        """The value with its unit."""
        if not np.isfinite(self.value):
            return "not known"
        if self.quantity.column == "confidence":
            return percent(self.value, 0)
        digits = {"diameter_nm": 2, "n_atoms": 0}.get(self.quantity.column, 0 if abs(self.value) >= 100 else 2)
        return f"{self.value:,.{digits}f} {self.quantity.unit}".strip()

    @property
    def words(self) -> str:
        """Where it stands: ``larger than 78 %``."""
        if not np.isfinite(self.value):
            return ""
        if not np.isfinite(self.below):
            return "the only one"
        if self.below >= 1 or self.below <= 0:
            return f"the {self.quantity.most if self.below >= 1 else self.quantity.least}"
        # a rounded 0 or 100 % would claim an extreme
        return f"{self.quantity.more} than {np.clip(round(100 * self.below), 1, 99):.0f} %"


def standings(table: ClusterTable, row: int) -> list[Standing]:
    """Where the cluster in `row` stands among the clusters of its frame, a quantity each.

    Parameters
    ----------
    table, row
        The clusters and which of them is meant.
    """
    here = table.rows["frame"].to_numpy() == table.rows["frame"].iloc[row]
    labels = table.final_labels
    same = here & (labels == labels[row]) if labels[row] else np.zeros(len(table), dtype=bool)
    ranked = []
    for quantity in QUANTITIES:
        column = table.rows[quantity.column].to_numpy(dtype=np.float64)
        known = np.isfinite(column)
        if (here & known).any():
            values = column[here & known]
            below = _share_below(float(column[row]), values)
            ranked.append(Standing(quantity, float(column[row]), values, column[same & known], below))
    return ranked


def _share_below(value: float, values: Floats) -> float:
    if not np.isfinite(value) or len(values) < 2:
        return np.nan
    equals = np.count_nonzero(values == value) - 1
    return float((np.count_nonzero(values < value) + equals / 2) / (len(values) - 1))
