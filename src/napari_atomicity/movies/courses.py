"""The course of one cluster through a movie, and how exactly its atoms are known over a few frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

#: frames on either side of an event that tell the numbers of atoms
WINDOW: Final = 6
#: relative errors: where none is stated, and the least that a mean has
_USUAL: Final = 0.1
_LEAST: Final = 0.02
#: of the stated error, what a mean over frames keeps: the shape of a cluster, and what lies beside it
_KEPT: Final = 0.4


@dataclass(frozen=True, eq=False)
class Course:
    """One track.

    Attributes
    ----------
    number
        Of the track.
    rows
        (k,) its clusters, rows of what was seen, in the order of the steps.
    steps
        (k,) when.
    places
        (k, 2) y and x in nm, of aligned frames.
    atoms, errors
        (k,) counts and their stated standard deviation; nan where not counted.
    good
        (k,) whether the count is that of one whole cluster.
    diameters
        (k,) nm.
    """

    number: int
    rows: Numbers
    steps: Numbers
    places: Floats
    atoms: Floats
    errors: Floats
    good: npt.NDArray[np.bool_]
    diameters: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, chosen: npt.NDArray[np.bool_]) -> Course:
        """Some of its clusters."""
        return Course(
            self.number, self.rows[chosen], self.steps[chosen], self.places[chosen], self.atoms[chosen],
            self.errors[chosen], self.good[chosen], self.diameters[chosen],
        )  # fmt: skip

    def mean(self, last: bool) -> tuple[float, float]:
        """Atoms over the last (or the first) few frames with their standard deviation; nan where not counted."""
        known = np.isfinite(self.atoms)
        use = known & self.good if (known & self.good).any() else known
        if not use.any():
            return float("nan"), float("nan")
        some = slice(-WINDOW, None) if last else slice(0, WINDOW)
        atoms, errors = self.atoms[use][some], self.errors[use][some]
        value = float(np.median(atoms))
        relative = float(np.nanmedian(np.append(errors / np.maximum(atoms, 1), np.nan))) if len(atoms) else _USUAL
        relative = _USUAL if not np.isfinite(relative) else max(relative, _LEAST)
        return value, max(value * relative * float(np.sqrt(1 / len(atoms) + _KEPT**2)), 0.7)


def courses_of(seen: pd.DataFrame, tracks: Numbers) -> dict[int, Course]:
    """The tracks.

    Parameters
    ----------
    seen
        A row a cluster: step, y_nm, x_nm, n_atoms, n_atoms_sd, diameter_nm, sizeable.
    tracks
        (n,) number of the track of each row; -1 for none.
    """
    step = seen["step"].to_numpy(dtype=np.int64)
    order = np.lexsort([step, tracks])
    order = order[tracks[order] >= 0]
    numbers, starts = np.unique(tracks[order], return_index=True)
    places = seen[["y_nm", "x_nm"]].to_numpy(dtype=np.float64)
    atoms, errors, diameters = (
        seen[name].to_numpy(dtype=np.float64) for name in ("n_atoms", "n_atoms_sd", "diameter_nm")
    )
    good = seen["sizeable"].to_numpy(dtype=bool)
    return {
        int(number): Course(
            int(number), rows, step[rows], places[rows], atoms[rows], errors[rows], good[rows], diameters[rows]
        )
        for number, rows in zip(numbers, np.split(order, starts[1:]), strict=True)
    }
