"""A folder that a microscope writes to: looked at again and again, for shares on a network tell of no change.

A file is taken once its size and time of change stood still for two looks. Whether it can be read shows when it is
counted; until then whoever writes it may not be done, so it is tried again, less and less often, and named in the end.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_atomicity.io.formats import SUFFIXES
from napari_atomicity.io.names import is_figure
from napari_atomicity.io.text import clean
from napari_atomicity.live.sources.arrival import Arrival
from napari_atomicity.micrograph import FileState

#: seconds between two looks, and the longest between two tries of a file that cannot be read or a folder that is away
POLL_S: Final = 0.2
#: so many times as long as a look took passes until the next: of a share that is slow, no more is asked than it gives
_EASE: Final = 3.0
_SLOWEST_S: Final = 30.0
#: of more files than that, those that are done are looked at again only after so many times as long as a look at all of
#: them took: thousands that were counted long ago must not slow down what comes
_MANY: Final = 500
_REST: Final = 50.0
#: a file that could not be read for that long, and stood still, is named
PATIENCE_S: Final = 20.0


@dataclass(slots=True)
class _File:
    """What is known of a file of the folder."""

    name: str
    state: FileState
    #: looks at which it was as it is now
    still: int = 1
    first_try: float | None = None
    next_try: float = 0.0
    wait_s: float = 0.0
    #: taken, or given up as it is
    done: bool = False


class FolderSource:
    """The images of a folder, those that are there and those that come.

    Parameters
    ----------
    folder
        The folder; it may not exist yet.
    known
        Whether a file of this path and state was counted before.
    poll_s, patience_s
        Seconds between two looks, and those after which a file that cannot be read is named.
    only_new
        Leave alone what lies there at the first look.
    clock
        Tells the time in seconds; for tests that do not wait.
    """

    def __init__(
        self,
        folder: Path,
        known: Callable[[Path, FileState], bool] = lambda path, state: False,
        poll_s: float = POLL_S,
        patience_s: float = PATIENCE_S,
        only_new: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.ended = False
        self._known, self._poll_s, self._patience_s, self._only_new = known, poll_s, patience_s, only_new
        self._clock = clock
        self._files: dict[str, _File] = {}
        self._next_look = self._next_whole = -1.0
        self._away = False
        self._away_wait_s = poll_s
        self._remarks: list[str] = []
        self._looks = 0

    @property
    def waiting(self) -> int:
        """Files that were not taken yet."""
        return sum(not file.done for file in self._files.values())

    @property
    def idle(self) -> bool:
        """Whether at two looks there was nothing that is still to be taken."""
        return self._looks >= 2 and not self._away and not self.waiting

    def take(self) -> Arrival | None:
        """The newest file that is complete and was not taken; None where there is none now."""
        if self.ended:
            return None
        self._look()
        if self._away:  # what cannot be read now says nothing about the files
            return None
        now = self._clock()
        ready = [file for file in self._files.values() if not file.done and file.still >= 2 and file.next_try <= now]
        if not ready:
            return None
        file = max(ready, key=lambda each: (-each.wait_s, each.state.modified_ns, each.name))
        file.done = True
        path = self.folder / file.name
        return Arrival(path.stem, file.state.modified_ns / 1e9, path, file.state)

    def refused(self, arrival: Arrival, why: str) -> bool:
        """Hear that a file could not be counted; it is tried again until it stood still for long enough.

        Parameters
        ----------
        arrival
            What was taken.
        why
            The reason.

        Returns
        -------
        Whether it is given up until it changes.
        """
        file = self._files.get(arrival.path.name) if arrival.path is not None else None
        if file is None or file.state != arrival.state:
            return False  # it has changed or gone since: that is another try
        now = self._clock()
        file.first_try = now if file.first_try is None else file.first_try
        if now - file.first_try >= self._patience_s:
            return True
        file.wait_s = min(max(2 * file.wait_s, self._poll_s), _SLOWEST_S)
        # the last try is at the end of the patience, not after it
        file.next_try = min(now + file.wait_s, file.first_try + self._patience_s)
        file.done = False
        return False

    def again(self, arrival: Arrival) -> None:
        """Give a file again, after a moment.

        Parameters
        ----------
        arrival
            What was taken.
        """
        file = self._files.get(arrival.path.name) if arrival.path is not None else None
        if file is not None and file.state == arrival.state:
            file.wait_s = min(max(2 * file.wait_s, self._poll_s), _SLOWEST_S)
            file.next_try = self._clock() + file.wait_s
            file.done = False

    def remarks(self) -> list[str]:
        """Sentences since they were asked for last."""
        sentences, self._remarks = self._remarks, []
        return sentences

    def close(self) -> None:
        """Look no more."""
        self.ended = True

    def _look(self) -> None:
        now, start = self._clock(), time.perf_counter()
        if now < self._next_look:
            return
        whole = now >= self._next_whole or len(self._files) <= _MANY
        try:
            found = dict(_files_in(self.folder, (lambda _: False) if whole else self._is_done))
        except OSError as error:
            self._say_away(error)
            self._next_look = now + self._away_wait_s
            self._away_wait_s = min(2 * self._away_wait_s, _SLOWEST_S / 6)
            return
        if self._away:
            self._remarks.append(f"The folder {clean(self.folder, 300)} is there again.")
            for file in self._files.values():
                file.first_try, file.next_try, file.wait_s = None, 0.0, 0.0
        self._away, self._away_wait_s = False, self._poll_s
        first, self._looks = self._looks == 0, self._looks + 1
        looked_at = [name for name, file in self._files.items() if whole or not file.done]
        for name in looked_at:
            if name not in found:
                del self._files[name]
        for name, state in found.items():
            self._note(name, state, first)
        took = time.perf_counter() - start
        self._next_look = now + max(self._poll_s, _EASE * took)
        if whole:
            self._next_whole = now + _REST * took

    def _is_done(self, name: str) -> bool:
        return name in self._files and self._files[name].done

    def _note(self, name: str, state: FileState, first: bool) -> None:
        before = self._files.get(name)
        if before is not None and before.state == state:
            before.still += 1
            return
        path = self.folder / name
        done = (first and self._only_new) or self._known(path, state)
        self._files[name] = _File(name, state, done=done)

    def _say_away(self, error: OSError) -> None:
        if not self._away:
            reason = error.strerror or str(error)
            self._remarks.append(f"The folder {clean(self.folder, 300)} cannot be reached ({reason}); waiting for it.")
        self._away = True


def _files_in(folder: Path, left_alone: Callable[[str], bool]) -> Iterator[tuple[str, FileState]]:
    """Name and state of the files that may be micrographs, but for those that are to be left alone."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if left_alone(entry.name):
                continue
            suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122
            if suffix not in SUFFIXES or entry.name.startswith((".", "~")) or is_figure(entry.name):
                continue
            try:
                found = entry.stat()
            except OSError:  # gone in this moment, or a link to nowhere
                continue
            if stat.S_ISREG(found.st_mode):
                yield entry.name, FileState(found.st_size, found.st_mtime_ns, found.st_ino)
