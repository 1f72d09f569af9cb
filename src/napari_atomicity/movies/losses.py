"""How many atoms clusters lose in a frame, and for a dose, with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.movies.courses import Course
from napari_atomicity.movies.unions import LEAST

_DRAWS: Final = 400
_INTERVAL: Final = (2.5, 97.5)


@dataclass(frozen=True)
class Losses:
    """Atoms lost by clusters that stay; each with the ends of its 95 % interval, nan where it cannot be said.

    Attributes
    ----------
    per_frame
        Atoms that a cluster loses in a frame, net of what it gains.
    share_per_frame
        The same in shares of its atoms.
    per_dose
        Share of its atoms that a cluster loses for one electron per nm², nm²; nan where the dose is not known.
    """

    per_frame: tuple[float, float, float]
    share_per_frame: tuple[float, float, float]
    per_dose: tuple[float, float, float]

    def as_dict(self) -> dict[str, float]:
        """Each number under its name, with ``_low`` and ``_high``."""
        named = {"loss_per_frame": self.per_frame, "loss_share_per_frame": self.share_per_frame}
        named["loss_share_per_dose"] = self.per_dose
        return {
            f"{name}{end}": value
            for name, values in named.items()
            for end, value in zip(("", "_low", "_high"), values, strict=True)
        }


def losses_of(courses: Mapping[int, Course], dose: float | None) -> Losses:
    """Losses of all tracks together, with intervals from draws of tracks with replacement.

    The loss of a track is the slope of its counts as they are: smoothed ones shrink towards none.

    Parameters
    ----------
    courses
        The tracks.
    dose
        Electrons per nm² of a frame; None where not known.
    """
    lost, steps, atoms = (np.array(each, dtype=float) for each in _of_each(courses))
    if not steps.sum():
        nothing = (float("nan"),) * 3
        return Losses(nothing, nothing, nothing)
    draws = np.random.default_rng(0).integers(len(steps), size=(_DRAWS, len(steps)))
    per_frame = _ratio(lost, steps, draws)
    share = _ratio(lost, atoms, draws)
    per_dose = (float("nan"),) * 3 if dose is None else tuple(value / dose for value in share)
    return Losses(per_frame, share, per_dose)  # type: ignore[arg-type]


def _of_each(courses: Mapping[int, Course]) -> tuple[list[float], list[float], list[float]]:
    """Atoms lost, steps, and atoms times steps of each track that is long enough."""
    lost, steps, atoms = [], [], []
    for course in courses.values():
        use = course.good & np.isfinite(course.atoms)
        if use.sum() <= LEAST:
            continue
        at, counted = course.steps[use].astype(float), course.atoms[use]
        slope = float(np.polyfit(at - at.mean(), counted, 1)[0])
        length = float(at[-1] - at[0])
        lost.append(-slope * length)
        steps.append(length)
        atoms.append(float(counted.mean()) * length)
    return lost, steps, atoms


def _ratio(
    over: npt.NDArray[np.float64], under: npt.NDArray[np.float64], draws: npt.NDArray[np.int64]
) -> tuple[float, float, float]:
    drawn = over[draws].sum(axis=1) / np.maximum(under[draws].sum(axis=1), 1e-12)
    low, high = np.percentile(drawn, _INTERVAL)
    return float(over.sum() / under.sum()), float(low), float(high)
