"""Images that are there already, given one by one as if they came now: to show, to teach, to test."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io.files import file_state
from napari_atomicity.io.formats import SUFFIXES
from napari_atomicity.io.names import is_figure
from napari_atomicity.io.text import clean
from napari_atomicity.live.sources.arrival import Arrival
from napari_atomicity.micrograph import Micrograph, Provenance


class Replay:
    """Gives images one after the other, each at its time.

    Parameters
    ----------
    arrivals
        The images in their order.
    pace_s
        Seconds between two of them.
    clock
        Tells the time in seconds; for tests that do not wait.
    """

    def __init__(self, arrivals: Sequence[Arrival], pace_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._arrivals = list(arrivals)
        self._pace_s, self._clock = pace_s, clock
        self._next = 0
        self._due = clock()
        self._closed = False
        self._back: list[Arrival] = []

    @property
    def ended(self) -> bool:
        """Whether the last one was given."""
        return self._closed or self.idle

    @property
    def idle(self) -> bool:
        """The same: what is to come is known."""
        return self._next >= len(self._arrivals) and not self._back

    @property
    def waiting(self) -> int:
        """How many are due and were not taken."""
        late = self._clock() - self._due
        left = len(self._arrivals) - self._next
        due = left if self._pace_s <= 0 else min(left, int(late / self._pace_s) + 1) if late >= 0 else 0
        return due + len(self._back)

    def take(self) -> Arrival | None:
        """The next one, where it is due."""
        if self._closed:
            return None
        if self._back:
            return self._back.pop()
        if self._next >= len(self._arrivals) or self._clock() < self._due:
            return None
        arrival = self._arrivals[self._next]
        self._next += 1
        self._due += self._pace_s
        return arrival

    def refused(self, arrival: Arrival, why: str) -> bool:
        """What cannot be counted now cannot later.

        Parameters
        ----------
        arrival, why
            As in `FrameSource`.
        """
        return True

    def again(self, arrival: Arrival) -> None:
        """Give an image again.

        Parameters
        ----------
        arrival
            The image.
        """
        self._back.append(arrival)

    def remarks(self) -> list[str]:
        """Nothing is odd about what was chosen."""
        return []

    def close(self) -> None:
        """Give no more."""
        self._closed = True


def replay_of(place: Path, pace_s: float) -> Replay:
    """The images of a folder, by name, or the frames of a stack.

    Parameters
    ----------
    place
        Folder or file.
    pace_s
        Seconds between two of them.

    Raises
    ------
    InputError
        Where there is none.
    """
    from napari_atomicity.io import read

    if place.is_file():
        return Replay(frames_of(read(place)), pace_s)
    try:
        files = sorted(path for path in place.iterdir() if _is_image(path))
    except OSError as error:
        raise InputError(
            f"The folder {clean(place, 300)} cannot be read ({error.strerror}); check its name and access rights."
        ) from error
    if not files:
        raise InputError(f"The folder {clean(place, 300)} holds no image; name one with images.")
    return Replay([_of_file(path) for path in files], pace_s)


def frames_of(micrograph: Micrograph) -> list[Arrival]:
    """Each frame of a stack as an image of its own.

    Parameters
    ----------
    micrograph
        The stack; one image is a stack of one.
    """
    if micrograph.data.ndim == 2:
        return [Arrival(micrograph.name, time.time(), micrograph=micrograph)]
    digits = len(str(micrograph.n_frames - 1))
    arrivals = []
    for index in range(micrograph.n_frames):
        name = f"{micrograph.name}_{index:0{digits}d}"
        frame = replace(micrograph, data=np.asarray(micrograph.data[index]), name=name, provenance=Provenance())
        arrivals.append(Arrival(name, time.time(), micrograph=frame))
    return arrivals


def write_slowly(source: Path, target: Path, seconds: float, parts: int = 8) -> None:
    """Copy a file as an instrument writes it: it is there from the start, and grows.

    Parameters
    ----------
    source, target
        The file and its copy.
    seconds
        How long it takes.
    parts
        In how many pieces it grows.
    """
    content = source.read_bytes()
    step = max(1, -(-len(content) // max(parts, 1)))
    with target.open("wb") as file:
        for start in range(0, len(content), step):
            file.write(content[start : start + step])
            file.flush()
            time.sleep(seconds / max(parts, 1))


def _of_file(path: Path) -> Arrival:
    state = file_state(path)
    return Arrival(path.stem, 0.0 if state is None else state.modified_ns / 1e9, path, state)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not is_figure(path.name) and path.is_file()
