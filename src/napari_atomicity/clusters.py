"""The table of clusters: one row a cluster, the same columns in memory, in napari and in files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.errors import InputError

#: label of a cluster that is none of the model's classes
OTHER: Final = "other"
FLAGS: Final = ("ok", "border", "touching", "saturated", "outside")

_HEAD: Final = ("id", "y_px", "x_px", "y_nm", "x_nm", "frame", "diameter_nm", "intensity")
_TAIL: Final = ("label", "confidence", "n_atoms", "n_atoms_sd", "annotation", "flag", "source")
_INTEGERS: Final = ("id", "frame")
_STRINGS: Final = ("label", "annotation", "flag", "source")
#: unit of each column, for headers and exports; columns that are missing here have none
UNITS: Final[Mapping[str, str]] = {
    "y_px": "px",
    "x_px": "px",
    "y_nm": "nm",
    "x_nm": "nm",
    "diameter_nm": "nm",
    "intensity": "counts nm^2",
    "n_atoms": "atoms",
    "n_atoms_sd": "atoms",
}


def probability_column(n_atoms: int) -> str:
    """Name of the probability column of the class of `n_atoms` atoms, for example ``p_19``."""
    return f"p_{n_atoms}"


def class_label(n_atoms: int, element: str = "Pt") -> str:
    """Label of the class of `n_atoms` atoms, for example ``Pt19``."""
    return f"{element}{n_atoms}"


def atoms_of(label: str) -> int | None:
    """Atoms of the class that `label` names; None for a text that names none, however long it is."""
    digits = label[len(label.rstrip("0123456789")) :]
    return int(digits) if 0 < len(digits) <= 9 else None


def columns(class_sizes: Sequence[int]) -> tuple[str, ...]:
    """Column names, in order, of a table whose model knows `class_sizes` (atoms a class)."""
    return (*_HEAD, *(probability_column(n) for n in class_sizes), *_TAIL)


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
        """A table without clusters."""
        return cls.from_columns({}, class_sizes=class_sizes)

    @classmethod
    def from_columns(cls, values: Mapping[str, Any], class_sizes: Sequence[int] = ()) -> ClusterTable:
        """A table from the columns at hand; the others get their neutral value (nan, empty, flag ``ok``)."""
        unknown = set(values) - set(columns(class_sizes))
        if unknown:
            raise InputError(f"The cluster table has no column {', '.join(sorted(unknown))}.")
        n = len(next(iter(values.values()))) if values else 0
        data: dict[str, Any] = {}
        for name in columns(class_sizes):
            if name in values:
                data[name] = values[name]
            elif name == "id":
                data[name] = np.arange(n)
            else:
                data[name] = _neutral(name, n)
        return cls(_typed(pd.DataFrame(data)), tuple(class_sizes))

    # ------------------------------------------------------------------ reading it

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """Ids in row order."""
        return self.rows["id"].to_numpy(dtype=np.int64)

    @property
    def centres_px(self) -> npt.NDArray[np.float64]:
        """(n, 2) centres (y, x) in pixels of the original image."""
        return self.rows[["y_px", "x_px"]].to_numpy(dtype=np.float64)

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """(n, classes) class probabilities, nan where not classified."""
        names = [probability_column(n) for n in self.class_sizes]
        return self.rows[names].to_numpy(dtype=np.float64)

    @property
    def final_labels(self) -> npt.NDArray[np.object_]:
        """What counts for colours, ratios and exports: the annotation where there is one, else the label."""
        annotation = self.rows["annotation"].to_numpy(dtype=object)
        label = self.rows["label"].to_numpy(dtype=object)
        return np.where(annotation != "", annotation, label)

    # ------------------------------------------------------------------ changing it

    def with_columns(self, **values: Any) -> ClusterTable:
        """New values for whole columns; identity, annotations and everything else stay."""
        unknown = set(values) - set(self.rows.columns)
        if unknown:
            raise InputError(f"The cluster table has no column {', '.join(sorted(unknown))}.")
        # the other columns are shared with this table: a history of tables weighs little
        new = {name: _column(name, value, self.rows.index) for name, value in values.items()}
        return replace(self, rows=_checked(self.rows.assign(**new)))

    def with_predictions(self, class_sizes: Sequence[int], values: Mapping[str, Any]) -> ClusterTable:
        """Predictions of a model of `class_sizes` in place of the previous ones; annotations stay."""
        kept = {name: self.rows[name] for name in self.rows.columns if not name.startswith("p_")}
        merged = {**kept, **values}
        n = len(self)
        data = {name: merged[name] if name in merged else _neutral(name, n) for name in columns(class_sizes)}
        return replace(self, rows=_typed(pd.DataFrame(data)), class_sizes=tuple(class_sizes))

    def without_predictions(self) -> ClusterTable:
        """The same clusters, not classified."""
        return self.with_predictions((), {name: _neutral(name, len(self)) for name in _PREDICTED})

    def annotate(self, ids: Iterable[int], label: str) -> ClusterTable:
        """A person's `label` for the clusters `ids`; an empty label takes the annotation back."""
        chosen = self.rows["id"].isin(list(ids))
        return self.with_columns(annotation=self.rows["annotation"].where(~chosen, label))

    def add(self, values: Mapping[str, Any]) -> ClusterTable:
        """New clusters, placed by a person, with fresh ids; `values` as for `from_columns` without ``id``."""
        new = ClusterTable.from_columns(
            {**values, "id": self.next_id + np.arange(len(next(iter(values.values()))))}, self.class_sizes
        )
        rows = _stack(self.rows, new.rows)
        return replace(
            self,
            rows=rows,
            next_id=new.next_id,
            hand_placed=self.hand_placed | frozenset(int(i) for i in new.ids),
        )

    def drop(self, ids: Iterable[int]) -> ClusterTable:
        """Without the clusters `ids`, which a person deleted: detection will not bring them back."""
        gone = self.rows["id"].isin(list(ids))
        places = self.rows.loc[gone, ["frame", "y_px", "x_px"]].to_numpy(dtype=np.float64)
        return replace(
            self,
            rows=self.rows[~gone].reset_index(drop=True),
            hand_placed=self.hand_placed - frozenset(int(i) for i in self.ids[gone.to_numpy()]),
            removed=np.vstack([self.removed, places]),
        )

    def redetected(self, found: ClusterTable, tolerance_px: float) -> ClusterTable:
        """The table after a new detection `found`, cluster by cluster.

        A cluster found again within `tolerance_px` keeps its id and annotation and takes the new measurements;
        one that a person annotated, added or moved stays even where it is not found; new ones get fresh ids;
        what a person deleted stays deleted. Predictions are dropped: they belonged to the old measurements.
        """
        old, new = self.without_predictions(), found.without_predictions()
        keep_new = ~near(_places(new.rows), self.removed, tolerance_px)
        pairs = matched(_places(old.rows), _places(new.rows), tolerance_px)
        hand = np.isin(old.ids, list(self.hand_placed))
        new_id = np.full(len(new), -1, dtype=np.int64)
        annotation = np.full(len(new), "", dtype=object)
        survivors = hand | (old.rows["annotation"].to_numpy() != "")
        for row_old, row_new in pairs:
            if hand[row_old]:
                keep_new[row_new] = False  # the person's position stands for this cluster
                continue
            new_id[row_new] = old.ids[row_old]
            annotation[row_new] = old.rows["annotation"].iloc[row_old]
            survivors[row_old] = False
            keep_new[row_new] = True
        fresh = (new_id < 0) & keep_new
        new_id[fresh] = self.next_id + np.arange(int(fresh.sum()))
        rows = new.rows.assign(id=new_id, annotation=annotation)[keep_new]
        rows = _stack(rows, old.rows[survivors]).sort_values("id", ignore_index=True)
        return replace(old, rows=rows, next_id=self.next_id + int(fresh.sum()))


