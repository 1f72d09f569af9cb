"""Docks hidden, opened twice, taken away while their work runs; two viewers, one of which closes."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtWidgets import QAbstractButton, QLabel, QListWidget, QProgressBar, QTableWidget, QWidget

from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import count as count_chain
from napari_atomicity.ui.actions import single
from napari_atomicity.ui.cluster_card import inspector
from napari_atomicity.ui.feature_map import placements
from napari_atomicity.ui.ratios import panel as ratios_panel

from .app_driver import PLUGIN, AppDriver
from .stand_ins import blobs

DOCKS = (
    "Atomicity", "Cluster card", "Feature map", "What the model uses", "Review", "History", "Class ratios",
    "Save and restore", "Export", "Gallery", "Frames",
)  # fmt: skip


@pytest.fixture
def counted(app: Any, micrograph: Any, counted_once: Any, soon: None) -> Any:
    """A counted frame."""
    app.lay_out(micrograph, counted_once)
    return app


def texts(panel: Any) -> list[str]:
    """All that a panel says, in the order of its parts: texts, rows, counts; nothing of what is hidden in it."""
    said = []
    for widget in panel.findChildren(QWidget):
        if not widget.isVisibleTo(panel):
            continue
        if isinstance(widget, QLabel | QAbstractButton):
            said.append(widget.text())
        elif isinstance(widget, QProgressBar):
            said.append(widget.format())
        elif isinstance(widget, QListWidget):
            said += [widget.item(row).text() for row in range(widget.count())]
        elif isinstance(widget, QTableWidget):
            cells = [widget.item(row, at) for row in range(widget.rowCount()) for at in range(widget.columnCount())]
            said += [cell.text() for cell in cells if cell is not None]
    return [text for text in said if " ago" not in text and "just now" not in text]


def settled(app: Any) -> None:
    """Wait until every dock shows what there is, in whatever order they work."""
    app.qtbot.wait(200)  # docks look again a moment after a change
    app.idle()
    app.kept()
    app.qtbot.wait(200)
    app.idle()


def open_all(app: Any) -> dict[str, tuple[Any, Any]]:
    """All docks side by side, so that each can be seen."""
    opened = {}
    for name in DOCKS:
        dock, panel = app.viewer.window.add_plugin_dock_widget(PLUGIN, name)
        dock.setFloating(True)
        dock.show()
        opened[name] = dock, panel
    return opened


@pytest.mark.slow
def test_docks_hidden_and_opened_again_show_what_those_show_that_stayed(
    counted: Any, make_napari_viewer_proxy: Any, micrograph: Any, counted_once: Any
) -> None:

    viewer = make_napari_viewer_proxy(show=True)
    other = AppDriver(viewer, counted.qtbot)
    other.lay_out(micrograph, counted_once)
    shown = [open_all(each) for each in (counted, other)]
    for each in (counted, other):
        settled(each)
    for dock, _ in shown[0].values():
        dock.close()  # the × hides
    for each in (counted, other):
        ids = each.document.table.ids.tolist()
        each.document.annotate(ids[:3], "Pt70")
        each.document.edit("Delete 1 cluster", each.document.table.drop(ids[4:5]), [])
        each.document.select(ids[:1])
    counted.qtbot.wait(200)
    for name, (_, panel) in shown[0].items():
        dock, again = counted.viewer.window.add_plugin_dock_widget(PLUGIN, name)
        assert again is panel
        dock.show()
    for each in (counted, other):
        settled(each)
    # what is shown is what the document says
    _, card = shown[0]["Cluster card"]
    _, history = shown[0]["History"]
    _, workbench = shown[0]["Atomicity"]
    assert "Pt70" in card.annotation.text() and card.walk.where.text() == f"Cluster {ids[0]}"
    assert history.list.count() == 4 and "Delete 1 cluster" in history.list.item(3).text()
    assert shown[0]["Review"][1].bar.format() == "3 of 39 reviewed"
    assert shown[0]["Class ratios"][1].result.by_hand == 3
    assert workbench.steps[1].state.toolTip().startswith("39 clusters")
    # and is what docks show that were never hidden
    for name in DOCKS:
        mine, theirs = (_timeless(texts(opened[name][1])) for opened in shown)
        assert mine == theirs, name
    for each in (counted, other):
        assert set(each.recovered()) == {"frame"}


def _timeless(said: list[str]) -> list[str]:
    import re

    return [re.sub(r"\d\d:\d\d:\d\d", "", text) for text in said]


@pytest.mark.few(1)
@pytest.mark.parametrize("opened_again", [True, False])
def test_the_image_goes_while_every_dock_is_open(counted: Any, micrograph: Any, opened_again: bool) -> None:
    app, document = counted, counted.document
    shown = open_all(app)
    settled(app)
    ids = document.table.ids.tolist()
    document.select(ids[3:4])
    document.annotate(ids[3:4], "Pt30")
    app.settle()
    canvas = shown["Feature map"][1].after.canvas
    names = document.history
    app.viewer.layers.clear()
    # the mouse is over the map before it was refreshed
    assert canvas.describe(0, False) is None and canvas.describe(0, True) is None
    settled(app)
    assert app.document is None
    # nothing is left of it on the screen
    for name, (_, panel) in shown.items():
        said = "\n".join(texts(panel))
        assert "Pt30" not in said or name == "Review", (name, said)
        assert "40 clusters" not in said and f"Cluster {ids[3]}" not in said, (name, said)
    review, export = shown["Review"][1], shown["Export"][1]
    assert not review.bar.isVisible() and not review.start.isEnabled() and not review.labels.isEnabled()
    assert shown["History"][1].list.count() == 0 and shown["Class ratios"][1].result is None
    assert not any(each.isEnabled() for each in (export.save, export.figure, export.teach, export.report))
    # and nothing of it is lost
    work = app.recovered()["frame"]
    assert [step.name for step in work.steps][1:] == names
    assert work.state.table.rows.set_index("id").at[ids[3], "annotation"] == "Pt30"
    # it is offered at once, and comes back whole, into its layer where the image was opened again
    offer = shown["Save and restore"][1].offer
    assert offer.isVisible() and offer.text.text() == "frame was taken off with unsaved work."
    again = app.show(micrograph) if opened_again else None
    app.click(offer.restore)
    settled(app)
    (place,) = app.workspace.groups
    assert not opened_again or place.image() is again
    steps, _ = place.document.steps
    assert place.document.history == names
    assert [state.table for _, state in steps] == [state.table for _, state in document.steps[0]]
    assert len(app.points.data) == 40 and "Pt30" in "".join(texts(shown["History"][1]))
    assert not offer.isVisible() and set(app.recovered()) == {"frame"}
    single.undo(app.workspace)
    assert app.document.table.rows["annotation"].eq("").all()


WORK = {
    "Cluster card": (inspector, "look_steps"),
    "Feature map": (placements, "_looked_steps"),
    "Class ratios": (ratios_panel, "ratios_steps"),
}


@pytest.mark.few(1)
@pytest.mark.parametrize("name", WORK)
def test_a_dock_hidden_opened_twice_and_taken_away_while_its_work_runs(counted: Any, gate: Any, name: str) -> None:
    app, document, ids = counted, counted.document, counted.document.table.ids.tolist()
    gate.hold(*WORK[name])
    gate.close()
    dock, panel = app.viewer.window.add_plugin_dock_widget(PLUGIN, name)
    document.select(ids[:1])
    app.qtbot.waitUntil(lambda: gate.begun, timeout=10_000)
    dock.close()
    document.annotate(ids[1:2], "Pt19")
    again, same = app.viewer.window.add_plugin_dock_widget(PLUGIN, name)
    assert same is panel
    again.show()
    gate.open()
    settled(app)
    assert not [text for text in texts(panel) if "being made" in text or "in a moment" in text]
    # taken off the window for good, and the next one starts afresh
    gate.close()
    document.annotate(ids[2:3], "Pt41")
    document.select(ids[2:3])
    app.qtbot.waitUntil(lambda: gate.begun, timeout=10_000)
    app.viewer.window.remove_dock_widget(again)
    app.settle()
    del dock, again, same, panel
    gc.collect()
    gate.open()
    settled(app)
    document.annotate(ids[3:4], "Pt55")
    fresh = app.panel(name)
    settled(app)
    assert not [text for text in texts(fresh) if "being made" in text or "in a moment" in text]
    assert document.table.rows["annotation"].tolist()[1:4] == ["Pt19", "Pt41", "Pt55"]


@pytest.fixture
def painting_may_fail(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Where a second window goes, vispy now and then draws the first one with the wrong OpenGL context; only that.

    Only the words of what was raised are kept: a traceback would hold the viewer, which then counts as leaked.
    """
    raised: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, _: raised.append(f"{kind.__name__}: {error}"))
    yield
    strange = [words for words in raised if "OpenGL" not in words and "GLError" not in words]
    assert not strange, strange


