"""What the clusters of a simulated movie do from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.simulation.blocks import make_structure
from napari_atomicity.simulation.placing import PlacedCluster, radius
from napari_atomicity.simulation.spec import FrameSpec

Floats = npt.NDArray[np.float64]

#: free space between outlines that clusters keep while they walk, nm
_APART_NM: Final = 0.6
#: outlines this near run into one, nm
_CONTACT_NM: Final = 0.25
#: outlines of what has just split lie so far apart, nm
_SPLIT_NM: Final = 0.6
#: share of its atoms that a cluster loses at once, from and to
_LOST: Final = (0.25, 0.5)
#: frames at the start and at the end without events
_QUIET: Final = 5
#: atoms of the smallest cluster that splits, and of the largest that merging makes
_SPLITS_FROM: Final = 60
_MERGES_TO: Final = 120


@dataclass(frozen=True)
class Story:
    """What happens in a movie.

    Attributes
    ----------
    step_nm
        Root mean square way of a cluster from frame to frame.
    reshape
        Chance that a cluster has another shape in the next frame, as flat or as round as before.
    isomers
        Chance that it is another isomer in the next frame: flatter or rounder, as those that were just landed are.
    merges, splits, losses, vanishings, arrivals
        How often these are to happen in the whole movie; where there is no pair, no room or no time, fewer do.
    loss_rate
        Atoms that a cluster loses in a frame one by one, mean.
    drift_nm
        (y, x) way of the field from frame to frame.
    blank, half
        Frames that hold nothing but noise, and whose lower half was not scanned.
    """

    step_nm: float = 0.3
    reshape: float = 0.3
    isomers: float = 0.0
    merges: int = 4
    splits: int = 2
    losses: int = 4
    vanishings: int = 2
    arrivals: int = 2
    loss_rate: float = 0.0
    drift_nm: tuple[float, float] = (0.05, -0.03)
    blank: tuple[int, ...] = ()
    half: tuple[int, ...] = ()


@dataclass(eq=False)
class Walker:
    """One cluster of the movie."""

    number: int
    atoms: Floats
    at_nm: Floats
    flatness: float
    #: whom it walks towards, to merge with
    mate: Walker | None = None

    @property
    def reach(self) -> float:
        """Largest lateral reach of the atoms, nm."""
        return radius(self.atoms)


class Play:
    """The clusters and what they do from frame to frame.

    Parameters
    ----------
    spec
        The whole field, with its rim.
    placed
        The clusters at the start.
    story
        What happens.
    frames
        How many there are.
    rng
        Source of chance.
    """

    def __init__(
        self, spec: FrameSpec, placed: Sequence[PlacedCluster], story: Story, frames: int, rng: np.random.Generator
    ) -> None:
        self.spec, self.story, self.rng, self.frames = spec, story, rng, frames
        flat = np.clip(rng.normal(spec.flatness, spec.flatness_spread, len(placed)), 0, 1)
        px = spec.pixel_size_nm
        self.walkers = [
            Walker(number, one.atoms, one.centre_px * px, float(flat[number])) for number, one in enumerate(placed)
        ]
        self._next = len(self.walkers)
        self._events: list[dict[str, Any]] = []
        self._due = self._schedule()

    @property
    def told(self) -> pd.DataFrame:
        """What happened."""
        names = ["frame", "kind", "objects", "partners", "atoms_before", "atoms_after"]
        return pd.DataFrame(self._events, columns=names)

    def placed(self) -> list[PlacedCluster]:
        """Where they are now."""
        px = self.spec.pixel_size_nm
        return [PlacedCluster("cluster", one.atoms, one.at_nm / px, one.reach, one.number) for one in self.walkers]

    def advance(self, frame: int) -> None:
        """Go on to the next frame."""
        for kind in self._due.get(frame, ()):
            getattr(self, f"_{kind}")(frame)
        for walker in list(self.walkers):
            if walker in self.walkers:
                self._walk(walker, frame)
        for walker in self.walkers:
            # without isomers nothing is drawn for them: a seed tells the same movie as ever
            changed = self.story.isomers > 0 and self.rng.random() < self.story.isomers
            if changed:
                walker.flatness = float(np.clip(self.rng.normal(self.spec.flatness, self.spec.flatness_spread), 0, 1))
            lost = int(self.rng.poisson(self.story.loss_rate))
            if lost or changed or self.rng.random() < self.story.reshape:
                walker.atoms = self._shape(max(len(walker.atoms) - lost, 2), walker.flatness)

    # ------------------------------------------------------------------ what happens

    def _schedule(self) -> dict[int, list[str]]:
        story = self.story
        wanted = [
            *["pair"] * story.merges, *["split"] * story.splits, *["lose"] * story.losses,
            *["vanish"] * story.vanishings, *["arrive"] * story.arrivals,
        ]  # fmt: skip
        due: dict[int, list[str]] = {}
        first, last = _QUIET, max(self.frames - _QUIET, _QUIET + 1)
        for kind in wanted:
            # those that are to merge still have to meet
            end = max(first + 1, last - (self.frames // 4 if kind == "pair" else 0))
            due.setdefault(int(self.rng.integers(first, end)), []).append(kind)
        return due

    def _free(self) -> list[Walker]:
        """Those that nothing happens to yet, well within the field."""
        busy = {number for event in self._events for number in (*event["objects"], *event["partners"])}
        high, wide = (side * self.spec.pixel_size_nm for side in self.spec.shape)
        rim = 0.12 * min(high, wide)
        return [
            one for one in self.walkers
            if one.mate is None and one.number not in busy
            and rim < one.at_nm[0] < high - rim and rim < one.at_nm[1] < wide - rim
        ]  # fmt: skip

    def _pair(self, _: int) -> None:
        """The two nearest begin to walk towards each other."""
        free = self._free()
        pairs = [
            (float(np.linalg.norm(one.at_nm - other.at_nm)), i, j)
            for i, one in enumerate(free) for j, other in enumerate(free[:i])
            if len(one.atoms) + len(other.atoms) <= _MERGES_TO
        ]  # fmt: skip
        if pairs:
            i, j = min(pairs)[1:]
            free[i].mate, free[j].mate = free[j], free[i]

    def _split(self, frame: int) -> None:
        free = [one for one in self._free() if len(one.atoms) >= _SPLITS_FROM]
        if not free:
            return
        one = free[int(self.rng.integers(len(free)))]
        n = len(one.atoms)
        less = int(n * self.rng.uniform(0.3, 0.5))
        pieces = [self._shape(n - less, one.flatness), self._shape(less, one.flatness)]
        angle = self.rng.uniform(0, 2 * np.pi)
        direction = np.array([np.sin(angle), np.cos(angle)])
        apart = sum(radius(piece) for piece in pieces) + _SPLIT_NM
        self.walkers.remove(one)
        new = [
            self._new(piece, one.at_nm + direction * apart * side, one.flatness)
            for piece, side in zip(pieces, (less / n, less / n - 1), strict=True)
        ]
        self._tell(frame, "split", [one], new)

    def _lose(self, frame: int) -> None:
        free = self._free()
        if free:
            one = free[int(self.rng.integers(len(free)))]
            before = len(one.atoms)
            one.atoms = self._shape(round(before * (1 - self.rng.uniform(*_LOST))), one.flatness)
            self._tell(frame, "loss", [one], [one], before)

    def _vanish(self, frame: int) -> None:
        free = self._free()
        if free:
            one = free[int(self.rng.integers(len(free)))]
            self.walkers.remove(one)
            self._tell(frame, "loss", [one], [])

    def _arrive(self, frame: int) -> None:
        size = int(self.rng.choice(list(self.spec.fractions)))
        atoms = self._shape(size, self.spec.flatness)
        field = np.asarray(self.spec.shape) * self.spec.pixel_size_nm
        for _ in range(200):
            at = self.rng.uniform(0.15, 0.85, 2) * field
            if self._room(at, radius(atoms), ()):
                self._tell(frame, "arrival", [], [self._new(atoms, at, self.spec.flatness)])
                return

    def _walk(self, walker: Walker, frame: int) -> None:
        step = self.rng.normal(0, self.story.step_nm / np.sqrt(2), 2)
        mate = walker.mate
        if mate is not None:
            towards = mate.at_nm - walker.at_nm
            gap = float(np.linalg.norm(towards)) - walker.reach - mate.reach
            if gap < _CONTACT_NM:
                self._merge(walker, mate, frame)
                return
            step = 0.5 * step + towards / np.linalg.norm(towards) * min(self.story.step_nm, gap)
        there = walker.at_nm + step
        if self._room(there, walker.reach, (walker, mate)):
            walker.at_nm = there

    def _merge(self, one: Walker, other: Walker, frame: int) -> None:
        n = len(one.atoms) + len(other.atoms)
        at = (len(one.atoms) * one.at_nm + len(other.atoms) * other.at_nm) / n
        flat = max(one.flatness, other.flatness)
        self.walkers = [each for each in self.walkers if each not in (one, other)]
        self._tell(frame, "merge", [one, other], [self._new(self._shape(n, flat), at, flat)])

    # ------------------------------------------------------------------ parts

    def _room(self, at: Floats, reach: float, but: Sequence[Walker | None]) -> bool:
        high, wide = (side * self.spec.pixel_size_nm for side in self.spec.shape)
        within = reach < at[0] < high - reach and reach < at[1] < wide - reach
        others = (one for one in self.walkers if one not in but)
        return bool(within) and all(
            np.linalg.norm(one.at_nm - at) > one.reach + reach + _APART_NM for one in others
        )  # fmt: skip

    def _shape(self, n: int, flatness: float) -> Floats:
        return make_structure(n, self.rng, float(np.clip(flatness + self.rng.normal(0, 0.05), 0, 1)))

    def _new(self, atoms: Floats, at: Floats, flatness: float) -> Walker:
        self.walkers.append(Walker(self._next, atoms, np.asarray(at), flatness))
        self._next += 1
        return self.walkers[-1]

    def _tell(
        self, frame: int, kind: str, before: Sequence[Walker], after: Sequence[Walker], atoms: int | None = None
    ) -> None:
        self._events.append(
            {"frame": frame, "kind": kind, "objects": [one.number for one in before],
             "partners": [one.number for one in after],
             "atoms_before": sum(len(one.atoms) for one in before) if atoms is None else atoms,
             "atoms_after": sum(len(one.atoms) for one in after)}
        )  # fmt: skip
