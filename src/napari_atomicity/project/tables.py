"""Tables of clusters as CSV; a step that changed a few clusters is stored as those few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import ClusterTable, find_rows, written_rows
from napari_atomicity.io.csv_tables import csv_text, rows_of_csv
from napari_atomicity.project.layout import ChangedIds, ChangedPlaces, TableEntry
from napari_atomicity.project.records import Record, RecordStore

_FOLDER: Final = "tables"
#: so many steps after a whole table follows another whole one
_WHOLE_EVERY: Final = 50
#: of a short text in memory
_TEXT_BYTES: Final = 60


class TableIndex:
    """Tables of one history, each stored as what it changes in the one before it."""

    def __init__(self) -> None:
        self._last: tuple[ClusterTable, Record, int] | None = None

    def record_of(self, records: RecordStore, table: ClusterTable) -> Record:
        """The record of `table`, made where there is none yet.

        Parameters
        ----------
        records
            What was stored already.
        table
            The clusters.
        """
        known = records.known(table)
        if known is None:
            return records.record_of(table, self._make)
        self._last = (table, known, int(known.content["steps_after_whole"]))
        return known

    def _make(self, records: RecordStore, table: ClusterTable) -> Record:
        base, depth = None, 0
        change = None
        if self._last is not None and self._last[2] + 1 < _WHOLE_EVERY:
            before, base, depth = self._last
            change = _changes(before, table)
        if change is None:
            base, depth = None, 0
            rows, content = table.rows, _facts(table)
        else:
            rows, content, depth = *change, depth + 1
        part = records.text(_FOLDER, csv_text(written_rows(rows)), ".csv") if len(rows) or base is None else None
        entry = {
            "rows": part,
            "based_on": None if base is None else base.key,
            "steps_after_whole": depth,
            **content,
        }
        record = records.add("tables", entry, () if part is None else (part,), (base,))
        self._last = (table, record, depth)
        return record


def _facts(table: ClusterTable) -> dict[str, Any]:
    """What belongs to a whole table besides its rows."""
    return {
        "class_sizes": list(table.class_sizes),
        "next_id": table.next_id,
        "hand_placed": sorted(table.hand_placed),
        "removed": table.removed.tolist(),
    }


def _changes(before: ClusterTable, after: ClusterTable) -> tuple[pd.DataFrame, dict[str, Any]] | None:
    """Rows of `after` that are new or other than in `before`, and the rest of the change; None where most is new."""
    n = len(before.removed)
    if before.class_sizes != after.class_sizes or not _begins_with(after.removed, before.removed):
        return None
    stays = np.isin(before.ids, after.ids)
    kept = int(stays.sum())
    # those that stay keep their order, and new ones follow
    if not np.array_equal(before.ids[stays], after.ids[:kept]):
        return None
    changed = np.ones(len(after), dtype=bool)
    changed[:kept] = False
    for name in after.rows.columns:
        was, now = before.rows[name].to_numpy(), after.rows[name].to_numpy()
        if not _same_memory(was, now):
            changed[:kept] |= _differ(was[stays], now[:kept])
    if changed.sum() > len(after) / 2:
        return None
    content = {
        "gone": before.ids[~stays].tolist(),
        "class_sizes": list(after.class_sizes),
        "next_id": after.next_id,
        "hand_placed": {
            "more": sorted(after.hand_placed - before.hand_placed),
            "less": sorted(before.hand_placed - after.hand_placed),
        },
        "removed": {"keep": n, "more": after.removed[n:].tolist()},
    }
    return after.rows[changed], content


def _begins_with(values: npt.NDArray[np.float64], start: npt.NDArray[np.float64]) -> bool:
    return len(values) >= len(start) and np.array_equal(values[: len(start)], start)


def _same_memory(was: npt.NDArray[Any], now: npt.NDArray[Any]) -> bool:
    """Whether both are one column that the tables share, as those of one history do for all that did not change."""
    return was.shape == now.shape and was.__array_interface__ == now.__array_interface__


def _differ(was: npt.NDArray[Any], now: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    other: npt.NDArray[np.bool_]
    if was.dtype == now.dtype == np.float64:
        # bit by bit: nan is nan, and -0.0 is not 0.0
        other = (was.view(np.int64) != now.view(np.int64)) & ~(np.isnan(was) & np.isnan(now))
        return other
    other = np.asarray(was != now, dtype=bool)
    return other


def table_of(content: TableEntry, text: str | None, base: ClusterTable | None) -> ClusterTable:
    """The table that an entry describes.

    Parameters
    ----------
    content
        The entry.
    text
        Its rows as CSV; None where none changed.
    base
        The table that it is based on; None for a whole one.

    Returns
    -------
    The clusters; a `ValueError` or `KeyError` meets what does not fit together.
    """
    sizes, placed, places = content.class_sizes, content.hand_placed, content.removed
    rows = None if text is None else rows_of_csv(text, sizes)
    if rows is not None and not np.isfinite(rows[["y_px", "x_px"]].to_numpy()).all():
        raise ValueError("a cluster lies nowhere")
    if base is None:
        if rows is None or isinstance(placed, ChangedIds) or isinstance(places, ChangedPlaces):
            raise ValueError("a whole table without rows")
        return ClusterTable(rows, sizes, content.next_id, frozenset(placed), _places(places))
    if not isinstance(placed, ChangedIds) or not isinstance(places, ChangedPlaces):
        raise ValueError("a change that is none")
    rows = _applied(base.rows, list(content.gone), rows)
    hand_placed = (base.hand_placed | set(placed.more)) - set(placed.less)
    removed = np.vstack([base.removed[: places.keep], _places(places.more)])
    return ClusterTable(rows, sizes, content.next_id, hand_placed, removed)


def _places(values: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    return np.array(values, dtype=np.float64).reshape(-1, 3)


def new_bytes(table: ClusterTable, base: ClusterTable | None) -> int:
    """Memory that a table takes besides what it shares with another.

    Parameters
    ----------
    table
        The clusters.
    base
        The table that it is based on; None for a whole one.
    """
    new = 0
    for name in table.rows.columns:
        values = table.rows[name].to_numpy()
        if base is None or name not in base.rows or not _same_memory(base.rows[name].to_numpy(), values):
            new += values.nbytes + (_TEXT_BYTES * len(values) if base is None and values.dtype.kind == "O" else 0)
    return new


def _applied(base: pd.DataFrame, gone: list[int], rows: pd.DataFrame | None) -> pd.DataFrame:
    """`base` without the clusters `gone`, with `rows` in the place of those of the same id, or at the end."""
    kept = base[~base["id"].isin(gone)] if gone else base
    if rows is None or not len(rows):
        return kept.reset_index(drop=True)
    rows_of_new = find_rows(rows["id"].to_numpy(), kept["id"].to_numpy())
    old = rows_of_new >= 0
    data = {}
    for name in kept.columns:
        values, new = kept[name].to_numpy(), rows[name].to_numpy()
        if old.all() and not _differ(values[rows_of_new], new).any():
            data[name] = kept[name].reset_index(drop=True)  # shared, as while the history was made
            continue
        values = values.copy()
        values[rows_of_new[old]] = new[old]
        data[name] = pd.Series(np.concatenate([values, new[~old]]), dtype=values.dtype)
    return pd.DataFrame(data, copy=False)
