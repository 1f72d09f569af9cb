"""How many threads, how they wait, and that no number depends on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from napari_atomicity import threads
from napari_atomicity.counting.bundle import load_bundle
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import Settings, analyse
from napari_atomicity.progress import Progress, drain


@pytest.fixture
def unlimited(monkeypatch, tmp_path):
    """A machine of 16 cores that nobody limits; gives the folder of its control groups and the file of ours."""
    monkeypatch.setattr(threads, "_cores_of_the_process", lambda: 16)
    groups, membership = tmp_path / "cgroup", tmp_path / "membership"
    monkeypatch.setattr(threads, "_CGROUPS", groups)
    monkeypatch.setattr(threads, "_MEMBERSHIP", membership)
    return groups, membership


@pytest.mark.parametrize(
    ("said", "cores"),
    [
        ({}, 16),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "4,2"}, 4),
        ({"SLURM_CPUS_PER_TASK": "6"}, 6),
        ({"OMP_NUM_THREADS": "8", "SLURM_CPUS_PER_TASK": "2"}, 2),
        ({"OMP_NUM_THREADS": "many"}, 16),
        ({"OMP_NUM_THREADS": "0", "SLURM_CPUS_PER_TASK": ""}, 16),
        ({"OMP_NUM_THREADS": "64"}, 16),
    ],
)
def test_what_a_person_or_a_batch_system_grants_is_used(unlimited, said, cores):
    assert threads.usable_cores(said) == cores


@pytest.mark.parametrize(
    ("member", "files", "cores"),
    [
        ("0::/", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/", {"cpu.max": "max 100000\n"}, 16),
        ("0::/job/step", {"job/cpu.max": "350000 100000\n", "job/step/cpu.max": "max 100000\n"}, 3),
        ("0::/elsewhere/on/the/host", {"cpu.max": "50000 100000\n"}, 1),
        (
            "5:cpu,cpuacct:/docker/x",
            {"cpu,cpuacct/cpu.cfs_quota_us": "400000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            4,
        ),
        ("5:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 16),
        ("4:memory:/x\n1:cpu:/x", {"cpu/x/cpu.cfs_quota_us": "500000", "cpu/x/cpu.cfs_period_us": "100000"}, 5),
        ("0::/", {"cpu.max": "nonsense"}, 16),
        ("nonsense", {}, 16),
    ],
)
def test_the_share_of_a_container_is_all_it_uses(unlimited, member, files, cores):
    groups, membership = unlimited
    membership.write_text(member, encoding="utf-8")
    for name, content in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(content, encoding="utf-8")
    assert threads.usable_cores({}) == cores


def test_a_process_of_ours_tells_libraries_how_to_wait_and_how_many_there_are(unlimited):
    environment: dict[str, str] = {"SLURM_CPUS_PER_TASK": "3"}
    threads.settle(environment)
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE" and environment["KMP_BLOCKTIME"] == "0"
    assert {environment[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")} == {"3"}


def test_what_a_person_has_set_stays(unlimited):
    mine = {"OMP_WAIT_POLICY": "ACTIVE", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "7", "MKL_NUM_THREADS": "5"}
    environment = {**mine, "OPENBLAS_THREAD_TIMEOUT": "20"}
    threads.settle(environment)
    assert environment == {**mine, "OPENBLAS_THREAD_TIMEOUT": "20"}


# every way in; the last is somebody else's process, which we may not change
_DOORS = {
    "command": "from napari_atomicity.cli import main; sys.argv = ['x', '--version']; main()",
    "module": "sys.argv = ['x', '--version']; runpy.run_module('napari_atomicity.cli', run_name='__main__')",
    "window": "from napari_atomicity.ui import launch; launch._load_torch = lambda: 1 / 0; launch.main()",
    "library": "from napari_atomicity import cli, analyse, read; cli.main(['--version'])",
}


@pytest.mark.parametrize("door", _DOORS)
def test_before_numpy_is_loaded_every_door_of_ours_says_how_to_wait_and_no_other(door):
    code = f"""
import os, runpy, sys
class Watch:
    def find_spec(name, path=None, target=None):
        if name in ("numpy", "torch"):
            print("loaded with", os.environ.get("OMP_WAIT_POLICY"))
sys.meta_path.insert(0, Watch)
try:
    {_DOORS[door]}
except (SystemExit, ZeroDivisionError):
    pass
