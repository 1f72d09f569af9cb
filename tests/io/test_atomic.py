from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_atomically


def test_the_new_file_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    write_atomically(path, lambda beside: beside.write_text("new") and None)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_it_is_written_beside_under_the_same_suffix(tmp_path: Path) -> None:
    seen: list[Path] = []

    def write(beside: Path) -> None:
        seen.append(beside)
        beside.write_text("new")

    write_atomically(tmp_path / "a.csv", write)
    assert seen[0].parent == tmp_path
    assert seen[0].suffix == ".csv"
    assert seen[0].name != "a.csv"


@pytest.mark.parametrize("error", [RuntimeError("a fault"), KeyboardInterrupt()])
def test_a_failure_half_way_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def write(beside: Path) -> None:
        beside.write_text("ne")
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(InputError, match="No space left"):
        write_atomically(path, lambda beside: beside.write_text("new") and None)
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="could not be written"):
        write_atomically(tmp_path / "no" / "a.csv", lambda beside: beside.write_text("new") and None)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
def test_the_rights_of_the_old_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    path.chmod(0o640)
    write_atomically(path, lambda beside: beside.write_text("new") and None)
    assert path.stat().st_mode & 0o777 == 0o640
