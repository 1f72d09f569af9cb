"""Layers renamed, deleted, duplicated while work runs; two images, two viewers; docks closed and opened again."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from napari_atomicity import pipeline
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.progress import Progress, drain

from .app_driver import PLUGIN
from .stand_ins import blobs


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A detection that goes on until the gate is opened."""
    from napari_atomicity.pipeline import count as count_chain

    gate = threading.Event()
    whole = count_chain.detect_steps

    def steps(*arguments: Any, **options: Any) -> Any:
        count = 0
        while not gate.wait(0.01):
            count += 1
            yield Progress(count % 10, 10, "Waiting")
        return (yield from whole(*arguments, **options))

    monkeypatch.setattr(count_chain, "detect_steps", steps)
    yield gate
    gate.set()


def begin(desk: Any) -> Any:
    """Start the held search; gives its panel."""
    panel = desk.panel("Find clusters")
    panel.search.click()
    desk.qtbot.waitUntil(lambda: desk.workspace.work.busy)
    desk.settle()
    return panel


def test_stopping_changes_nothing(desk: Any, micrograph: Any, held: Any) -> None:
    desk.show(micrograph)
    panel = begin(desk)
    strip = panel.findChild(object, "strip")
    assert strip.stop.isVisible()
    desk.qtbot.waitUntil(lambda: strip.bar.format() == "Waiting")
    strip.stop.click()
    desk.idle()
    assert not len(desk.document.table)
    assert desk.document.undo_name == ""
    assert not strip.stop.isVisible()


def test_a_second_click_is_refused_politely(desk: Any, micrograph: Any, held: Any) -> None:
    from napari_atomicity.ui.actions import single

    desk.show(micrograph)
    panel = begin(desk)
    assert not panel.search.isEnabled()
    assert not single.detect(desk.workspace)
    assert "still running" in desk.notes[-1]
    held.set()
    desk.idle()
    assert len(desk.document.table)


def test_layers_in_use_are_locked_and_deleting_them_anyway_stops_the_work(
    desk: Any, micrograph: Any, held: Any
) -> None:
    image = desk.show(micrograph)
    begin(desk)
    assert image.locked
    desk.viewer.layers.remove(image)
    held.set()
    desk.idle()
    assert desk.document is None
    assert len(desk.viewer.layers) == 0
    assert not image.locked


def test_a_new_pixel_size_while_work_runs_refuses_the_result(desk: Any, micrograph: Any, held: Any) -> None:
    desk.show(micrograph)
    begin(desk)
    desk.document.calibrate(0.08)
    held.set()
    desk.idle()
    assert not len(desk.document.table)
    assert "pixel size changed" in desk.notes[-1]


