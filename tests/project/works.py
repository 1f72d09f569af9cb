"""Small works to save, without a window."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.project import HistoryStep, SavedImage, Snapshot

SIZES = (19, 30)


def table_of(n: int, seed: int = 0, classified: bool = True) -> ClusterTable:
    """`n` clusters with numbers that have all their digits."""
    rng = np.random.default_rng(seed)
    values: dict[str, Any] = {
        "y_px": rng.uniform(0, 500, n),
        "x_px": rng.uniform(0, 500, n),
        "y_nm": rng.uniform(0, 25, n),
        "x_nm": rng.uniform(0, 25, n),
        "diameter_nm": np.where(rng.random(n) < 0.1, np.nan, rng.normal(1, 0.2, n)),
        "intensity": rng.normal(50, 9, n),
    }
    table = ClusterTable.from_columns(values)
    if not classified:
        return table
    p = rng.random(n)
    labels = np.where(p > 0.5, "Pt19", "Pt30").astype(object)
    return table.with_predictions(
        SIZES, {"label": labels, "confidence": p, "p_19": p, "p_30": 1 - p, "n_atoms": 30 * p}
    )


def work(micrograph: Micrograph, n: int = 30, steps: int = 5, now: int | None = None) -> SavedImage:
    """A history of labels, deletions, moves and new clusters."""
    state = Snapshot(micrograph, ClusterTable.empty())
    history = [HistoryStep("Open", state)]
    table = table_of(n)
    history.append(HistoryStep("Find clusters", replace(state, table=table)))
    for at in range(steps):
        table = edited(table, at)
        history.append(HistoryStep(f"Step {at}", replace(state, table=table)))
    return SavedImage(micrograph.name, tuple(history), len(history) - 1 if now is None else now)


def edited(table: ClusterTable, at: int) -> ClusterTable:
    """`table` with one more edit of a person."""
    ids = table.ids
    kind = at % 4
    if kind == 1 and len(ids) > 3:
        return table.drop([int(ids[at % len(ids)])])
    if kind == 2:
        return table.add({"frame": [0], "y_px": [at + 0.1], "x_px": [at / 3]})
    if kind == 3:
        return table.with_columns(flag=np.where(np.arange(len(table)) == at % len(table), "border", "ok"))
    return table.annotate([int(ids[at % len(ids)])], f"Pt{at}")
