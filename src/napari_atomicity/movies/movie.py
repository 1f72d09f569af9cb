"""A movie that was followed: tracks, their counts, events, and what atoms cost in dose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.errors import InputError
from napari_atomicity.movies.courses import Course, courses_of
from napari_atomicity.movies.happenings import Scene, happenings
from napari_atomicity.movies.linking import joined, linked, parted, renumbered
from napari_atomicity.movies.losses import Losses, losses_of
from napari_atomicity.movies.smoothing import Rates, Smoothed, smoothed
from napari_atomicity.movies.stitching import stitched
from napari_atomicity.movies.unions import Union, unions

Numbers = npt.NDArray[np.int64]

#: nm; adatoms and clusters on carbon under the beam go a few tenths of this from frame to frame
REACH_NM: Final = 1.0
#: times the stated error of clusters that are cut off or touch others in all frames
_WORSE: Final = 3.0
POINTS: Final = ("id", "frame", "track", "y_px", "x_px", "n_atoms", "atoms", "atoms_sd", "level", "change")
EDITS: Final = ("kind", "first", "second")


@dataclass(frozen=True)
class MovieSettings:
    """What a person says of a movie; saved field by field.

    Attributes
    ----------
    align
        Whether to find out how the frames lie to each other.
    reach_nm
        The way a cluster goes at most from one frame to the next.
    seconds_per_frame
        From the start of a frame to that of the next; None where not known.
    dose_per_frame
        Electrons per nm² of one frame; None where not known.
    """

    align: bool = True
    reach_nm: float = REACH_NM
    seconds_per_frame: float | None = None
    dose_per_frame: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.reach_nm <= 100:
            raise InputError(f"A way of {self.reach_nm:g} nm from frame to frame is impossible; 1 nm is usual.")
        for value, what in ((self.seconds_per_frame, "seconds per frame"), (self.dose_per_frame, "electrons per nm²")):
            if value is not None and not 0 < value < 1e15:
                raise InputError(f"{value:g} {what} are impossible; give a number above zero, or leave it out.")

    @property
    def axis(self) -> tuple[float, str]:
        """What one frame is on the axis of a plot, and its name: dose where known, else time, else the number."""
        if self.dose_per_frame is not None:
            return self.dose_per_frame, "dose (e/nm²)"
        if self.seconds_per_frame is not None:
            return self.seconds_per_frame, "time (s)"
        return 1.0, "frame"


@dataclass(frozen=True, eq=False)
class Movie:
    """A movie that was followed; saved field by field.

    Attributes
    ----------
    settings
        What it was followed with.
    shifts_px
        (t, 2) y and x by which the field has moved in each frame; nan for those that do not belong.
    rejected
        Frames that do not belong.
    points
        A row a cluster of a frame that belongs: id (in the table), frame, track, y_px, x_px, n_atoms (of this frame
        alone), atoms and atoms_sd (of the track), level (most likely path), change (chance that it changed since the
        frame before).
    graph
        A row a link between tracks: child, parent.
    events
        See `happenings`.
    edits
        What a person joined and cut: kind (``join``, ``cut``), first and second (ids of clusters).
    rates
        Fall, rise and spread of `smoothing.Rates`, and losses with their intervals, see `losses`.
    remarks
        Sentences that a person must read.
    """

    settings: MovieSettings
    shifts_px: npt.NDArray[np.float64]
    rejected: tuple[int, ...]
    points: pd.DataFrame
    graph: pd.DataFrame
    events: pd.DataFrame
    edits: pd.DataFrame
    rates: dict[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def tracks(self) -> list[int]:
        """Numbers of all tracks."""
        return sorted(set(self.points["track"].tolist()))

    @property
    def kept(self) -> npt.NDArray[np.int64]:
        """The frames that belong."""
        return np.flatnonzero(np.isfinite(self.shifts_px[:, 0]))

    def of_track(self, number: int) -> pd.DataFrame:
        """Rows of one track in the order of the frames."""
        return self.points[self.points["track"] == number].sort_values("frame")

    @property
    def sentence(self) -> str:
        """The findings in words."""
        counts = self.events["kind"].value_counts()
        told = ", ".join(
            f"{n} {kind if n == 1 else _PLURAL[kind]}" for kind in _PLURAL if (n := int(counts.get(kind, 0)))
        )
        n = len(self.tracks)
        return f"{n} track{'' if n == 1 else 's'} over {len(self.kept)} frames; {told or 'nothing happened'}."


_PLURAL: Final = {
    "arrival": "arrivals", "loss": "losses", "merge": "merges", "split": "splits", "jump": "jumps",
}  # fmt: skip


def no_edits() -> pd.DataFrame:
    """Nothing joined or cut by a person."""
    return pd.DataFrame({"kind": np.empty(0, dtype=object), "first": np.empty(0, int), "second": np.empty(0, int)})


def follow(
    clusters: pd.DataFrame,
    settings: MovieSettings,
    shifts_px: npt.NDArray[np.float64],
    shape_px: tuple[int, int],
    pixel_size_nm: float,
    edits: pd.DataFrame | None = None,
) -> Movie:
    """Follow clusters through a movie.

    Parameters
    ----------
    clusters
        Rows of a table of clusters, with the columns ``sizeable`` and ``cut_off`` (by the rim of the field); ``track``
        is that of an earlier time, whose numbers are kept.
    settings
        What a person says of the movie.
    shifts_px
        (t, 2) where each frame lies; nan for those that do not belong.
    shape_px, pixel_size_nm
        Of a frame.
    edits
        What a person joined and cut.

    Raises
    ------
    InputError
        Where nothing can be followed.
    """
    # of texts pandas makes a type of its own, which a project does not bring back
    edits = (no_edits() if edits is None else edits).astype({"kind": object, "first": np.int64, "second": np.int64})
    seen, frames = _seen(clusters, shifts_px, pixel_size_nm)
    if len(frames) < 2:
        raise InputError("There is one frame only; a movie has several.")
    if not len(seen):
        raise InputError("The frames that belong together hold no cluster; there is nothing to follow.")
    pairs = {kind: _pairs(edits, kind, seen) for kind in ("join", "cut")}
    tracks = joined(parted(linked(seen, settings.reach_nm), seen, pairs["cut"]), seen, pairs["join"])
    tracks, found = unions(seen, tracks, settings.reach_nm, set(pairs["join"]))
    busy = {(n, union.split) for union in found for n in (union.one, union.other)}
    busy |= {(union.whole, not union.split) for union in found}
    forbidden = {(int(seen["id"][i]), int(seen["id"][j])) for i, j in pairs["cut"]}
    tracks, within = stitched(seen, tracks, busy, settings.reach_nm, forbidden)
    named = renumbered(tracks, seen["track"].to_numpy(dtype=np.int64))
    numbers = dict(zip(tracks.tolist(), named.tolist(), strict=True))
    names = {part: numbers[number] for part, number in within.items()}
    found = [Union(u.step, names[u.one], names[u.other], names[u.whole], u.split, u.misfit) for u in found]
    courses = courses_of(seen, named)
    counts, rates = _counts(courses, seen["cut_off"].to_numpy(dtype=bool))
    scene = Scene(courses, counts, rates, frames, shifts_px, shape_px, pixel_size_nm, settings.reach_nm)
    lost = losses_of(courses, settings.dose_per_frame)
    return Movie(
        settings=settings,
        shifts_px=shifts_px,
        rejected=tuple(int(at) for at in np.flatnonzero(~np.isfinite(shifts_px[:, 0]))),
        points=_points(seen, courses, counts),
        graph=_graph(found),
        events=happenings(scene, found),
        edits=edits,
        rates={**_as_dict(rates), **lost.as_dict()},
        remarks=_remarks(settings, lost),
    )


def _seen(
    clusters: pd.DataFrame, shifts_px: npt.NDArray[np.float64], pixel_size_nm: float
) -> tuple[pd.DataFrame, Numbers]:
    """Clusters of the frames that belong, in places of aligned frames; and the frame of each step."""
    frame = clusters["frame"].to_numpy(dtype=np.int64)
    inside = (frame >= 0) & (frame < len(shifts_px))
    belongs = inside.copy()
    belongs[inside] = np.isfinite(shifts_px[frame[inside], 0])
    # frames without any cluster are steps too
    frames = np.flatnonzero(np.isfinite(shifts_px[:, 0]))
    rows = clusters[belongs].sort_values(["frame", "id"]).reset_index(drop=True)
    shift = shifts_px[rows["frame"].to_numpy(dtype=np.int64)]
    return rows.assign(
        step=np.searchsorted(frames, rows["frame"].to_numpy(dtype=np.int64)),
        y_nm=(rows["y_px"].to_numpy(dtype=float) - shift[:, 0]) * pixel_size_nm,
        x_nm=(rows["x_px"].to_numpy(dtype=float) - shift[:, 1]) * pixel_size_nm,
    ), frames


def _pairs(edits: pd.DataFrame, kind: str, seen: pd.DataFrame) -> list[tuple[int, int]]:
    """Rows of what a person joined or cut, as far as these clusters are still there."""
    row_of = {int(number): row for row, number in enumerate(seen["id"])}
    chosen = edits[edits["kind"] == kind]
    pairs = [(row_of.get(int(a)), row_of.get(int(b))) for a, b in zip(chosen["first"], chosen["second"], strict=True)]
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def _counts(courses: dict[int, Course], cut_off: npt.NDArray[np.bool_]) -> tuple[dict[int, Smoothed], Rates]:
    values, errors = [], []
    for course in courses.values():
        at = course.steps - course.steps[0]
        dense, error = np.full((2, int(at[-1]) + 1), np.nan)
        # what touches another is counted less well, and what is cut off too low, unless there is nothing else
        use = ~cut_off[course.rows] & np.isfinite(course.atoms)
        dense[at] = np.where(use, course.atoms, np.nan) if use.any() else course.atoms
        error[at] = np.where(course.good, 1.0, _WORSE) * course.errors
        values.append(dense)
        errors.append(error)
    if not values:
        return {}, Rates(0.0, 0.0, 1.0)
    results, rates = smoothed(values, errors)
    return dict(zip(courses, results, strict=True)), rates


def _points(seen: pd.DataFrame, courses: dict[int, Course], counts: dict[int, Smoothed]) -> pd.DataFrame:
    values = np.full((len(seen), 5), np.nan)
    for number, course in courses.items():
        at, smooth = course.steps - course.steps[0], counts[number]
        columns = (smooth.atoms[at], smooth.atoms_sd[at], smooth.level[at], smooth.chance[at])
        if not np.isfinite(course.atoms).any():  # nothing was counted, and so nothing is said
            columns = (np.full(len(at), np.nan),) * 3 + (np.zeros(len(at)),)
        values[course.rows] = np.column_stack([np.full(len(at), number), *columns])
    table = pd.DataFrame(
        {"id": seen["id"].astype(np.int64), "frame": seen["frame"].astype(np.int64),
         "track": np.nan_to_num(values[:, 0], nan=-1).astype(np.int64), "y_px": seen["y_px"].astype(float),
         "x_px": seen["x_px"].astype(float), "n_atoms": seen["n_atoms"].astype(float)}
    )  # fmt: skip
    extra = dict(zip(("atoms", "atoms_sd", "level", "change"), values[:, 1:].T, strict=True))
    return table.assign(**extra)[list(POINTS)]


def _graph(found: Sequence[Union]) -> pd.DataFrame:
    links = []
    for union in found:
        parts = (union.one, union.other)
        links += [(part, union.whole) if union.split else (union.whole, part) for part in parts]
    links.sort()
    return pd.DataFrame(
        {"child": np.array([child for child, _ in links], dtype=int),
         "parent": np.array([parent for _, parent in links], dtype=int)}
    )  # fmt: skip


def _as_dict(rates: Rates) -> dict[str, float]:
    return {"fall": rates.fall, "rise": rates.rise, "spread": rates.spread, "lasting": rates.lasting}


def _remarks(settings: MovieSettings, lost: Losses) -> tuple[str, ...]:
    remarks = []
    if settings.dose_per_frame is None:
        remarks.append("Give the electrons per nm² of a frame to have losses per dose.")
    if settings.seconds_per_frame is None:
        remarks.append("Give the seconds per frame to have a time axis.")
    return tuple(remarks)
