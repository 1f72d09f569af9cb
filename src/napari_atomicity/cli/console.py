"""Where messages go, and the exit code that they add up to."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO, TypeVar

from napari_atomicity import __version__
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps, drain

Result = TypeVar("Result")
PROGRAM: Final = "napari-atomicity"
DONE: Final = 0
FAULT: Final = 1
BAD_INPUT: Final = 2
STOPPED: Final = 130
#: where stderr is no terminal, work says how far it is after so many seconds of silence, then less and less often
QUIET_S: float = 3.0
#: and work of many minutes this often
_LOG_EVERY_S: Final = 30.0
#: what the system refuses is no fault of ours: rights, room, names, drives
_REFUSED: Final = (
    *("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "ENAMETOOLONG", "ELOOP", "ENOTDIR", "EISDIR"),
    *("EIO", "EBUSY", "ESTALE", "ENODEV", "ENXIO", "ETIMEDOUT", "EMFILE", "ENFILE", "ENOMEM"),
)
_REFUSALS: Final = frozenset(getattr(errno, name) for name in _REFUSED if hasattr(errno, name))
_LONGEST_LINE: Final = 1000
#: what a terminal would obey instead of showing it: control characters, and those that turn the direction of writing
_CONTROL: Final = (
    *((0, 9), (11, 32), (0x7F, 0xA0), (0x61C, 0x61D)),
    *((0x200E, 0x2010), (0x2028, 0x202F), (0x2066, 0x206A), (0xFEFF, 0xFF00)),
)
_COMMANDS: Final = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for low, end in _CONTROL for code in range(low, end)
}


class Console:
    """Where messages go, and the exit code that they add up to."""

    def __init__(self) -> None:
        self.code = DONE
        self._live = sys.stderr.isatty()
        self._said, self._patience = time.monotonic(), 1.0

    def guard(self, what: str, action: Callable[[], Result]) -> Result | None:
        """Do something; where it fails, say so in one line.

        Parameters
        ----------
        what
            What it is about, at the start of the line; empty for the call as a whole.
        action
            What is to be done.

        Returns
        -------
        Its result; None where it failed.
        """
        try:
            return action()
        except InputError as error:
            self.refuse(what, error)
        except BrokenPipeError:
            raise
        except Exception as error:
            refused = refusal(error)
            if refused is not None:
                self.refuse(what, refused)
                return None
            self.remark(f"{_about(what)}unexpected fault, {_one_line(error)}; please report it{_log()}")
            self.code = FAULT
        return None

    def refuse(self, what: str, error: InputError) -> None:
        """Bad input: one line, and exit code 2 unless there was a fault of ours.

        Parameters
        ----------
        what
            What it is about, at the start of the line.
        error
            The reason.
        """
        text = " ".join(str(error).split())
        self.remark(text if what and text.startswith(what) else _about(what) + text)
        self.code = self.code or BAD_INPUT

    def remark(self, text: str) -> None:
        """One line on stderr."""
        self._clear()
        line = " ".join(text.split())
        if len(line) > _LONGEST_LINE:
            line = f"{line[: _LONGEST_LINE // 2]} … {line[-_LONGEST_LINE // 2 :]}"
        self._write(f"{PROGRAM}: {clean(line)}\n")

    def say(self, text: str) -> None:
        """A result, on stdout."""
        self._clear()
        self._said, self._patience = time.monotonic(), 1.0
        try:
            print(clean(text), flush=True)
        except BrokenPipeError:
            raise
        except (OSError, ValueError) as error:
            silence(sys.stdout)
            reason = getattr(error, "strerror", None) or error
            self.remark(
                f"what is printed cannot be written ({reason}); send it elsewhere. Files are written all the same."
            )
            self.code = self.code or BAD_INPUT

    def drain(self, what: str, steps: Steps[Result]) -> Result:
        """Run work, with a line of progress; where stderr is no terminal, with a few while nothing else is said.

        Parameters
        ----------
        what
            What it is about, at the start of the line.
        steps
            The work.

        Returns
        -------
        Its result.
        """

        def show(progress: Progress) -> None:
            text = f"{what}: {progress.what} {min(progress.done + 1, max(progress.total, 1))}/{max(progress.total, 1)}"
            if self._live:
                self._show(text)
            elif time.monotonic() - self._said > QUIET_S * self._patience:
                self._said, self._patience = time.monotonic(), 2 * self._patience
                self.remark(text)

        try:
            return drain(steps, show)
        finally:
            self._clear()

    def drain_slowly(self, what: str, steps: Steps[Result], line: Callable[[Progress], str]) -> Result:
        """As `drain` for work of many minutes, with a line each half minute in a log.

        Parameters
        ----------
        what
            What it is about, at the start of the line.
        steps
            The work.
        line
            Tells the time that is left.

        Returns
        -------
        Its result.
        """
        shown = time.monotonic()

        def show(progress: Progress) -> None:
            nonlocal shown
            text = line(progress)
            if self._live:
                self._show(f"{what}: {text}")
            elif time.monotonic() - shown > _LOG_EVERY_S:
                shown = time.monotonic()
                self.remark(text)

        try:
            return drain(steps, show)
        finally:
            self._clear()

    def _show(self, text: str) -> None:
        self._write(f"\r\x1b[K{clean(' '.join(text.split()))}")

    def _clear(self) -> None:
        if self._live:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        """On stderr; where that is full or closed there is nobody to tell, and the work goes on."""
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):
            silence(sys.stderr)
            self._live = False


def clean(text: str) -> str:
    """`text` without commands to the terminal: names of files and of images in them are whatever people make them."""
    return text.translate(_COMMANDS)


def silence(stream: TextIO) -> None:
    """Let what is written to `stream` from now on, and what waits in it, go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def refusal(error: Exception) -> InputError | None:
    """What a person reads where the system refuses something, or has too little memory; None for our own faults."""
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return InputError("There is not enough memory for this; close other programs, or take fewer frames (--frame).")
    if isinstance(error, OSError) and error.errno in _REFUSALS:
        name = f"{error.filename} cannot be used" if error.filename else "The system refused a file"
        return InputError(f"{name} ({error.strerror}); check its name, the access rights and the room on that disk.")
    return None


def _about(what: str) -> str:
    return f"{what}: " if what else ""


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _log() -> str:
    """Write the traceback of the exception at hand where the person can find it; gives the words that say where."""
    from platformdirs import user_log_path

    name = f"fault-{datetime.now():%Y%m%d-%H%M%S-%f}.log"
    text = f"{PROGRAM} {__version__}\n{sys.argv}\n{traceback.format_exc()}"
    for own in (True, False):
        with contextlib.suppress(OSError):
            folder = user_log_path(PROGRAM, appauthor=False, ensure_exists=True) if own else Path(tempfile.gettempdir())
            path = folder / (name if own else f"{PROGRAM}-{name}")
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            return f" with the log {path}"
    return ""


def quieten() -> None:
    """What libraries say is not for the user of a command; a console may lack a character that we use."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
