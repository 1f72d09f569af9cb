"""`make run`: what is counted is counted once, and said."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt" or shutil.which("make") is None, reason="there is no make here")


@pytest.fixture
def checkout(tmp_path, repository) -> Path:
    """A tree with the Makefile, a program that only writes the files of an analysis, and everything set up."""
    shutil.copy(repository / "Makefile", tmp_path)
    for name in ("pyproject.toml", "constraints.txt", "napari.yaml", "tools/setup.sh", "sample_data/sample_mixed.tif",
                 "src/program.py", ".venv/bin/napari-atomicity"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    program = tmp_path / ".venv/bin/napari-atomicity"
    program.write_text('#!/bin/sh\necho "did $1" && mkdir -p out && touch out/sample_mixed.report.json\n')
    program.chmod(0o755)
    _age(tmp_path, 100)
    (tmp_path / ".venv/.ready").touch()
    _age(tmp_path / ".venv/.ready", 50)
    return tmp_path


def _age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    for each in [path, *path.rglob("*")] if path.is_dir() else [path]:
        os.utime(each, (then, then))


def _run(checkout: Path) -> str:
    here = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(["make", "run"], cwd=checkout, env=here, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_second_run_says_that_the_sample_is_counted_and_leaves_it_so(checkout):
    first = _run(checkout)
    assert "Counting the atoms on sample_data/sample_mixed.tif" in first and "did analyse" in first
    second = _run(checkout)
    assert "counted already" in second and "out/sample_mixed.report.json" in second
    assert "did analyse" not in second


@pytest.mark.parametrize("changed", ["src/program.py", "sample_data/sample_mixed.tif"])
def test_after_a_change_the_sample_is_counted_again(checkout, changed):
    _run(checkout)
    _age(checkout / "out/sample_mixed.report.json", 20)
    _age(checkout / ".venv/.ready", 10 if changed.startswith("sample_data") else 50)  # a new sample is set up first
    _age(checkout / changed, 15)
    assert "did analyse" in _run(checkout)


def test_a_sample_that_cannot_be_counted_ends_the_run(checkout):
    (checkout / ".venv/bin/napari-atomicity").write_text("#!/bin/sh\necho 'no' >&2\nexit 2\n")
    with pytest.raises(subprocess.CalledProcessError):
        _run(checkout)
