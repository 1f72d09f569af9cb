"""Unsaved work survives whatever ends the process, and belongs to one window at a time."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.progress import drain
from napari_atomicity.project import HistoryStep, Project, open_steps
from napari_atomicity.project import blobs as parting
from napari_atomicity.project.recovery import Lock, Recorder, set_aside, taken, unsaved

from .killed import KEPT, MADE, SAVED, SESSION, edit_on, told
from .saved_images import edited, saved_image

#: a process that started from one where all is imported is there at once
_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


@pytest.fixture(autouse=True)
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in the folder of the test is the program's own record."""
    monkeypatch.setenv("NAPARI_ATOMICITY_RECOVERY", str(tmp_path))


def kill_at_random(folder: Path, kills: int, longest_s: float) -> None:
    """Start, kill, and look at what is left, again and again."""
    context: Any = multiprocessing.get_context(_METHOD)
    if _METHOD == "forkserver":
        context.set_forkserver_preload(["napari_atomicity.project", "napari_atomicity.project.recovery"])
    rng = np.random.default_rng(0)
    lost = []
    for number in range(kills):
        home = folder / str(number)
        home.mkdir()
        process = context.Process(target=edit_on, args=(str(home), int(rng.integers(3, 400))), daemon=True)
        process.start()
        deadline = time.monotonic() + 60
        while not (home / MADE).is_file() and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, longest_s))
        process.kill()
        process.join()
        lost.append(look_after(home))
    assert max(lost) < 5
    # something was at stake
    assert sum(told(folder / str(number) / KEPT) for number in range(kills)) > kills


def look_after(home: Path) -> float:
    """Everything that is there opens, and holds all that was noted; gives the seconds of work that are lost."""
    made, kept, saved = (told(home / name) for name in (MADE, KEPT, SAVED))
    if (home / SESSION).is_file():
        (one,) = drain(open_steps(home / SESSION)).images
        assert edit_of(one.steps[-1]) >= saved
    left = unsaved(home / "recovery")
    if not left:
        assert kept == 0
        return 0.0
    (one,) = drain(open_steps(left[0].folder)).images
    last = one.steps[-1]
    assert made >= edit_of(last) >= kept and made - edit_of(last) <= 1
    if edit_of(last):
        assert f"Pt{edit_of(last)}" in set(last.state.table.rows["annotation"]) or edit_of(last) % 7 == 0
    # the one edit under way is what is lost
    return 0.0 if edit_of(last) == made else time.time() - (home / MADE).stat().st_mtime


def edit_of(step: HistoryStep) -> int:
    """Number of the edit that made the step."""
    return int(step.name.removeprefix("Edit ")) if step.name.startswith("Edit") else 0


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_what_was_kept(tmp_path: Path) -> None:
    kill_at_random(tmp_path, kills=30, longest_s=0.25)


@pytest.mark.slow
def test_200_kills(tmp_path: Path) -> None:
    kill_at_random(tmp_path, kills=200, longest_s=0.6)


# ---------------------------------------------------------------------- one writer


def test_only_what_is_new_is_written(image: Micrograph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    whole = parting.write_atomically

    def counted(path: Path, write: Any) -> None:
        written.append(path)
        whole(path, write)

    monkeypatch.setattr(parting, "write_atomically", counted)
    recorder = Recorder(tmp_path / "recovery")
    one = saved_image(image, n=100, steps=8)
    recorder.record(Project((one,)))
    first = len(written)
    table = edited(one.state.table, 8)
    again = replace(one, steps=(*one.steps, HistoryStep("More", replace(one.state, table=table))), now=one.now + 1)
    recorder.record(Project((again,)))
    assert first >= 8 and len(written) == first + 1
    # what was undone and overwritten is cleared away, and what is needed stays
    other = replace(again, steps=(*again.steps[:3], again.steps[-1]), now=3)
    recorder.record(Project((other,)))
    recorder.record(Project((again,)))
    folder = recorder.folder
    assert folder is not None
    recorder.close()
    (opened,) = drain(open_steps(folder)).images
    assert opened.state.table.rows.equals(table.rows)
    for a, b in zip(again.steps, opened.steps, strict=True):
        assert a.state.table.rows.equals(b.state.table.rows)


def test_a_full_disk_keeps_what_was_there_and_the_next_time_writes_all(
    image: Micrograph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path / "recovery")
    one = saved_image(image, steps=2)
    recorder.record(Project((one,)))
    more = saved_image(image, n=40, steps=6)
    whole = Path.write_bytes
    left = iter([True, False, False])

    def full(path: Path, content: bytes) -> int:
        if next(left, False):
            return whole(path, content)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(InputError, match="No space left"):
            recorder.record(Project((more,)))
    folder = recorder.folder
    assert folder is not None and not list(folder.rglob(".*"))
    assert drain(open_steps(folder)).images[0].state.table.rows.equals(one.state.table.rows)
    recorder.record(Project((more,)))
    assert drain(open_steps(folder)).images[0].state.table.rows.equals(more.state.table.rows)


# ---------------------------------------------------------------------- several windows


def test_a_running_window_keeps_its_work_and_a_dead_one_offers_it(image: Micrograph, tmp_path: Path) -> None:
    root = tmp_path / "recovery"
    assert unsaved(root) == []
    alive, dead = Recorder(root), Recorder(root)
    for recorder in (alive, dead):
        recorder.record(Project((saved_image(image), saved_image(image))))
    assert unsaved(root) == []
    folder = dead.folder
    dead.close()
    (one,) = unsaved(root)
    assert one.folder == folder and one.names == ("small", "small")
    assert one.sentence.startswith(f"There is unsaved work on small, small from {one.when:%H:%M}")
    with taken(one), pytest.raises(InputError, match="Another window"), taken(one):
        pass
    kept = set_aside(one)
    assert unsaved(root) == [] and kept is not None and drain(open_steps(kept)).images
    alive.clear()
    assert [path.name for path in root.iterdir()] == ["aside"]


def test_what_is_no_recovery_folder_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "recent.json").write_text("[]")
    for name, content in (("a", "{"), ("b", "[]"), ("c", '{"kind": "x", "images": []}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "session.json").write_text(content)
    (tmp_path / "empty").mkdir()
    assert unsaved(tmp_path) == []


def test_a_folder_that_is_not_allowed_is_one_sentence(image: Micrograph, tmp_path: Path) -> None:
    (tmp_path / "recovery").write_text("a file")
    with pytest.raises(InputError, match="cannot be made"):
        Recorder(tmp_path / "recovery").record(Project((saved_image(image),)))


def test_a_folder_that_cannot_be_locked_leaves_nothing(
    image: Micrograph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path / "recovery")
    monkeypatch.setattr(Lock, "take", lambda _: False)
    for _ in range(3):  # as the background does, every quarter of a minute
        with pytest.raises(InputError, match="cannot be locked"):
            recorder.record(Project((saved_image(image),)))
    assert list(recorder.root.iterdir()) == []


def test_the_environment_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NAPARI_ATOMICITY_RECOVERY", str(tmp_path / "here"))
    recorder = Recorder()
    assert recorder.root == tmp_path / "here"
    assert os.environ["NAPARI_ATOMICITY_RECOVERY"]