print('left with', os.environ.get('OMP_WAIT_POLICY'))
"""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    wanted = "None" if door == "library" else "PASSIVE"
    lines = done.stdout.splitlines()
    assert lines[-1] == f"left with {wanted}"
    assert {line for line in lines if line.startswith("loaded")} <= {f"loaded with {wanted}"}


def test_the_libraries_of_somebody_elses_process_are_limited_only_while_we_compute():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    within: list[int] = []

    @threads.steps_on_one_thread_each
    def steps():
        within.append(torch.get_num_threads())
        yield Progress(0, 1, "first")
        with threads.one_thread_each():
            pass
        within.append(torch.get_num_threads())
        within.extend(threads.in_order(lambda _: torch.get_num_threads(), range(3)))
        return torch.get_num_threads()

    try:
        work = steps()
        next(work)
        assert torch.get_num_threads() == 3
        with pytest.raises(StopIteration) as end:
            next(work)
        assert end.value.value == 1 and set(within) == {1}
        assert torch.get_num_threads() == 3
        new: list[int] = []
        thread = threading.Thread(target=lambda: new.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert new == [3]
    finally:
        torch.set_num_threads(before)


def test_limits_end_where_work_fails_or_is_stopped():
    import torch
    from threadpoolctl import threadpool_info

    def numbers():
        return torch.get_num_threads(), [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    @threads.steps_on_one_thread_each
    def steps():
        yield Progress(0, 1, "first")
        raise ValueError

    before = numbers()
    with pytest.raises(ValueError):
        drain(steps())
    stopped = steps()
    next(stopped)
    stopped.close()
    with pytest.raises(ZeroDivisionError):
        list(threads.in_order(lambda i: 1 / i, [1, 0, 1]))
    assert numbers() == before


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_pieces_come_in_order_and_only_a_few_are_computed_ahead(monkeypatch, workers):
    monkeypatch.setattr(threads, "WORKERS", workers)
    begun: list[int] = []

    def piece(i: int) -> int:
        begun.append(i)
        return i * i

    found = threads.in_order(piece, iter(range(100)))
    assert [next(found) for _ in range(5)] == [0, 1, 4, 9, 16]
    found.close()
    assert len(begun) <= 5 + 2 * workers
    assert list(threads.in_order(piece, [])) == []


def test_no_more_pieces_are_computed_at_once_than_memory_allows(monkeypatch):
    monkeypatch.setattr(threads, "WORKERS", 8)
    both = threading.Barrier(2, timeout=60)  # breaks where fewer than two are there at once
    lock, here, most = threading.Lock(), 0, 0

    def piece(_: int) -> None:
        nonlocal here, most
        with lock:
            here += 1
            most = max(most, here)
        both.wait()
        with lock:
            here -= 1

    list(threads.in_order(piece, range(20), most=2))
    assert most == 2


def _table(micrograph: Micrograph, settings: Settings) -> str:
    return analyse(micrograph, settings).table.rows.to_csv()


@pytest.fixture(scope="module")
def seen_by_many() -> Micrograph:
    """The mixed sample: its model is adapted, which goes through everything."""
    from napari_atomicity.io import read

    return read(Path(__file__).parents[1] / "sample_data" / "sample_mixed.tif")


@pytest.mark.slow
def test_the_table_is_the_same_to_the_bit_however_many_threads_there_are(monkeypatch, seen_by_many):
    import torch

    tables = set()
    for workers, torch_threads in ((1, 1), (2, 2), (5, 1)):
        monkeypatch.setattr(threads, "WORKERS", workers)
        torch.set_num_threads(torch_threads)
        tables.add(_table(seen_by_many, Settings()))
    assert len(tables) == 1


def test_the_network_says_the_same_to_the_bit_however_many_threads_there_are(monkeypatch, micrograph, model_path):
    settings = Settings(model=str(model_path))
    tables = set()
    for workers in (1, 2, 5):
        monkeypatch.setattr(threads, "WORKERS", workers)
        tables.add(_table(micrograph, settings))
    assert len(tables) == 1


def test_tuning_gives_the_same_model_however_many_threads_there_are(monkeypatch):
    import pandas as pd

    from napari_atomicity.counting import tuning
    from napari_atomicity.counting.patches import Patches

    monkeypatch.setattr(tuning, "STEPS", 3)
    bundle = load_bundle("dual")
    index = bundle.rehearsal["class_index"]
    rows = np.concatenate([np.flatnonzero(index == i)[:8] for i in range(2)])
    noise = bundle.rehearsal["noise"][rows].astype(np.float32)
    log_atoms = bundle.rehearsal["log_atoms"][rows].astype(np.float64)
    patches = Patches(bundle.rehearsal["raw"][rows].astype(np.float32), log_atoms, noise, np.ones(16, dtype=bool))
    labels = np.array(bundle.card.labels, dtype=object)[index[rows]]
    anchors = pd.DataFrame({"label": labels, "held_back": np.arange(16) % 3 == 0})
    said = set()
    for workers in (1, 3):
        monkeypatch.setattr(threads, "WORKERS", workers)
        one = tuning.Tuning(bundle, patches, np.zeros(16), np.arange(16), anchors, seed=1)
        drain(threads.steps_on_one_thread_each(one.steps)())
        assert one.after["anchors"] == 6
        said.add(json.dumps([one.before, one.after, [float(p.double().sum()) for p in one.network.parameters()]]))
    assert len(said) == 1


def test_a_tuning_keeps_only_what_its_steps_look_at(monkeypatch):
    from napari_atomicity.counting import tuning

    label = np.repeat([0, 1], [20_000, 5_000])
    batches = list(tuning._batches(np.arange(25_000), label, 60, seed=0))
    looked_at = np.unique(np.concatenate([batch.anchors for batch in batches]))
    assert len(looked_at) <= tuning.STEPS * tuning._ANCHORS_A_STEP
    # classes are drawn alike, however many anchors each has
    assert 0.4 < (label[np.concatenate([batch.anchors for batch in batches])] == 0).mean() < 0.6
    for batch in batches[:3]:
        assert np.array_equal(np.concatenate([shard.anchors for shard in batch.shards()]), batch.anchors)
        assert np.array_equal(np.concatenate([shard.rehearsed for shard in batch.shards()]), batch.rehearsed)
