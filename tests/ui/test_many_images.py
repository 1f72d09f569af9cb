"""A folder dropped on the window, counted as a whole, and one of its images reviewed."""

from __future__ import annotations

import errno
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from qtpy.QtCore import Qt

from napari_atomicity.dataset.batch import Batch, batch_steps
from napari_atomicity.dataset.engine import Done, Task
from napari_atomicity.dataset.review import labels_path
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import Settings
from napari_atomicity.progress import drain
from napari_atomicity.ui.dataset import labels
from napari_atomicity.ui.dataset.service import Listed, many_images_of
from napari_atomicity.ui.dataset.wishes import remembered


class Here:
    """Computes in this thread, a task at a time."""

    workers = 1
    dashboard = ""

    def __init__(self, *_: Any) -> None:
        self.waiting: list[Task] = []

    @property
    def room(self) -> int:
        return 1 - len(self.waiting)

    def submit(self, task: Task) -> None:
        self.waiting.append(task)

    def wait(self, seconds: float) -> list[Done]:
        tasks, self.waiting = self.waiting, []
        return [Done(task, task.function(*task.arguments)) for task in tasks]

    def close(self) -> None:
        self.waiting = []


@pytest.fixture(scope="module")
def images(frame: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images, and one that is damaged."""
    folder = tmp_path_factory.mktemp("many") / "evening"
    folder.mkdir()
    per_nm = (1 / frame.pixel_size_nm,) * 2
    counts = np.clip(frame.image / 6 + 3500, 0, 65535).astype(np.uint16)
    for i in range(3):
        part = np.ascontiguousarray(counts[:256, 110 * i : 110 * i + 256])
        tifffile.imwrite(folder / f"image{i}.tif", part, imagej=True, resolution=per_nm, metadata={"unit": "nm"})
    (folder / "broken.tif").write_bytes((folder / "image0.tif").read_bytes()[:300])
    return folder


@pytest.fixture(scope="module")
def counted(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("counted") / "dataset"
    drain(batch_steps(Batch([images], output, Settings(adapt="off")), engine=Here()))
    return output


@pytest.fixture
def dataset(counted: Path, tmp_path: Path) -> Path:
    """A dataset of its own for each test."""
    return Path(shutil.copytree(counted, tmp_path / "dataset"))


def click_row(app: Any, panel: Any, row: int) -> None:
    index = panel.model.index(row, 0)
    app.qtbot.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=panel.table.visualRect(index).center())
    app.idle()


def texts(panel: Any) -> list[str]:
    return [panel.model.index(row, 0).data() for row in range(panel.model.rowCount())]


def test_a_dropped_folder_is_a_list_and_is_counted_as_a_whole(app: Any, images: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("napari_atomicity.dataset.batch.LocalProcesses", Here)
    folder = Path(shutil.copytree(images, tmp_path / "evening"))
    app.viewer.open(str(folder), plugin="napari-atomicity")
    app.idle()
    panel = app.panel("Many images")
    assert texts(panel) == ["broken.tif", "image0.tif", "image1.tif", "image2.tif"]
    assert "4 images, not counted" in panel.facts.text()
    app.click(panel.run)
    assert "4 images, 3 counted" in panel.facts.text()
    assert panel.model.index(0, 1).data() == "not read"
    assert (tmp_path / "evening-counted" / "overview.html").exists()
    assert not panel.run.isVisible()
    assert not app.errors


def test_a_click_opens_an_image_with_its_clusters_and_labels_go_back(app: Any, dataset: Path) -> None:
    panel = app.panel("Many images")
    many_images_of(app.workspace).open(dataset)
    app.idle()
    click_row(app, panel, 1)
    clusters = pq.read_table(dataset / "clusters").to_pandas()
    image = panel.model.row(1)["image"]
    mine = clusters[clusters["image"] == image]
    assert list(app.document.table.rows["label"]) == list(mine["label"])
    assert app.document.counted and len(app.points.data) == len(mine)
    before = (dataset / "clusters" / "clusters-00000.parquet").read_bytes()
    first = int(app.document.table.ids[0])
    app.document.annotate([first], "Pt70")
    path = labels_path(panel.service.listed.dataset.folder, image)
    app.qtbot.waitUntil(path.exists, timeout=10_000)
    app.idle()
    assert (dataset / "clusters" / "clusters-00000.parquet").read_bytes() == before
    app.viewer.layers.clear()
    app.idle()
    click_row(app, panel, 1)
    assert app.document.table.values_of("annotation", [first])[0] == "Pt70"
    assert not app.errors


def test_the_last_label_before_an_image_is_closed_is_kept(app: Any, dataset: Path) -> None:
    panel = app.panel("Many images")
    many_images_of(app.workspace).open(dataset)
    app.idle()
    click_row(app, panel, 2)
    app.document.annotate([int(app.document.table.ids[1])], "other")
    app.viewer.layers.clear()  # at once
    app.idle()
    click_row(app, panel, 2)
    assert app.document.table.labelled.sum() == 1


def labels_in(panel: Any, row: int) -> list[str]:
    """What persons said, as the dataset of the list holds it."""
    path = labels_path(panel.service.listed.dataset.folder, panel.model.row(row)["image"])
    return [] if not path.exists() else [one for one in pq.read_table(path)["annotation"].to_pylist() if one]


def test_an_image_of_two_datasets_has_its_labels_in_each(app: Any, dataset: Path, tmp_path) -> None:
    other = Path(shutil.copytree(dataset, tmp_path / "other"))
    panel = app.panel("Many images")
    service = many_images_of(app.workspace)
    service.open(dataset)
    app.idle()
    click_row(app, panel, 1)
    first = app.document
    service.open(other)
    app.idle()
    click_row(app, panel, 1)
    assert app.document is not first
    app.document.annotate([int(app.document.table.ids[0])], "Pt70")
    app.qtbot.waitUntil(lambda: labels_in(panel, 1) == ["Pt70"], timeout=10_000)
    second = app.document
    service.open(dataset)
    app.idle()
    assert labels_in(panel, 1) == []
    click_row(app, panel, 1)
    assert app.document is first and second is not first
    assert not app.errors


def test_labels_that_could_not_be_written_are_tried_again(app: Any, dataset: Path, monkeypatch) -> None:
    real, room = labels.save_labels, [False]

    def save(*arguments: Any) -> None:
        if not room[0]:
            raise InputError("the disk is full.")
        real(*arguments)

    monkeypatch.setattr(labels, "save_labels", save)
    monkeypatch.setattr(labels, "_TRY_AGAIN_MS", 60)
    panel = app.panel("Many images")
    many_images_of(app.workspace).open(dataset)
    app.idle()
    click_row(app, panel, 1)
    app.document.annotate([int(app.document.table.ids[0])], "Pt70")
    app.qtbot.waitUntil(lambda: any("disk is full" in note for note in app.notes), timeout=10_000)
    app.viewer.layers.clear()
    click_row(app, panel, 1)  # it would show old labels, and they would take the place of the new ones
    assert not app.viewer.layers and "Its last labels are not in the dataset yet" in app.notes[-1]
    assert sum("as soon as they can be" in note for note in app.notes) == 1
    room[0] = True
    app.qtbot.waitUntil(lambda: labels_in(panel, 1) == ["Pt70"], timeout=10_000)
    click_row(app, panel, 1)
    assert app.document.table.labelled.sum() == 1
    assert not app.errors


def test_the_last_label_wins_over_a_slow_write_of_the_one_before(app: Any, dataset: Path, monkeypatch) -> None:
    real, begun = labels.save_labels, threading.Event()

    def save(*arguments: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            time.sleep(0.5)  # a drive in the network
        real(*arguments)

    monkeypatch.setattr(labels, "save_labels", save)
    panel = app.panel("Many images")
    many_images_of(app.workspace).open(dataset)
    app.idle()
    click_row(app, panel, 1)
    first, second = (int(i) for i in app.document.table.ids[:2])
    app.document.annotate([first], "Pt70")
    app.qtbot.waitUntil(begun.is_set, timeout=10_000)
    app.document.annotate([second], "Pt55")
    app.viewer.layers.clear()
    app.idle()
    assert sorted(labels_in(panel, 1)) == ["Pt55", "Pt70"]


def test_wrong_order_and_lost_files_are_said_in_a_sentence(app: Any, dataset: Path, images: Path, tmp_path) -> None:
    panel = app.panel("Many images")
    service = many_images_of(app.workspace)
    assert not service.count_all()
    service.open(tmp_path / "nowhere")
    app.idle()
    assert "does not exist" in app.notes[-1]
    service.open(dataset)
    app.idle()
    click_row(app, panel, 1)
    click_row(app, panel, 1)  # open already: it comes to the front
    assert len(app.workspace.images) == 1
    click_row(app, panel, 0)
    assert "broken.tif" in app.notes[-1]
    for path in (dataset / "clusters").glob("*"):
        path.unlink()
    click_row(app, panel, 3)
    assert "cannot be read" in app.notes[-1]
    assert not app.errors


def test_what_analyse_all_will_do_is_said_before_and_wishes_are_kept(app: Any, images: Path, tmp_path) -> None:
    folder = Path(shutil.copytree(images, tmp_path / "evening"))
    panel = app.panel("Many images")
    service = many_images_of(app.workspace)
    service.open(folder)
    app.idle()
    assert "4 images are counted with the model dual, each by itself." in panel.remarks.text()
    assert str(tmp_path / "evening-counted") in panel.remarks.text() == service.outlook.words
    assert not panel.again.isVisible()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text.tex").write_text("")
    panel.output.setText("thesis")
    panel.output.editingFinished.emit()
    app.idle()
    assert "holds other things" in panel.remarks.text()
    assert not panel.run.isEnabled()
    panel.output.setText(str(tmp_path / "elsewhere"))
    panel.output.editingFinished.emit()
    app.idle()
    panel.sessions.setCurrentIndex(1)
    panel.sessions.activated.emit(1)
    service.wish(workers=1)  # of a machine with one core the box says so already
    app.idle()
    assert "those of a folder together, by 1 process. The dataset is written to" in panel.remarks.text()
    assert panel.run.isEnabled()
    kept = remembered()
    assert kept == service.wishes
    assert (kept.session_by, kept.workers, kept.output(folder)) == ("folder", 1, tmp_path / "elsewhere")
    assert not app.errors


def test_another_dataset_in_the_folder_is_said_and_left_as_it_is(app: Any, images: Path, dataset: Path) -> None:
    panel = app.panel("Many images")
    service = many_images_of(app.workspace)
    service.open(images)
    app.idle()
    service.wish(output=str(dataset))
    app.idle()
    assert "goes on where it stands" in panel.remarks.text() and panel.again.isVisible()
    service.wish(model="single")
    app.idle()
    assert "holds another dataset, of the model dual" in panel.remarks.text()
    assert not panel.run.isEnabled()
    service.wish(model="dual", session_by="folder")
    app.idle()
    assert "with sessions by none" in panel.remarks.text()
    (dataset / "dataset.json").write_text("{")
    service.wish(session_by="none")
    app.idle()
    assert "not readable JSON" in panel.remarks.text()
    assert not app.errors


def test_a_full_disk_is_one_sentence_and_the_list_goes_on(app: Any, images: Path, tmp_path, monkeypatch) -> None:
    room = [False]

    class Full(Here):
        def wait(self, seconds: float) -> list[Done]:
            if room[0]:
                return super().wait(seconds)
            tasks, self.waiting = self.waiting, []
            return [Done(task, error=OSError(errno.ENOSPC, "No space left on device")) for task in tasks]

    monkeypatch.setattr("napari_atomicity.dataset.batch.LocalProcesses", Full)
    monkeypatch.setattr("napari_atomicity.dataset.running._DISK_PAUSE_S", 0.0)
    folder = Path(shutil.copytree(images, tmp_path / "evening"))
    panel = app.panel("Many images")
    service = many_images_of(app.workspace)
    service.open(folder)
    app.idle()
    app.click(panel.run)
    assert "is full; make room" in app.notes[-1] and "--resume" not in app.notes[-1]
    assert "could not be finished. What was counted is kept" in panel.remarks.text()
    assert len(texts(panel)) == 4
    room[0] = True
    app.click(panel.run)
    assert "4 images, 3 counted" in panel.facts.text()
    assert not app.errors


def test_ten_thousand_images_are_listed_and_sorted_without_a_stall(app: Any) -> None:
    names = ("file", "path", "status", "refusal", "session")
    rows = [dict.fromkeys(names, f"{7919 * i % 10_000:05}") | {"scale": None if i % 9 else 1.0} for i in range(10_000)]
    panel = app.panel("Many images")
    panel.service._take(Listed(Path("/night"), tuple(rows), facts="many"))
    app.idle()
    for column in (0, 1):
        begun = time.process_time()
        panel.table.sortByColumn(column, Qt.SortOrder.DescendingOrder)
        assert time.process_time() - begun < 0.2  # some 20 ms; a comparison in Python each took 500
        assert texts(panel)[:2] == ["09999", "09998"]
    assert panel.model.row(0)["file"] == "09999"


def test_work_that_is_stopped_frees_the_dataset_and_goes_on(app: Any, images: Path, tmp_path, monkeypatch) -> None:
    engines: list[Here] = []
    closed = threading.Event()

    class Slow(Here):
        def __init__(self, *_: Any) -> None:
            super().__init__()
            engines.append(self)

        def close(self) -> None:
            super().close()
            closed.set()

    monkeypatch.setattr("napari_atomicity.dataset.batch.LocalProcesses", Slow)
    folder = Path(shutil.copytree(images, tmp_path / "evening"))
    service = many_images_of(app.workspace)
    service.open(folder)
    app.idle()
    service.count_all()
    app.qtbot.waitUntil(lambda: bool(engines), timeout=30_000)
    app.workspace.work.stop()
    app.idle()
    app.qtbot.waitUntil(closed.is_set, timeout=10_000)
    app.qtbot.waitUntil(lambda: not (tmp_path / "evening-counted" / ".writing").exists(), timeout=10_000)
    assert service.listed.dataset is None
    assert "What was counted is kept" in app.panel("Many images").remarks.text()
    service.count_all()
    app.idle()
    assert len(service.listed.rows) == 4
    assert not app.errors
