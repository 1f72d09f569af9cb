"""What a session has seen, image by image, on the disk: a session that was cut off goes on where it was.

One line of JSON an image, by the hash of its content, appended as soon as its table is written. A later line of the
same image takes the place of an earlier one. A line that was cut off is passed over: its image is counted again.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import ConfigDict, with_config

from napari_atomicity.counting.scale_likelihood import ScaleLikelihood
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_text
from napari_atomicity.live.shares import ImageCounts
from napari_atomicity.micrograph import FileState
from napari_atomicity.schema import Door

NAME: Final = "watch.jsonl"
#: bytes of a line, and lines; what is more is none of ours
_LONGEST_LINE: Final = 2**20
_MOST_LINES: Final = 2_000_000


@with_config(ConfigDict(strict=True, extra="ignore"))
@dataclass(frozen=True)
class SeenPart:
    """One frame of an image: what it says about its scale on an even grid, and the scale that it was labelled with."""

    frame: int
    low: float
    high: float
    log_likelihood: list[float]
    labelled_at: float

    @property
    def likelihood(self) -> ScaleLikelihood:
        """As the session joins it."""
        n = len(self.log_likelihood)
        grid = np.linspace(self.low, self.high, n) if n else np.empty(0)
        return ScaleLikelihood(grid, np.array(self.log_likelihood, dtype=float))


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
    labels: list[float] = field(default_factory=list)
    confusion: list[list[float]] = field(default_factory=list)
    parts: list[SeenPart] = field(default_factory=list)
    quality: dict[str, float | None] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    why: str = ""
    search_messages: list[str] = field(default_factory=list)
    shape: list[int] = field(default_factory=list)
    pixel_size_nm: float = 0.0

    @property
    def counts(self) -> ImageCounts:
        """Its labels."""
        k = len(self.labels)
        return ImageCounts(np.array(self.labels, dtype=float), np.array(self.confusion, dtype=float).reshape(k, k))

    @property
    def state(self) -> FileState:
        """Of its file."""
        return FileState(self.size, self.modified_ns, self.inode)


_DOOR: Final = Door(Seen)


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


class Ledger(SeenImages):
    """The images of a session, and their file.

    Parameters
    ----------
    folder
        Where the session writes; it has to exist.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / NAME
        self.damaged = 0
        #: hears of every image that is written down
        self.on_note: Callable[[Seen], object] = _nothing
        self._read()

    def note(self, seen: Seen) -> None:
        """Write down an image.

        Parameters
        ----------
        seen
            The image; one of the same hash is replaced.

        Raises
        ------
        InputError
            Where the system does not let us write.
        """
        line = json.dumps(asdict(seen), ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
        try:
            _append(self.path, line.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise InputError(
                f"{self.path} could not be written ({error.strerror or error}); make room on that disk, and the image "
                "is counted again."
            ) from error
        self.keep(seen)
        self.on_note(seen)

    def replace(self, seen: Seen) -> None:
        """Note that another image took the place of one in its file; see `note`."""
        self.note(replace(seen, outcome="replaced"))

    def compact(self) -> None:
        """Write every image once, where lines were replaced by later ones."""
        lines = (json.dumps(asdict(seen), ensure_ascii=False, separators=(",", ":")) for seen in self.images.values())
        write_text(self.path, "".join(f"{line}\n" for line in lines))

    def _read(self) -> None:
        for content in _lines(self.path):
            try:
                self.keep(_DOOR.check(content, self.path.name))
            except InputError:
                self.damaged += 1


def _nothing(_: Seen) -> None:
    pass


def _is_there(seen: Seen) -> bool:
    return seen.outcome == "counted"


def _key(state: FileState) -> tuple[int, int]:
    return state.size, state.modified_ns


def _append(path: Path, line: bytes) -> None:
    """One whole line at the end of a file: what a full disk cut off is taken away again."""
    with path.open("ab+", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                line = b"\n" + line
        try:
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise


def _lines(path: Path) -> Iterator[bytes]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its access rights.") from error
    with file:
        for _ in range(_MOST_LINES):
            line = file.readline(_LONGEST_LINE)
            if not line:
                return
            if line.strip():
                yield line


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
