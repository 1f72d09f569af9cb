"""The parts of a project: named by their content, in a zip file or in a folder of the same layout.

A part never changes: its name begins with the hash of what it holds. What was written once is not written again,
equal things are stored once, and damage shows.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final, Protocol

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_atomically
from napari_atomicity.schema import read_bytes

CONTENTS: Final = "session.json"
#: digits of the sha256 in a part's name
_DIGITS: Final = 20
_NAME: Final = re.compile(rf"[a-z]{{1,20}}/([0-9a-f]{{{_DIGITS}}})\.(csv|json|npy|safetensors)")
#: no part of ours is larger: what claims to be is not read
_MOST: Final = {"csv": 64 * 2**20, "json": 64 * 2**20, "npy": 257 * 2**20, "safetensors": 128 * 2**20}
#: nor does all that is read add up to more than this, or this many times the file where it is a large one: pixels
#: and tables shrink to a third or a tenth when they are packed, what only claims to be large to a thousandth
_MOST_IN_ALL: Final = 512 * 2**20
_TIMES: Final = 20
#: entries of a zip file; its directory is read before anything else is known
_MOST_ENTRIES: Final = 200_000
_AT_ONCE: Final = 2**20
#: what things that do not fit together lead to
MISFITS: Final = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError)
_DAMAGED: Final = "is damaged; open an older copy of it"


def part_name(folder: str, content: bytes, suffix: str) -> str:
    """Where a part lies, for example ``tables/0123456789abcdef0123.csv``.

    Parameters
    ----------
    folder
        The first part of the name.
    content
        What the part holds; its hash is the second.
    suffix
        The last, with its dot.
    """
    return f"{folder}/{hashlib.sha256(content).hexdigest()[:_DIGITS]}{suffix}"


class BlobWriter(Protocol):
    """Where parts go."""

    def put(self, folder: str, content: bytes, suffix: str) -> str:
        """Keep a part, once.

        Parameters
        ----------
        folder, content, suffix
            As in `part_name`.

        Returns
        -------
        Its name.
        """


class BlobReader(Protocol):
    """Where parts come from."""

    @property
    def path(self) -> Path:
        """The file or folder."""

    def read(self, name: str) -> bytearray:
        """The part of that name.

        Raises
        ------
        InputError
            Where it is missing, damaged or larger than a part can be.
        """

    def contents(self) -> bytes:
        """The table of contents, `CONTENTS`."""


class ZipWriter:
    """Parts in a zip file that is being written."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self._names: set[str] = set()

    def put(self, folder: str, content: bytes, suffix: str) -> str:
        """Keep a part, once.

        Parameters
        ----------
        folder, content, suffix
            As in `part_name`.

        Returns
        -------
        Its name.
        """
        name = part_name(folder, content, suffix)
        if name not in self._names:
            self._file.writestr(name, content)
            self._names.add(name)
        return name


class FolderWriter:
    """Parts as files of a folder, each written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: set[str] = set()

    def put(self, folder: str, content: bytes, suffix: str) -> str:
        """Keep a part, once.

        Parameters
        ----------
        folder, content, suffix
            As in `part_name`.

        Returns
        -------
        Its name.

        Raises
        ------
        InputError
            Where the system does not let us write there.
        """
        name = part_name(folder, content, suffix)
        if name not in self.names:
            path = self.folder / name
            make_folder(path.parent)
            write_atomically(path, lambda beside: _fill(beside, content))
            self.names.add(name)
        return name

    def keep_only(self, names: Iterable[str]) -> None:
        """Take away what no longer belongs to the project."""
        gone = self.names - set(names)
        for name in gone:
            (self.folder / name).unlink(missing_ok=True)
        self.names -= gone


class FolderReader:
    """Parts that lie as files in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str) -> bytearray:
        """The part of that name.

        Raises
        ------
        InputError
            Where it is missing, damaged or larger than a part can be.
        """
        digest, most = _checked(name, self.path)
        try:
            content = bytearray(read_bytes(self.path / name, most))
        except (FileNotFoundError, InputError) as error:
            raise InputError(f"{self.path.name} is damaged: {name} in it cannot be read.") from error
        return _whole(content, digest, name, self.path)

    def contents(self) -> bytes:
        """The table of contents, `CONTENTS`.

        Raises
        ------
        InputError
            Where it is missing.
        """
        try:
            return read_bytes(self.path / CONTENTS, _MOST["json"])
        except (FileNotFoundError, InputError) as error:
            raise InputError(f"{self.path.name} is no project: {CONTENTS} in it cannot be read.") from error


