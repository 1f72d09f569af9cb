"""A batch on a real cluster of dask on this machine: workers are killed, the scheduler is lost and comes back."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import time

import pytest

from napari_atomicity import cli
from napari_atomicity.dataset.batch import Batch, batch_steps
from napari_atomicity.dataset.engine import DaskCluster
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import Settings
from seeds import seeded

from .test_batch import content, undisturbed  # noqa: F401

pytest.importorskip("distributed")
import dask


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def clients_open() -> list[str]:
    """Connections to schedulers that this process has."""
    from distributed.client import Client

    return [str(one) for one in Client._instances if one.status not in ("closed", "newly-created")]


class Machines:
    """A scheduler and workers as a person starts them, each a process of its own."""

    def __init__(self, folder) -> None:
        self.port, self.folder = free_port(), folder
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.processes: list[subprocess.Popen] = []
        self.scheduler = self.start_scheduler()
        for _ in range(2):
            self.start_worker()

    def start(self, *arguments: str) -> subprocess.Popen:
        call = [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]]
        process = subprocess.Popen(call, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def start_scheduler(self) -> subprocess.Popen:
        self.scheduler = self.start("dask_scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")
        return self.scheduler

    def start_worker(self) -> subprocess.Popen:
        options = ["--nthreads", "1", "--no-dashboard", "--local-directory", str(self.folder), "--no-nanny"]
        return self.start("dask_worker", self.address, *options)

    def close(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()


@pytest.fixture
def machines(tmp_path):
    made = Machines(tmp_path)
    yield made
    made.close()


@pytest.mark.slow
def test_a_cluster_whose_workers_are_killed_and_whose_scheduler_is_lost_ends_the_same(
    undisturbed,  # noqa: F811
    night,
    tmp_path,
    machines,
):
    rng = random.Random(seeded(0))
    batch = Batch(
        [night], tmp_path / "out", Settings(adapt="off"), session_by="folder", scheduler=machines.address, most=1
    )
    steps = batch_steps(batch)
    befallen: list[str] = []
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            result = end.value
            break
        if progress.total and progress.done == 1 and "killed" not in befallen:
            befallen.append("killed")
            rng.choice(machines.processes[1:3]).send_signal(signal.SIGKILL)
            machines.start_worker()
        if progress.total and progress.done == 3 and "lost" not in befallen:
            befallen.append("lost")
            machines.scheduler.send_signal(signal.SIGKILL)
            machines.scheduler.wait()
            machines.start_scheduler()
            machines.start_worker()
    assert befallen == ["killed", "lost"] and not clients_open()
    assert content(result.folder) == content(undisturbed.folder)


@pytest.mark.slow
def test_local_processes_that_are_killed_at_random_end_the_same(undisturbed, night, run):  # noqa: F811
    import psutil

    from napari_atomicity.dataset.engine import LocalProcesses

    rng, left = random.Random(seeded(1)), 3
    batch = Batch([night], run.folder, Settings(adapt="off"), session_by="folder", workers=2, most=1)
    killed_at = 0.0
    engine = LocalProcesses(2)
    steps = batch_steps(batch, engine=engine)
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            result = end.value
            break
        below = psutil.Process().children(recursive=True)
        # on Linux they are copies of a process between us and them
        children = [one for one in below if one.ppid() != os.getpid() or "spawn_main" in " ".join(one.cmdline())]
        if left and children and progress.total and time.monotonic() - killed_at > 3:
            rng.choice(children).kill()
            killed_at, left = time.monotonic(), left - 1
    assert left < 3
    assert content(result.folder) == content(undisturbed.folder)


def test_a_scheduler_that_is_silent_is_said_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_atomicity.dataset.engine._ANSWERS_WITHIN_S", 1.0)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(InputError, match="is silent; start it with  dask scheduler"):
        DaskCluster(address, str(tmp_path))
    with pytest.raises(InputError, match="is no address of a scheduler"):
        DaskCluster("nonsense://here", str(tmp_path))
    # what else dask does in this process is done as before
    assert logging.getLogger("distributed").level != logging.CRITICAL
    assert dask.delayed(1).compute() == 1


@pytest.mark.slow
def test_workers_with_other_versions_or_without_the_disk_are_named(machines, night, tmp_path, capsys, monkeypatch):
    with pytest.raises(InputError, match=r"does not see .*; put the dataset on a shared disk"):
        DaskCluster(machines.address, str(tmp_path / "nowhere"))
    monkeypatch.setattr("napari_atomicity.provenance.__version__", "9.9")
    with pytest.raises(InputError, match=r"has napari-atomicity .*, here it is 9.9; install the same versions"):
        DaskCluster(machines.address, str(tmp_path))
    assert dask.delayed(1).compute() == 1 and not clients_open()
    call = ["batch", str(night), "-o", str(tmp_path / "out"), "--scheduler", machines.address]
    assert cli.main(call) == 2
    said = capsys.readouterr().err
    assert "install the same versions" in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()