_PREDICTED: Final = ("label", "confidence", "n_atoms", "n_atoms_sd", "source")


def _neutral(name: str, n: int) -> npt.NDArray[Any]:
    if name == "flag":
        return np.full(n, "ok", dtype=object)
    if name in _STRINGS:
        return np.full(n, "", dtype=object)
    if name in _INTEGERS:
        return np.zeros(n, dtype=np.int64)
    return np.full(n, np.nan)


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    kinds: dict[str, Any] = {
        name: "int64" if name in _INTEGERS else object if name in _STRINGS else "float64" for name in rows.columns
    }
    return _checked(rows.astype(kinds).reset_index(drop=True))


def _column(name: str, values: Any, index: pd.Index[Any]) -> pd.Series[Any]:
    kind: Any = np.int64 if name in _INTEGERS else object if name in _STRINGS else np.float64
    # by its dtype: of an array of objects pandas 3 makes strings, which are another dtype
    column: pd.Series[Any] = pd.Series(np.array(values, dtype=kind), index=index, dtype=kind)
    return column


def _checked(rows: pd.DataFrame) -> pd.DataFrame:
    bad = set(rows["flag"]) - set(FLAGS)
    if bad:
        raise InputError(f"The flag {bad.pop()!r} is not one of {', '.join(FLAGS)}.")
    return rows


