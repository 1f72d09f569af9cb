"""What a person does to the table by hand, as plain functions from table to table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import MEASURED, ClusterTable

Points = npt.NDArray[np.float64]
Ids = Sequence[int] | npt.NDArray[np.int64]


def place(table: ClusterTable, places: Points, pixel_size_nm: float | None) -> ClusterTable:
    """New clusters at places where a person put them, not measured yet.

    Parameters
    ----------
    table
        The clusters so far.
    places
        (k, 3) frame, y and x in pixels.
    pixel_size_nm
        Side of a pixel in nm; None where it is not known.

    Returns
    -------
    The table with k more clusters at its end, which get the next ids in the order of `places`.
    """
    return table.add(_position(places, pixel_size_nm)) if len(places) else table


def move(table: ClusterTable, ids: Ids, places: Points, pixel_size_nm: float | None) -> ClusterTable:
    """Clusters at new places.

    Identity and annotation stay; what was measured and predicted at the old place goes, and a new detection does not
    put another cluster there.

    Parameters
    ----------
    table
        The clusters so far.
    ids
        (k,) clusters that were moved; those that the table does not have are passed over.
    places
        (k, 3) where each of them lies now: frame, y and x in pixels.
    pixel_size_nm
        Side of a pixel in nm; None where it is not known.
    """
    if not len(ids):
        return table
    rows = table.rows_of(ids)
    left = table.places[rows[rows >= 0]]
    # what belongs to a position means nothing once the cluster has been moved
    gone = {name: one.neutral for name, one in table.columns.items() if one.origin in ("measured", "predicted")}
    moved = table.with_values(ids, {**_position(places, pixel_size_nm), **gone})
    hand_placed = table.hand_placed | frozenset(table.ids[rows[rows >= 0]].tolist())
    return replace(moved, hand_placed=hand_placed, removed=np.vstack([table.removed, left]))


def measure(table: ClusterTable, ids: Ids, values: Mapping[str, npt.NDArray[Any]]) -> ClusterTable:
    """New measurements of clusters.

    Parameters
    ----------
    table
        The clusters so far.
    ids
        (k,) clusters that were measured; those that the table no longer has are passed over.
    values
        (k,) of each of them: diameter_nm (nm), intensity (counts · nm²) and flag.

    Raises
    ------
    InputError
        For an unknown flag.
    """
    return table.with_values(ids, {name: values[name] for name in MEASURED})


def rescale(table: ClusterTable, old_nm: float | None, new_nm: float) -> ClusterTable:
    """The table under another pixel size: lengths and areas follow; predictions, made at the old scale, go.

    Parameters
    ----------
    table
        The clusters so far.
    old_nm
        Side of a pixel in nm that the measurements rest on; where it is None they become unknown.
    new_nm
        The side of a pixel in nm from now on.
    """
    ratio = np.nan if old_nm is None else new_nm / old_nm
    rows = table.rows
    return table.without_predictions().with_columns(
        y_nm=rows["y_px"] * new_nm,
        x_nm=rows["x_px"] * new_nm,
        diameter_nm=rows["diameter_nm"] * ratio,
        intensity=rows["intensity"] * ratio**2,
    )


def rebase(result: ClusterTable, before: ClusterTable, now: ClusterTable, pixel_size_nm: float | None) -> ClusterTable:
    """A result of work that took its time, with what a person did meanwhile.

    Nothing entered by hand while the work ran is lost: clusters that were added, moved and deleted, and annotations,
    go on top of the result.

    Parameters
    ----------
    result
        What the work made of `before`.
    before, now
        The table when the work began, and as it is now.
    pixel_size_nm
        Side of a pixel in nm; None where it is not known.
    """
    if now is before:
        return result
    result = result.drop(np.setdiff1d(before.ids, now.ids))
    common: npt.NDArray[np.int64] = reduce(np.intersect1d, (before.ids, now.ids, result.ids))
    old, new = before.take(before.rows_of(common)), now.take(now.rows_of(common))
    moved = new.take((old.places != new.places).any(axis=1))
    result = move(result, moved.ids, moved.places, pixel_size_nm)
    result = measure(result, moved.ids, _measured(moved))
    relabelled = new.take((old.rows["annotation"] != new.rows["annotation"]).to_numpy())
    result = result.annotate(relabelled.ids, relabelled.rows["annotation"].tolist())
    relinked = new.take((old.rows["track"] != new.rows["track"]).to_numpy())
    result = result.with_values(relinked.ids, {"track": relinked.rows["track"].to_numpy()})
    fresh = now.take(now.rows_of(np.setdiff1d(now.ids, before.ids)))
    fresh_ids = result.next_id + np.arange(len(fresh))
    result = place(result, fresh.places, pixel_size_nm)
    result = measure(result, fresh_ids, _measured(fresh))
    return result.annotate(fresh_ids, fresh.rows["annotation"].tolist())


def _position(places: Points, pixel_size_nm: float | None) -> dict[str, npt.NDArray[Any]]:
    size = np.nan if pixel_size_nm is None else pixel_size_nm
    frame, y, x = places.T
    return {"frame": frame.astype(np.int64), "y_px": y, "x_px": x, "y_nm": y * size, "x_nm": x * size}


def _measured(table: ClusterTable) -> dict[str, npt.NDArray[Any]]:
    return {name: table.rows[name].to_numpy() for name in MEASURED}
