"""How many threads our work may use, and how they wait.

Work is cut into pieces of a fixed size. Each piece is computed on one thread, as many pieces at a time as there are
cores for us: so a number never depends on how many there are, and no thread waits for another in the middle of a
piece. Libraries that share one small product among several threads wait by turning in circles; beside other busy
programs that made an analysis ten times slower.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import lru_cache, wraps
from itertools import islice
from pathlib import Path
from threading import Lock, local
from typing import Any, Final, ParamSpec, TypeVar

from napari_atomicity.progress import Steps

Arguments = ParamSpec("Arguments")
Item = TypeVar("Item")
Result = TypeVar("Result")

#: more threads than this would only wait for Python's own lock, and leave no turn to the thread of an interface
_MOST_THREADS: Final = 8
#: what a person or a batch system says about the cores of this process; the smallest counts
_STATED: Final = ("OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK")
#: what numerical libraries read once, when they are loaded
_LIBRARY_LIMITS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_MEMBERSHIP: Final = Path("/proc/self/cgroup")


# ---------------------------------------------------------------------- how many


def usable_cores(environment: Mapping[str, str] = os.environ) -> int:
    """Cores that this process may use: those of the machine, less what affinity, container or batch system withhold.

    Parameters
    ----------
    environment
        Where OMP_NUM_THREADS and SLURM_CPUS_PER_TASK are looked up.
    """
    limits: list[float] = [_cores_of_the_process()]
    for name in _STATED:
        stated = re.match(r"\s*(\d+)", environment.get(name, ""))
        if stated and int(stated[1]):
            limits.append(int(stated[1]))
    quota = cgroup_quota(_CGROUPS, _MEMBERSHIP)
    return max(1, int(min([*limits, math.inf if quota is None else quota])))


def _cores_of_the_process() -> int:
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return int(os.process_cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cgroup_quota(root: Path, membership: Path) -> float | None:
    """Cores that Linux grants to the control group of this process, or a group around it; None where unlimited.

    Parameters
    ----------
    root
        Where control groups are mounted, of version 1 or 2.
    membership
        The file that names the groups of the process.

    Returns
    -------
    float or None
        The least of all quotas, in cores; it may be a fraction.
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    quotas: list[float] = []
    for line in lines:
        controllers, _, group = line.partition(":")[2].partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        for mount in (controllers, "cpu", "unified") if controllers else ("", "unified"):
            folder = root / mount / group.strip("/")
            # in a container the path may be that of the host: what is there to see is then the group itself
            around = [folder, *folder.parents]
            quotas += [
                quota for parent in around if parent.is_relative_to(root) and (quota := _quota(parent)) is not None
            ]
    return min(quotas, default=None)


def _quota(group: Path) -> float | None:
    try:
        if (group / "cpu.max").is_file():
            limit, period = (group / "cpu.max").read_text(encoding="ascii").split()
        else:
            limit, period = (
                (group / name).read_text(encoding="ascii") for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            )
        quota = int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such file, "max"
        return None
    return quota if quota > 0 else None


#: threads that one piece of work may use
WORKERS: Final = min(usable_cores(), _MOST_THREADS)


# ---------------------------------------------------------------------- a process of our own


def settle(environment: MutableMapping[str, str] = os.environ) -> None:
    """Before NumPy and PyTorch are loaded, in a process that is ours: their threads sleep while they wait.

    What the person has set stays. OpenMP reads these when it is loaded: GCC's the first, LLVM's and Intel's (macOS,
    Windows, conda) the second; OpenBLAS its own. None of them knows of a container's share of the machine.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("KMP_BLOCKTIME", "0")
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
    # binary logarithm of the clock cycles that a thread of OpenBLAS turns in circles for; the least that it takes
    environment.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    cores = str(usable_cores(environment))
    for name in _LIBRARY_LIMITS:
        environment.setdefault(name, cores)


# ---------------------------------------------------------------------- any process


@lru_cache(maxsize=1)
def _controller(modules: int) -> Any:
    """The limits of the libraries that are loaded; asked for again where `modules`, their number, has changed."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class _Depth(local):
    """How many uses of `one_thread_each` enclose what this thread runs."""

    depth = 0


class _Limits:
    """What the libraries were set to before the first of us limited them; the last to leave restores it.

    The limit of BLAS holds for the whole process; PyTorch's for the thread that sets it, and for threads that are new.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._held = 0
        self._blas = ExitStack()
        self._usual = 0
        self.here = _Depth()

    def hold(self) -> None:
        """Limit BLAS, and remember PyTorch's number of threads."""
        with self._lock:
            if not self._held:
                self._usual = 0
                self._blas.enter_context(_controller(len(sys.modules)).limit(limits=1, user_api="blas"))
            self._held += 1
            if torch := _torch():
                self._usual = self._usual or torch.get_num_threads()

    def release(self) -> None:
        """Give both back."""
        with self._lock:
            self._held -= 1
            if self._usual and not self.here.depth and (torch := _torch()):
                torch.set_num_threads(self._usual)
            if not self._held:
                self._blas.close()


_limits: Final = _Limits()


def _torch() -> Any:
    """PyTorch, where it is loaded, and wholly."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "set_num_threads") else None


def _use_one_thread() -> None:
    if torch := _torch():
        torch.set_num_threads(1)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Within, linear algebra and PyTorch compute on the calling thread alone; what was set before comes back."""
    _limits.hold()
    _limits.here.depth += 1
    try:
        _use_one_thread()
        yield
    finally:
        _limits.here.depth -= 1
        _limits.release()


def steps_on_one_thread_each(
    make: Callable[Arguments, Steps[Result]],
) -> Callable[Arguments, Steps[Result]]:
    """For a function that makes steps: each step computes as by `one_thread_each`; between steps nothing is limited."""

    @wraps(make)
    def limited(*arguments: Arguments.args, **options: Arguments.kwargs) -> Steps[Result]:
        steps = make(*arguments, **options)
        try:
            while True:
                with one_thread_each():
                    try:
                        progress = next(steps)
                    except StopIteration as end:
                        result: Result = end.value
                        return result
                yield progress
        finally:
            steps.close()

    return limited


@contextmanager
def pool(most: int = _MOST_THREADS) -> Iterator[ThreadPoolExecutor]:
    """As many threads as there are cores for us, each computing as by `one_thread_each`; what waits is dropped."""
    _limits.hold()
    threads = ThreadPoolExecutor(min(WORKERS, most), initializer=_use_one_thread)
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)
        _limits.release()


def in_order(function: Callable[[Item], Result], items: Iterable[Item], most: int = _MOST_THREADS) -> Iterator[Result]:
    """`function` of each item, computed beside one another and given in order; only a few are ahead at any time.

    Parameters
    ----------
    function
        What is computed; runs on one thread each, see `one_thread_each`.
    items
        What it is computed of, one after the other.
    most
        How many at once, where each takes much memory.

    Returns
    -------
    Iterator
        The results in the order of the items.
    """
    queue = iter(items)
    if min(WORKERS, most) == 1:  # nothing is gained by a second thread, and to start one takes longer than many a piece
        for item in queue:
            with one_thread_each():
                result = function(item)
            yield result
        return
    with pool(most) as threads:
        waiting = deque(threads.submit(function, item) for item in islice(queue, 2 * min(WORKERS, most)))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(threads.submit(function, item) for item in islice(queue, 1))