def _stack(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    parts = [part for part in (first, second) if len(part)]
    return _typed(pd.concat(parts, ignore_index=True)) if parts else first.reset_index(drop=True)


def _places(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    return rows[["frame", "y_px", "x_px"]].to_numpy(dtype=np.float64)


def _scaled(places: npt.NDArray[np.float64], tolerance_px: float) -> npt.NDArray[np.float64]:
    # frames are pushed so far apart that clusters of different frames are never near each other
    return np.asarray(places * np.array([1e6 * tolerance_px, 1.0, 1.0]))


def near(
    places: npt.NDArray[np.float64], targets: npt.NDArray[np.float64], tolerance_px: float
) -> npt.NDArray[np.bool_]:
    """Which of the `places` ((n, 3): frame, y, x) lie within the tolerance of one of the `targets`."""
    if not len(places) or not len(targets):
        return np.zeros(len(places), dtype=bool)
    from scipy.spatial import cKDTree

    here, there = (np.isfinite(each).all(axis=1) for each in (places, targets))
    found = np.zeros(len(places), dtype=bool)
    if here.any() and there.any():
        distance, _ = cKDTree(_scaled(targets[there], tolerance_px)).query(_scaled(places[here], tolerance_px))
        found[here] = distance <= tolerance_px
    return found


def matched(old: npt.NDArray[np.float64], new: npt.NDArray[np.float64], tolerance_px: float) -> list[tuple[int, int]]:
    """One-to-one pairs (old row, new row) within the tolerance, of least total distance."""
    here, there = (np.flatnonzero(np.isfinite(each).all(axis=1)) for each in (old, new))
    if len(here) < len(old) or len(there) < len(new):  # what has no place is at none
        return [(int(here[i]), int(there[j])) for i, j in matched(old[here], new[there], tolerance_px)]
    if not len(old) or not len(new):
        return []
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial import cKDTree

    near = cKDTree(_scaled(old, tolerance_px)).sparse_distance_matrix(
        cKDTree(_scaled(new, tolerance_px)), tolerance_px, output_type="coo_matrix"
    )
    rows, cols = np.unique(near.row), np.unique(near.col)
    cost = np.full((len(rows), len(cols)), 1e3 * tolerance_px)
    cost[np.searchsorted(rows, near.row), np.searchsorted(cols, near.col)] = near.data
    pairs = zip(*linear_sum_assignment(cost), strict=True)
    return [(int(rows[i]), int(cols[j])) for i, j in pairs if cost[i, j] <= tolerance_px]
