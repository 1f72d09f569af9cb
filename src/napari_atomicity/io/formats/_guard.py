"""A first look at a file in a process of its own, where a library may take for ever or all memory over a damaged one.

What the library does to a file it does again in the same way: once the child came through, so does this process.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO, Final

from napari_atomicity.errors import InputError
from napari_atomicity.io.files import file_state
from napari_atomicity.io.text import clean, size_of
from napari_atomicity.micrograph import FileState

#: for the child to start, and then for a small file; a large one has as long as a slow disk takes
_TO_START_S: Final = 30.0
_SECONDS: Final = 2.0
_BYTES_PER_SECOND: Final = 20e6
#: beside a few times the size of the file
_BYTES: Final = 300_000_000
#: set to 1 in the environment, files are read without a first look
UNGUARDED: Final = "NAPARI_ATOMICITY_UNGUARDED"
_READY, _DONE, _FAILED = b"ready\n", b"done\n", b"failed\n"
#: what was found out about a file as it was then: why it does not come through, empty where it does
_known: dict[Path, tuple[FileState | None, str]] = {}


class NotStarted(InputError):
    """No process could be started that would look at a file; that says nothing about the file."""


def check(path: Path, module: str, arguments: Sequence[str], meanwhile: Callable[[], object]) -> None:
    """Raise where a child does not get through with a file in reasonable time and memory.

    Also where no child can be started: a file is read without a first look only where a person asks for that.

    Parameters
    ----------
    path
        The file.
    module
        Run in the child as ``python -m module path arguments``; it calls `in_child`.
    arguments
        Handed on.
    meanwhile
        Called while the child starts, such as to import what will be needed here.

    Raises
    ------
    InputError
        Where it does not, or where no child can be started.
    """
    if not _has_python() or os.environ.get(UNGUARDED) == "1":
        return
    state = file_state(path)
    known, why = _known.get(path, (None, ""))
    if known is None or known != state:
        why = _why_not(path, [sys.executable, "-P", "-m", module, str(path), *arguments], meanwhile)
        _known[path] = (state, why)
    if why:
        raise InputError(f"{clean(path.name)} {why}; copy it again from the microscope or export it as TIFF.")


def _why_not(path: Path, command: list[str], meanwhile: Callable[[], object]) -> str:
    """Why a child does not get through, in words; empty where it does.

    Raises
    ------
    NotStarted
        Where there is no child that could look.
    """
    limit = _limit_s(path)
    try:
        child = _started(command)
    except (OSError, ValueError) as error:  # no more processes, or none here
        raise _not_started(path, getattr(error, "strerror", None) or type(error).__name__) from error
    try:
        answers = _lines(child)
        meanwhile()
        if (first := _next(answers, _TO_START_S)) != _READY:
            how = "it ended at once" if first is not None else f"not within {_TO_START_S:.0f} seconds"
            raise _not_started(path, how)
        # where the processor is busy with other things a whole file takes longer by the clock
        answer = _next(answers, 3 * limit)
    finally:
        _end(child)
    if answer == _FAILED:
        return f"is damaged, cut short or of an unknown variant of {path.suffix.lower()}"
    if answer != _DONE:
        most = f"{limit:.0f} seconds and {size_of(_limit_bytes(path))} of memory"
        return f"is damaged: {most} do not suffice to look through its headers"
    return ""


def _not_started(path: Path, how: str) -> NotStarted:
    return NotStarted(
        f"The reader of {clean(path.name)} could not be started in a process of its own ({how}); "
        f"close other programs and try again, or set {UNGUARDED}=1 to read files that you trust without it."
    )


def in_child(path: Path, look: Callable[[], object]) -> None:
    """What the child does: looks through the file within limits of time and memory, and says that it is through.

    Parameters
    ----------
    path
        The file, whose size decides the limits.
    look
        Looks through it.
    """
    out = sys.stdout.buffer
    _bound(_limit_s(path), _limit_bytes(path))
    out.write(_READY)
    out.flush()
    try:
        look()
    except MemoryError:
        return
    except Exception:  # the library gives up in many ways
        out.write(_FAILED)
    else:
        out.write(_DONE)
    out.flush()


def _has_python() -> bool:
    """Whether `sys.executable` is an interpreter: in a frozen application it is the application."""
    name = Path(sys.executable or "").stem.lower()
    return name.startswith(("python", "pypy")) and not getattr(sys, "frozen", False)


def _limit_s(path: Path) -> float:
    return _SECONDS + path.stat().st_size / _BYTES_PER_SECOND


def _limit_bytes(path: Path) -> int:
    return _BYTES + 4 * path.stat().st_size


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    # without the present folder: Python code beside the images would run
    folders = os.pathsep.join(folder for folder in sys.path if folder)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **threads, "PYTHONPATH": folders},
        start_new_session=os.name == "posix",
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _lines(child: subprocess.Popen[bytes]) -> queue.SimpleQueue[bytes]:
    """What the child says, line by line, and an empty one where it has ended."""
    answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen(stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                answers.put(line)
        answers.put(b"")

    assert child.stdout is not None
    Thread(target=listen, args=(child.stdout,), daemon=True).start()
    return answers


def _next(answers: queue.SimpleQueue[bytes], timeout_s: float) -> bytes | None:
    """The next line, empty where the child has ended; None where nothing came in that time."""
    try:
        return answers.get(timeout=timeout_s)
    except queue.Empty:
        return None


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child with all that it started."""
    if child.poll() is None:
        with suppress(OSError):
            if os.name == "posix":
                os.killpg(child.pid, signal.SIGKILL)
            else:
                child.kill()
    child.wait()


def _bound(seconds: float, n_bytes: int) -> None:
    """Limit this process to so much more time and memory; where the system cannot, the clock of the parent does."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = int(used.ru_utime + used.ru_stime + seconds) + 1
    limits = [(resource.RLIMIT_CPU, cpu)]
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limits.append((resource.RLIMIT_AS, pages * resource.getpagesize() + n_bytes))
    for what, most in limits:
        with suppress(OSError, ValueError):
            resource.setrlimit(what, (most, most))
