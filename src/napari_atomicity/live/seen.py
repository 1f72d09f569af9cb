"""What a session keeps of each image that it has seen."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ConfigDict, with_config

from napari_atomicity.counting.scale_likelihood import ScaleLikelihood
from napari_atomicity.live.shares import ImageCounts
from napari_atomicity.micrograph import FileState


@with_config(ConfigDict(strict=True, extra="ignore"))
@dataclass(frozen=True)
class SeenPart:
    """One frame of an image: what it says about its scale on an even grid, and the scale that it was labelled with."""

    frame: int
    low: float
    high: float
    log_likelihood: Sequence[float]
    labelled_at: float

    @property
    def likelihood(self) -> ScaleLikelihood:
        """As the session joins it."""
        n = len(self.log_likelihood)
        grid = np.linspace(self.low, self.high, n) if n else np.empty(0)
        return ScaleLikelihood(grid, np.asarray(self.log_likelihood, dtype=float))


@with_config(ConfigDict(strict=True, extra="ignore"))
@dataclass(frozen=True)
class Seen:
    """One image that a session has seen.

    Attributes
    ----------
    outcome
        ``counted``; ``failed`` where it could not be; ``replaced`` where another image took its place in its file.
    sha256
        Of the file, or of the pixels of an image without one.
    name, stem
        For people, and of the files that were made from it.
    path, size, modified_ns, inode
        The file and its state; empty and 0 without one.
    when, taken
        When it was counted and when it was taken, in seconds since 1970.
    found, analysed
        Clusters found, and those that enter the shares.
    labels, confusion
        As in `ImageCounts`.
    parts
        Its frames.
    quality
        As by `quality_of`.
    messages
        What a person must know.
    why
        Why it could not be counted.
    search_messages
        What was odd in the search, which a later count needs.
    shape, pixel_size_nm
        Of its pixels.
    undecided
        Labels between which it cannot decide, with all that the session knows.
    """

    outcome: Literal["counted", "failed", "replaced"]
    sha256: str
    name: str
    stem: str
    path: str = ""
    size: int = 0
    modified_ns: int = 0
    inode: int = 0
    when: float = 0.0
    taken: float = 0.0
    found: int = 0
    analysed: int = 0
    labels: Sequence[float] = field(default_factory=list)
    confusion: Sequence[Sequence[float]] = field(default_factory=list)
    parts: list[SeenPart] = field(default_factory=list)
    quality: dict[str, float | None] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    why: str = ""
    search_messages: list[str] = field(default_factory=list)
    shape: list[int] = field(default_factory=list)
    pixel_size_nm: float = 0.0
    undecided: list[str] = field(default_factory=list)

    @property
    def counts(self) -> ImageCounts:
        """Its labels."""
        k = len(self.labels)
        return ImageCounts(np.array(self.labels, dtype=float), np.array(self.confusion, dtype=float).reshape(k, k))

    @property
    def state(self) -> FileState:
        """Of its file."""
        return FileState(self.size, self.modified_ns, self.inode)


class SeenImages:
    """The images of a session, by the hash of their content."""

    def __init__(self) -> None:
        self.images: dict[str, Seen] = {}
        self._states: dict[tuple[int, int], str] = {}
        self._paths: dict[str, str] = {}
        self._failed: dict[str, str] = {}

    @property
    def counted(self) -> list[Seen]:
        """Those that are counted, in the order in which they came."""
        return [seen for seen in self.images.values() if seen.outcome == "counted"]

    @property
    def failed(self) -> list[Seen]:
        """Those that could not be counted."""
        return [seen for seen in self.images.values() if seen.outcome == "failed"]

    def stems(self) -> set[str]:
        """Stems that are taken, case folded."""
        return {seen.stem.casefold() for seen in self.images.values()}

    def knows(self, path: Path, state: FileState) -> bool:
        """Whether a file of this size and time of change was seen, under this name or another.

        Parameters
        ----------
        path
            Where it is now.
        state
            Its state.
        """
        known = self.images.get(self._states.get(_key(state), ""))
        if known is None:
            return False
        # the same file under another name; a copy has its own inode, and its content decides
        return known.path == str(path) or (known.inode == state.inode != 0)

    def at(self, path: Path) -> Seen | None:
        """The counted image that was last read from a file, if any."""
        seen = self.images.get(self._paths.get(str(path), ""))
        return seen if seen is not None and _is_there(seen) else None

    def keep(self, seen: Seen) -> None:
        """Remember an image; one of the same hash is replaced, and what failed in the same file is forgotten.

        Parameters
        ----------
        seen
            The image.
        """
        if seen.path and (earlier := self._failed.pop(seen.path, None)) is not None:
            del self.images[earlier]  # what failed there is forgotten once the file can be counted, or fails anew
        if seen.path and seen.outcome == "failed":
            self._failed[seen.path] = seen.sha256
        self.images[seen.sha256] = seen
        if seen.path and seen.outcome != "failed":  # what failed may be tried again
            self._states[_key(seen.state)] = seen.sha256
        if seen.path and _is_there(seen):
            self._paths[seen.path] = seen.sha256


def seen_part(frame: int, likelihood: ScaleLikelihood, labelled_at: float) -> SeenPart:
    """One frame of an image for the ledger.

    Parameters
    ----------
    frame
        Its number.
    likelihood
        What it says about its scale.
    labelled_at
        ln(scale) that it was labelled with.
    """
    ends = likelihood.log_scale[[0, -1]] if len(likelihood.log_scale) else (0.0, 0.0)
    values: list[Any] = [round(float(value), 5) for value in likelihood.log_likelihood]
    return SeenPart(frame, float(ends[0]), float(ends[1]), values, labelled_at)


def packed(seen: Seen) -> Seen:
    """The same with its numbers in a quarter of the memory: there may be thousands of images."""
    return replace(
        seen,
        labels=array("d", seen.labels),
        confusion=[array("d", row) for row in seen.confusion],
        parts=[replace(part, log_likelihood=array("d", part.log_likelihood)) for part in seen.parts],
    )


def _is_there(seen: Seen) -> bool:
    return seen.outcome == "counted"


def _key(state: FileState) -> tuple[int, int]:
    return state.size, state.modified_ns
