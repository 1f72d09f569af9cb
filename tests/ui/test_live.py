"""The dock at the microscope."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from napari_atomicity.ui.live.service import live_watch_of
from seeds import seeded


def _write(path: Path, image: Any) -> None:
    tifffile.imwrite(path, image, imagej=True, resolution=(20, 20), metadata={"unit": "nm"})


@pytest.fixture(scope="module")
def fields() -> list[Any]:
    spec = sample_spec("clean", {19: 0.5, 55: 0.5}, 15, shape=(300, 300), seed=seeded(5), pixel_size_nm=0.05)
    return [simulate_frame(spec, seed=seeded(60 + i)).image.astype(np.float32) for i in range(2)]


@pytest.fixture
def folder(tmp_path: Path, fields: list[Any]) -> Path:
    """A folder with two fields and a damaged one, looked at quickly."""
    folder = tmp_path / "fields"
    folder.mkdir()
    for i, field in enumerate(fields):
        _write(folder / f"field_{i}.tif", field)
    (folder / "half.tif").write_bytes((folder / "field_0.tif").read_bytes()[:5000])
    return folder


def _watch(app: Any, folder: Path, images: int = 2) -> Any:
    """Watch until so many images are counted and the damaged one is named."""
    panel = app.panel("Live")
    assert not panel.run.isEnabled()
    panel.source.folder.setText(str(folder))
    panel.source.folder.editingFinished.emit()
    app.settle()
    watch = live_watch_of(app.workspace)
    watch.choose(poll_s=0.05, patience_s=0.2)
    app.click_on(panel.run)

    def there() -> bool:
        return watch.look is not None and len(watch.look.images) == images and len(watch.look.failed) == 1

    app.qtbot.waitUntil(there, timeout=60_000)
    app.settle()
    return panel


def test_a_folder_is_watched_from_an_empty_viewer_and_an_image_opened_and_corrected(app: Any, folder: Path) -> None:
    panel = _watch(app, folder)
    watch = live_watch_of(app.workspace)
    assert panel.run.text() == "Stop" and not panel.source.folder.isEnabled()
    assert "2 images" in panel.state.text() and "1 to take again" in panel.state.text()
    assert panel.chart.isVisible() and panel.picture.picture is not None and len(panel.picture.picture.labels) > 8
    names = [panel.images.item(row).text() for row in range(panel.images.count())]
    assert sum(name.startswith("✗ half") for name in names) == 1
    # closed and opened again it shows the same: the watch went on
    app.click_on(panel.run)
    app.idle()
    assert panel.run.text() == "Watch" and not watch.busy
    row = next(row for row, name in enumerate(names) if name.startswith("field_1"))
    panel.images.setCurrentRow(row)
    app.click(panel.open)
    document = app.document
    assert document.micrograph.name == "field_1" and document.counted and document.state.count is not None
    app.click_on(panel.open)  # once more takes it in hand, and opens no second one
    app.idle()
    assert len(app.workspace.groups) == 1
    document.annotate([0], "Pt55")
    assert document.table.labelled.sum() == 1
    assert (folder.parent / "fields-watch" / "field_1.clusters.csv").is_file()


@pytest.mark.slow
def test_the_large_mode_shows_only_what_matters(app: Any, folder: Path) -> None:
    panel = _watch(app, folder)
    panel.large.click()
    app.settle()
    assert not any(part.isVisible() for part in (panel.chart, panel.strips, panel.images, panel.picture))
    assert panel.large_shares.isVisible() and "Pt19" in panel.large_shares.text()
    panel.large.click()
    app.settle()
    assert panel.chart.isVisible() and not panel.large_shares.isVisible()


@pytest.mark.slow
def test_it_goes_on_where_it_was_and_all_are_counted_together(app: Any, folder: Path) -> None:
    panel = _watch(app, folder)
    app.click_on(panel.run)
    app.idle()
    app.click_on(panel.run)
    app.qtbot.waitUntil(lambda: "2 images" in panel.state.text(), timeout=30_000)
    app.click_on(panel.run)
    app.idle()
    app.click(panel.settle)
    assert "counted together" in panel.said.text()
    assert len(list((folder.parent / "fields-watch").glob("*.report.json"))) == 2


def test_what_cannot_be_is_one_sentence(app: Any, tmp_path: Path) -> None:
    panel = app.panel("Live")
    watch = live_watch_of(app.workspace)
    (tmp_path / "file-watch").touch()
    panel.source.folder.setText(str(tmp_path / "file"))
    panel.source.folder.editingFinished.emit()
    app.settle()
    app.click(panel.run)
    assert "cannot be made" in app.notes[-1] and not watch.busy
