"""``batch`` on the command line: what is wrong is said in one sentence before any work."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import psutil
import pytest

from napari_atomicity import cli


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--shard", "5/4"], "is no part of a batch"),
        (["--workers", "0"], "a whole number from 1"),
        (["--workers", "2", "--scheduler", "tcp://host:8786"], "Leave one out"),
        (["--session-by", "evening"], "is not a list"),
        (["--session-by", "folder", "--adapt", "auto"], "without fine-tuning"),
        (["--deposited", "12"], "does not know clusters of 12 atoms"),
        (["--model", "nobody"], "no model named 'nobody'"),
    ],
)
def test_impossible_calls_are_refused_and_leave_nothing(night, tmp_path, capsys, more, words):
    assert cli.main(["batch", str(night), "-o", str(tmp_path / "out"), *more]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_batch_in_a_process_of_its_own_is_stopped_and_goes_on(night, tmp_path):
    call = [sys.executable, "-m", "napari_atomicity.cli", "batch", str(night), "-o", str(tmp_path / "out")]
    first = subprocess.run([*call, "--workers", "2", "--shard", "1/2"], capture_output=True, text=True, check=False)
    assert first.returncode == 0
    assert "part 1/2: 3 images measured" in first.stdout
    second = subprocess.run([*call, "--workers", "2"], capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert "add --resume" in second.stderr
    third = subprocess.run([*call, "--resume"], capture_output=True, text=True, check=False)
    assert third.returncode == 0, third.stderr
    assert "6 images: 6 counted, 0 refused, 0 failed" in third.stdout
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["images"] == 6
    assert (tmp_path / "out" / "overview.html").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="workers are told of the end of their parent in another way")
def test_no_worker_outlives_a_call_that_was_killed(night, tmp_path):
    call = [sys.executable, "-m", "napari_atomicity.cli", "batch", str(night), "-o", str(tmp_path / "out")]
    process = subprocess.Popen([*call, "--workers", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list((tmp_path / "out" / "measured").glob("running/*.txt")):
        time.sleep(0.05)
    below = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert len(below) >= 2
    _, alive = psutil.wait_procs(below, timeout=20)
    assert not alive
