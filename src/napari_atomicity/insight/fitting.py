"""UMAP in a process of its own: it compiles for seconds and holds the interpreter, which other threads wait for.

``python -m napari_atomicity.insight.fitting`` reads arrays (npz, no pickles) from its input and writes the places to
its output. Nothing touches the disk, so there is nothing to clean up after one that was killed.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from importlib.util import find_spec
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.processes import python
from napari_atomicity.progress import Progress, Steps

#: neighbours that count as near, in the fit and in placing
NEIGHBOURS: Final = 15
_LEAST_CLUSTERS: Final = 8
_POLL_S: Final = 0.1
_MODULE: Final = "napari_atomicity.insight.fitting"


def fitted_steps(points: npt.NDArray[np.float64], seed: int = 0) -> Steps[npt.NDArray[np.float64]]:
    """UMAP (McInnes, Healy & Melville, arXiv:1802.03426) with Euclidean distances, in a process of its own.

    Closing the generator kills the process.

    Parameters
    ----------
    points
        (m, f) features.
    seed
        Of the descent; the same seed gives the same map on the same machine.

    Returns
    -------
    numpy.ndarray
        (m, 2) places.

    Raises
    ------
    InputError
        Where umap-learn is missing or does not run here, or there are too few points for a map.
    """
    if find_spec("umap") is None:
        raise InputError(
            "The map of this model is not made yet, and umap-learn, which makes it, is missing; "
            'install it: python -m pip install "napari-atomicity[map]".'
        )
    if len(points) < _LEAST_CLUSTERS:
        raise InputError(f"The model carries {len(points)} library clusters, too few for a map; train it again.")
    sent = io.BytesIO()
    np.savez(sent, points=points, seed=np.int64(seed))
    answer = yield from _communicated_steps(sent.getvalue())
    try:
        with np.load(io.BytesIO(answer), allow_pickle=False) as received:
            xy = np.asarray(received["xy"], dtype=np.float64)
    except (OSError, ValueError, KeyError) as error:
        raise InputError("UMAP gave no map; install umap-learn again and try once more.") from error
    return xy


def _communicated_steps(sent: bytes) -> Steps[bytes]:
    """Run the process to its end; kill it where this is closed before."""
    no_console = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows would open one
    command, pipe = [python(), "-P", "-m", _MODULE], subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, creationflags=no_console)
    except OSError as error:
        raise InputError(f"Python could not be started to make the map ({error.strerror or error}).") from error
    # pipes hold less than what is sent through them, so each has a thread of its own
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(_send, process.stdin, sent)]
        jobs += [pool.submit(_receive, stream) for stream in (process.stdout, process.stderr)]
        try:
            while not all(job.done() for job in jobs):
                yield Progress(0, 0, "Making the map of the library (once, half a minute)")
                wait(jobs, _POLL_S)
        finally:
            if not all(job.done() for job in jobs):
                process.kill()
            process.wait()
    _, answer, errors = (job.result() for job in jobs)
    if process.returncode:
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        raise InputError(f"UMAP does not run here ({''.join(last) or process.returncode}); install umap-learn again.")
    return answer


def _send(stream: IO[bytes] | None, content: bytes) -> bytes:
    assert stream is not None
    with contextlib.suppress(OSError), stream:  # whatever ended it early is told by its exit code
        stream.write(content)
    return b""


def _receive(stream: IO[bytes] | None) -> bytes:
    assert stream is not None
    with stream:
        return stream.read()


def main() -> None:
    """The other side: arrays in, places out."""
    # what libraries print must not come between the bytes
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as received:
        points, seed = received["points"].astype(np.float32), int(received["seed"])
    from umap import UMAP

    near = min(NEIGHBOURS, len(points) - 1)
    fitter = UMAP(n_neighbors=near, min_dist=0.5, n_epochs=1000, random_state=seed, n_jobs=1)
    answer = io.BytesIO()
    np.savez(answer, xy=np.asarray(fitter.fit_transform(points), dtype=np.float64))
    with output:
        output.write(answer.getvalue())


if __name__ == "__main__":
    main()
