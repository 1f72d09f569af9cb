"""The parts of a session: named by their content, in a zip file or in a folder of the same layout.

A part never changes: its name begins with the hash of what it holds. What was written once is not written again,
equal things are stored once, and damage shows.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_atomically

CONTENTS: Final = "session.json"
#: digits of the sha256 in a part's name
_DIGITS: Final = 20
_NAME: Final = re.compile(rf"[a-z]{{1,20}}/([0-9a-f]{{{_DIGITS}}})\.(csv|json|npy|safetensors)")
#: no part is larger: what claims to be is not read
_MOST_BYTES: Final = 4 * 2**30
_DAMAGED: Final = "is damaged; open an older copy of it"


def part_name(folder: str, content: bytes, suffix: str) -> str:
    """Where `content` lies, for example ``tables/0123456789abcdef0123.csv``."""
    return f"{folder}/{hashlib.sha256(content).hexdigest()[:_DIGITS]}{suffix}"


class Sink(Protocol):
    """Where parts go."""

    def put(self, folder: str, content: bytes, suffix: str) -> str:
        """Keep `content`, once; gives its name."""


class Source(Protocol):
    """Where parts come from."""

    @property
    def path(self) -> Path:
        """The file or folder."""

    def read(self, name: str) -> bytes:
        """The part of that name; an `InputError` where it is missing or damaged."""

    def contents(self) -> bytes:
        """The table of contents, `CONTENTS`."""


class ZipSink:
    """Parts in a zip file that is being written."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self._names: set[str] = set()

    def put(self, folder: str, content: bytes, suffix: str) -> str:
        """Keep `content`, once; gives its name."""
        name = part_name(folder, content, suffix)
        if name not in self._names:
            self._file.writestr(name, content)
            self._names.add(name)
        return name


class FolderSink:
    """Parts as files of a folder, each written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: set[str] = set()

    def put(self, folder: str, content: bytes, suffix: str) -> str:
        """Keep `content`, once; gives its name."""
        name = part_name(folder, content, suffix)
        if name not in self.names:
            path = self.folder / name
            make_folder(path.parent)
            write_atomically(path, lambda beside: _fill(beside, content))
            self.names.add(name)
        return name

    def keep_only(self, names: Iterable[str]) -> None:
        """Take away what no longer belongs to the session."""
        gone = self.names - set(names)
        for name in gone:
            (self.folder / name).unlink(missing_ok=True)
        self.names -= gone


class FolderSource:
    """Parts that lie as files in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str) -> bytes:
        """The part of that name; an `InputError` where it is missing or damaged."""
        digest = _checked(name, self.path)
        try:
            content = (self.path / name).read_bytes()
        except OSError as error:
            raise InputError(f"{self.path.name} is damaged: {name} in it cannot be read.") from error
        return _whole(content, digest, name, self.path)

    def contents(self) -> bytes:
        """The table of contents, `CONTENTS`."""
        try:
            return (self.path / CONTENTS).read_bytes()
        except OSError as error:
            raise InputError(f"{self.path.name} is no session: {CONTENTS} in it cannot be read.") from error


class ZipSource:
    """Parts in a zip file; nothing is ever unpacked to the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as file:
                self._names = {info.filename for info in file.infolist()}
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise InputError(f"{path.name} {_DAMAGED}, for it is not whole.") from error
        except OSError as error:
            raise InputError(f"{path.name} cannot be read ({error.strerror}); check the access rights.") from error
        outside = sorted(name for name in self._names if _leads_outside(name))
        if outside:
            raise InputError(
                f"{path.name} names files outside of itself ({outside[0]!r}), as no session does; do not trust it."
            )
        if CONTENTS not in self._names:
            raise InputError(f"{path.name} is no session of napari-atomicity: it holds no {CONTENTS}.")

    def read(self, name: str) -> bytes:
        """The part of that name; an `InputError` where it is missing or damaged."""
        digest = _checked(name, self.path)
        return _whole(self._bytes(name), digest, name, self.path)

    def contents(self) -> bytes:
        """The table of contents, `CONTENTS`."""
        return self._bytes(CONTENTS)

    def _bytes(self, name: str) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as file:
                if file.getinfo(name).file_size > _MOST_BYTES:
                    raise InputError(f"{self.path.name} claims to hold too much in {name}; it is not read.")
                return file.read(name)
        except (zipfile.BadZipFile, KeyError, OSError, EOFError, ValueError, NotImplementedError) as error:
            raise InputError(f"{self.path.name} {_DAMAGED}: {name} in it cannot be read.") from error
        except Exception as error:  # what a damaged stream of a compressor raises differs between them
            raise InputError(f"{self.path.name} {_DAMAGED}: {name} in it cannot be read.") from error


def source_of(path: Path) -> Source:
    """The parts of the session at `path`, a file or a folder."""
    return FolderSource(path) if path.is_dir() else ZipSource(path)


def make_folder(path: Path) -> None:
    """Make the folder `path` where there is none; an `InputError` where that is not allowed."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The folder {path} cannot be made ({error.strerror or error}); choose another one."
        ) from error


def _fill(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _checked(name: str, path: Path) -> str:
    """The hash in a part's name."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise InputError(f"{path.name} refers to {name!r}, which is no part of a session; do not trust it.")
    return found[1]


def _whole(content: bytes, digest: str, name: str, path: Path) -> bytes:
    if hashlib.sha256(content).hexdigest()[:_DIGITS] != digest:
        raise InputError(f"{path.name} {_DAMAGED}: {name} in it is not what was saved.")
    return content


def _leads_outside(name: str) -> bool:
    return name.startswith(("/", "\\")) or ":" in name or ".." in re.split(r"[/\\]", name)
