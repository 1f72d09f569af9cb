"""A folder that a microscope writes to: what is taken, when, and what is not lost."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from napari_atomicity.live.sources import Arrival, FolderSource


class _Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


def _later(source: FolderSource, clock: _Clock, seconds: float = 0.5) -> Arrival | None:
    clock.now += seconds
    return source.take()


def _put(folder: Path, name: str, size: int = 100, when: float = 1_000_000_000.0) -> Path:
    path = folder / name
    path.write_bytes(b"x" * size)
    os.utime(path, (when, when))
    return path


def test_a_file_is_taken_once_it_stood_still_for_two_looks(tmp_path, clock):
    source = FolderSource(tmp_path, clock=clock)
    assert _later(source, clock) is None
    _put(tmp_path, "a.tif", 10)
    assert _later(source, clock) is None
    _put(tmp_path, "a.tif", 20)  # still being written
    assert _later(source, clock) is None
    arrival = _later(source, clock)
    assert arrival is not None and arrival.name == "a" and arrival.state.size == 20
    assert _later(source, clock) is None and source.idle


def test_the_newest_comes_first_and_nothing_is_left_out(tmp_path, clock):
    for i in (3, 1, 2):
        _put(tmp_path, f"{i}.tif", when=1e9 + i)
    source = FolderSource(tmp_path, clock=clock)
    _later(source, clock)
    taken = [_later(source, clock).name for _ in range(2)]
    assert taken == ["3", "2"]
    _put(tmp_path, "4.tif", when=1e9 + 4)
    assert [arrival.name for _ in range(4) if (arrival := _later(source, clock))] == ["1", "4"]


def test_only_images_are_taken(tmp_path, clock):
    for name in (".hidden.tif", "~lock.tif", "notes.txt", "field.clusters.csv", "field.clusters.png"):
        _put(tmp_path, name)
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "nowhere.tif").symlink_to(tmp_path / "gone.tif")
    source = FolderSource(tmp_path, clock=clock)
    assert not any(_later(source, clock) for _ in range(3))


def test_what_cannot_be_read_is_tried_less_and_less_often_and_then_named(tmp_path, clock):
    _put(tmp_path, "half.tif")
    source = FolderSource(tmp_path, patience_s=10, clock=clock)
    tries = []
    for _ in range(60):
        if arrival := _later(source, clock):
            tries.append(clock.now)
            if source.refused(arrival, "cut off"):
                break
    gaps = [b - a for a, b in pairwise(tries)]
    assert tries[-1] - tries[0] >= 10 and len(tries) < 9
    assert all(b >= a for a, b in pairwise(gaps[:-1]))
    assert not any(_later(source, clock) for _ in range(40))
    _put(tmp_path, "half.tif", 200)  # now it is whole
    assert any(_later(source, clock) for _ in range(3))


def test_a_file_that_grew_while_it_was_counted_comes_again(tmp_path, clock):
    _put(tmp_path, "a.tif", 10)
    source = FolderSource(tmp_path, clock=clock)
    _later(source, clock)
    first = _later(source, clock)
    _put(tmp_path, "a.tif", 20)
    assert not source.refused(first, "cut off")
    again = [arrival for _ in range(3) if (arrival := _later(source, clock))]
    assert [arrival.state.size for arrival in again] == [20]


def test_a_folder_that_comes_goes_and_comes_back(tmp_path, clock):
    folder, away = tmp_path / "share", tmp_path / "away"
    source = FolderSource(folder, clock=clock)
    assert _later(source, clock) is None
    (sentence,) = source.remarks()
    assert "waiting for it" in sentence
    for _ in range(5):
        assert _later(source, clock, 10) is None and not source.remarks()
    folder.mkdir()
    _put(folder, "a.tif")
    _later(source, clock, 10)
    assert source.remarks() == [f"The folder {folder} is there again."]
    assert _later(source, clock).name == "a"
    folder.rename(away)
    _later(source, clock)
    assert not source.idle
    away.rename(folder)
    _later(source, clock, 10)
    assert len(source.remarks()) == 2


def test_a_file_that_was_taken_when_the_folder_went_away_is_not_given_up_meanwhile(tmp_path, clock):
    folder, away = tmp_path / "share", tmp_path / "away"
    folder.mkdir()
    _put(folder, "a.tif")
    source = FolderSource(folder, patience_s=10, clock=clock)
    _later(source, clock)
    arrival = _later(source, clock)
    folder.rename(away)
    assert not source.refused(arrival, "no such file")
    assert not any(_later(source, clock) for _ in range(100))  # much longer than its patience
    away.rename(folder)
    again = [found for _ in range(20) if (found := _later(source, clock))]
    assert [found.name for found in again] == ["a"]
    assert not source.refused(again[0], "half of it")  # and its patience begins anew


def test_what_is_known_and_what_was_there_before_is_left_alone(tmp_path, clock):
    _put(tmp_path, "old.tif")
    source = FolderSource(tmp_path, only_new=True, clock=clock)
    assert not any(_later(source, clock) for _ in range(3))
    _put(tmp_path, "new.tif", 5)
    assert [arrival.name for _ in range(3) if (arrival := _later(source, clock))] == ["new"]
    knowing = FolderSource(tmp_path, known=lambda path, state: path.name == "old.tif", clock=clock)
    assert [arrival.name for _ in range(4) if (arrival := _later(knowing, clock))] == ["new"]


def test_ten_thousand_files_are_looked_at_quickly(tmp_path, clock):
    import time

    for i in range(10_000):
        (tmp_path / f"{i:05d}.tif").touch()
    source = FolderSource(tmp_path, clock=clock)
    start = time.perf_counter()
    _later(source, clock)
    assert _later(source, clock, 60) is not None and source.waiting == 9_999
    assert time.perf_counter() - start < 5.0


def test_among_many_counted_files_a_new_one_is_seen_at_once_and_a_replaced_one_in_time(tmp_path, clock, monkeypatch):
    from napari_atomicity.live.sources import folder as watched

    for i in range(watched._MANY + 20):
        _put(tmp_path, f"{i:04d}.tif")
    stats = []
    is_file = watched.stat.S_ISREG
    monkeypatch.setattr(watched.stat, "S_ISREG", lambda mode: stats.append(mode) or is_file(mode))
    source = FolderSource(tmp_path, known=lambda path, state: path.name != "new.tif" and state.size == 100, clock=clock)
    _put(tmp_path, "new.tif", 7)
    assert _later(source, clock) is None
    source._next_whole = float("inf")  # no look at all of them for now
    stats.clear()
    assert _later(source, clock).name == "new" and len(stats) == 1
    _put(tmp_path, "0007.tif", 99)
    assert not any(_later(source, clock) for _ in range(3)) and source.idle
    source._next_whole = -1.0
    assert [arrival.name for _ in range(3) if (arrival := _later(source, clock))] == ["0007"]
    (tmp_path / "0008.tif").unlink()
    assert _later(source, clock, 100) is None and "0008.tif" not in source._files


def test_a_source_that_is_closed_gives_nothing_more(tmp_path, clock):
    _put(tmp_path, "a.tif")
    source = FolderSource(tmp_path, clock=clock)
    _later(source, clock)
    source.close()
    assert source.ended and _later(source, clock) is None
