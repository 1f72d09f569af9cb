"""What a person does to the table by hand, as plain functions from table to table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable

Points = npt.NDArray[np.float64]

#: what belongs to a position and means nothing once the cluster has been moved
_OF_THE_PLACE = {
    "diameter_nm": np.nan,
    "intensity": np.nan,
    "flag": "ok",
    "label": "",
    "confidence": np.nan,
    "n_atoms": np.nan,
    "n_atoms_sd": np.nan,
    "source": "",
}
_MEASURED = ("diameter_nm", "intensity", "flag")


def place(table: ClusterTable, places: Points, pixel_size_nm: float | None) -> ClusterTable:
    """A table with new clusters, not measured yet.

    Parameters
    ----------
    table
        The clusters so far.
    places
        (n, 3) frame, y and x in pixels.
    pixel_size_nm
        Of the image; None where unknown.
    """
    if not len(places):
        return table
    size = np.nan if pixel_size_nm is None else pixel_size_nm
    return table.add(
        {
            "frame": places[:, 0].astype(np.int64),
            "y_px": places[:, 1],
            "x_px": places[:, 2],
            "y_nm": places[:, 1] * size,
            "x_nm": places[:, 2] * size,
        }
    )


def move(table: ClusterTable, ids: Sequence[int], places: Points, pixel_size_nm: float | None) -> ClusterTable:
    """A table with some clusters at new places.

    Identity and annotation stay; what was measured and predicted at the old place goes, and a new detection does not
    put another cluster there.

    Parameters
    ----------
    table
        The clusters so far.
    ids
        (n,) which of them.
    places
        (n, 3) frame, y and x in pixels.
    pixel_size_nm
        Of the image; None where unknown.
    """
    if not len(ids):
        return table
    size = np.nan if pixel_size_nm is None else pixel_size_nm
    rows = table.rows.copy()
    where = _rows_of(table, ids)
    left = rows.loc[where, ["frame", "y_px", "x_px"]].to_numpy(dtype=np.float64)
    rows.loc[where, "frame"] = places[:, 0].astype(np.int64)
    rows.loc[where, ["y_px", "x_px"]] = places[:, 1:]
    rows.loc[where, ["y_nm", "x_nm"]] = places[:, 1:] * size
    for name, value in {**_OF_THE_PLACE, **_no_probabilities(table)}.items():
        rows[name] = rows[name].mask(rows.index.isin(where), value)
    hand_placed = table.hand_placed | frozenset(int(i) for i in ids)
    return replace(table, rows=rows, hand_placed=hand_placed, removed=np.vstack([table.removed, left]))


def measure(table: ClusterTable, ids: Sequence[int], values: dict[str, npt.NDArray[Any]]) -> ClusterTable:
    """A table with new measurements of some clusters.

    Parameters
    ----------
    table
        The clusters so far.
    ids
        (n,) which of them; those that are gone are passed over.
    values
        (n,) diameter_nm, intensity and flag, by name.
    """
    known = np.isin(np.asarray(ids), table.ids)
    if not known.any():
        return table
    rows = table.rows.copy()
    where = _rows_of(table, np.asarray(ids)[known])
    for name in _MEASURED:
        rows.loc[where, name] = np.asarray(values[name])[known]
    return replace(table, rows=rows)


def rescale(table: ClusterTable, old_nm: float | None, new_nm: float) -> ClusterTable:
    """A table under another pixel size: lengths and areas follow; predictions, made at the old scale, go.

    Parameters
    ----------
    table
        The clusters so far.
    old_nm, new_nm
        nm per pixel; the old one None where it was unknown.
    """
    ratio = np.nan if old_nm is None else new_nm / old_nm
    rows = table.without_predictions().rows
    return replace(
        table.without_predictions(),
        rows=rows.assign(
            y_nm=rows["y_px"] * new_nm,
            x_nm=rows["x_px"] * new_nm,
            diameter_nm=rows["diameter_nm"] * ratio,
            intensity=rows["intensity"] * ratio**2,
        ),
    )


def carry_over(
    result: ClusterTable, before: ClusterTable, now: ClusterTable, pixel_size_nm: float | None
) -> ClusterTable:
    """The result of work with what a person did since it began.

    Nothing entered by hand while work ran is lost: added, moved and deleted clusters and annotations of `now`
    go on top of the result.

    Parameters
    ----------
    result
        The table that was computed.
    before
        The one that it was computed from.
    now
        The one that a person made of `before` meanwhile.
    pixel_size_nm
        Of the image; None where unknown.
    """
    if now is before:
        return result
    old, new = before.rows.set_index("id"), now.rows.set_index("id")
    result = result.drop(sorted((set(old.index) - set(new.index)) & set(result.ids.tolist())))
    common = sorted(set(old.index) & set(new.index) & set(result.ids.tolist()))
    shifted = (old.loc[common, ["frame", "y_px", "x_px"]] != new.loc[common, ["frame", "y_px", "x_px"]]).any(axis=1)
    gone = [i for i, changed in zip(common, shifted, strict=True) if changed]
    result = move(result, gone, new.loc[gone, ["frame", "y_px", "x_px"]].to_numpy(float), pixel_size_nm)
    result = measure(result, gone, {name: new.loc[gone, name].to_numpy() for name in _MEASURED})
    for label, ids in new.loc[common].groupby("annotation").groups.items():
        changed = [i for i in ids if old.at[i, "annotation"] != label]
        result = result.annotate(changed, str(label))
    fresh = new.loc[sorted(set(new.index) - set(old.index))]
    first = result.next_id
    result = place(result, fresh[["frame", "y_px", "x_px"]].to_numpy(float), pixel_size_nm)
    new_ids = list(range(first, first + len(fresh)))
    result = measure(result, new_ids, {name: fresh[name].to_numpy() for name in _MEASURED})
    for i, label in zip(new_ids, fresh["annotation"], strict=True):
        result = result.annotate([i], label) if label else result
    return result


def _rows_of(table: ClusterTable, ids: Sequence[int] | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    order = np.argsort(table.ids)
    return np.asarray(order[np.searchsorted(table.ids, np.asarray(ids), sorter=order)], dtype=np.int64)


def _no_probabilities(table: ClusterTable) -> dict[str, float]:
    return {name: np.nan for name in table.rows.columns if str(name).startswith("p_")}
