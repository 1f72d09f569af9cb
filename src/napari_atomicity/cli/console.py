"""Where messages go, and the exit code that they add up to."""

from __future__ import annotations

import logging
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from napari_atomicity import __version__
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps, drain

Result = TypeVar("Result")
PROGRAM: Final = "napari-atomicity"
DONE: Final = 0
FAULT: Final = 1
BAD_INPUT: Final = 2
STOPPED: Final = 130
#: where stderr is no terminal, long work says this often how far it is
_LOG_EVERY_S: Final = 30.0


class Console:
    """Where messages go, and the exit code that they add up to."""

    def __init__(self) -> None:
        self.code = DONE
        self._live = sys.stderr.isatty()

    def guard(self, what: str, action: Callable[[], Result]) -> Result | None:
        """Do `action`; where it fails, say so in one line about `what` and give None."""
        try:
            return action()
        except InputError as error:
            self.refuse(what, error)
        except BrokenPipeError:
            raise
        except Exception as error:
            self.remark(f"{_about(what)}unexpected fault, {_one_line(error)}; please report it with the log {_log()}")
            self.code = FAULT
        return None

    def refuse(self, what: str, error: InputError) -> None:
        """Bad input: one line, and exit code 2 unless there was a fault of ours."""
        text = " ".join(str(error).split())
        self.remark(text if what and text.startswith(what) else _about(what) + text)
        self.code = self.code or BAD_INPUT

    def remark(self, text: str) -> None:
        """One line on stderr."""
        self._clear()
        print(f"{PROGRAM}: {text}", file=sys.stderr)

    def say(self, text: str) -> None:
        """A result, on stdout."""
        self._clear()
        print(text, flush=True)

    def drain(self, what: str, steps: Steps[Result]) -> Result:
        """Run `steps`, with a line of progress where stderr is a terminal."""

        def show(progress: Progress) -> None:
            sys.stderr.write(f"\r\x1b[K{what}: {progress.what} {progress.done + 1}/{max(progress.total, 1)}")
            sys.stderr.flush()

        try:
            return drain(steps, show if self._live else None)
        finally:
            self._clear()

    def drain_slowly(self, what: str, steps: Steps[Result], line: Callable[[Progress], str]) -> Result:
        """As `drain` for work of many minutes: `line` tells the time left; a line each half minute in a log."""
        shown = time.monotonic()

        def show(progress: Progress) -> None:
            nonlocal shown
            text = line(progress)
            if self._live:
                sys.stderr.write(f"\r\x1b[K{what}: {text}")
                sys.stderr.flush()
            elif time.monotonic() - shown > _LOG_EVERY_S:
                shown = time.monotonic()
                self.remark(text)

        try:
            return drain(steps, show)
        finally:
            self._clear()

    def _clear(self) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _about(what: str) -> str:
    return f"{what}: " if what else ""


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _log() -> Path:
    """Write the traceback of the exception at hand where the person can find it."""
    from platformdirs import user_log_path

    name = f"fault-{datetime.now():%Y%m%d-%H%M%S-%f}.log"
    text = f"{PROGRAM} {__version__}\n{sys.argv}\n{traceback.format_exc()}"
    try:
        path = user_log_path(PROGRAM, appauthor=False, ensure_exists=True) / name
        path.write_text(text, encoding="utf-8")
    except OSError:
        path = Path(tempfile.gettempdir()) / f"{PROGRAM}-{name}"
        path.write_text(text, encoding="utf-8")
    return path


def quieten() -> None:
    """What libraries say is not for the user of a command; a console may lack a character that we use."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
