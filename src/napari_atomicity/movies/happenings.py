"""What happens in a movie: clusters arrive, lose atoms, merge, split and jump."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.movies.courses import Course
from napari_atomicity.movies.linking import GAP
from napari_atomicity.movies.smoothing import Rates, Smoothed
from napari_atomicity.movies.unions import LEAST, Union

Floats = npt.NDArray[np.float64]

KINDS: Final = ("arrival", "loss", "merge", "split", "jump")
COLUMNS: Final = (
    "event", "kind", "frame", "before", "after", "atoms_before", "atoms_before_sd", "atoms_after", "atoms_after_sd",
    "certainty", "y_px", "x_px",
)  # fmt: skip
#: a change of a count is an event from so many standard deviations on, and from this part of the atoms
_CLEAR: Final = 4.0
_LEAST_PART: Final = 0.2
#: of the stated error, what scatters at least
_SCATTER: Final = 0.6
#: changes this many steps apart are one
_ONE: Final = 3
#: a jump is this many times as far as clusters usually go, and at least so far (nm)
_JUMP: Final = 4.5
_JUMP_NM: Final = 0.5
#: a cluster comes or goes only where it was found in this part of so many frames
_SURE: Final = 0.75
_NEAR: Final = 10
#: nm from the rim of what is seen at which a cluster may just walk in or out
_RIM_NM: Final = 0.3


@dataclass(frozen=True, eq=False)
class Scene:
    """What events are judged by.

    Attributes
    ----------
    courses
        The tracks by number.
    counts
        Their smoothed counts, from the first step to the last.
    rates
        Of changes.
    frames
        (s,) frame of each step.
    shifts_px
        (t, 2) of all frames.
    shape_px, pixel_size_nm
        Of a frame.
    reach_nm
        The way a cluster goes at most from one frame to the next.
    """

    courses: Mapping[int, Course]
    counts: Mapping[int, Smoothed]
    rates: Rates
    frames: npt.NDArray[np.int64]
    shifts_px: Floats
    shape_px: tuple[int, int]
    pixel_size_nm: float
    reach_nm: float

    def place_px(self, course: Course, at: int) -> tuple[float, float]:
        """Where a cluster lies in its frame.

        Parameters
        ----------
        course
            Its track.
        at
            Which of its clusters.

        Returns
        -------
        y and x in pixels.
        """
        y, x = course.places[at] / self.pixel_size_nm + self.shifts_px[self.frames[course.steps[at]]]
        return float(y), float(x)

    def at_rim(self, course: Course, at: int, step: int) -> bool:
        """Whether a cluster is so near the rim of the field of its frame, or of that of `step`, that it may leave.

        Parameters
        ----------
        course
            Its track.
        at
            Which of its clusters.
        step
            When it is gone, or was not there yet.
        """
        margin = np.nan_to_num(course.diameters[at], nan=1.0) / 2 + _RIM_NM + self.reach_nm
        high, wide = self.shape_px
        for seen in (course.steps[at], min(max(step, 0), len(self.frames) - 1)):
            y, x = course.places[at] + self.shifts_px[self.frames[seen]] * self.pixel_size_nm
            far = min(y, x, (high - 1) * self.pixel_size_nm - y, (wide - 1) * self.pixel_size_nm - x)
            if far < margin:
                return True
        return False


def happenings(scene: Scene, unions: Sequence[Union]) -> pd.DataFrame:
    """The events of a movie.

    Parameters
    ----------
    scene
        The movie.
    unions
        Merges and splits.

    Returns
    -------
    pandas.DataFrame
        A row each, in the order of frames: event (number from 0), kind, frame (the first after it), before and after
        (numbers of tracks, a space between), atoms_before, atoms_after with their standard deviations, certainty (0 to
        1), y_px, x_px (in that frame).
    """
    rows = [*_unions(scene, unions), *_ends(scene, unions), *_steps(scene), *_jumps(scene)]
    rows.sort(key=lambda row: (row["frame"], row["kind"], row["before"], row["after"]))
    table = pd.DataFrame([{"event": number, **row} for number, row in enumerate(rows)], columns=list(COLUMNS))
    texts = ("kind", "before", "after")
    return table.astype(
        {name: object if name in texts else int if name in ("event", "frame") else float for name in COLUMNS}
    )


def _row(
    scene: Scene, kind: str, course: Course, at: int, tracks: tuple[str, str], atoms: Sequence[float], certainty: float
) -> dict[str, Any]:
    y, x = scene.place_px(course, at)
    names = ("atoms_before", "atoms_before_sd", "atoms_after", "atoms_after_sd")
    return {
        "kind": kind, "frame": int(scene.frames[course.steps[at]]), "before": tracks[0], "after": tracks[1],
        **dict(zip(names, map(float, atoms), strict=True)), "certainty": float(np.clip(certainty, 0, 1)), "y_px": y,
        "x_px": x,
    }  # fmt: skip


def _unions(scene: Scene, unions: Sequence[Union]) -> Iterator[dict[str, Any]]:
    for union in unions:
        parts = [scene.courses.get(number) for number in (union.one, union.other)]
        whole = scene.courses.get(union.whole)
        if whole is None or any(part is None for part in parts):
            continue
        means = [part.mean(last=not union.split) for part in parts if part is not None]
        apart = (sum(mean for mean, _ in means), float(np.hypot(means[0][1], means[1][1])))
        together = whole.mean(last=union.split)
        pair = " ".join(map(str, sorted((union.one, union.other))))
        certainty = float(np.exp(-0.5 * union.misfit**2 / 4))
        if union.split:
            assert parts[0] is not None
            yield _row(scene, "split", parts[0], 0, (str(union.whole), pair), (*together, *apart), certainty)
        else:
            yield _row(scene, "merge", whole, 0, (pair, str(union.whole)), (*apart, *together), certainty)


def _ends(scene: Scene, unions: Sequence[Union]) -> Iterator[dict[str, Any]]:
    """Clusters that come from nowhere, and that vanish."""
    begun = {n for union in unions for n in ((union.one, union.other) if union.split else (union.whole,))}
    ended = {n for union in unions for n in ((union.whole,) if union.split else (union.one, union.other))}
    last = len(scene.frames) - 1
    for number, course in scene.courses.items():
        if len(course) < LEAST:
            continue
        first, end = int(course.steps[0]), int(course.steps[-1])
        # what is found in some frames only neither comes nor goes
        sure = [float((np.abs(course.steps - at) < _NEAR).sum()) / min(_NEAR, end - first + 1) for at in (first, end)]
        atoms, sd = course.mean(last=False)
        if number not in begun and first >= GAP and sure[0] >= _SURE and not scene.at_rim(course, 0, first - 1):
            yield _row(scene, "arrival", course, 0, ("", str(number)), (0.0, 0.0, atoms, sd), sure[0])
        atoms, sd = course.mean(last=True)
        if number not in ended and end <= last - GAP and sure[1] >= _SURE and not scene.at_rim(course, -1, end + 1):
            row = _row(scene, "loss", course, -1, (str(number), ""), (atoms, sd, 0.0, 0.0), sure[1])
            yield {**row, "frame": int(scene.frames[end + 1])}


def _steps(scene: Scene) -> Iterator[dict[str, Any]]:
    """Clusters that lose many atoms at once, or gain some from where no cluster was."""
    for number, course in scene.courses.items():
        smooth = scene.counts[number]
        changes = np.flatnonzero(np.diff(smooth.level)) + 1
        at = course.steps - course.steps[0]
        for group in np.split(changes, np.flatnonzero(np.diff(changes) > _ONE) + 1) if len(changes) else ():
            start = int(group[np.argmax(np.abs(smooth.level[group] - smooth.level[group - 1]))])
            # what is cut off or touches another seems to change
            before, after = course.part((at < group[0]) & course.good), course.part((at >= group[-1]) & course.good)
            if len(before) < LEAST or len(after) < LEAST:
                continue
            (a, a_sd), (b, b_sd) = before.mean(last=True), after.mean(last=False)
            own = max(scene.rates.spread, _SCATTER) * np.hypot(a_sd, b_sd)
            if abs(b - a) < max(_CLEAR * own, _LEAST_PART * max(a, b)):
                continue
            kind = "loss" if b < a else "arrival"
            # it changed in one of these frames: counts that err together tell that sooner than which one it is
            around = max(round(scene.rates.lasting), 1)
            chance = smooth.chance[max(start - around, 1) : start + around + 1].sum()
            index = int(np.searchsorted(at, start))
            yield _row(scene, kind, course, index, (str(number), str(number)), (a, a_sd, b, b_sd), float(chance))


def _jumps(scene: Scene) -> Iterator[dict[str, Any]]:
    """Clusters that go much further from one frame to the next than clusters do."""
    ways = {n: np.linalg.norm(np.diff(course.places, axis=0), axis=1) for n, course in scene.courses.items()}
    every = np.concatenate([*ways.values(), np.empty(0)])
    if len(every) < LEAST:
        return
    far = max(_JUMP * float(np.median(every)), _JUMP_NM)
    for number, way in ways.items():
        course = scene.courses[number]
        for at in np.flatnonzero(way > far) + 1:
            if course.steps[at] - course.steps[at - 1] == 1 and course.good[at] and course.good[at - 1]:
                atoms = (course.atoms[at - 1], course.errors[at - 1], course.atoms[at], course.errors[at])
                yield _row(scene, "jump", course, int(at), (str(number), str(number)), atoms, 1.0)
