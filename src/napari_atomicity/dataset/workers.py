"""A process that measures: what it does before its libraries are loaded, and what it does when nobody waits for it.

Only light modules are imported here: the environment must be set before NumPy and PyTorch come.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any


@contextmanager
def environment(workers: int, environ: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """While workers are started: each is told its share of the cores, and to sleep while it waits.

    Parameters
    ----------
    workers
        How many processes share the cores that this one may use.
    environ
        Where they will look it up.
    """
    from napari_atomicity.threads import settle, usable_cores

    before = dict(environ)
    try:
        share = str(max(1, usable_cores(environ) // max(workers, 1)))
        environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), share))
        settle(environ)
        yield
    finally:
        for name in set(environ) - set(before):
            del environ[name]
        environ.update(before)


def get_ready(workers: int) -> None:
    """Begin to load what the processes of this machine need; gives at once.

    Parameters
    ----------
    workers
        How many there will be.
    """
    context = fresh_processes()
    if context.get_start_method() == "forkserver":
        from multiprocessing import forkserver

        with environment(workers):
            forkserver.ensure_running()


def fresh_processes() -> BaseContext:
    """How processes are started: what this process has loaded, its threads and its locks stay here.

    On Linux one fresh process loads the libraries, once, and the workers are copies of it.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["napari_atomicity.dataset.loaded"])
    return context


def begin() -> None:
    """In a new worker: Ctrl-C is for the parent to answer, and without the parent there is nothing to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if not sys.warnoptions:
        import warnings

        warnings.simplefilter("ignore")
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # what is half-written is a draft, which the next call removes


def look_around(path: str) -> dict[str, Any]:
    """Of a worker somewhere else: whether it sees the dataset, and the versions of what its numbers rest on.

    Parameters
    ----------
    path
        A file of the dataset.
    """
    from napari_atomicity.provenance import versions

    found = versions()
    return {"sees": Path(path).exists(), "versions": {n: v for n, v in found.items() if n not in ("system", "python")}}
