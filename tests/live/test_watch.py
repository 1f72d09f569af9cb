"""A watch from end to end: the same tables as one call over the same files, whatever happens on the way."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_atomicity import cli
from napari_atomicity.counting.bundle import load_bundle
from napari_atomicity.errors import InputError
from napari_atomicity.io.tables import read_table
from napari_atomicity.live import ledger, settling, watching
from napari_atomicity.live import session as live_session
from napari_atomicity.live.images import Counted
from napari_atomicity.live.session import LiveSession
from napari_atomicity.live.settling import settle_steps
from napari_atomicity.live.sources import FolderSource
from napari_atomicity.live.watching import Look, watch_steps
from napari_atomicity.pipeline import Settings
from napari_atomicity.progress import Milestone, drain


def _write(path: Path, data, pixel_size_nm: float = 0.05) -> Path:
    import tifffile

    resolution = (1 / pixel_size_nm, 1 / pixel_size_nm)
    tifffile.imwrite(path, data, imagej=True, resolution=resolution, metadata={"unit": "nm"})
    return path


@pytest.fixture(scope="module")
def dual():
    return load_bundle("dual")


@pytest.fixture
def folder(tmp_path, fields) -> Path:
    """A folder with four fields."""
    folder = tmp_path / "fields"
    folder.mkdir()
    for i, field in enumerate(fields[:4]):
        path = _write(folder / f"field_{i}.tif", field)
        os.utime(path, (1e9 + i, 1e9 + i))
    return folder


@pytest.fixture
def out(tmp_path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def _session(out: Path, dual, **settings) -> LiveSession:
    return LiveSession(out, Settings(adapt="off", **settings), dual)


def _source(folder: Path, session: LiveSession) -> FolderSource:
    return FolderSource(folder, session.ledger.knows, poll_s=0.02, patience_s=0.1)


def _watched(folder: Path, session: LiveSession, each: Callable[[Look], None] = lambda look: None, **how) -> Look:
    def hear(progress) -> None:
        if isinstance(progress, Milestone):
            each(progress.result)

    return drain(watch_steps(_source(folder, session), session, **{"once": True, **how}), hear)


def _tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.clusters.csv")}


@pytest.mark.slow
def test_the_tables_of_a_watch_are_those_of_one_session(folder, tmp_path, capsys):
    code = cli.main(["watch", str(folder), "-o", str(tmp_path / "w"), "--once", "--adapt", "off"])
    assert code == 0
    files = sorted(str(path) for path in folder.iterdir())
    assert cli.main(["analyse", *files, "--session", "-o", str(tmp_path / "b"), "--adapt", "off"]) == 0
    assert len(_tables(tmp_path / "w")) == 4 and _tables(tmp_path / "w") == _tables(tmp_path / "b")
    reports = [json.loads((tmp_path / name / "field_1.report.json").read_bytes()) for name in "wb"]
    assert reports[0]["ratios"] == reports[1]["ratios"] and reports[0]["image"] == reports[1]["image"]
    summary = json.loads((tmp_path / "w" / "session.json").read_bytes())
    assert summary["images"] == 4 and summary["clusters"] > 30 and not summary["failed"]
    said = capsys.readouterr().out
    assert "more clusters" in said and "4 images" in said


@pytest.mark.slow
def test_one_size_alone_is_said_to_be_undecided_until_another_one_comes(repository, tmp_path, out, capsys):
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(repository / "sample_data" / "sample_pt19.tif", folder)
    call = ["watch", str(folder), "-o", str(out), "--once", "--adapt", "off"]
    assert cli.main(call) == 0
    said = capsys.readouterr()
    assert "undecided: Pt19 or Pt30" in said.out and "which the ends of the shares do not cover" in said.err
    assert any("cannot decide" in each for each in json.loads((out / "session.json").read_bytes())["warnings"])
    shutil.copy(repository / "sample_data" / "sample_mixed.tif", folder)
    assert cli.main(call) == 0
    said = capsys.readouterr()
    assert "undecided" not in said.out.splitlines()[-3] and "Pt19" in said.out.splitlines()[-3]


@pytest.mark.slow
def test_a_watch_that_is_cut_off_goes_on_where_it_was(folder, out, tmp_path, dual):
    class Killed(BaseException):
        pass

    def kill(look: Look) -> None:
        if len(look.images) == 2:
            raise Killed

    with pytest.raises(Killed):
        _watched(folder, _session(out, dual), kill)
    # a line that the end cut off, in the middle
    path = out / ledger.NAME
    path.write_bytes(path.read_bytes()[:-200])
    again = _session(out, dual)
    assert again.ledger.damaged == 1 and len(again.ledger.counted) == 1
    assert len(_watched(folder, again).images) == 4
    assert len(_watched(folder, _session(out, dual)).images) == 4
    drain(settle_steps(again))
    other = tmp_path / "at once"
    other.mkdir()
    at_once = _session(other, dual)
    _watched(folder, at_once)
    drain(settle_steps(at_once))
    assert _tables(out) == _tables(other)


def test_what_fails_is_named_and_stops_nothing(folder, out, dual):
    whole = (folder / "field_0.tif").read_bytes()
    (folder / "half.tif").write_bytes(whole[: len(whole) // 2])
    (folder / "text.tif").write_text("these are notes, not an image")
    (folder / "empty.tif").touch()
    session = _session(out, dual)
    said: list[str] = []
    look = _watched(folder, session, lambda look: said.extend(look.said))
    assert sorted(seen.name for seen in look.failed) == ["empty", "half", "text"]
    assert len(look.images) == 4 and all(seen.why for seen in look.failed)
    assert sorted(sentence.split(":")[0] for sentence in said) == ["empty", "half", "text"]
    # once it is whole it counts, and is off the list
    (folder / "half.tif").write_bytes(whole[:-1] + b"\0")
    look = _watched(folder, _session(out, dual))
    assert sorted(seen.name for seen in look.failed) == ["empty", "text"] and len(look.images) == 5


def test_a_file_that_is_renamed_is_the_same_and_one_that_is_replaced_takes_its_place(folder, out, fields, dual):
    session = _session(out, dual)
    _watched(folder, session)
    (folder / "field_0.tif").rename(folder / "renamed.tif")
    shutil.copy(folder / "field_1.tif", folder / "copy.tif")
    _write(folder / "field_2.tif", fields[4])
    look = _watched(folder, _session(out, dual))
    assert sorted(seen.name for seen in look.images) == ["field_0", "field_1", "field_2", "field_3"]
    by_name = {seen.name: seen for seen in look.images}
    assert by_name["field_0"].sha256 in {seen.sha256 for seen in session.ledger.counted}
    assert by_name["field_2"].sha256 not in {seen.sha256 for seen in session.ledger.counted}
    assert len(read_table(out / "field_2.clusters.csv")) == by_name["field_2"].found


def test_a_full_disk_loses_nothing(folder, out, dual, monkeypatch):
    full = {"left": 3}

    def append(path, line) -> None:
        if full["left"]:
            full["left"] -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, line)

    real = ledger._append
    monkeypatch.setattr(ledger, "_append", append)
    said: list[str] = []
    look = _watched(folder, _session(out, dual), lambda look: said.extend(look.said))
    assert len(look.images) == 4 and not look.failed
    assert len(said) == 3 and all("make room" in sentence for sentence in said)


def test_what_is_to_be_counted_once_ends_where_the_disk_stays_full(folder, out, dual, monkeypatch):
    def append(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ledger, "_append", append)
    with pytest.raises(InputError, match="make room"):
        _watched(folder, _session(out, dual))


def test_a_disk_that_is_full_at_the_end_costs_neither_tables_nor_what_is_said(folder, out, capsys, monkeypatch):
    def full(*_):
        raise InputError("session.json could not be written; make room on that disk.")

    monkeypatch.setattr(watching, "write_summary", full)
    monkeypatch.setattr(settling, "write_text", full)
    assert cli.main(["watch", str(folder), "-o", str(out), "--once", "--adapt", "off"]) == 2
    said, wrong = capsys.readouterr()
    assert "4 images" in said.splitlines()[-3] and wrong.count("make room") == 2 and "Traceback" not in wrong
    assert len(_tables(out)) == 4


def test_a_table_that_the_disk_does_not_take_is_written_later(folder, out, dual, monkeypatch):
    full = {"left": 2}
    real = live_session.save_counted

    def save(*arguments) -> None:
        if full["left"]:
            full["left"] -= 1
            raise InputError("The table could not be written (No space left on device); make room on that disk.")
        real(*arguments)

    monkeypatch.setattr(live_session, "save_counted", save)
    said: list[str] = []
    look = _watched(folder, _session(out, dual), lambda look: said.extend(look.said))
    assert len(look.images) == 4 and not look.failed and len(_tables(out)) == 4
    assert len(said) == 2 and all("make room" in sentence for sentence in said)


def test_the_folder_of_tables_that_somebody_deleted_is_made_anew(folder, out, dual):
    def delete(look: Look) -> None:
        if len(look.images) == 2 and look.newest is not None and not look.newest.again:
            shutil.rmtree(out, ignore_errors=True)

    look = _watched(folder, _session(out, dual), delete)
    assert len(look.images) == 4 and len(_tables(out)) == 2
    # what is not in its list any more is counted again by the next watch
    assert len(_watched(folder, _session(out, dual)).images) == 4 and len(_tables(out)) == 4


def test_a_fault_of_ours_in_one_image_stops_nothing(folder, out, dual, monkeypatch):
    session = _session(out, dual)
    real = session.take_steps

    def take(arrival):
        if arrival.name == "field_1":
            raise ZeroDivisionError("by nothing")
        return real(arrival)

    monkeypatch.setattr(session, "take_steps", take)
    look = _watched(folder, session)
    assert len(look.images) == 3
    assert [seen.why for seen in look.failed] == ["unexpected fault, ZeroDivisionError: by nothing"]


def test_it_ends_once_there_is_enough(folder, out, dual):
    look = _watched(folder, _session(out, dual), goal=0.5, stop_when_enough=True, once=False)
    assert look.enough and 1 <= len(look.images) < 4
    assert look.advice.what == "enough"


def test_images_of_an_early_scale_are_counted_again(folder, out, dual):
    counted: list[Counted] = []
    session = _session(out, dual)
    _watched(folder, session, lambda look: counted.append(look.newest) if look.newest else None)
    scales = {seen.name: seen.parts[0].labelled_at for seen in session.ledger.counted}
    for seen in session.ledger.counted:
        grid, weight, _ = session.scale.posterior((seen.sha256, 0))
        assert abs(grid[weight.argmax()] - scales[seen.name]) < 0.03


def test_pixel_sizes_and_sizes_of_frames_may_change(folder, out, fields, dual):
    _write(folder / "other.tif", fields[4][:200, :260], pixel_size_nm=0.04)
    look = _watched(folder, _session(out, dual))
    assert len(look.images) == 5 and {tuple(seen.shape) for seen in look.images} == {(320, 320), (200, 260)}
    (said,) = [warning for warning in look.warnings if "pixel is" in warning]
    assert said.startswith("Since other a pixel is 0.04 nm wide instead of 0.05")


def test_labels_of_a_person_are_never_written_over(folder, out, fields, dual):
    session = _session(out, dual)
    _watched(folder, session)
    path = out / "field_1.clusters.csv"
    from napari_atomicity.io.tables import write_table

    table = read_table(path)
    write_table(table.with_values(table.ids[:1], {"annotation": "Pt55"}), path, {})
    _, sentences = drain(settle_steps(session))
    assert sentences == ["1 tables hold labels that a person gave; they stay as they are."]
    assert read_table(path).labelled.sum() == 1
    # another image in its file does not cost them either
    _write(folder / "field_1.tif", fields[4])
    _watched(folder, _session(out, dual))
    assert read_table(path).labelled.sum() == 1 and (out / "field_1-2.clusters.csv").is_file()


def test_of_more_images_than_can_be_held_each_is_counted_once_more(folder, out, dual, monkeypatch):
    session = _session(out, dual)
    _watched(folder, session)
    drain(settle_steps(session))
    together = {path.name: read_table(path) for path in out.glob("*.clusters.csv")}
    reports = sorted(path.name for path in out.glob("*.report.json"))
    for path in out.glob("*.report.json"):
        path.unlink()
    (folder / "field_3.tif").rename(folder.parent / "elsewhere.tif")
    monkeypatch.setattr(settling, "MOST", 2)
    states, (said, gone) = drain(settle_steps(session))
    assert not states and "Each of the 4 images" in said and gone.startswith("Moved or deleted since: 1 image;")
    assert sorted(path.name for path in out.glob("*.report.json")) == reports[:3]
    for name, table in together.items():
        alone = read_table(out / name)
        assert (alone.final_labels == table.final_labels).mean() > 0.9
        assert np.nanmedian(np.abs(alone.rows["n_atoms"] / table.rows["n_atoms"] - 1)) < 0.02


def test_a_session_of_another_model_is_refused(folder, out, dual):
    from napari_atomicity.live.ledger import Ledger
    from napari_atomicity.live.seen import Seen

    Ledger(out).note(Seen("counted", "abc", "a", "a", labels=[1.0, 2.0], confusion=[[1.0, 0.0], [0.0, 1.0]]))
    with pytest.raises(InputError, match="model of other classes"):
        _session(out, dual)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name the folder"),
        (["f", "--until", "0"], "--until"),
        (["f", "--until", "900%"], "--until"),
        (["f", "--listen", "70000"], "--listen"),
        (["f", "--listen", "5000"], "exclude"),
        (["f", "-o", "f"], "cannot be the one"),
        (["nowhere", "--once"], "does not exist"),
        (["FILE"], "is a file"),
    ],
)
def test_an_impossible_call_is_one_sentence(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").touch()
    assert cli.main(["watch", *arguments]) == 2
    out, err = capsys.readouterr()
    assert words in err and "Traceback" not in err and len(err.splitlines()) == 1 and not out


def test_a_second_watch_in_the_same_folder_is_refused(folder, out, capsys):
    from napari_atomicity.project.recovery import Lock

    lock = Lock(out / "watch.lock")
    assert lock.take()
    assert cli.main(["watch", str(folder), "-o", str(out), "--once"]) == 2
    assert "Another watch" in capsys.readouterr().err
    lock.release()


def test_ctrl_c_ends_it_with_its_tables(folder, out, capsys, monkeypatch):
    real = watching.look_at

    def look(session, *arguments, **named):
        if len(session.ledger.counted) == 2 and arguments[2:] and arguments[2] is not None:
            raise KeyboardInterrupt
        return real(session, *arguments, **named)

    monkeypatch.setattr(watching, "look_at", look)
    assert cli.main(["watch", str(folder), "-o", str(out), "--adapt", "off"]) == 0
    assert "Ended." in capsys.readouterr().out
    assert len(list(out.glob("*.report.json"))) == 2 and (out / "session.json").is_file()


def test_ctrl_c_while_a_line_is_written_forgets_nothing(out, dual, monkeypatch):
    from napari_atomicity.live.sources import Arrival

    real = ledger._append

    def interrupted(path, line) -> None:
        real(path, line)
        raise KeyboardInterrupt

    monkeypatch.setattr(ledger, "_append", interrupted)
    session = _session(out, dual)
    with pytest.raises(KeyboardInterrupt):
        session.fail(Arrival("half", 1.0), "cut off")
    assert [seen.name for seen in session.ledger.failed] == ["half"]
    assert [seen.name for seen in _session(out, dual).ledger.failed] == ["half"]


def test_images_that_are_sent_are_kept_as_files_and_counted(out, fields, tmp_path, dual):
    from napari_atomicity.io import read
    from napari_atomicity.live.send_frame import send_frame
    from napari_atomicity.live.sources import Receiver

    receiver = Receiver("a long enough token", port=0, folder=out / "images")
    for i in (0, 1):
        send_frame(fields[i], 0.05, f"field {i}", "a long enough token", port=receiver.port)
    session = _session(out, dual)
    look = drain(watch_steps(receiver, session, once=True))
    assert [seen.name for seen in look.images] == ["field 0", "field 1"]
    kept = read(out / "images" / "field 1.tif")
    assert np.array_equal(kept.data, fields[1]) and kept.pixel_size_nm == pytest.approx(0.05, rel=1e-5)
    # the same files in one session give the same tables
    drain(settle_steps(session))
    files = sorted(str(path) for path in (out / "images").iterdir())
    assert cli.main(["analyse", *files, "--session", "-o", str(tmp_path / "b"), "--adapt", "off"]) == 0
    assert _tables(out) == _tables(tmp_path / "b")


def test_a_sender_hears_where_the_disk_is_full_and_the_watch_goes_on(out, fields, monkeypatch):
    from napari_atomicity.live.send_frame import send_frame
    from napari_atomicity.live.sources import Receiver, receiver

    def full(*_):
        raise InputError("field.tif could not be written (No space left on device); make room on that disk.")

    listening = Receiver("a long enough token", port=0, folder=out / "images")
    with monkeypatch.context() as patch:
        patch.setattr(receiver, "save_pixels", full)
        with pytest.raises(ValueError, match="make room"):
            send_frame(fields[0], 0.05, "field", "a long enough token", port=listening.port)
    assert "make room" in listening.remarks()[0] and listening.idle
    send_frame(fields[0], 0.05, "field", "a long enough token", port=listening.port)
    assert listening.take().name == "field"
    listening.close()


def test_what_is_wrong_with_senders_and_files_is_said_in_the_terminal(folder, out, fields, capsys, monkeypatch):
    from napari_atomicity.live.send_frame import send_frame
    from napari_atomicity.live.sources import Receiver, receiver

    monkeypatch.setenv("NAPARI_ATOMICITY_TOKEN", "a long enough token")
    real = Receiver.__init__

    def began(self, *arguments, **named) -> None:
        real(self, *arguments, **named)
        with pytest.raises(ValueError, match="wrong token"):
            send_frame(fields[0], 0.05, "a", "another long token", port=self.port)
        monkeypatch.setattr(receiver, "_IMAGE", 1000)
        with pytest.raises(ValueError, match="more than"):
            send_frame(fields[0], 0.05, "b", "a long enough token", port=self.port)
        monkeypatch.setattr(receiver, "_IMAGE", 2**30)
        send_frame(fields[0], 0.05, "c", "a long enough token", port=self.port)

    monkeypatch.setattr(Receiver, "__init__", began)
    arguments = ["watch", "--listen", "0", "-o", str(out), "--once", "--no-settle", "--adapt", "off"]
    assert cli.main(arguments) == 0
    said, wrong = capsys.readouterr()
    assert "c: " in said and "1 image, " in said
    assert len(wrong.splitlines()) == 2 and "wrong token" in wrong and "more than" in wrong


def test_half_a_file_and_a_text_are_said_in_the_terminal_and_the_rest_is_counted(folder, out, capsys, monkeypatch):
    patient = (lambda *_: False, 0.02, 0.1, False, time.monotonic)
    monkeypatch.setattr(FolderSource.__init__, "__defaults__", patient)
    (folder / "half.tif").write_bytes((folder / "field_0.tif").read_bytes()[:4000])
    (folder / "text.tif").write_text("these are notes, not an image")
    assert cli.main(["watch", str(folder), "-o", str(out), "--once", "--no-settle", "--adapt", "off"]) == 2
    said, wrong = capsys.readouterr()
    assert "4 images" in said and "Traceback" not in wrong
    assert {line.split(": ")[1] for line in wrong.splitlines()} == {"half", "text"}


def test_a_replay_is_counted_like_a_folder(folder, out, capsys):
    assert cli.main(["watch", str(folder), "--replay", "0", "-o", str(out), "--no-settle"]) == 0
    assert "4 images" in capsys.readouterr().out


def test_what_was_received_and_not_counted_is_counted_at_the_next_start(out, fields, capsys, monkeypatch):
    from napari_atomicity.live.send_frame import send_frame
    from napari_atomicity.live.sources import Receiver

    receiver = Receiver("a long enough token", port=0, folder=out / "images")
    send_frame(fields[0], 0.05, "field", "a long enough token", port=receiver.port)
    receiver.close()  # the program ends before the image is counted

    def ended(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_atomicity.live.sources.Receiver", ended)
    cli.main(["watch", "--listen", "0", "-o", str(out), "--adapt", "off", "--no-settle"])
    assert (out / "field.clusters.csv").is_file() and "field:" in capsys.readouterr().out


@pytest.mark.slow
def test_an_image_without_clusters_and_a_stack_go_through(folder, out, fields, dual):
    import tifffile

    rng = np.random.default_rng(0)
    _write(folder / "blank.tif", rng.normal(1000, 30, (300, 300)).astype(np.float32))
    stack = np.stack([fields[4], fields[4] + 1])
    tifffile.imwrite(
        folder / "stack.tif", stack, imagej=True, resolution=(20, 20), metadata={"unit": "nm", "axes": "TYX"}
    )
    session = _session(out, dual)
    look = _watched(folder, session)
    by_name = {seen.name: seen for seen in look.images}
    assert len(look.images) + len(look.failed) == 6 and "stack" in by_name
    # two frames of one field count as one field
    stacked = by_name["stack"]
    assert len(stacked.parts) == 2 and sum(stacked.labels) == pytest.approx(stacked.analysed / 2)
    drain(settle_steps(session))