class ZipReader:
    """Parts in a zip file; nothing is ever unpacked to the disk, and nothing further than it may be.

    Raises
    ------
    InputError
        Where the file is no project, or is damaged or hostile.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._left = max(_MOST_IN_ALL, _TIMES * path.stat().st_size)
            with path.open("rb") as file:
                many = _entries(file) > _MOST_ENTRIES
            if many:
                raise InputError(f"{path.name} claims to hold far more parts than a project needs; it is not read.")
            with zipfile.ZipFile(path) as file:
                self._parts = {info.filename: info for info in file.infolist()}
        except OSError as error:
            raise InputError(f"{path.name} cannot be read ({error.strerror}); check the access rights.") from error
        except InputError:
            raise
        except Exception as error:  # what a damaged directory leads to has no end of kinds
            raise InputError(f"{path.name} {_DAMAGED}, for it is not whole.") from error
        outside = sorted(name for name in self._parts if _leads_outside(name))
        if outside:
            raise InputError(
                f"{path.name} names files outside of itself ({outside[0]!r:.80}), as no project does; do not trust it."
            )
        if CONTENTS not in self._parts:
            raise InputError(f"{path.name} is no project of napari-atomicity: it holds no {CONTENTS}.")

    def read(self, name: str) -> bytearray:
        """The part of that name.

        Raises
        ------
        InputError
            Where it is missing, damaged or larger than a part can be.
        """
        digest, most = _checked(name, self.path)
        return _whole(self._bytes(name, most), digest, name, self.path)

    def contents(self) -> bytes:
        """The table of contents, `CONTENTS`."""
        return bytes(self._bytes(CONTENTS, _MOST["json"]))

    def _bytes(self, name: str, most: int) -> bytearray:
        info = self._parts.get(name)
        if info is None:
            raise InputError(f"{self.path.name} {_DAMAGED}: {name} in it cannot be read.")
        if info.file_size > min(most, self._left):
            raise InputError(f"{self.path.name} claims to hold too much in {name}; it is not read.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
            raise InputError(f"{self.path.name} is packed in a way that no project is ({name}); it is not read.")
        self._left -= info.file_size
        content = bytearray()
        try:
            with zipfile.ZipFile(self.path) as file, file.open(info) as part:
                while piece := part.read(_AT_ONCE):
                    content += piece
        except Exception as error:  # what a damaged stream of a compressor raises differs between them
            raise InputError(f"{self.path.name} {_DAMAGED}: {name} in it cannot be read.") from error
        return content


def _entries(file: IO[bytes]) -> int:
    """How many entries a zip file says it holds: its directory of 46 bytes and more an entry is read as a whole."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 2**16 - 22))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        return 0
    bytes_of_it = int.from_bytes(tail[at + 12 : at + 16], "little")
    if bytes_of_it == 0xFFFFFFFF:  # its size stands in a record of its own, before this one
        far = tail.rfind(b"PK\x06\x06")
        bytes_of_it = int.from_bytes(tail[far + 40 : far + 48], "little") if far >= 0 else size
    return min(bytes_of_it, size) // 46


def source_of(path: Path) -> BlobReader:
    """The parts of the project at `path`, a file or a folder."""
    return FolderReader(path) if path.is_dir() else ZipReader(path)


def make_folder(path: Path) -> None:
    """Make a folder where there is none.

    Raises
    ------
    InputError
        Where that is not allowed.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The folder {path} cannot be made ({error.strerror or error}); choose another one."
        ) from error


def _fill(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _checked(name: str, path: Path) -> tuple[str, int]:
    """The hash in a part's name, and the most bytes that it can have."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(f"{path.name} refers to {name!r:.80}, which is no part of a project; do not trust it.")
    return match[1], _MOST[match[2]]


def _whole(content: bytearray, digest: str, name: str, path: Path) -> bytearray:
    if hashlib.sha256(content).hexdigest()[:_DIGITS] != digest:
        raise InputError(f"{path.name} {_DAMAGED}: {name} in it is not what was saved.")
    return content


def _leads_outside(name: str) -> bool:
    return name.startswith(("/", "\\")) or ":" in name or ".." in re.split(r"[/\\]", name)
