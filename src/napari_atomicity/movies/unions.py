"""Merges and splits: tracks that end or begin beside another, accepted only where no atoms appear or are lost.

A merge is seen in two ways: both clusters end and a new one begins, or one ends and the other goes on with more atoms.
Either way what comes after is a track of its own. A split is a merge that is seen backwards in time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.movies.courses import Course, courses_of
from napari_atomicity.movies.linking import GAP

Numbers = npt.NDArray[np.int64]

#: standard deviations by which atoms may differ before and after
_CONSERVED: Final = 3.0
#: frames that something must last before and after, to be no mistake of the search
LEAST: Final = 3
#: frames before its end in which the other one is looked for, and after
_AROUND: Final = 2


@dataclass(frozen=True)
class Union:
    """Two clusters and the one that they are together.

    Attributes
    ----------
    step
        The first after it.
    one, other
        Tracks that are apart.
    whole
        The track of both together.
    split
        Whether they are together before and apart after.
    misfit
        Standard deviations by which atoms before and after differ.
    """

    step: int
    one: int
    other: int
    whole: int
    split: bool
    misfit: float


@dataclass(frozen=True, eq=False)
class _Offer:
    misfit: float
    ending: Course
    other: Course
    whole: Course
    #: of the whole; in the time of the offer
    start: int
    goes_on: bool
    split: bool

    def parts(self, held: Collection[tuple[int, int]]) -> bool:
        """Whether it would part two clusters that a person joined."""
        pair = (int(self.other.rows[-1]), int(self.whole.rows[0]))
        return self.goes_on and (pair in held or pair[::-1] in held)


def unions(
    seen: pd.DataFrame, tracks: Numbers, reach_nm: float, held: Collection[tuple[int, int]] = ()
) -> tuple[Numbers, list[Union]]:
    """Find merges and splits.

    Parameters
    ----------
    seen
        As for `courses_of`.
    tracks
        (n,) number of the track of each row; -1 for none.
    reach_nm
        The way a cluster goes at most from one frame to the next.
    held
        Pairs of rows that a person joined: no track ends between them.

    Returns
    -------
    The tracks with a new number after a merge and before a split where one of the clusters went on, and what was found.
    """
    tracks = tracks.copy()
    found: list[Union] = []
    while True:
        courses = courses_of(seen, tracks)
        offers = [*_offers(courses, reach_nm, split=False), *_offers(_backwards(courses), reach_nm, split=True)]
        offers = [offer for offer in offers if not offer.parts(held)]
        taken = _best(offers, found)
        if not taken:
            return tracks, found
        for offer in taken:
            found.append(_accepted(offer, tracks, found))


def _best(offers: list[_Offer], found: list[Union]) -> list[_Offer]:
    """Those that fit best and do not touch each other; a track has one end and one beginning."""
    # (track, True) is its beginning, (track, False) its end
    used = {(track, union.split) for union in found for track in (union.one, union.other)}
    used |= {(union.whole, not union.split) for union in found}
    busy: set[int] = set()
    taken = []
    for offer in sorted(offers, key=lambda one: one.misfit):
        members = {offer.ending.number, offer.other.number, offer.whole.number}
        ends = {(offer.ending.number, offer.split)}
        if not offer.goes_on:
            ends |= {(offer.other.number, offer.split), (offer.whole.number, not offer.split)}
        if not members & busy and not ends & used:
            busy |= members
            taken.append(offer)
    return taken


def _accepted(offer: _Offer, tracks: Numbers, found: list[Union]) -> Union:
    """The union; where a cluster goes on, its whole part gets a number of its own, in `found` too."""
    step, whole = int(offer.start if not offer.split else 1 - offer.start), offer.whole.number
    if offer.goes_on:
        whole = int(tracks.max()) + 1
        tracks[offer.whole.rows] = whole
        for at, union in enumerate(found):
            found[at] = _with_part(union, offer.other.number, whole, later=not offer.split)
    return Union(step, offer.ending.number, offer.other.number, whole, offer.split, offer.misfit)


def _with_part(union: Union, track: int, new: int, later: bool) -> Union:
    """A union where the later part of a track, or the earlier one, has a new number."""
    # a merge stands at the end of those that are apart, and at the beginning of the whole; a split the other way round
    if union.split == later:
        return replace(union, whole=new) if union.whole == track else union
    one, other = (new if number == track else number for number in (union.one, union.other))
    return replace(union, one=one, other=other)


def _offers(courses: dict[int, Course], reach_nm: float, split: bool) -> Iterator[_Offer]:
    """All merges that are possible, as far as places and atoms say."""
    last = max((int(course.steps[-1]) for course in courses.values()), default=0)
    for ending in courses.values():
        end = int(ending.steps[-1])
        if end >= last or len(ending) < LEAST:
            continue
        for other in courses.values():
            if other is ending or not _meet(ending, other, reach_nm):
                continue
            if other.steps[0] < end and other.steps[-1] > end + 1:
                yield from _where_it_fits(ending, other, reach_nm, split)
            elif abs(int(other.steps[-1]) - end) <= GAP and other.number > ending.number:
                both_ended = max(end, int(other.steps[-1]))
                for whole in courses.values():
                    if whole not in (ending, other) and -1 <= int(whole.steps[0]) - both_ended - 1 <= GAP:
                        start = int(whole.steps[0])
                        yield from _judged(ending, other, whole, start, reach_nm, (False, split))


def _where_it_fits(ending: Course, other: Course, reach_nm: float, split: bool) -> Iterator[_Offer]:
    """The offer to part a track that goes on, at the frame that its counts tell: one frame off has many atoms too many.

    Parameters
    ----------
    ending
        The track that ends.
    other
        The one that goes on with more atoms.
    reach_nm, split
        As for `_offers`.
    """
    end = int(ending.steps[-1])
    near = other.part(np.abs(other.steps - end) <= 2 * _AROUND)
    offers = []
    for cut in range(end - _AROUND + 1, end + _AROUND + 2):
        before, after = other.part(other.steps < cut), other.part(other.steps >= cut)
        for offer in _judged(ending, before, after, cut, reach_nm, (True, split)):
            level = np.where(near.steps < cut, before.mean(last=True)[0], after.mean(last=False)[0])
            offers.append((float(np.nansum((near.atoms / level - 1) ** 2)), cut, offer))
    if offers:
        yield min(offers, key=lambda one: one[:2])[2]


def _meet(ending: Course, other: Course, reach_nm: float) -> bool:
    """Whether a track is anywhere near where another one ends."""
    at = min(int(np.searchsorted(other.steps, ending.steps[-1])), len(other) - 1)
    wide = np.nansum([ending.diameters[-1], other.diameters[at]])
    return bool(np.linalg.norm(other.places[at] - ending.places[-1]) <= wide + _AROUND * 2 * reach_nm)


def _judged(
    ending: Course, other: Course, whole: Course, start: int, reach_nm: float, how: tuple[bool, bool]
) -> Iterator[_Offer]:
    """The offer, where the places fit, atoms are conserved, and that the one vanished beside the other fits worse."""
    if len(other) < LEAST or len(whole) < LEAST:
        return
    wide = np.nan_to_num([ending.diameters[-1], whole.diameters[0], other.diameters[-1]], nan=1.0)
    near = (wide[0] + wide[1]) / 2 + reach_nm
    apart = np.linalg.norm(ending.places[-1] - whole.places[0])
    between = np.linalg.norm(ending.places[-1] - other.places[-1])
    if apart > near or between > (wide[0] + wide[2]) / 2 + 2 * reach_nm:
        return
    if np.linalg.norm(other.places[-1] - whole.places[0]) > (wide[2] + wide[1]) / 2 + reach_nm:
        return
    (a, a_sd), (b, b_sd), (m, m_sd) = ending.mean(last=True), other.mean(last=True), whole.mean(last=False)
    spread = np.sqrt(a_sd**2 + b_sd**2 + m_sd**2)
    misfit = abs(m - a - b) / spread
    alone = min(abs(m - part) / np.hypot(part_sd, m_sd) for part, part_sd in ((a, a_sd), (b, b_sd)))
    if misfit <= _CONSERVED and misfit < alone:
        yield _Offer(float(misfit), ending, other, whole, start, *how)


def _backwards(courses: dict[int, Course]) -> dict[int, Course]:
    """The same tracks with time running back."""
    return {
        number: Course(
            number, one.rows[::-1], -one.steps[::-1], one.places[::-1], one.atoms[::-1], one.errors[::-1],
            one.good[::-1], one.diameters[::-1],
        )
        for number, one in courses.items()
    }  # fmt: skip
