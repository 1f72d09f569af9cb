"""Unsaved work on the disk: written beside the work, found again after a crash.

Every running window has a folder of its own, in the form of a project that is not zipped: parts that were written
once stay, and the table of contents is replaced in one step. A lock that the system lets go when the process ends,
however it ends, tells a window that runs from one that is gone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated, Final

from pydantic import Field

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_text
from napari_atomicity.kinds import Entry
from napari_atomicity.project.blobs import CONTENTS, FolderWriter, make_folder
from napari_atomicity.project.encode import KIND, Encoder
from napari_atomicity.project.project import Project
from napari_atomicity.project.records import as_json
from napari_atomicity.schema import Door, read_bytes

_LOCK: Final = "lock"
_ASIDE: Final = "aside"
#: so many recovered or discarded folders are kept
_KEPT: Final = 20


def recovery_folder() -> Path:
    """Where unsaved work lies; the environment variable NAPARI_ATOMICITY_RECOVERY names another folder."""
    from platformdirs import user_state_path

    if chosen := os.environ.get("NAPARI_ATOMICITY_RECOVERY"):
        return Path(chosen).expanduser()
    return user_state_path("napari-atomicity", appauthor=False) / "recovery"


def is_ours(path: Path) -> bool:
    """Whether `path` is unsaved work that this program wrote for this user."""
    return path.is_dir() and path.resolve().is_relative_to(recovery_folder().resolve())


class Lock:
    """A file that one process holds: released by the system when the process ends, whatever ends it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def take(self) -> bool:
        """Hold the file; False where another process, or another window of this one, holds it."""
        try:
            file = self._path.open("ab")
        except OSError:
            return False
        try:
            _hold(file)
        except OSError:
            file.close()
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Let go."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _hold(file: IO[bytes]) -> None:
    """Lock `file`, or an `OSError` where it is locked."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


class Recorder:
    """Writes the unsaved work of one window to a folder of its own, which is made when there is something to write."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root if root is not None else recovery_folder()
        self.folder: Path | None = None
        self._lock: Lock | None = None
        self._encoder: Encoder | None = None
        self._writer: FolderWriter | None = None

    def record(self, project: Project) -> None:
        """Make `project` what would be recovered; the one before it stays until this is complete.

        Raises
        ------
        InputError
            Where the system does not let us write there (disk full, no rights).
        """
        if self.folder is None or not self.folder.is_dir():
            self._begin()
        assert self.folder is not None and self._encoder is not None and self._writer is not None
        contents, parts = self._encoder.contents(project)
        write_text(self.folder / CONTENTS, as_json(contents))
        self._writer.keep_only(parts)

    def clear(self) -> None:
        """Nothing is unsaved any more."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError):
            # first what makes it recoverable, then the rest
            (self.folder / CONTENTS).unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.release()
        _remove(self.folder)
        self.folder = None

    def close(self) -> None:
        """Let go of the folder; what is in it is found at the next start."""
        if self._lock is not None:
            self._lock.release()
        self.folder = None

    def _begin(self) -> None:
        folder = self.root / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}-{secrets.token_hex(3)}"
        make_folder(folder)
        lock = Lock(folder / _LOCK)
        if not lock.take():
            _remove(folder)  # the next attempt makes another one
            raise InputError(f"{folder} cannot be locked, so unsaved work is not kept there; choose another folder.")
        self.folder, self._lock = folder, lock
        self._writer = FolderWriter(folder)
        self._encoder = Encoder(self._writer)


@dataclass(frozen=True)
class Unsaved:
    """Work that a window which is gone had not saved.

    Attributes
    ----------
    folder
        Where it lies; it opens like a project file.
    when
        Of the last change that was written.
    names
        Of its images.
    """

    folder: Path
    when: datetime
    names: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What there is, in words."""
        names = ", ".join(self.names[:3]) + (f" and {len(self.names) - 3} more" if len(self.names) > 3 else "")
        day = "" if self.when.date() == datetime.now().date() else f" on {self.when:%d %B %Y}"
        return f"There is unsaved work on {names} from {self.when:%H:%M}{day}."


def unsaved(root: Path | None = None) -> list[Unsaved]:
    """What windows that are gone left unsaved, newest first."""
    root = root if root is not None else recovery_folder()
    offers = []
    with contextlib.suppress(OSError):
        for folder in root.iterdir():
            lock = Lock(folder / _LOCK)
            if folder.name == _ASIDE or not folder.is_dir() or not lock.take():
                continue
            try:
                if (offer := _unsaved(folder)) is not None:
                    offers.append(offer)
            finally:
                lock.release()
    return sorted(offers, key=lambda offer: offer.when, reverse=True)


@contextlib.contextmanager
def taken(unsaved_work: Unsaved) -> Iterator[None]:
    """Hold unsaved work while it is brought back, so that no second window does the same.

    Raises
    ------
    InputError
        Where another window does, or the work was discarded.
    """
    lock = Lock(unsaved_work.folder / _LOCK)
    if not lock.take():
        raise InputError("Another window is bringing this work back already, or it was discarded.")
    try:
        yield
    finally:
        lock.release()


def set_aside(unsaved_work: Unsaved) -> Path | None:
    """Offer unsaved work no more: it goes to the folder ``aside``, where the last ones are kept.

    Returns
    -------
    Its place there; None where it is gone.

    Raises
    ------
    InputError
        Where it cannot be moved.
    """
    aside = unsaved_work.folder.parent / _ASIDE
    make_folder(aside)
    target = aside / unsaved_work.folder.name
    try:
        unsaved_work.folder.rename(target)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{unsaved_work.folder} could not be set aside ({error.strerror or error}).") from error
    kept = sorted(path for path in aside.iterdir() if path.is_dir())
    for old in kept[:-_KEPT]:
        _remove(old)
    return target


class _Name(Entry):
    name: str


class _Head(Entry):
    """What is read of a record to offer it."""

    kind: str
    images: Annotated[list[_Name], Field(min_length=1)]


_DOOR: Final = Door(_Head)


def _unsaved(folder: Path) -> Unsaved | None:
    path = folder / CONTENTS
    try:
        head = _DOOR.check(read_bytes(path), path.name)
        if head.kind != KIND:
            return None
        return Unsaved(folder, datetime.fromtimestamp(path.stat().st_mtime), tuple(image.name for image in head.images))
    except (OSError, ValueError, InputError):
        return None


def _remove(folder: Path) -> None:
    """Remove a folder of ours, as far as the system lets us."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.rglob("*"), reverse=True):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()
