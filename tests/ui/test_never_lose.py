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


def begin(app: Any) -> Any:
    """Start the held search; gives its panel."""
    panel = app.panel("Find clusters")
    panel.search.click()
    app.qtbot.waitUntil(lambda: app.workspace.work.busy)
    app.settle()
    return panel


def test_stopping_changes_nothing(app: Any, micrograph: Any, held: Any) -> None:
    app.show(micrograph)
    panel = begin(app)
    strip = panel.findChild(object, "strip")
    assert strip.stop.isVisible()
    app.qtbot.waitUntil(lambda: strip.bar.format() == "Waiting")
    strip.stop.click()
    app.idle()
    assert not len(app.document.table)
    assert app.document.undo_name == ""
    assert not strip.stop.isVisible()


def test_a_second_click_is_refused_politely(app: Any, micrograph: Any, held: Any) -> None:
    from napari_atomicity.ui.actions import single

    app.show(micrograph)
    panel = begin(app)
    assert not panel.search.isEnabled()
    assert not single.detect(app.workspace)
    assert "still running" in app.notes[-1]
    held.set()
    app.idle()
    assert len(app.document.table)


def test_layers_in_use_are_locked_and_deleting_them_anyway_stops_the_work(app: Any, micrograph: Any, held: Any) -> None:
    image = app.show(micrograph)
    begin(app)
    assert image.locked
    app.viewer.layers.remove(image)
    held.set()
    app.idle()
    assert app.document is None
    assert len(app.viewer.layers) == 0
    assert not image.locked


def test_a_new_pixel_size_while_work_runs_refuses_the_result(app: Any, micrograph: Any, held: Any) -> None:
    app.show(micrograph)
    begin(app)
    app.document.calibrate(0.08)
    held.set()
    app.idle()
    assert not len(app.document.table)
    assert "pixel size changed" in app.notes[-1]


def test_errors_come_as_one_sentence(app: Any, micrograph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_atomicity.pipeline import count as count_chain

    def refuse(*_: Any) -> Any:
        yield Progress(0, 1, "Looking")
        raise InputError("The image shows nothing; record it again.")

    monkeypatch.setattr(count_chain, "detect_steps", refuse)
    app.show(micrograph)
    panel = app.panel("Find clusters")
    app.click(panel.search)
    assert app.notes[-1] == "The image shows nothing; record it again."
    assert panel.search.isEnabled()


def test_a_fault_of_ours_is_one_sentence_and_a_log(
    app: Any, micrograph: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from napari.utils.notifications import notification_manager

    from napari_atomicity.pipeline import count as count_chain

    def fail(*_: Any) -> Any:
        yield Progress(0, 1, "Looking")
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(count_chain, "detect_steps", fail)
    app.show(micrograph)
    app.click(app.panel("Find clusters").search)
    assert "fault" in app.notes[-1]
    assert "secret" not in app.notes[-1]
    assert "secret" in caplog.text
    notification_manager.records.clear()


def test_two_images_have_two_documents_and_the_active_layer_chooses(app: Any, micrograph: Any) -> None:
    first = app.show(micrograph)
    second = app.show(Micrograph(blobs(), 0.05, name="second"))
    assert app.workspace.image is second
    panel = app.panel("Load and calibrate")
    panel.images.setCurrentIndex(0)
    panel.images.activated.emit(0)
    assert app.workspace.image is first
    app.click(app.panel("Find clusters").search)
    points = app.points
    assert len(app.workspace.document_of(first).table)
    assert not len(app.workspace.document_of(second).table)
    app.viewer.layers.selection.active = second
    assert app.workspace.image is second
    app.viewer.layers.selection.active = points
    assert app.workspace.image is first
    app.viewer.layers.remove(first)
    assert app.workspace.image is second


def test_a_duplicated_image_is_a_document_of_its_own(app: Any, micrograph: Any) -> None:
    from napari.layers import Layer

    image = app.show(micrograph)
    app.click(app.panel("Find clusters").search)
    copy = Layer.create(*image.as_layer_data_tuple())
    app.viewer.add_layer(copy)
    assert app.workspace.document_of(copy) is not app.workspace.document_of(image)
    assert app.workspace.document_of(copy).micrograph.pixel_size_nm == micrograph.pixel_size_nm


def test_other_pixels_in_the_layer_drop_predictions_and_keep_the_rest(app: Any, micrograph: Any) -> None:
    image = app.show(micrograph)
    app.click(app.panel("Find clusters").search)
    app.document.annotate([0], "Pt19")
    n = len(app.document.table)
    image.data = np.asarray(image.data) * 2
    assert app.document.micrograph.data is image.data
    assert app.document.micrograph.pixel_size_nm == pytest.approx(micrograph.pixel_size_nm)
    assert len(app.document.table) == n
    assert app.document.table.rows["annotation"].iloc[0] == "Pt19"


def test_docks_closed_and_opened_again_find_their_document(app: Any, micrograph: Any) -> None:
    app.show(micrograph)
    dock, panel = app.viewer.window.add_plugin_dock_widget(PLUGIN, "Atomicity")
    app.click(panel.steps[1].panel.search)
    n = len(app.document.table)
    dock.close()  # the × hides
    app.document.annotate([0], "Pt19")
    app.settle()
    again = app.panel("Atomicity")
    assert again.steps[1].state.toolTip().startswith(f"{n} clusters")
    app.viewer.window.remove_dock_widget(dock)
    app.settle()
    app.document.annotate([1], "Pt19")  # nobody is left to be told, and nothing breaks
    app.settle()
    fresh = app.panel("Atomicity")
    assert fresh is not panel
    assert fresh.steps[1].state.toolTip().startswith(f"{n} clusters")


@pytest.mark.few(1)
@pytest.mark.parametrize("change", ["pixels", "pixel size", "closed"])
def test_a_measurement_of_what_is_no_longer_shown_is_made_again(
    app: Any, micrograph: Any, gate: Any, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    from napari_atomicity.ui.workspace import measuring

    monkeypatch.setattr(measuring, "_AT_ONCE", 0)  # as in a large image
    image = app.show(micrograph)
    app.click(app.panel("Find clusters").search)
    document, place = app.document, app.document.table.centres_px[0]
    gate.hold(measuring, "measure_steps")
    gate.close()
    app.points.add(place + 2.0)
    app.qtbot.waitUntil(lambda: gate.begun)
    if change == "pixels":
        image.data = np.asarray(image.data) * 3
    elif change == "pixel size":
        document.calibrate(2 * micrograph.pixel_size_nm)
    else:
        app.viewer.layers.remove(image)
    kept = document.table
    gate.open()
    app.idle()
    if change == "closed":
        assert document.table is kept
        return
    measured = document.table.rows.iloc[-1]
    again = drain(pipeline.measure_steps(document.micrograph, document.table, [int(measured["id"])])).rows.iloc[-1]
    for name in ("diameter_nm", "intensity"):
        assert measured[name] == pytest.approx(again[name])