def test_errors_come_as_one_sentence(desk: Any, micrograph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_atomicity.pipeline import count as count_chain

    def refuse(*_: Any) -> Any:
        yield Progress(0, 1, "Looking")
        raise InputError("The image shows nothing; record it again.")

    monkeypatch.setattr(count_chain, "detect_steps", refuse)
    desk.show(micrograph)
    panel = desk.panel("Find clusters")
    desk.click(panel.search)
    assert desk.notes[-1] == "The image shows nothing; record it again."
    assert panel.search.isEnabled()


def test_a_fault_of_ours_is_one_sentence_and_a_log(
    desk: Any, micrograph: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from napari.utils.notifications import notification_manager

    from napari_atomicity.pipeline import count as count_chain

    def fail(*_: Any) -> Any:
        yield Progress(0, 1, "Looking")
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(count_chain, "detect_steps", fail)
    desk.show(micrograph)
    desk.click(desk.panel("Find clusters").search)
    assert "fault" in desk.notes[-1]
    assert "secret" not in desk.notes[-1]
    assert "secret" in caplog.text
    notification_manager.records.clear()


def test_two_images_have_two_documents_and_the_active_layer_chooses(desk: Any, micrograph: Any) -> None:
    first = desk.show(micrograph)
    second = desk.show(Micrograph(blobs(), 0.05, name="second"))
    assert desk.workspace.image is second
    panel = desk.panel("Load and calibrate")
    panel.images.setCurrentIndex(0)
    panel.images.activated.emit(0)
    assert desk.workspace.image is first
    desk.click(desk.panel("Find clusters").search)
    points = desk.points
    assert len(desk.workspace.document_of(first).table)
    assert not len(desk.workspace.document_of(second).table)
    desk.viewer.layers.selection.active = second
    assert desk.workspace.image is second
    desk.viewer.layers.selection.active = points
    assert desk.workspace.image is first
    desk.viewer.layers.remove(first)
    assert desk.workspace.image is second


def test_a_duplicated_image_is_a_document_of_its_own(desk: Any, micrograph: Any) -> None:
    from napari.layers import Layer

    image = desk.show(micrograph)
    desk.click(desk.panel("Find clusters").search)
    copy = Layer.create(*image.as_layer_data_tuple())
    desk.viewer.add_layer(copy)
    assert desk.workspace.document_of(copy) is not desk.workspace.document_of(image)
    assert desk.workspace.document_of(copy).micrograph.pixel_size_nm == micrograph.pixel_size_nm


def test_other_pixels_in_the_layer_drop_predictions_and_keep_the_rest(desk: Any, micrograph: Any) -> None:
    image = desk.show(micrograph)
    desk.click(desk.panel("Find clusters").search)
    desk.document.annotate([0], "Pt19")
    n = len(desk.document.table)
    image.data = np.asarray(image.data) * 2
    assert desk.document.micrograph.data is image.data
    assert desk.document.micrograph.pixel_size_nm == pytest.approx(micrograph.pixel_size_nm)
    assert len(desk.document.table) == n
    assert desk.document.table.rows["annotation"].iloc[0] == "Pt19"


def test_docks_closed_and_opened_again_find_their_document(desk: Any, micrograph: Any) -> None:
    desk.show(micrograph)
    dock, panel = desk.viewer.window.add_plugin_dock_widget(PLUGIN, "Atomicity")
    desk.click(panel.steps[1].panel.search)
    n = len(desk.document.table)
    dock.close()  # the × hides
    desk.document.annotate([0], "Pt19")
    desk.settle()
    again = desk.panel("Atomicity")
    assert again.steps[1].state.toolTip().startswith(f"{n} clusters")
    desk.viewer.window.remove_dock_widget(dock)
    desk.settle()
    desk.document.annotate([1], "Pt19")  # nobody is left to be told, and nothing breaks
    desk.settle()
    fresh = desk.panel("Atomicity")
    assert fresh is not panel
    assert fresh.steps[1].state.toolTip().startswith(f"{n} clusters")


@pytest.mark.parametrize("change", ["pixels", "pixel size", "closed"])
def test_a_measurement_of_what_is_no_longer_shown_is_made_again(
    desk: Any, micrograph: Any, gate: Any, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    from napari_atomicity.ui.workspace import measuring

    monkeypatch.setattr(measuring, "_AT_ONCE", 0)  # as in a large image
    image = desk.show(micrograph)
    desk.click(desk.panel("Find clusters").search)
    document, place = desk.document, desk.document.table.centres_px[0]
    gate.hold(measuring, "measure_steps")
    gate.close()
    desk.points.add(place + 2.0)
    desk.qtbot.waitUntil(lambda: gate.begun)
    if change == "pixels":
        image.data = np.asarray(image.data) * 3
    elif change == "pixel size":
        document.calibrate(2 * micrograph.pixel_size_nm)
    else:
        desk.viewer.layers.remove(image)
    kept = document.table
    gate.open()
    desk.idle()
    if change == "closed":
        assert document.table is kept
        return
    measured = document.table.rows.iloc[-1]
    again = drain(pipeline.measure_steps(document.micrograph, document.table, [int(measured["id"])])).rows.iloc[-1]
    for name in ("diameter_nm", "intensity"):
        assert measured[name] == pytest.approx(again[name])
