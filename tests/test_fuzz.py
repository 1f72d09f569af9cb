"""The fuzzer notices what it must, makes the same inputs again, and finds nothing in a small edition of its run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("psutil")
pytest.importorskip("h5py")


def _fuzz(repository: Path, *words: str, seconds: float = 280) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.fuzz", *words]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=seconds, check=False)


def _trap(folder: Path, what: str) -> str:
    place = folder / what
    place.mkdir()
    (place / "trap.txt").write_text(what, encoding="utf-8")
    facts = {"door": "trap", "files": ["trap.txt"], "labels": {}, "story": [what], "good": False}
    (place / "outcome.json").write_text(json.dumps(facts), encoding="utf-8")
    return str(place)


@pytest.mark.slow
def test_what_hangs_grows_dies_and_raises_is_noticed_and_does_not_end_the_run(repository: Path, tmp_path: Path) -> None:
    traps = [_trap(tmp_path, what) for what in ("raise", "hang", "grow", "die", "turn", "nothing")]
    done = _fuzz(repository, "--again", *traps)
    ends = {line.split(":")[0]: line for line in done.stdout.splitlines()}
    assert done.returncode == 1, done.stderr
    assert "KeyError" in ends["raise"]
    assert "late" in ends["hang"] and "late" in ends["turn"]
    assert "heavy" in ends["grow"]
    assert "died" in ends["die"]
    assert "well" in ends["nothing"]


@pytest.mark.slow
def test_nothing_unexpected_nothing_that_hangs_nothing_that_takes_the_machine(repository: Path, tmp_path: Path) -> None:
    done = _fuzz(repository, "--files", "60", "--others", "40", "--seed", "3", "--keep", str(tmp_path / "faults"))
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_a_seed_and_a_number_give_the_same_bytes_again(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(repository))
    from tools.fuzz.cases import FILES, case
    from tools.fuzz.corpus import image
    from tools.fuzz.formats import mrc, pictures, tiff
    from tools.fuzz.kinds import Case, Good

    def goods() -> dict[str, Good]:
        return {name: good for module in (tiff, mrc, pictures) for name, good in module.good(image()).items()}

    def made(seed: int) -> list[Case]:
        # new HDF5 files keep the time of day
        return [one for one in (case(seed, FILES, n, goods()) for n in range(12)) if "crafted hdf5" not in one.story]

    first = made(5)
    assert first == made(5) != made(6)
    assert len({next(iter(one.files.values())) for one in first}) > 5
