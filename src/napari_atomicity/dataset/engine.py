"""Who computes: processes of this machine, or a cluster of dask. Both are given functions with their arguments.

What a function gives back is small: tables are written by the workers. At any time only a few tasks are with the
engine, so that a scheduler holds no more of them for a million images than for a hundred.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Final, Protocol

from napari_atomicity.dataset.workers import begin, environment, fresh_processes, look_around
from napari_atomicity.errors import InputError

#: tasks with a cluster for each of its threads: one in work, one waiting
_AHEAD: Final = 2
#: seconds that a scheduler is waited for at the beginning, and once it is lost
_ANSWERS_WITHIN_S: Final = 15.0
_COMES_BACK_WITHIN_S: Final = 600.0


@dataclass(frozen=True)
class Task:
    """A function with its arguments."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class WorkerLost(Exception):
    """The process that had a task in hand ended."""


@dataclass(frozen=True)
class Done:
    """A task that came to an end, with what it gave, or what it raised."""

    task: Task
    result: Any = None
    error: Exception | None = None


class Engine(Protocol):
    """Who computes."""

    @property
    def workers(self) -> int:
        """How many tasks are computed at the same time."""

    @property
    def dashboard(self) -> str:
        """Address of a page that shows the work; empty where there is none."""

    @property
    def room(self) -> int:
        """How many tasks more are taken now."""

    def submit(self, task: Task) -> None:
        """Begin a task."""

    def wait(self, seconds: float) -> list[Done]:
        """Tasks that ended, once one has; none where that takes longer than `seconds`."""

    def close(self) -> None:
        """End everything at once: what is not written is not done."""


