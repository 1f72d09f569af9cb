"""A disk that is full: old files stay whole, nothing half-written stays, and it is said in one sentence.

The system itself refuses to make files larger than a few kilobytes, so that whoever writes, in whatever language, meets
the same as on a full disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from napari_atomicity.project.recovery import Recorder

resource = pytest.importorskip("resource")

_ROOM_BYTES = 6000


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """No file grows beyond a few kilobytes."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_ROOM_BYTES, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def everything_in(folder: Path) -> dict[str, bytes]:
    """Content of all files, hidden ones too; folders have none."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


@pytest.fixture
def labelled(app: Any, micrograph: Any, counted_once: Any, soon: None) -> Any:
    """A counted frame with labels of a person, kept in the background after a moment."""
    app.lay_out(micrograph, counted_once)
    app.document.annotate(app.document.table.ids[:12].tolist(), "Pt19")
    app.kept()
    return app


EXPORTS = {
    "table.csv": lambda panel, path: panel.write(path),
    "table.parquet": lambda panel, path: panel.write(path),
    "figure.png": lambda panel, path: panel.write_figure(path),
    "figure.svg": lambda panel, path: panel.write_figure(path),
    "figure.pdf": lambda panel, path: panel.write_figure(path),
    "report.html": lambda panel, path: panel.write_report(path),
    "set": lambda panel, path: panel.write_set(path),
    "day.atomicity": lambda panel, path: panel.context.project.save(path),
}


@pytest.mark.slow
def test_whatever_is_written_leaves_the_old_file_whole(labelled: Any, tmp_path: Path) -> None:
    app, folder = labelled, tmp_path / "out"
    folder.mkdir()
    panel = app.panel("Export")
    state = app.document.state
    for name, write in EXPORTS.items():
        path, old = folder / name, b"the old one"
        if name != "set":  # is always a new folder
            path.write_bytes(old)
        said = len(app.notes)
        with full_disk():
            write(panel, path)
            app.idle()
        new = app.notes[said:]
        assert len(new) == 1 and "File too large" in new[0] and name.split(".")[0] in new[0], (name, new)
        assert everything_in(folder) == ({} if name == "set" else {name: old}), name
        if name in ("table.csv", "set", "day.atomicity"):  # and once there is room again; the others take long
            write(panel, path)
            app.idle()
            assert any(note.startswith("Saved") for note in app.notes[-2:]), (name, app.notes[-2:])
            there = everything_in(folder)
            assert name in there and (name != "day.atomicity" or there["day.kept.atomicity"] == old), name
        for each in sorted(folder.rglob("*"), reverse=True):
            each.rmdir() if each.is_dir() else each.unlink()
    assert app.document.state is state and not app.errors


def test_unsaved_work_waits_for_room_and_is_then_kept_whole(labelled: Any, recovery: Path) -> None:
    app, document = labelled, labelled.document
    autosave, panel = app.context.project.autosave, app.panel("Save and restore")
    ids = document.table.ids.tolist()
    folder = app.recovery_folder
    before, said = everything_in(folder), len(app.notes)
    called: list[int] = []
    with full_disk():
        for number in range(3):  # every time the parts have other names
            document.annotate(ids[12 + number :], f"Pt{40 + number}")
            autosave.then(lambda: called.append(1))
            app.qtbot.waitUntil(lambda: bool(autosave.problem) and not autosave.writing, timeout=20_000)
            app.qtbot.wait(150)
            now = everything_in(folder)
            assert {name: now[name] for name in before} == before  # with more parts beside it at most
        panel.show_now()
        assert panel.kept.text().startswith("⚠ Unsaved work is not kept")
        # once, however often it is tried
        assert len([note for note in app.notes[said:] if "not kept" in note]) == 1
        assert not called
    app.qtbot.waitUntil(lambda: not autosave.problem, timeout=20_000)
    app.kept()
    assert len(called) == 3
    now = app.recovered()["frame"]
    assert [step.name for step in now.steps] == [name for name, _ in document.steps[0]]
    for step, (_, state) in zip(now.steps, document.steps[0], strict=True):
        assert step.state.table.rows["annotation"].tolist() == state.table.rows["annotation"].tolist()
    assert not list(recovery.rglob(".*")) and len(list(recovery.iterdir())) == 1
    panel.show_now()
    assert panel.kept.text().startswith("Unsaved changes are kept")
    # a second time it is said again
    said = len(app.notes)
    with full_disk():
        document.annotate(ids, "Pt41")
        app.qtbot.waitUntil(lambda: len(app.notes) > said, timeout=20_000)


def test_no_room_from_the_first_moment(app: Any, micrograph: Any, recovery: Path, soon: None) -> None:
    """Not even a folder can be made: it is tried again and again under another name, and said once."""
    recovery.write_text("in the way")
    app.show(micrograph)
    app.document.calibrate(0.06)
    autosave = app.context.project.autosave
    app.qtbot.waitUntil(lambda: bool(autosave.problem), timeout=10_000)
    first = autosave.problem
    app.qtbot.waitUntil(lambda: autosave.problem != first, timeout=10_000)
    app.settle()
    assert len([note for note in app.notes if "not kept" in note]) == 1
    recovery.unlink()
    app.qtbot.waitUntil(lambda: not autosave.problem, timeout=10_000)
    assert app.recovered()["frame"].state.micrograph.pixel_size_nm == pytest.approx(0.06)


def test_flushing_during_a_write_loses_neither_the_warning_nor_those_who_wait(labelled: Any, gate: Any) -> None:
    app, document = labelled, labelled.document
    autosave = app.context.project.autosave
    gate.hold(Recorder, "record")
    called: list[str] = []
    gate.close()
    document.annotate(document.table.ids[:3].tolist(), "Pt30")
    autosave.then(lambda: called.append("room"))
    app.qtbot.waitUntil(lambda: gate.begun)
    gate.open()
    autosave.flush()  # as when the program is about to quit
    assert called == ["room"]
    assert app.recovered()["frame"].state.table.rows["annotation"].tolist()[:3] == ["Pt30"] * 3
    app.kept()
    gate.close()
    document.annotate(document.table.ids[20:].tolist(), "Pt41")
    autosave.then(lambda: called.append("none"))
    app.qtbot.waitUntil(lambda: gate.begun)
    with full_disk():
        gate.open()
        autosave.flush()
        app.qtbot.waitUntil(lambda: any("not kept" in note for note in app.notes), timeout=10_000)
        assert called == ["room"]
    app.qtbot.waitUntil(lambda: called == ["room", "none"], timeout=10_000)
    assert app.recovered()["frame"].state.table.rows["annotation"].tolist()[-1] == "Pt41"


def test_what_waits_for_the_disk_waits_for_the_newest_work(labelled: Any, gate: Any) -> None:
    """A copy of unsaved work is discarded only then: with an earlier write that ends, the newest would be lost."""
    app, autosave = labelled, labelled.context.project.autosave
    app.kept()
    gate.hold(Recorder, "record")
    gate.close()
    ids, labels = app.document.table.ids.tolist(), []
    app.document.annotate(ids[:1], "Pt19")
    app.qtbot.waitUntil(lambda: gate.begun, timeout=20_000)
    app.document.annotate(ids[1:2], "Pt55")
    autosave.then(lambda: labels.append(set(app.recovered()["frame"].state.table.rows["annotation"]) - {""}))
    gate.open()
    app.qtbot.waitUntil(lambda: bool(labels), timeout=20_000)
    assert labels == [{"Pt19", "Pt55"}]
