"""How many clusters of each class, as shares with intervals."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import OTHER, ClusterTable
from napari_atomicity.counting.bundle import Card
from napari_atomicity.counting.diameter_only import classify_by_diameter

#: clusters with these flags are counted; the others cannot be sized
_COUNTED = ("ok", "outside")


def class_ratios(table: ClusterTable, card: Card, by: Literal["final", "label", "diameter"] = "final") -> pd.DataFrame:
    """Share of each class among the clusters that could be sized, with a 95 % Wilson interval.

    The interval is that of counting alone: it knows nothing of wrong labels.

    Parameters
    ----------
    table
        Classified clusters. Those cut by the border, touching or saturated are left out unless a person labelled them.
    card
        Of the model, for the order of the classes.
    by
        ``"final"``: a person's annotation where there is one, else the label; ``"label"``: the model alone;
        ``"diameter"``: what diameter alone would say.

    Returns
    -------
    DataFrame with the columns label, count, fraction, low, high: one row a class, ``other``, and any further
    label that a person gave. Fractions are of all counted clusters, nan where there is none.
    """
    rows = table.rows
    if by == "diameter":
        labels = classify_by_diameter(rows["diameter_nm"].to_numpy(), card)
    else:
        labels = table.final_labels if by == "final" else rows["label"].to_numpy(dtype=object)
    counted = rows["flag"].isin(_COUNTED).to_numpy()
    if by == "final":
        counted = counted | (rows["annotation"] != "").to_numpy()
    chosen = labels[counted & (labels != "")]
    order = [*card.labels, OTHER]
    order += sorted(set(chosen) - set(order))
    count = np.array([(chosen == label).sum() for label in order])
    fraction, low, high = wilson(count, int(count.sum()))
    return pd.DataFrame({"label": order, "count": count, "fraction": fraction, "low": low, "high": high})


def wilson(
    count: npt.NDArray[np.int64], total: int, z: float = 1.96
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Fractions with Wilson score intervals at `z` standard deviations; nan for a total of zero."""
    if total == 0:
        nothing = np.full(len(count), np.nan)
        return nothing, nothing, nothing
    fraction = count / total
    centre = (fraction + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * np.sqrt(fraction * (1 - fraction) / total + z**2 / (4 * total**2))
    return fraction, np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