class LocalProcesses:
    """Processes of this machine, each in a pool of its own: one that dies takes no other with it.

    Parameters
    ----------
    workers
        How many.
    """

    dashboard = ""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._idle: list[ProcessPoolExecutor] = []
        self._busy: dict[Future[Any], tuple[Task, ProcessPoolExecutor]] = {}

    @property
    def room(self) -> int:
        """How many tasks more are taken now."""
        return self.workers - len(self._busy)

    def submit(self, task: Task) -> None:
        """Begin a task.

        Parameters
        ----------
        task
            The task.
        """
        pool = self._idle.pop() if self._idle else self._new()
        with environment(self.workers):
            try:
                future = pool.submit(task.function, *task.arguments)
            except BrokenProcessPool:  # ended while it was idle
                pool.shutdown(wait=False)
                pool = self._new()
                future = pool.submit(task.function, *task.arguments)
        self._busy[future] = (task, pool)

    def wait(self, seconds: float) -> list[Done]:
        """Tasks that ended, once one has; none where that takes longer than `seconds`."""
        ended = wait(self._busy, seconds, FIRST_COMPLETED).done
        done = []
        for future in ended:
            task, pool = self._busy.pop(future)
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                pool.shutdown(wait=False)
                done.append(Done(task, error=WorkerLost()))
                continue
            self._idle.append(pool)
            if error is None:
                done.append(Done(task, future.result()))
            elif isinstance(error, Exception):
                done.append(Done(task, error=error))
            else:
                raise error
        return done

    def close(self) -> None:
        """End everything at once: what is not written is not done."""
        for pool in [*self._idle, *(pool for _, pool in self._busy.values())]:
            processes = list((getattr(pool, "_processes", None) or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            for process in processes:
                process.join(5)
        self._idle, self._busy = [], {}

    @staticmethod
    def _new() -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, fresh_processes(), initializer=begin)


class DaskCluster:
    """A cluster of dask; `dask worker tcp://…` is all that its machines run.

    Parameters
    ----------
    address
        Of its scheduler.
    sees
        A file of the dataset, which every worker must see.

    Raises
    ------
    InputError
        Where dask.distributed is not installed, the scheduler does not answer, it has no worker, or a worker has
        other versions or does not see the dataset.
    """

    def __init__(self, address: str, sees: str) -> None:
        try:
            import distributed
        except ImportError as error:
            raise InputError(
                'A cluster needs an extra; install it with  pip install "napari-atomicity[cluster]"  .'
            ) from error
        # what befalls the cluster is said by us, in one sentence
        self._log = logging.getLogger("distributed")
        self._level = self._log.level
        self._log.setLevel(logging.CRITICAL)
        self._distributed = distributed
        self._address = address
        self._sees = sees
        self._busy: dict[Any, Task] = {}
        self._client: Any = None
        try:
            self._connect(_ANSWERS_WITHIN_S)
            self._check_workers()
        except BaseException:
            self.close()
            raise

    @property
    def workers(self) -> int:
        """How many tasks are computed at the same time."""
        with contextlib.suppress(Exception):
            return max(1, sum(map(int, self._client.nthreads().values())))
        return 1

    @property
    def dashboard(self) -> str:
        """Address of a page that shows the work; empty where there is none."""
        return str(getattr(self._client, "dashboard_link", "") or "")

    @property
    def room(self) -> int:
        """How many tasks more are taken now."""
        return _AHEAD * self.workers - len(self._busy)

    def submit(self, task: Task) -> None:
        """Begin a task.

        Parameters
        ----------
        task
            The task.
        """
        self._busy[self._client.submit(task.function, *task.arguments, pure=False)] = task

    def wait(self, seconds: float) -> list[Done]:
        """Tasks that ended, once one has; none where that takes longer than `seconds`.

        Raises
        ------
        InputError
            Where the scheduler was lost and does not come back.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            ended = [future for future in self._busy if future.status in ("finished", "error", "cancelled", "lost")]
            if ended:
                return [self._done(future) for future in ended]
            if self._client.status != "running":
                return self._again()
            time.sleep(min(0.05, seconds))
        return []

    def close(self) -> None:
        """End everything at once: what is not written is not done."""
        with contextlib.suppress(Exception):
            self._client.cancel(list(self._busy), force=True)
        self._busy = {}
        self._let_go(within_s=5)
        self._log.setLevel(self._level)

    def _done(self, future: Any) -> Done:
        task = self._busy.pop(future)
        if future.status == "finished":
            try:
                return Done(task, future.result(timeout=_ANSWERS_WITHIN_S))
            except Exception:
                return Done(task, error=WorkerLost())
        if future.status == "error":
            error = future.exception()
            lost = isinstance(error, self._distributed.scheduler.KilledWorker)
            return Done(task, error=WorkerLost() if lost or not isinstance(error, Exception) else error)
        return Done(task, error=ConnectionError("the scheduler was lost"))

    def _again(self) -> list[Done]:
        """The scheduler is gone, and with it what it knew: wait for it; every task is to be given again."""
        lost = [Done(task, error=ConnectionError("the scheduler was lost")) for task in self._busy.values()]
        self._busy = {}
        self._let_go(within_s=1)
        self._connect(_COMES_BACK_WITHIN_S)
        return lost

    def _let_go(self, within_s: float) -> None:
        """Close the connection, where there is one."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close(timeout=within_s)

    def _connect(self, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while True:
            try:
                # only what is given to it is computed there: as a default it would take all that dask does in the
                # process, and where it is not reached it would leave dask without anyone who computes
                self._client = self._distributed.Client(
                    self._address, timeout=min(within_s, _ANSWERS_WITHIN_S), set_as_default=False
                )
                self._client.wait_for_workers(1, timeout=max(1.0, deadline - time.monotonic()))
                return
            except (OSError, ValueError, TimeoutError) as error:
                self._let_go(within_s=1)
                if isinstance(error, ValueError):
                    raise InputError(
                        f"{self._address} is no address of a scheduler; give one such as tcp://host:8786."
                    ) from error
                if time.monotonic() < deadline:
                    time.sleep(0.5)
                    continue
                reached = (
                    "has no workers" if isinstance(error, TimeoutError) and "workers" in str(error) else "is silent"
                )
                raise InputError(
                    f"The scheduler {self._address} {reached}; start it with  dask scheduler  and, on each machine, "
                    f"dask worker {self._address}  ."
                ) from error

    def _check_workers(self) -> None:
        own = look_around(self._sees)["versions"]
        for worker, found in self._client.run(look_around, self._sees).items():
            if not found["sees"]:
                raise InputError(f"The worker {worker} does not see {self._sees}; put the dataset on a shared disk.")
            for name, version in own.items():
                theirs = found["versions"].get(name, "none")
                if theirs != version:
                    raise InputError(
                        f"The worker {worker} has {name} {theirs}, here it is {version}; install the same versions."
                    )
