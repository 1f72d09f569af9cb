"""Clusters of one micrograph as a table that is never changed: every change gives a new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters.classes import probability_column
from napari_atomicity.clusters.columns import (
    COLUMNS,
    NO_TRACK,
    PLACE,
    PREDICTED,
    SIZEABLE,
    Column,
    columns,
    table_columns,
)
from napari_atomicity.clusters.matching import find_rows, matched, near
from napari_atomicity.clusters.rows import changed_rows, complete_rows, neutral_values, stacked_rows
from napari_atomicity.errors import InputError


@dataclass(frozen=True, eq=False)
class ClusterTable:
    """Clusters of one micrograph; every change gives a new table.

    Attributes
    ----------
    rows
        Data frame with exactly the columns of `columns(class_sizes)`.
    class_sizes
        Atoms of each class of the model behind the probabilities; empty before classification.
    next_id
        The id that the next new cluster gets; ids are never used twice within an image.
    hand_placed
        Ids of clusters that a person added or moved: a new detection does not touch their position.
    removed
        (n, 3) array of frame, y_px, x_px where a person deleted a cluster: a new detection leaves these out.

    Raises
    ------
    InputError
        For other columns, or an id that occurs twice.
    """

    rows: pd.DataFrame
    class_sizes: tuple[int, ...] = ()
    next_id: int = 0
    hand_placed: frozenset[int] = frozenset()
    removed: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))

    def __post_init__(self) -> None:
        expected = columns(self.class_sizes)
        if tuple(self.rows.columns) != expected:
            raise InputError(
                f"The cluster table has the columns {', '.join(map(str, self.rows.columns))}; "
                f"it needs exactly {', '.join(expected)}."
            )
        ids = self.rows["id"].to_numpy()
        if len(np.unique(ids)) != len(ids):
            raise InputError("The cluster table holds the same id twice; every cluster needs an id of its own.")
        if len(ids) and int(ids.max()) >= self.next_id:
            object.__setattr__(self, "next_id", int(ids.max()) + 1)

    # ------------------------------------------------------------------ making one

    @classmethod
    def empty(cls, class_sizes: Sequence[int] = ()) -> ClusterTable:
        """A table without clusters, of a model of `class_sizes` (atoms of each class)."""
        return cls.from_columns({}, class_sizes=class_sizes)

    @classmethod
    def from_columns(cls, values: Mapping[str, Any], class_sizes: Sequence[int] = ()) -> ClusterTable:
        """A table from the columns at hand; the others get their neutral value, and ids count from 0.

        Parameters
        ----------
        values
            (n,) values of each column, by its name, in the units of `UNITS`.
        class_sizes
            Atoms of each class of the model behind the probabilities.

        Raises
        ------
        InputError
            For a column that a table does not have, an unknown flag, or an id that occurs twice.
        """
        unknown = set(values) - set(columns(class_sizes))
        if unknown:
            raise InputError(f"The cluster table has no column {', '.join(sorted(unknown))}.")
        n = len(next(iter(values.values()))) if values else 0
        rows = complete_rows(table_columns(class_sizes), {"id": np.arange(n), **values}, n)
        return cls(rows, tuple(class_sizes))

    # ------------------------------------------------------------------ reading it

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def columns(self) -> Mapping[str, Column]:
        """The columns of `rows` by name, in their order."""
        return table_columns(self.class_sizes)

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """(n,) ids in row order."""
        return self.rows["id"].to_numpy(dtype=np.int64)

    @property
    def centres_px(self) -> npt.NDArray[np.float64]:
        """(n, 2) centres (y, x) in pixels of the original image."""
        return np.column_stack([self.rows[name].to_numpy(dtype=np.float64) for name in ("y_px", "x_px")])

    @property
    def places(self) -> npt.NDArray[np.float64]:
        """(n, 3) frame, and centre (y, x) in pixels of the original image."""
        # pandas takes several times longer to join columns of different types
        return np.column_stack([self.rows[name].to_numpy(dtype=np.float64) for name in PLACE])

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """(n, classes) class probabilities, nan where not classified."""
        names = [probability_column(n) for n in self.class_sizes]
        return self.rows[names].to_numpy(dtype=np.float64)

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """(n,) which clusters carry a label of a person."""
        return np.asarray(self.rows["annotation"].to_numpy(dtype=object) != "", dtype=bool)

    @property
    def placed(self) -> npt.NDArray[np.bool_]:
        """(n,) which clusters a person added or moved."""
        return np.isin(self.ids, list(self.hand_placed))

    @property
    def sizeable(self) -> npt.NDArray[np.bool_]:
        """(n,) which clusters can be sized: whole, alone and not saturated."""
        flags = self.rows["flag"].to_numpy(dtype=object)
        return np.asarray(np.logical_or.reduce([flags == flag for flag in SIZEABLE]), dtype=bool)

    @property
    def final_labels(self) -> npt.NDArray[np.object_]:
        """(n,) what counts for colours, ratios and exports: the annotation where there is one, else the label."""
        return np.where(
            self.labelled, self.rows["annotation"].to_numpy(dtype=object), self.rows["label"].to_numpy(dtype=object)
        )

    def rows_of(self, ids: Iterable[int]) -> npt.NDArray[np.int64]:
        """Where clusters stand in the table.

        Parameters
        ----------
        ids
            (k,) in any order.

        Returns
        -------
        (k,) row of each id; -1 where the table has no such cluster, which is nothing unusual: it may have been
        deleted since the id was noted. As an index -1 means the last row, so whoever cannot be sure has to look.
        """
        return find_rows(ids, self.ids)

    def row_of(self, cluster: int) -> int | None:
        """Row of the cluster with the id `cluster`; None where the table has no such cluster."""
        row = np.flatnonzero(self.ids == cluster)
        return int(row[0]) if len(row) else None

    def values_of(self, name: str, ids: Iterable[int]) -> npt.NDArray[Any]:
        """Values of some clusters in one column.

        Parameters
        ----------
        name
            Of a column.
        ids
            (k,) in any order.

        Returns
        -------
        (k,) its values in the order of `ids`; the neutral one where the table has no such cluster.
        """
        rows = self.rows_of(ids)
        values = neutral_values(self.columns[name], len(rows))
        values[rows >= 0] = self.rows[name].to_numpy()[rows[rows >= 0]]
        return values

    # ------------------------------------------------------------------ changing it

    def take(self, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> ClusterTable:
        """A table of some of the clusters alone.

        Parameters
        ----------
        rows
            (k,) rows in the order wanted, or (n,) which of them.

        Returns
        -------
        Those clusters with their ids. What a person placed and deleted stays noted, and next_id is the same.
        """
        return replace(self, rows=self.rows.iloc[rows].reset_index(drop=True))

    def with_columns(self, **values: Any) -> ClusterTable:
        """New values for whole columns; identity, annotations and everything else stay.

        Parameters
        ----------
        **values
            (n,) values of each column that changes, by its name.

        Raises
        ------
        InputError
            For a column that the table does not have, or an unknown flag.
        """
        # the other columns are shared with this table: a history of tables weighs little
        return replace(self, rows=changed_rows(self.columns, self.rows, values))

    def with_values(self, ids: Iterable[int], values: Mapping[str, Any]) -> ClusterTable:
        """New values for some clusters.

        Parameters
        ----------
        ids
            (k,) in any order; those that the table does not have are passed over.
        values
            By column: one value for all these clusters, or (k,) one for each.

        Raises
        ------
        InputError
            As by `with_columns`.
        """
        rows = self.rows_of(ids)
        known = rows >= 0
        if not known.any():
            return self
        changed = {**values}
        for name in self.columns.keys() & values.keys():
            column, new = self.rows[name].to_numpy().copy(), values[name]
            column[rows[known]] = np.asarray(new)[known] if np.ndim(new) else new
            changed[name] = column
        return self.with_columns(**changed)

    def with_predictions(self, class_sizes: Sequence[int], values: Mapping[str, Any]) -> ClusterTable:
        """Predictions of a model in place of the previous ones; annotations stay.

        Parameters
        ----------
        class_sizes
            Atoms of each class of the model.
        values
            (n,) values of each column that the model fills, by its name: of the classes that are missing nan.

        Raises
        ------
        InputError
            For an unknown flag.
        """
        kept = {column.name: self.rows[column.name] for column in COLUMNS}
        rows = complete_rows(table_columns(class_sizes), {**kept, **values}, len(self))
        return replace(self, rows=rows, class_sizes=tuple(class_sizes))

    def without_predictions(self) -> ClusterTable:
        """The same clusters, not classified."""
        return self.with_predictions((), {name: neutral_values(self.columns[name], len(self)) for name in PREDICTED})

    def annotate(self, ids: Iterable[int], labels: str | Sequence[str]) -> ClusterTable:
        """Labels that a person gave.

        Parameters
        ----------
        ids
            (k,) clusters that are labelled, in any order; those that the table does not have are passed over.
        labels
            One label for all, or (k,) one for each; an empty one takes the annotation back.
        """
        new = labels if isinstance(labels, str) else np.array(labels, dtype=object)
        return self.with_values(ids, {"annotation": new})

    def add(self, values: Mapping[str, Any]) -> ClusterTable:
        """New clusters, placed by a person, with fresh ids, below the others.

        Parameters
        ----------
        values
            (k,) values of at least one column, by its name, without ``id``; the others get their neutral value.

        Raises
        ------
        InputError
            As by `from_columns`.
        """
        fresh = self.next_id + np.arange(len(next(iter(values.values()))))
        new = ClusterTable.from_columns({**values, "id": fresh}, self.class_sizes)
        return replace(
            self,
            rows=stacked_rows(self.columns, self.rows, new.rows),
            next_id=new.next_id,
            hand_placed=self.hand_placed | frozenset(fresh.tolist()),
        )

    def drop(self, ids: Iterable[int]) -> ClusterTable:
        """Without some clusters, which a person deleted: detection will not bring them back.

        Parameters
        ----------
        ids
            (k,) in any order; those that the table does not have are passed over.
        """
        gone = np.zeros(len(self), dtype=bool)
        rows = self.rows_of(ids)
        gone[rows[rows >= 0]] = True
        return replace(
            self.take(~gone),
            hand_placed=self.hand_placed - frozenset(self.ids[gone].tolist()),
            removed=np.vstack([self.removed, self.places[gone]]),
        )

    def redetected(self, found: ClusterTable, tolerance_px: float) -> ClusterTable:
        """The table after a new detection, cluster by cluster.

        A cluster found again keeps its id, annotation and track and takes the new measurements; one that a person
        annotated, added or moved stays even where it is not found; new ones get fresh ids; what a person deleted stays
        deleted.
        Predictions are dropped: they belonged to the old measurements.

        Parameters
        ----------
        found
            What the detection found; its ids mean nothing.
        tolerance_px
            A cluster is the same where it lies within so many pixels of its old centre.
        """
        old, new = self.without_predictions(), found.without_predictions()
        keep_new = ~near(new.places, self.removed, tolerance_px)
        old_rows, new_rows = np.array(matched(old.places, new.places, tolerance_px), dtype=np.int64).reshape(-1, 2).T
        # the person's position stands for a cluster that a person placed
        keep_new[new_rows[old.placed[old_rows]]] = False
        again = ~old.placed[old_rows]
        old_rows, new_rows = old_rows[again], new_rows[again]
        keep_new[new_rows] = True
        stays = old.placed | old.labelled
        stays[old_rows] = False
        new_ids = np.full(len(new), -1, dtype=np.int64)
        new_ids[new_rows] = old.ids[old_rows]
        annotation = np.full(len(new), "", dtype=object)
        annotation[new_rows] = old.rows["annotation"].to_numpy()[old_rows]
        fresh = (new_ids < 0) & keep_new
        new_ids[fresh] = self.next_id + np.arange(int(fresh.sum()))
        track = np.full(len(new), NO_TRACK, dtype=np.int64)
        track[new_rows] = old.rows["track"].to_numpy()[old_rows]
        rows = new.rows.assign(id=new_ids, annotation=annotation, track=track)[keep_new]
        rows = stacked_rows(old.columns, rows, old.rows[stays]).sort_values("id", ignore_index=True)
        return replace(old, rows=rows, next_id=self.next_id + int(fresh.sum()))
