"""An empty window says how to begin; with an image open, saving stands in the workbench."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_atomicity.io.samples import sample_dir
from napari_atomicity.ui.actions.opening import open_files, open_sample, samples
from napari_atomicity.ui.project.recent import recent

from .stand_ins import blobs


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two images in a folder."""
    paths = [tmp_path / "monday.tif", tmp_path / "tuesday.tif"]
    for path in paths:
        tifffile.imwrite(path, blobs())
    return paths


def links(workbench: Any) -> list[str]:
    found = workbench.start.findChildren(QPushButton, "recent")
    return [link.text() for link in found if link.isVisible()]


def test_an_empty_window_offers_ways_to_begin_and_nothing_else(
    app: Any, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    workbench = app.workbench
    start = workbench.start
    app.settle()
    assert start.isVisible() and start.image.isVisible() and start.sample.isVisible() and start.project.isVisible()
    assert not workbench.analyse.isVisible() and not workbench.files.isVisible() and links(workbench) == []
    assert not any(step.isVisible() for step in workbench.steps)
    # every sample of the manifest stands in the menu
    assert [action.text() for action in start.samples.actions()] == list(samples().values())
    app.click_on(start.sample)
    assert start.samples.isVisible()
    start.samples.close()
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(path) for path in files], ""))
    app.click(start.image)
    assert [layer.name for layer in app.viewer.layers] == ["monday", "tuesday"]
    assert not start.isVisible() and workbench.analyse.isVisible() and workbench.files.isVisible()
    app.viewer.layers.clear()
    app.settle()
    assert start.isVisible() and links(workbench) == ["tuesday.tif", "monday.tif"]
    app.click(next(link for link in start.findChildren(QPushButton, "recent") if link.text() == "monday.tif"))
    assert app.document.micrograph.name == "monday" and not start.isVisible()


def test_a_file_that_cannot_be_read_is_said_and_the_others_open(app: Any, files: list[Path]) -> None:
    files[0].write_bytes(b"no image")
    workbench = app.workbench
    open_files(app.context.project, [files[0], files[1], files[0].with_name("gone.tif")])
    app.idle()
    assert [layer.name for layer in app.viewer.layers] == ["tuesday"]
    assert any("monday.tif" in note for note in app.notes) and any("gone.tif" in note for note in app.notes)
    app.viewer.layers.clear()
    app.settle()
    # what is gone by now is not offered
    files[1].unlink()
    app.workspace.changed.emit()
    app.settle()
    assert links(workbench) == []


def test_a_sample_opens_from_the_empty_window_and_is_no_recent_file(app: Any) -> None:
    workbench = app.workbench
    open_sample(app.context.project, "pt55")
    app.idle()
    assert app.document.micrograph.provenance.path == sample_dir() / "sample_pt55.tif"
    assert recent() == [] and workbench.analyse.isEnabled()


def test_why_an_image_cannot_be_counted_stands_in_the_empty_window(app: Any) -> None:
    workbench = app.workbench
    app.viewer.add_image(np.zeros((2, 2, 8, 8)), name="four axes")
    app.settle()
    assert workbench.start.isVisible()
    assert workbench.start.refusal.isVisible() and "four axes" in workbench.start.refusal.text()


def test_saving_stands_in_the_workbench_and_tells_what_is_unsaved(
    app: Any, micrograph: Any, counted_once: Any, tmp_path: Path
) -> None:
    workbench = app.workbench
    line = workbench.files
    app.show(micrograph)
    assert line.isVisible() and line.state.text() == ""
    app.viewer.layers.clear()
    app.lay_out(micrograph, counted_once)
    assert line.state.text() == "not saved yet"
    from napari_atomicity.ui.project.project_file import ProjectFile

    app.context.project.file = ProjectFile(
        tmp_path / "a very long name of a project that says all.atomicity", [app.document]
    )
    app.click(line.save)
    assert line.state.text() == "a very long …all.atomicity, saved"
    assert app.context.project.path.name in line.state.toolTip()
    app.document.annotate(app.document.table.ids[:1].tolist(), "Pt19")
    app.settle()
    assert line.state.text().endswith(", unsaved changes")
    app.click(line.save)
    assert line.state.text().endswith(", saved")


def test_an_empty_window_leads_to_folders_that_are_there_and_those_that_fill(app: Any) -> None:
    from napari_atomicity.ui.workspace.docks import find_dock

    start = app.workbench.start
    for way, name in ((start.folder, "Many images"), (start.watch, "Live")):
        app.click(way)
        dock = find_dock(app.workspace.viewer.window, name)
        assert dock is not None and dock.isVisible()