@pytest.fixture
def no_traceback_kept(make_napari_viewer_proxy: Any) -> Any:
    """Vispy leaves its last traceback in `sys`; gone before napari looks for viewers that leaked."""
    yield
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)
    gc.collect()


@pytest.mark.slow
@pytest.mark.usefixtures("painting_may_fail", "no_traceback_kept")
def test_two_viewers_work_at_once_and_one_closes(
    counted: Any, make_napari_viewer_proxy: Any, frame: Any, counted_once: Any, gate: Any
) -> None:

    viewer = make_napari_viewer_proxy(show=True)
    other = AppDriver(viewer, counted.qtbot)
    other.lay_out(Micrograph(frame.image, frame.pixel_size_nm, name="other"), counted_once)
    shown = [open_all(each) for each in (counted, other)]
    for each in (counted, other):
        settled(each)
    gate.hold(count_chain, "detect_steps")
    gate.close()
    for each, opened in zip((counted, other), shown, strict=True):
        each.click_on(opened["Atomicity"][1].steps[1].panel.search)
    counted.qtbot.waitUntil(lambda: gate.begun)
    ids = counted.document.table.ids.tolist()
    counted.document.annotate(ids[:2], "Pt19")
    other.document.annotate(ids[5:6], "Pt70")
    counted.settle()
    gate.open()
    for each in (counted, other):
        settled(each)
        assert each.document.history[-1] == "Find clusters"
    assert [document.table.rows["annotation"].ne("").sum() for document in (counted.document, other.document)] == [2, 1]
    assert set(counted.recovered()) == {"frame"} and set(other.recovered()) == {"other"}
    # one closes while it works
    gate.close()
    other.click_on(shown[1]["Atomicity"][1].steps[1].panel.search)
    counted.qtbot.waitUntil(lambda: gate.begun)
    viewer.close()
    counted.settle()
    gate.open()
    other.idle()
    counted.document.annotate(ids[7:8], "Pt41")
    settled(counted)
    assert counted.recovered()["frame"].state.table.rows["annotation"].ne("").sum() == 3
    counted.click(shown[0]["Atomicity"][1].steps[1].panel.search)
    assert counted.document.table.rows["annotation"].ne("").sum() == 3
    # and what was not saved in the other is kept
    other.kept()
    work = other.recovered()["other"]
    assert work.state.table.rows["annotation"].ne("").sum() == 1 and work.steps[work.now].name == "Find clusters"
    assert not counted.errors


def test_an_image_that_napari_opened_itself_keeps_its_file(app: Any, tmp_path: Path) -> None:
    import tifffile

    path = tmp_path / "other.tif"
    tifffile.imwrite(path, blobs())
    app.viewer.open(str(path), plugin="napari")
    app.settle()
    assert app.document.micrograph.provenance.path == path
    panel = app.panel("Load and calibrate")
    app.click(panel.look)
    assert app.notes[-1] == "other.tif holds this one image."
