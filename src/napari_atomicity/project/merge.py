"""Two tables of the same image become one, cluster by cluster; where people differ, it is said and nothing is lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable, matched, near
from napari_atomicity.pipeline import SAME_CLUSTER_NM

#: of fewer clusters their places do not tell whether they are of the same image
_FEW: Final = 10

Kind = Literal["label", "deleted here", "deleted there"]


@dataclass(frozen=True)
class Conflict:
    """One cluster about which the two tables differ; the present state stays until a person chooses.

    Attributes
    ----------
    kind
        ``label``: both gave a label, and not the same; ``deleted here``: deleted here and labelled or placed there;
        ``deleted there``: deleted there and not here.
    id
        In the present table; None for one that is deleted here.
    place
        Frame, y and x in pixels.
    mine, theirs
        The labels that were given; empty where none.
    """

    kind: Kind
    id: int | None
    place: tuple[float, float, float]
    mine: str
    theirs: str

    @property
    def sentence(self) -> str:
        """What differs, in words."""
        frame, y, x = self.place
        where = f"y {y:.0f}, x {x:.0f}" + (f", frame {frame:.0f}" if frame else "")
        if self.kind == "label":
            return f"{self.mine} here, {self.theirs} there (cluster {self.id}: {where})"
        if self.kind == "deleted here":
            return f"Deleted here, {self.theirs or 'placed by hand'} there ({where})"
        return f"{self.mine or 'Not deleted'} here, deleted there (cluster {self.id}: {where})"


@dataclass(frozen=True, eq=False)
class Merged:
    """What came of a merge: the table, how many clusters and labels are new in it, and where the two differ."""

    table: ClusterTable
    added: int
    labelled: int
    conflicts: tuple[Conflict, ...]

    @property
    def sentence(self) -> str:
        """What came of it, in words."""
        if not (self.added or self.labelled or self.conflicts):
            return "Nothing new: both say the same."
        clusters, labels = (
            f"{n} {what}{'s' * (n != 1)}" for n, what in ((self.added, "cluster"), (self.labelled, "label"))
        )
        parts = [f"{clusters} and {labels} added"]
        if n := len(self.conflicts):
            parts.append(f"{n} difference{'s' * (n > 1)} to decide; your own version stays until you do")
        return "; ".join(parts) + "."


def merge(
    mine: ClusterTable,
    theirs: ClusterTable,
    pixel_size_nm: float | None,
    their_pixel_size_nm: float | None = None,
) -> Merged:
    """`mine` with what `theirs` has beyond it; clusters are the same where they lie at the same place.

    Parameters
    ----------
    mine, theirs
        Tables of the same image.
    pixel_size_nm, their_pixel_size_nm
        Of `mine` and, where it differs, of `theirs`.

    Returns
    -------
    Labels of a person that only `theirs` has are taken, and so are its further clusters, with what was measured there
    but not with predictions, which rest on another calibration. Whatever a person did in `mine` stays.
    """
    tolerance = _tolerance_px(pixel_size_nm)
    there = theirs.places
    pairs = matched(mine.places, there, tolerance)
    label = theirs.rows["annotation"].to_numpy(dtype=object)
    conflicts, taken = _labels(mine, theirs, pairs)
    table = mine.annotate(taken, list(taken.values()))
    lone = np.ones(len(theirs), dtype=bool)
    lone[[row for _, row in pairs]] = False
    deleted = near(there, mine.removed, tolerance)
    touched = theirs.placed | theirs.labelled
    for row in np.flatnonzero(lone & deleted & touched):
        conflicts.append(Conflict("deleted here", None, _at(there[row]), "", str(label[row])))
    fresh = lone & ~deleted
    table = _added(table, theirs, fresh, pixel_size_nm, their_pixel_size_nm or pixel_size_nm)
    conflicts += _deleted_there(mine, theirs, pairs, tolerance)
    gone = theirs.removed[~near(theirs.removed, mine.places, tolerance)]
    gone = gone[~near(gone, mine.removed, 1e-6)] if len(mine.removed) else gone
    table = replace(table, removed=np.vstack([table.removed, gone]))
    return Merged(table, int(fresh.sum()), len(taken), tuple(conflicts))


def fits(mine: ClusterTable, theirs: ClusterTable, pixel_size_nm: float | None) -> bool:
    """Whether two tables may be of the same image: half of the clusters of the smaller one lie at places of the other.

    Parameters
    ----------
    mine, theirs
        The tables; where one has only a few clusters, nothing is to be seen.
    pixel_size_nm
        Of `mine`; None where unknown.
    """
    fewer = min(len(mine), len(theirs))
    return fewer < _FEW or 2 * len(matched(mine.places, theirs.places, _tolerance_px(pixel_size_nm))) >= fewer


def resolve(table: ClusterTable, conflict: Conflict, pixel_size_nm: float | None) -> ClusterTable:
    """A table with the other side's version of a conflict; what is no longer there stays so.

    Parameters
    ----------
    table
        The present state.
    conflict
        What the two sides differ about.
    pixel_size_nm
        Of the image; None where unknown.
    """
    if conflict.kind == "label" and conflict.id is not None:
        return table.annotate([conflict.id], conflict.theirs)
    if conflict.kind == "deleted there" and conflict.id is not None:
        return table.drop([conflict.id])
    frame, y, x = conflict.place
    size = np.nan if pixel_size_nm is None else pixel_size_nm
    added = table.add(
        {"frame": [int(frame)], "y_px": [y], "x_px": [x], "y_nm": [y * size], "x_nm": [x * size],
         "annotation": [conflict.theirs]}
    )  # fmt: skip
    return replace(added, removed=table.removed[~near(table.removed, np.array([conflict.place]), 1e-6)])


def _tolerance_px(pixel_size_nm: float | None) -> float:
    return SAME_CLUSTER_NM / pixel_size_nm if pixel_size_nm else 5.0


def _labels(
    mine: ClusterTable, theirs: ClusterTable, pairs: list[tuple[int, int]]
) -> tuple[list[Conflict], dict[int, str]]:
    """Labels that differ, and those that only `theirs` has, by the id in `mine`."""
    conflicts: list[Conflict] = []
    taken: dict[int, str] = {}
    own, other = (table.rows["annotation"].to_numpy(dtype=object) for table in (mine, theirs))
    places, ids = mine.places, mine.ids
    for row, there in pairs:
        if not other[there] or own[row] == other[there]:
            continue
        if own[row]:
            conflicts.append(Conflict("label", int(ids[row]), _at(places[row]), str(own[row]), str(other[there])))
        else:
            taken[int(ids[row])] = str(other[there])
    return conflicts, taken


def _deleted_there(
    mine: ClusterTable, theirs: ClusterTable, pairs: list[tuple[int, int]], tolerance: float
) -> list[Conflict]:
    places = mine.places
    lone = np.ones(len(mine), dtype=bool)
    lone[[row for row, _ in pairs]] = False
    label = mine.rows["annotation"].to_numpy(dtype=object)
    rows = np.flatnonzero(lone & near(places, theirs.removed, tolerance))
    return [Conflict("deleted there", int(mine.ids[row]), _at(places[row]), str(label[row]), "") for row in rows]


def _added(
    table: ClusterTable, theirs: ClusterTable, rows: npt.NDArray[np.bool_], size: float | None, their_size: float | None
) -> ClusterTable:
    """`table` with some clusters of `theirs`, which keep what was measured and get fresh ids."""
    if not rows.any():
        return table
    new = theirs.without_predictions().rows[rows]
    ratio = size / their_size if size and their_size else np.nan
    values = {
        "frame": new["frame"].to_numpy(),
        "y_px": new["y_px"].to_numpy(),
        "x_px": new["x_px"].to_numpy(),
        "y_nm": new["y_px"].to_numpy() * (size or np.nan),
        "x_nm": new["x_px"].to_numpy() * (size or np.nan),
        "diameter_nm": new["diameter_nm"].to_numpy() * ratio,
        "intensity": new["intensity"].to_numpy() * ratio**2,
        "flag": new["flag"].to_numpy(dtype=object),
        "annotation": new["annotation"].to_numpy(dtype=object),
    }
    first = table.next_id
    grown = table.add(values)
    hand = frozenset((first + np.flatnonzero(theirs.placed[rows])).tolist())
    # `add` takes all for placed by hand; those that a search found are to be found again
    return replace(grown, hand_placed=table.hand_placed | hand)


def _at(place: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    frame, y, x = place.tolist()
    return frame, y, x
