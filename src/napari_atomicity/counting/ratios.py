"""How many clusters of each class, as shares with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import OTHER, ClusterTable
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.counting.diameter_only import classify_by_diameter


def class_ratios(
    table: ClusterTable,
    card: ModelCard,
    by: Literal["final", "label", "diameter"] = "final",
    calibrations: Mapping[int, Calibration] | None = None,
) -> pd.DataFrame:
    """Share of each class among the clusters that could be sized, with a 95 % interval.

    Where the frames are calibrated the interval is that of the calibration, which knows how well the classes are told
    apart and how far the scale may be off; for labels given by hand, and without a calibration, it is Wilson's, of
    counting alone.

    Parameters
    ----------
    table
        Classified clusters. Those cut by the border, touching or saturated are left out unless a person labelled them.
    card
        Of the model, for the order of the classes.
    by
        ``"final"``: a person's annotation where there is one, else the label; ``"label"``: the model alone;
        ``"diameter"``: what diameter alone would say.
    calibrations
        Of the frames that the labels rest on, by frame.

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
    by_hand = table.labelled if by == "final" else np.zeros(len(table), dtype=bool)
    chosen = (table.sizeable | by_hand) & (labels != "")
    order = [*card.labels, OTHER]
    order += sorted(set(labels[chosen]) - set(order))
    calibrated = {} if by == "diameter" else {k: fit for k, fit in (calibrations or {}).items() if fit.intervals}
    frame = np.where(chosen & ~by_hand, rows["frame"], -1)
    groups: list[tuple[npt.NDArray[np.object_], Calibration | None]] = [
        (labels[frame == k], fit) for k, fit in calibrated.items()
    ]
    groups.append((labels[chosen & ~np.isin(frame, list(calibrated))], None))
    return _pooled(order, groups)


def counted(table: ClusterTable) -> npt.NDArray[np.bool_]:
    """(n,) which clusters enter the ratios: those that could be sized, or that a person labelled."""
    return np.asarray((table.sizeable | table.labelled) & (table.final_labels != ""), dtype=bool)


def rejected(table: ClusterTable) -> dict[str, int]:
    """How many clusters do not enter the ratios, by reason."""
    left_out = ~counted(table)
    flags = table.rows["flag"].to_numpy(dtype=object)
    reasons = np.where(table.sizeable | table.labelled, "not classifiable", flags)[left_out]
    names, numbers = np.unique(reasons.astype(str), return_counts=True)
    return {str(name): int(number) for name, number in zip(names, numbers, strict=True)}


def _pooled(order: Sequence[str], groups: Sequence[tuple[npt.NDArray[np.object_], Calibration | None]]) -> pd.DataFrame:
    """Shares of all groups of labels together.

    The ends of their intervals are averaged as if all erred alike: frames share their scale and their shapes.
    """
    total = sum(len(labels) for labels, _ in groups)
    count = np.zeros(len(order), dtype=np.int64)
    low, high = np.zeros(len(order)), np.zeros(len(order))
    for labels, calibration in groups:
        own_count = np.array([(labels == label).sum() for label in order])
        count += own_count
        if not len(labels):
            continue
        fraction, least, most = wilson(own_count, len(labels))
        if calibration is not None:
            ends = np.array([calibration.intervals.get(label, (0.0, 0.0)) for label in order])
            least, most = np.minimum(ends[:, 0], fraction), np.maximum(ends[:, 1], fraction)
        low += least * len(labels) / total
        high += most * len(labels) / total
    fraction = count / total if total else np.full(len(order), np.nan)
    nothing = np.where(total > 0, 0.0, np.nan)
    return pd.DataFrame(
        {"label": order, "count": count, "fraction": fraction, "low": low + nothing, "high": high + nothing}
    )


def wilson(
    count: npt.NDArray[np.int64], total: int, z: float = 1.96
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Fractions with their Wilson score intervals.

    Parameters
    ----------
    count
        (n,) of each kind.
    total
        Of all kinds together.
    z
        Half width of the interval in standard deviations; 1.96 for 95 %.

    Returns
    -------
    (n,) fractions, lower and upper ends; nan for a total of zero.
    """
    if total == 0:
        nothing = np.full(len(count), np.nan)
        return nothing, nothing, nothing
    fraction = count / total
    centre = (fraction + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * np.sqrt(fraction * (1 - fraction) / total + z**2 / (4 * total**2))
    return fraction, np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
