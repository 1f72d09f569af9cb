"""The command line: a thin layer over the pipeline, for batches and for other programs.

Exit code 0: done; 2: bad input, said in one line on stderr; 1: a fault of ours, with a log that holds the details;
130 and 143: stopped by Ctrl-C, or by the system.
"""

from __future__ import annotations

import os
import sys

# all else is loaded in `main`, where Ctrl-C meanwhile is met like any other
TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from types import FrameType

__all__ = ["main"]

STOPPED = "napari-atomicity: stopped; what was written so far is complete.\n"


class Ended(BaseException):
    """The system asks the program to end; as Ctrl-C does, it passes every guard and leaves nothing half-written.

    Parameters
    ----------
    number, name
        Of the signal.
    """

    def __init__(self, number: int, name: str) -> None:
        super().__init__(name)
        self.number, self.name = number, name


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code.

    Parameters
    ----------
    arguments
        Those of the process where None; then the process is ours, and its libraries are told how to wait.
    """
    earlier: dict[int, signal._HANDLER] = {}
    try:
        _open_streams()
        earlier = _watch_signals()
        from napari_atomicity.threads import settle

        if arguments is None:
            settle()
        # only now what loads NumPy, which reads its settings once
        from napari_atomicity.cli.running import run

        return run(arguments)
    except KeyboardInterrupt:
        _end(STOPPED)
        return 130
    except Ended as end:
        _end(f"napari-atomicity: ended by {end.name}; what was written so far is complete.\n")
        return 128 + end.number
    finally:
        for number, handler in earlier.items():
            _watch(number, handler)


def _end(line: str) -> None:
    try:
        if sys.stderr.isatty():
            line = f"\r\x1b[K{line}"
        sys.stderr.write(line)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody there to tell


def _open_streams() -> None:
    """Give streams that are closed a place to write to, or the first files that are opened become these streams."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def _watch_signals() -> dict[int, signal._HANDLER]:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does; gives what met them before."""
    import signal

    def end(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
        raise Ended(number, signal.Signals(number).name)

    watched: dict[int, signal._HANDLER] = {}
    try:
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            # another program may have said that it is to be ignored, as nohup does
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                watched[number] = signal.signal(number, end)
    except ValueError:
        pass  # only the main thread may
    return watched


def _watch(number: int, handler: signal._HANDLER) -> None:
    import signal

    signal.signal(number, handler)
