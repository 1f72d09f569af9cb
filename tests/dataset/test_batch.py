"""A batch from its images to its tables: the same whatever computes it and however often it is stopped."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from napari_atomicity.dataset import running
from napari_atomicity.dataset.engine import LocalProcesses, WorkerLost
from napari_atomicity.dataset.finish import mend, read_measured
from napari_atomicity.dataset.folder import Folder
from napari_atomicity.dataset.measure import measure_piece
from napari_atomicity.dataset.notes import note
from napari_atomicity.dataset.plan import Piece, Shard, pieces
from napari_atomicity.dataset.sources import Item, items_of
from napari_atomicity.errors import InputError
from napari_atomicity.io import read
from napari_atomicity.pipeline import Settings, analyse_steps
from napari_atomicity.progress import drain

from .conftest import Here


def content(folder: Folder) -> dict[str, bytes]:
    """All that the finished dataset says."""
    files = [*folder.path.glob("*/*.parquet"), *folder.path.glob("*.json"), folder.path / "overview.html"]
    return {str(path.relative_to(folder.path)): path.read_bytes() for path in files if path.parent.name != "measured"}


@pytest.fixture(scope="module")
def undisturbed(night, tmp_path_factory):
    """What the batch comes to when nothing befalls it."""
    from napari_atomicity.dataset.batch import Batch, batch_steps

    output = tmp_path_factory.mktemp("undisturbed") / "out"
    batch = Batch([night], output, Settings(adapt="off"), session_by="folder")
    return drain(batch_steps(batch, engine=Here()))


def test_the_tables_hold_every_image_and_cluster_and_open_as_one(undisturbed):
    images = pq.read_table(undisturbed.folder.path / "images").to_pandas()
    clusters = pq.read_table(undisturbed.folder.path / "clusters").to_pandas()
    assert list(images["file"]) == ["frame0.tif", "frame1.tif", "frame2.tif"] * 2
    assert (images["status"] == "counted").all()
    assert images["sha256"].str.len().eq(64).all()
    assert images["clusters"].sum() == len(clusters) == undisturbed.manifest["clusters"] > 20
    assert set(clusters["image"]) == set(images["image"])
    counts = clusters[clusters["flag"].isin(["ok", "outside"])].groupby("image")["label"].value_counts()
    for row in images.itertuples():
        assert row.count_19 == counts.get((row.image, "Pt19"), 0)
    facts = json.loads(undisturbed.folder.facts.read_text())
    assert facts["settings"]["adapt"] == "off"
    assert len(facts["model_sha256"]) == 64


def test_two_passes_say_what_the_images_say_when_they_are_counted_together(undisturbed, night):
    paths = sorted((night / "grid0").glob("*.tif"))
    together = drain(analyse_steps([read(path) for path in paths], Settings(adapt="off"), session=True))
    images = pq.read_table(undisturbed.folder.path / "images").to_pandas()
    clusters = pq.read_table(undisturbed.folder.path / "clusters").to_pandas()
    for state, row in zip(together, images.itertuples(), strict=False):
        mine = clusters[clusters["image"] == row.image]
        assert row.scale == pytest.approx(state.calibrations[0].intensity_per_atom, rel=0.01)
        assert list(mine["label"]) == list(state.table.rows["label"])
        assert np.allclose(mine["n_atoms"], state.table.rows["n_atoms"], rtol=0.03, equal_nan=True)


@pytest.mark.few(1)
@pytest.mark.parametrize("most", [1, 4])
def test_how_the_work_is_cut_changes_no_byte(undisturbed, night, run, most):
    assert content(run(night, session_by="folder", most=most).folder) == content(undisturbed.folder)


def test_parts_in_any_order_give_the_same_bytes(undisturbed, night, run):
    for number in (3, 1, 2):
        assert run(night, session_by="folder", shard=Shard(number, 3)).manifest is None
    engine = Here()
    done = run(night, session_by="folder", resume=True, engine=engine)
    assert done.tally.total == 0
    assert content(done.folder) == content(undisturbed.folder)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_processes_give_the_same_bytes(undisturbed, night, run, workers):
    done = run(night, session_by="folder", engine=LocalProcesses(workers), most=1)
    assert content(done.folder) == content(undisturbed.folder)


def test_a_call_that_was_stopped_goes_on_and_ends_the_same(undisturbed, night, run, tmp_path):
    class Stopped(BaseException):
        pass

    def stop(task) -> None:
        if len(engine.begun) == 3:
            raise Stopped

    engine = Here(stop)
    with pytest.raises(Stopped):
        run(night, session_by="folder", engine=engine, most=1)
    with pytest.raises(InputError, match="add --resume"):
        run(night, session_by="folder")
    done = run(night, session_by="folder", resume=True)
    assert done.tally.total == 4
    assert content(done.folder) == content(undisturbed.folder)


def test_an_image_that_ends_its_process_is_named_and_the_others_are_counted(undisturbed, night, run):
    items = items_of([night])
    culprit = items[1]

    def die(task) -> None:
        if task.function is measure_piece and culprit.id in {item.id for item in task.arguments[2].items}:
            folder, _, piece = task.arguments
            note(folder, piece, 0, next(item for item in piece.items if item.id == culprit.id))
            raise WorkerLost

    done = run(night, session_by="folder", engine=Here(die))
    (failure,) = done.manifest["failures"]
    assert failure == {"path": culprit.path, "frame": 0, "status": "failed", "sentence": running.ENDED}
    assert done.manifest["counted"] == 5
    assert run(night, session_by="folder", resume=True).tally.total == 0
    healed = run(night, session_by="folder", resume=True, retry_failed=True)
    assert healed.tally.total == 1
    assert content(healed.folder) == content(undisturbed.folder)


def test_a_worker_that_leaves_no_trace_is_found_by_halves(night, run):
    culprit = items_of([night])[4].id

    def die(task) -> None:
        if task.function is measure_piece and culprit in {item.id for item in task.arguments[2].items}:
            raise WorkerLost

    done = run(night, engine=Here(die), most=6)
    assert [failure["sentence"] for failure in done.manifest["failures"]] == [running.ENDED]
    assert done.manifest["counted"] == 5


def test_a_full_disk_is_said_and_what_was_measured_is_kept(undisturbed, night, run, monkeypatch):
    monkeypatch.setattr(running, "_DISK_PAUSE_S", 0.0)
    room = 3

    def full(task) -> None:
        if len(engine.begun) > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    engine = Here(full)
    with pytest.raises(InputError, match="is full; make room and start the same batch again"):
        run(night, session_by="folder", engine=engine, most=1)
    done = run(night, session_by="folder", resume=True)
    assert done.tally.total == 6 - room
    assert content(done.folder) == content(undisturbed.folder)


def test_damaged_and_missing_files_are_named_and_tried_again_when_asked(night, run, tmp_path):
    folder = tmp_path / "images"
    shutil.copytree(night / "grid0", folder)
    good = (folder / "frame1.tif").read_bytes()
    (folder / "frame1.tif").write_bytes(good[:200])
    listed = tmp_path / "list.csv"
    listed.write_text("path\n" + "\n".join(str(folder / f"frame{i}.tif") for i in range(4)) + "\n")
    done = run(listed)
    sentences = {failure["path"]: failure["sentence"] for failure in done.manifest["failures"]}
    assert list(sentences) == [str(folder / "frame1.tif"), str(folder / "frame3.tif")]
    assert "does not exist" in sentences[str(folder / "frame3.tif")]
    assert done.manifest["counted"] == 2
    (folder / "frame1.tif").write_bytes(good)
    engine = Here()
    mended = run(listed, resume=True, retry_failed=True, engine=engine)
    assert mended.tally.total == 2
    assert mended.manifest["counted"] == 3


def test_a_file_that_changed_is_measured_anew_and_one_that_was_touched_is_not(night, run, tmp_path):
    folder = tmp_path / "images"
    shutil.copytree(night / "grid0", folder)
    run(folder)
    os.utime(folder / "frame0.tif", (1, 1))
    shutil.copy(folder / "frame2.tif", folder / "frame1.tif")
    os.utime(folder / "frame1.tif", (2, 2))
    done = run(folder, resume=True)
    assert done.tally.total == 1
    images = pq.read_table(done.folder.path / "images").to_pandas()
    assert images["sha256"][1] == images["sha256"][2] != images["sha256"][0]


def test_other_pixel_sizes_do_not_calibrate_a_session_and_are_named(night, run, tmp_path):
    listed = tmp_path / "list.csv"
    sizes = ["0.05", "0.05", "0.08"]
    lines = [f"{night / 'grid0' / f'frame{i}.tif'},{size},one" for i, size in enumerate(sizes)]
    listed.write_text("path,pixel_size_nm,day\n" + "\n".join(lines) + "\n")
    done = run(listed, session_by="day")
    (odd,) = done.manifest["other_pixel_sizes"]
    assert odd["path"].endswith("frame2.tif")


def test_another_dataset_or_other_things_in_the_folder_are_refused(night, run, tmp_path, model_path):
    run(night / "grid0")
    for options, words in [
        ({"settings": Settings(adapt="off", model=str(model_path))}, "another model"),
        ({"settings": Settings(adapt="off", sensitivity=0.7)}, "sensitivity 0.5, now it is 0.7"),
        ({"session_by": "folder"}, "session by none, now it is folder"),
    ]:
        with pytest.raises(InputError, match=words):
            run(night / "grid0", resume=True, **options)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="holds other things"):
        run(night, output="other")
    (tmp_path / "out" / "dataset.json").write_text("{")
    with pytest.raises(InputError, match="not readable JSON"):
        run(night / "grid0", resume=True)


def test_impossible_wishes_are_refused_before_the_work(night, run):
    with pytest.raises(InputError, match="without fine-tuning"):
        run(night, session_by="folder", settings=Settings(adapt="auto"))
    with pytest.raises(InputError, match="does not know clusters of 12 atoms"):
        run(night, settings=Settings(adapt="off", deposited=(12,)))


def test_a_dataset_that_was_killed_while_its_tables_were_replaced_is_whole_again(night, run):
    done = run(night / "grid0")
    images = done.folder.path / "images"
    before = content(done.folder)
    images.rename(done.folder.path / ".images-before")
    mend(done.folder)
    assert content(done.folder) == before


def test_two_calls_at_once_do_not_write_the_same_tables(night, run):
    folder = run(night / "grid0").folder
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (folder.path / ".writing").write_text(f"{platform.node()} {other.pid}")
    with pytest.raises(InputError, match="Another call is writing"):
        run(night / "grid0", resume=True)
    other.communicate(b"\n")
    assert run(night / "grid0", resume=True).manifest["counted"] == 3  # it has ended, or was killed
    assert not (folder.path / ".writing").exists()


def test_shards_and_pieces_hold_every_image_once():
    items = [Item(f"/{i:03}.tif") for i in range(103)]
    shards = [Shard(k, 7).take(items) for k in range(1, 8)]
    assert [item for shard in shards for item in shard] == items
    cut = list(pieces(items, workers=2))
    assert [item for piece in cut for item in piece.items] == items
    assert len(cut) >= 8
    assert Piece.of(items[:3]).name == Piece.of(items[:3]).name != Piece.of(items[1:3]).name
    for text in ("0/3", "4/3", "1", "a/b", "1/0"):
        with pytest.raises(InputError, match="is no part of a batch"):
            Shard.read(text)


def test_a_measured_part_that_is_damaged_is_said(night, run):
    done = run(night / "grid0")
    next(done.folder.measured.glob("*.images.parquet")).write_bytes(b"PAR1")
    with pytest.raises(InputError, match="is damaged"):
        read_measured(done.folder)
