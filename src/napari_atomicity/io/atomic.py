"""Whole files or none."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from napari_atomicity.errors import InputError

#: no room: on the disk, in a person's share of it, or for a file of that size
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_atomically(path: str | Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a file beside `path`, then put it in the place of `path` in one step.

    A failure at any point leaves an earlier file as it was and nothing half-written behind.

    Parameters
    ----------
    path
        The file to write; its folder has to exist.
    write
        Called with the path of the temporary file, which has the same suffix.

    Raises
    ------
    InputError
        Where the system does not let us write there (no such folder, no rights, disk full, open elsewhere).
    """
    path = Path(path)
    beside = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        write(beside)
        _flush_to_disk(beside)
        if path.exists():
            shutil.copymode(path, beside)
        beside.replace(path)
    except OSError as error:
        what = "make room on that disk" if error.errno in _FULL else "close it in other programs"
        raise InputError(
            f"{path} could not be written ({error.strerror or error}); {what} or choose another folder."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` in UTF-8 to `path`, whole or not at all; see `write_atomically`."""

    def write(beside: Path) -> None:
        beside.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
