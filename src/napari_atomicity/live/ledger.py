"""What a session has seen, image by image, on the disk: a session that was cut off goes on where it was.

One line of JSON an image, by the hash of its content, appended as soon as its table is written. A later line of the
same image takes the place of an earlier one. A line that was cut off is passed over: its image is counted again.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_text
from napari_atomicity.live.seen import Seen, SeenImages, packed
from napari_atomicity.live.shares import SessionCounts
from napari_atomicity.schema import Door

NAME: Final = "watch.jsonl"
#: bytes of a line, and lines; what is more is none of ours
_LONGEST_LINE: Final = 2**20
_MOST_LINES: Final = 2_000_000


_DOOR: Final = Door(Seen)


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
        #: the labels of the counted images
        self.counts = SessionCounts()
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
        line = _as_line(seen)
        try:
            _append(self.path, line.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise InputError(
                f"{self.path} could not be written ({error.strerror or error}); make room on that disk, and the image "
                "is counted again."
            ) from error
        except KeyboardInterrupt:  # the line may be whole on the disk: what comes after Ctrl-C knows of it, too
            self.keep(seen)
            raise
        self.keep(seen)
        self.on_note(seen)

    def replace(self, seen: Seen) -> None:
        """Note that another image took the place of one in its file; see `note`."""
        self.note(replace(seen, outcome="replaced"))

    def keep(self, seen: Seen) -> None:
        """Remember an image, see `SeenImages.keep`, in little memory.

        Raises
        ------
        InputError
            Where it was counted by a model of other classes than the others.
        """
        if seen.outcome == "counted":
            self.counts.put(seen.sha256, seen.counts)
        else:
            self.counts.drop(seen.sha256)
        super().keep(packed(seen))

    def compact(self) -> None:
        """Write every image once, where lines were replaced by later ones."""
        write_text(self.path, "".join(map(_as_line, self.images.values())))

    def _read(self) -> None:
        for content in _lines(self.path):
            try:
                self.keep(_DOOR.check(content, self.path.name))
            except (InputError, ValueError):  # no line of ours, or numbers that do not belong together
                self.damaged += 1


def _as_line(seen: Seen) -> str:
    return json.dumps(asdict(seen), ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=list) + "\n"


def _nothing(_: Seen) -> None:
    pass


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
