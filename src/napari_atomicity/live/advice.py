"""What to do next at the microscope, with the reason; and the words for how far a session has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from napari_atomicity.live.seen import Seen
from napari_atomicity.live.shares import LiveShares

#: shares are wanted to plus or minus this where nothing else is said
GOAL: Final = 0.05
#: part of the clusters that touch or are cut, pixels across a cluster and clusters a field beyond which a field is not
#: taken well
_LEFT_OUT: Final = 40.0
_FEW_PX: Final = 8.0
_MANY_PX: Final = 60.0
_FEW_CLUSTERS: Final = 6.0
#: nm across a typical cluster
_CLUSTER_NM: Final = 1.0
_LATEST: Final = 8


@dataclass(frozen=True)
class Advice:
    """What to do next.

    Attributes
    ----------
    what
        ``enough``, ``more`` of the same, ``other`` images, or another ``magnification``.
    sentence
        The same with its reason.
    """

    what: Literal["enough", "more", "other", "magnification"]
    sentence: str


def advice(images: Sequence[Seen], shares: LiveShares, needed: int | None, goal: float = GOAL) -> Advice:
    """What to do next.

    Parameters
    ----------
    images
        Counted images, the newest last.
    shares, needed
        As far as the session has come, and how many more clusters are needed.
    goal
        The half width that is wanted.
    """
    points = f"± {100 * goal:.3g} points"
    if not images or not shares.clusters:
        return Advice("more", "No cluster is counted yet.")
    if between := images[-1].undecided:
        return Advice(
            "other",
            f"Undecided between {', '.join(between[:-1])} and {between[-1]}, which more of the same does not settle: "
            "take images of other sizes, or say what was deposited.",
        )
    latest = images[-_LATEST:]
    pixels = float(np.median([_CLUSTER_NM / seen.pixel_size_nm for seen in latest if seen.pixel_size_nm]))
    left_out = [seen.quality.get("left_out") for seen in latest]
    lost = float(np.median([value for value in left_out if value is not None] or [0.0]))
    if needed == 0:
        return Advice("enough", f"Enough: every share is known to {points}, however often it was looked at.")
    if pixels < _FEW_PX:
        return Advice(
            "magnification", f"Take a higher magnification: a cluster is only {pixels:.0f} pixels wide, too few."
        )
    if lost > _LEFT_OUT:
        return Advice(
            "magnification",
            f"Take a place with fewer clusters, or a higher magnification where borders cut few: {lost:.0f} % of the "
            "clusters of the latest fields cannot be counted.",
        )
    per_field = float(np.mean([seen.analysed for seen in latest]))
    if per_field < _FEW_CLUSTERS and pixels > 2 * _FEW_PX:
        return Advice(
            "magnification", f"Take a lower magnification: only {per_field:.0f} clusters a field are counted."
        )
    return Advice("more", f"More fields like these: {needed_sentence(shares, needed, goal)}")


def needed_sentence(shares: LiveShares, needed: int | None, goal: float = GOAL) -> str:
    """About how many more clusters and fields, in a sentence.

    Parameters
    ----------
    shares, needed
        As far as the session has come.
    goal
        The half width that is wanted.
    """
    points = f"± {100 * goal:.3g} points"
    if needed is None:
        return f"{points} are far out of reach as yet."
    if needed == 0:
        return f"{points} are reached."
    fields = max(1, round(needed / (shares.clusters / max(shares.images, 1))))
    return f"about {_rounded(needed)} more clusters ({fields} field{'s' if fields > 1 else ''}) for {points}."


def _rounded(n: int) -> str:
    """To two digits: more would pretend to be known."""
    step = 10 ** max(len(str(n)) - 2, 0)
    return f"{round(n / step) * step:,}"
