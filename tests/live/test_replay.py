"""Images that are there already, given as if they came now."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import tifffile

from napari_atomicity.errors import InputError
from napari_atomicity.live.sources import FolderSource, Replay, replay_of, write_slowly
from napari_atomicity.live.sources.replay import frames_of
from napari_atomicity.micrograph import Micrograph


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _folder(tmp_path):
    for name in ("b.tif", "a.tif", "notes.txt"):
        tifffile.imwrite(tmp_path / name, np.zeros((4, 4), dtype=np.uint16))
    return tmp_path


def test_images_come_by_name_each_at_its_time(tmp_path):
    clock = _Clock()
    replay = replay_of(_folder(tmp_path), 2.0)
    replay = Replay(replay._arrivals, 2.0, clock)
    assert replay.waiting == 1 and replay.take().name == "a"
    assert replay.take() is None and not replay.ended
    clock.now += 2.0
    last = replay.take()
    assert last.name == "b" and replay.ended
    replay.again(last)
    assert not replay.ended and replay.take() is last
    replay.close()
    assert replay.take() is None


def test_a_stack_comes_frame_by_frame():
    stack = Micrograph(np.arange(3 * 16).reshape(3, 4, 4), 0.05, name="movie")
    frames = frames_of(stack)
    assert [each.name for each in frames] == ["movie_0", "movie_1", "movie_2"]
    assert all(each.micrograph.pixel_size_nm == 0.05 and each.micrograph.data.shape == (4, 4) for each in frames)
    assert np.array_equal(frames[2].micrograph.data, stack.data[2])


def test_nothing_to_replay_is_said(tmp_path):
    with pytest.raises(InputError, match="no image"):
        replay_of(tmp_path, 1.0)
    with pytest.raises(InputError, match="cannot be read"):
        replay_of(tmp_path / "gone", 1.0)


def test_a_file_that_grows_is_taken_when_it_is_whole(tmp_path):
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    source = _folder(tmp_path / "from") / "a.tif"
    target = tmp_path / "to" / "a.tif"
    watching = FolderSource(tmp_path / "to", poll_s=0.15)
    writer = threading.Thread(target=write_slowly, args=(source, target, 0.8, 16))
    writer.start()
    size, taken = source.stat().st_size, []
    while not taken or taken[-1].state.size < size:  # where the writer is held up it may look whole, and comes again
        if (arrival := watching.take()) is not None:
            taken.append(arrival)
        time.sleep(0.01)
    assert len(taken) < 16
    writer.join()
    assert target.read_bytes() == source.read_bytes()
