"""Writes files whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Final

from napari_atomicity.errors import InputError

Write = Callable[[Path], None]

#: no room: on the disk, in a person's share of it, or for a file of that size
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: name of a draft: which computer, which process of it, and which file of that process
_DRAFT: Final = re.compile(r"\..*\.atomicity-([0-9a-f]{6})-([0-9]{1,10})-([0-9a-f]{8})-[0-9]{1,9}(\.[^.]*)?")
_HOST: Final = hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:6]
_PROCESS: Final = secrets.token_hex(4)
_NUMBERS: Final = count()
#: where it cannot be told whether the writer of a draft still lives, it is left alone for that long
_OLD_S: Final = 24 * 3600.0
#: a file's name has at most 255 bytes, and what is added to that of a draft needs some of them
_LONGEST_STEM: Final = 40
_SWEPT: Final[set[Path]] = set()


def write_atomically(path: str | Path, write: Write) -> None:
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
    write_together([(path, write)])


def write_together(files: Sequence[tuple[str | Path, Write]]) -> None:
    """Write several files that belong together, as `write_atomically` does one: all of them or none.

    Each is written in full before the first takes its place; where one cannot take its place, those before it are
    put back as they were.

    Parameters
    ----------
    files
        Paths, whose folders have to exist, each with what fills it; see `write_atomically`.

    Raises
    ------
    InputError
        Where the system does not let us write one of them.
    """
    drafts = [(Path(path), _draft(Path(path)), write) for path, write in files]
    replaced: list[tuple[Path, Path | None]] = []
    path = drafts[0][0]
    try:
        for path, draft, write in drafts:
            _sweep_once(path.parent)
            write(draft)
            _flush_to_disk(draft)
        for path, draft, _ in drafts:
            if path.exists():
                with contextlib.suppress(OSError):  # some drives know no rights
                    shutil.copymode(path, draft)
            # the last one either takes its place or does not
            replaced += [(path, _copied(path))] if len(replaced) + 1 < len(drafts) else []
            draft.replace(path)
    except BaseException as error:
        _put_back(replaced)
        if not isinstance(error, OSError):
            raise
        what = "make room on that disk" if error.errno in _FULL else "close it in other programs"
        raise InputError(
            f"{path} could not be written ({error.strerror or error}); {what} or choose another folder."
        ) from error
    finally:
        for left in [draft for _, draft, _ in drafts] + [spare for _, spare in replaced if spare]:
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text in UTF-8, whole or not at all; see `write_atomically`.

    Parameters
    ----------
    path
        The file to write; its folder has to exist.
    text
        Its content.

    Raises
    ------
    InputError
        Where the system does not let us write there.
    """
    write_atomically(path, lambda draft: fill(draft, text))


def fill(path: Path, text: str) -> None:
    r"""Write a text in UTF-8, with the line ends that it has.

    A file's name that is no UTF-8 holds characters that have none; they become ``\udcff``, which JSON reads back.

    Parameters
    ----------
    path
        The file to write.
    text
        Its content.
    """
    path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def sweep(folder: Path) -> None:
    """Remove the drafts that a process left in `folder` when it was killed; those of living processes stay."""
    with contextlib.suppress(OSError):
        _SWEPT.add(folder)
        for entry in os.scandir(folder):
            draft = _DRAFT.fullmatch(entry.name) if entry.name.startswith(".") else None
            if draft and _is_dead(draft[1], int(draft[2]), draft[3], entry.stat(follow_symlinks=False).st_mtime):
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()


def _sweep_once(folder: Path) -> None:
    if folder not in _SWEPT:
        sweep(folder)


def _is_dead(host: str, process: int, token: str, changed: float) -> bool:
    if host == _HOST and process == os.getpid():
        return token != _PROCESS  # of an earlier process of the same number, as in a container
    if time.time() - changed > _OLD_S:
        return True
    if host != _HOST or os.name == "nt":  # Windows has no harmless way to ask
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _draft(path: Path) -> Path:
    mark = f"atomicity-{_HOST}-{os.getpid()}-{_PROCESS}-{next(_NUMBERS)}"
    return path.with_name(f".{path.stem[:_LONGEST_STEM]}.{mark}{path.suffix}")


def _copied(path: Path) -> Path | None:
    """A copy of what is at `path`; None where nothing is."""
    if not path.exists():
        return None
    spare = _draft(path)
    shutil.copy2(path, spare)
    return spare


def _put_back(replaced: Sequence[tuple[Path, Path | None]]) -> None:
    for path, spare in reversed(replaced):
        with contextlib.suppress(OSError):
            if spare is None:
                path.unlink(missing_ok=True)
            else:
                spare.replace(path)


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
