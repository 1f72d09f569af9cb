"""Whether a file is there, which one it is, and whether it is still the one that was read."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from napari_atomicity.errors import InputError
from napari_atomicity.io.text import clean
from napari_atomicity.micrograph import FileState, Micrograph

Read = TypeVar("Read")


def existing_file(path: str | Path) -> Path:
    """The path of a file with something in it that may be read.

    Raises
    ------
    InputError
        Where it is missing, empty, a folder or a device, or may not be read.
    """
    path = Path(path)
    name = clean(path.name)
    try:
        state = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{clean(path, 500)} does not exist; check the name and the folder.") from error
    except (OSError, ValueError) as error:
        raise _closed(name, error) from error
    if stat.S_ISDIR(state.st_mode):
        raise InputError(f"{clean(path, 500)} is a folder; give the image files in it.")
    if not stat.S_ISREG(state.st_mode):  # reading a pipe or a device may never end
        raise InputError(f"{name} is a device or a pipe, not a file; give an image file.")
    if state.st_size == 0:
        raise InputError(f"{name} is empty (0 bytes); copy it again from the microscope.")
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise _closed(name, error) from error
    return path


def _closed(name: str, error: OSError | ValueError) -> InputError:
    why = (error.strerror if isinstance(error, OSError) else None) or "not a name that a file can have"
    return InputError(f"{name} cannot be opened ({why}); check the name and the access rights.")


@contextmanager
def enough_memory(path: Path) -> Iterator[None]:
    """While the pixels of a file are read: too little memory is said, and not taken for damage.

    Raises
    ------
    InputError
        Where memory does not suffice.
    """
    try:
        yield
    except MemoryError as error:
        raise InputError(
            f"{clean(path.name)} does not fit into the memory that is free; close other programs, or cut the image."
        ) from error


def image_hash(path: str | Path) -> str:
    """SHA-256 of the file `path`, in hexadecimal: which image a number belongs to."""
    with existing_file(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_state(path: str | Path) -> FileState | None:
    """Size, time of change and inode of the file `path`; None where it cannot be looked at."""
    try:
        state = Path(path).stat()
    except OSError:
        return None
    return FileState(state.st_size, state.st_mtime_ns, state.st_ino)


def is_unchanged(micrograph: Micrograph) -> bool:
    """Whether the file of a micrograph is certainly the one that its pixels were read from."""
    source = micrograph.provenance
    return source.path is not None and source.file is not None and file_state(source.path) == source.file


def watched(path: Path, frame: Callable[[int], Read]) -> Callable[[int], Read]:
    """A way to read frames that refuses once the file is another one than now.

    Frames of a stack are read when they are asked for; those of another file do not belong among them.

    Parameters
    ----------
    path
        The file.
    frame
        Reads the frame of an index from it.

    Returns
    -------
    The same as `frame`, with an `InputError` once the file has changed or gone.
    """
    before = file_state(path)

    def read_frame(index: int) -> Read:
        check_unchanged(path, before)
        content = frame(index)
        check_unchanged(path, before)
        return content

    return read_frame


def check_unchanged(path: Path, before: FileState | None) -> None:
    """Raise where a file is no longer in the state that it was in.

    Parameters
    ----------
    path
        The file.
    before
        Its state then.

    Raises
    ------
    InputError
        Where it has changed or gone.
    """
    now = file_state(path)
    if now is None:
        raise InputError(
            f"{clean(path.name)} is no longer there or cannot be reached; bring it back and open it again."
        )
    if now != before:
        raise InputError(f"{clean(path.name)} has changed since it was opened; open it again.")


def micrograph_hash(micrograph: Micrograph) -> str:
    """SHA-256 of what a micrograph was read from; see `hash_of`.

    Raises
    ------
    InputError
        Where that is lost.
    """
    digest, _ = hash_of(micrograph)
    if digest is None:
        raise InputError(f"{micrograph.name}: its file has changed since it was opened; open it again.")
    return digest


def hash_of(micrograph: Micrograph) -> tuple[str | None, Literal["file", "pixels", "nothing"]]:
    """SHA-256 of what a micrograph was read from, and of what it is.

    Returns
    -------
    Of the file, where it is still the one that was read; of the pixels in hand (as float32, frame by frame) where
    the file has changed or gone since, or there never was one. None, of nothing, where the pixels have to be read
    from the file frame by frame and it is no longer the same: never the hash of another file.
    """
    path = micrograph.provenance.path
    if path is not None and is_unchanged(micrograph):
        digest = image_hash(path)
        if is_unchanged(micrograph):
            return digest, "file"
    pixels = hashlib.sha256()
    try:
        for index in range(micrograph.n_frames):
            pixels.update(micrograph.frame(index).tobytes())
    except InputError:
        return None, "nothing"
    return pixels.hexdigest(), "pixels"
