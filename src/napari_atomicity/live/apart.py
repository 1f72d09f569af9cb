"""A watch in a process of its own: whoever shows it is never kept waiting by what is computed.

In one process with a window, every step of Python and every round of its collector of garbage holds up the window.
The other process is started as ``python -m napari_atomicity.live.apart``; it gets its order at the beginning, says
what is new, and ends once it is told to, or nobody listens any more. What it has counted is on the disk by then.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Final

from napari_atomicity.errors import InputError
from napari_atomicity.processes import python
from napari_atomicity.progress import Milestone, Progress, Steps
from napari_atomicity.threads import settle

if TYPE_CHECKING:
    from napari_atomicity.live.order import Order, Update

_MODULE: Final = "napari_atomicity.live.apart"
_LENGTH: Final = struct.Struct(">Q")
_CLOSE: Final = b"c"
#: seconds between two looks at whether it is to end
_POLL_S: Final = 0.1


def apart_steps(order: Order, is_closing: Callable[[], bool], meanwhile: Callable[[], list[str]]) -> Steps[Update]:
    """Let another process do what is ordered; the same as `order.order_steps`. Closing the generator kills it.

    Parameters
    ----------
    order, is_closing
        As for `order.order_steps`.
    meanwhile
        Called ten times a second; gives sentences for a person.

    Returns
    -------
    The last `Update`.

    Raises
    ------
    InputError
        Where it cannot be done, no process can be started, or it ended by itself.
    """
    from napari_atomicity.live.order import Update

    process = _started()
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    assert process.stdin is not None and process.stdout is not None
    threading.Thread(target=_listen, args=(process.stdout, heard), daemon=True).start()
    try:
        with suppress(OSError):  # where it ended at once, that is heard
            _send(process.stdin, order)
        yield Progress(0, 0, "Starting")
        told = False
        while True:
            if is_closing() and not told:
                told = True
                with suppress(OSError):
                    process.stdin.write(_CLOSE)
                    process.stdin.flush()
            if said := meanwhile():
                yield Milestone(0, 0, "Watching", Update(said=said))
            kind, content = _next(heard)
            if kind == "done":
                result: Update = content
                return result
            yield content
    finally:
        if process.poll() is None:
            process.kill()
        with suppress(OSError):
            process.stdin.close()
        process.wait()


def _next(heard: queue.SimpleQueue[Any]) -> tuple[str, Any]:
    """What the process says next, or that it goes on; raises what it could not do."""
    try:
        kind, content = heard.get(timeout=_POLL_S)
    except queue.Empty:
        return "progress", Progress(0, 0, "Watching")
    if kind == "refused":
        raise InputError(content)
    if kind == "failed":
        raise RuntimeError(content)
    if kind == "lost":
        raise InputError(
            "The process that counts has ended by itself; close programs that need much memory and watch again: it "
            "goes on where it was."
        )
    return kind, content


def _started() -> subprocess.Popen[bytes]:
    pipe, no_console = subprocess.PIPE, getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows would open one
    folders = os.pathsep.join(folder for folder in sys.path if folder)
    try:
        return subprocess.Popen(
            [python(), "-P", "-m", _MODULE],
            stdin=pipe,
            stdout=pipe,
            creationflags=no_console,
            env={**os.environ, "PYTHONPATH": folders},
        )
    except OSError as error:
        raise InputError(
            f"No process could be started that counts ({error.strerror or error}); close other programs and try again."
        ) from error


def _listen(stream: IO[bytes], heard: queue.SimpleQueue[Any]) -> None:
    try:
        with stream:
            while True:
                (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
                heard.put(pickle.loads(_exactly(stream, length)))
    except (OSError, EOFError, ValueError, pickle.UnpicklingError):
        heard.put(("lost", None))


def _exactly(stream: IO[bytes], n: int) -> bytes:
    content = stream.read(n)
    if len(content) != n:
        raise EOFError
    return content


def _send(stream: IO[bytes], content: Any) -> None:
    packed = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(packed)) + packed)
    stream.flush()


# ---------------------------------------------------------------------- the other side


def main() -> None:
    """Get the order, do it, and say what is new."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the window to answer
    settle()
    # what libraries print must not come between the bytes
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    (length,) = _LENGTH.unpack(_exactly(sys.stdin.buffer, _LENGTH.size))
    order = pickle.loads(_exactly(sys.stdin.buffer, length))
    closing = threading.Event()
    threading.Thread(target=_hear, args=(closing,), daemon=True).start()
    with suppress(BrokenPipeError):  # nobody listens any more: what was counted is on the disk
        _send(out, _done(order, closing, out))


def _hear(closing: threading.Event) -> None:
    """Wait until it is to end, or whoever ordered it is gone."""
    sys.stdin.buffer.read(1)
    closing.set()


def _done(order: Order, closing: threading.Event, out: IO[bytes]) -> tuple[str, Any]:
    from napari_atomicity.live.order import order_steps

    steps = order_steps(order, closing.is_set)
    try:
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                return "done", end.value
            _send(out, ("progress", progress))
    except InputError as error:
        return "refused", str(error)
    except BrokenPipeError:
        raise
    except Exception as error:
        import traceback

        traceback.print_exc()
        return "failed", f"{type(error).__name__}: {error}"
    finally:
        steps.close()


if __name__ == "__main__":
    main()
