"""Small images with histories to save, without a window."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.bundle import Bundle, weights_sha256
from napari_atomicity.counting.patches import Patches
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.movies import Movie, MovieSettings, follow
from napari_atomicity.pipeline import ImageState
from napari_atomicity.project import HistoryStep, SavedImage

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


def saved_image(micrograph: Micrograph, n: int = 30, steps: int = 5, now: int | None = None) -> SavedImage:
    """A history of labels, deletions, moves and new clusters."""
    state = ImageState(micrograph, ClusterTable.empty())
    history = [HistoryStep("Open", state)]
    table = table_of(n)
    history.append(HistoryStep("Find clusters", replace(state, table=table)))
    for at in range(steps):
        table = edited(table, at)
        history.append(HistoryStep(f"Step {at}", replace(state, table=table)))
    return SavedImage(micrograph.name, tuple(history), len(history) - 1 if now is None else now)


def followed() -> Movie:
    """A movie in which two clusters merge, with something in every field."""
    pytest.importorskip("laptrack")
    frames = np.repeat(np.arange(12), 2)
    apart = frames < 6
    rows = pd.DataFrame(
        {
            "frame": frames,
            "y_px": 200.0,
            "x_px": np.where(np.arange(24) % 2, 230.0 - 3 * frames, 170.0 + 3 * frames),
            "n_atoms": np.where(apart, np.where(np.arange(24) % 2, 30.0, 41.0), 71.0),
        }
    )[apart | (np.arange(24) % 2 == 0)].reset_index(drop=True)
    rows.loc[rows["frame"] >= 6, "x_px"] = 200.0
    rows = rows.assign(id=np.arange(len(rows)), n_atoms_sd=3.0, diameter_nm=1.1, sizeable=True, cut_off=False, track=-1)
    edits = pd.DataFrame({"kind": np.array(["cut"], dtype=object), "first": [0], "second": [99]})
    shifts = np.vstack([np.zeros((12, 2)), [[np.nan, np.nan]]])
    movie = follow(rows, MovieSettings(False, 0.8), shifts, (512, 512), 0.05, edits)
    assert len(movie.graph) and len(movie.events) and movie.rejected and movie.remarks
    return movie


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


def differences(a: Any, b: Any, where: str = "") -> list[str]:
    """Where two values differ, to the last field of what they hold; what a new field holds is compared as well."""
    if isinstance(a, Patches) and isinstance(b, Patches):  # not stored, but cut out again
        return [line for f in fields(Patches) for line in differences(getattr(a, f.name), getattr(b, f.name), where)]
    if type(a) is not type(b):
        return [f"{where}: {type(a).__name__} is {type(b).__name__}"]
    if isinstance(a, Bundle):
        same = a.card == b.card and weights_sha256(a) == weights_sha256(b)
        return [] if same else [f"{where}: another model"]
    if isinstance(a, Micrograph):
        a, b = _pixels(a), _pixels(b)
    if is_dataclass(a):
        return [
            line for f in fields(a) for line in differences(getattr(a, f.name), getattr(b, f.name), f"{where}.{f.name}")
        ]
    if isinstance(a, pd.DataFrame):
        return [] if a.equals(b) and (a.dtypes == b.dtypes).all() else [f"{where}: another table"]
    if isinstance(a, np.ndarray):
        equal_nan = a.dtype.kind == "f"
        return [] if a.dtype == b.dtype and np.array_equal(a, b, equal_nan=equal_nan) else [f"{where}: another array"]
    if isinstance(a, dict):
        if set(a) != set(b):
            return [f"{where}: {sorted(a)} are {sorted(b)}"]
        return [line for key in a for line in differences(a[key], b[key], f"{where}[{key!r}]")]
    if isinstance(a, list | tuple):
        if len(a) != len(b):
            return [f"{where}: {len(a)} are {len(b)}"]
        return [line for i, (x, y) in enumerate(zip(a, b, strict=True)) for line in differences(x, y, f"{where}[{i}]")]
    if hasattr(a, "state_dict"):
        return differences(
            {k: v.numpy() for k, v in a.state_dict().items()}, {k: v.numpy() for k, v in b.state_dict().items()}, where
        )
    return [] if a == b or (a != a and b != b) else [f"{where}: {a!r} is {b!r}"]


def _pixels(micrograph: Micrograph) -> dict[str, Any]:
    """The fields of a micrograph, its pixels as an array."""
    values = {f.name: getattr(micrograph, f.name) for f in fields(Micrograph)}
    origin = values.pop("provenance")
    return {**values, "data": np.asarray(micrograph.data), "origin": (origin.path, origin.image_index, origin.title)}
