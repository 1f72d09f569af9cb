"""What a person does to the points of the layer arrives in the table, measured and with its identity."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QWidget

from napari_atomicity.micrograph import Micrograph

from .stand_ins import blobs


@pytest.fixture
def found(app: Any, micrograph: Any, found_once: Any) -> Any:
    """The window with the clusters of the frame found."""
    app.panel("Find clusters")
    app.lay_out(micrograph, found_once)
    assert len(app.document.table) > 30
    return app


def rows(app: Any) -> Any:
    return app.document.table.rows.set_index("id")


def test_the_layer_shows_the_table_in_register(found: Any) -> None:
    points, image, table = found.points, found.workspace.image, found.document.table
    assert np.array_equal(points.data, table.centres_px)
    assert np.array_equal(points.features["id"], table.ids)
    assert np.allclose(points.scale, image.scale)
    assert points.units == image.units
    assert points.axis_labels == image.axis_labels
    inner = points.size * (1 - 2 * 0.1) / 1.1 * found.document.micrograph.pixel_size_nm
    assert np.allclose(inner, table.rows["diameter_nm"])


def test_an_added_point_is_measured_at_once_and_copies_nothing(found: Any) -> None:
    document = found.document
    document.annotate([0], "Pt19")
    found.points.selected_data = {0}
    y, x = document.table.centres_px[3]
    document.edit("Delete", document.table.drop([3]), [])
    found.points.add([y + 0.3, x - 0.3])
    found.idle()
    new = rows(found).iloc[-1]
    assert rows(found).index[-1] == int(document.table.next_id) - 1
    assert new["annotation"] == ""
    assert np.isfinite(new["diameter_nm"])
    assert new["intensity"] > 0
    assert np.array_equal(found.points.features["id"], document.table.ids)


def test_a_moved_point_is_measured_anew_and_stays_itself(found: Any) -> None:
    document = found.document
    document.annotate([2], "Pt55")
    before = rows(found).loc[2]
    positions = found.points.data.copy()
    positions[list(document.table.ids).index(2)] += 3.0
    found.points.data = positions
    found.idle()
    after = rows(found).loc[2]
    assert after["y_px"] == pytest.approx(before["y_px"] + 3)
    assert after["annotation"] == "Pt55"
    assert after["diameter_nm"] != before["diameter_nm"]
    assert len(rows(found)) == len(found.points.data)


def test_deleted_points_do_not_come_back_and_the_others_keep_their_ids(found: Any) -> None:
    before = rows(found)
    found.points.selected_data = {1, 4}
    found.points.remove_selected()
    found.idle()
    gone = before.index[[1, 4]]
    assert set(before.index) - set(rows(found).index) == set(gone)
    found.click(found.panel("Find clusters").search)
    assert not set(gone) & set(rows(found).index)
    assert len(rows(found)) == len(before) - 2
    assert rows(found)["y_px"].equals(before.drop(gone)["y_px"])


def test_annotations_survive_a_new_search(found: Any) -> None:
    found.document.annotate([1, 5], "Pt70")
    panel = found.panel("Find clusters")
    panel.slider.setValue(30)
    found.click(panel.search)
    found.idle()
    assert set(rows(found).index[rows(found)["annotation"] == "Pt70"]) == {1, 5}
    assert found.document.settings.sensitivity == pytest.approx(0.3)


def test_cutting_the_data_from_outside_leaves_labels_on_their_points(found: Any) -> None:
    before = rows(found)
    found.points.data = found.points.data[2:]
    found.idle()
    assert np.array_equal(rows(found).index, before.index[2:])
    assert np.array_equal(found.points.features["id"], before.index[2:])
    assert rows(found)["diameter_nm"].equals(before["diameter_nm"].iloc[2:])


def test_undo_and_redo_bring_points_back(found: Any) -> None:
    before = found.document.table
    found.points.selected_data = {0, 1, 2}
    found.points.remove_selected()
    found.idle()
    panel = found.panel("Atomicity")
    found.click(panel.findChild(type(panel.analyse), "undo"))
    assert found.document.table is before
    assert np.array_equal(found.points.data, before.centres_px)
    found.click(panel.findChild(type(panel.analyse), "redo"))
    assert len(found.points.data) == len(before) - 3


def test_a_deleted_points_layer_is_made_again_from_the_table(found: Any) -> None:
    table = found.document.table
    found.viewer.layers.remove(found.points)
    found.idle()
    assert found.document.table is table
    found.document.annotate([0], "Pt19")
    assert np.array_equal(found.points.features["annotation"], found.document.table.rows["annotation"])


def test_selection_is_one_for_layer_and_document(found: Any) -> None:
    found.points.selected_data = {2, 3}
    assert found.document.selection == set(found.document.table.ids[[2, 3]])
    found.document.select([int(found.document.table.ids[7])])
    assert set(found.points.selected_data) == {7}


def test_colours_say_label_and_confidence_and_annotations_look_different(found: Any) -> None:
    from napari_atomicity.style import colours, rgb

    document = found.document
    n = len(document.table)
    label = np.resize(["Pt55", "Pt19"], n)  # the order of appearance must not matter
    confidence = np.resize([0.95, 0.55, 0.75], n)
    values = {"label": label, "confidence": confidence, "p_19": confidence, "p_55": 1 - confidence}
    document.commit("Classify", document.table.with_predictions((19, 55), values))
    document.annotate([int(document.table.ids[0])], "Pt19")
    expected = [rgb(colours((19, 55))[name]) for name in document.table.final_labels]
    assert np.allclose(found.points.border_color[:, :3], expected, atol=1e-3)
    alpha = found.points.border_color[1:, 3]
    assert alpha[confidence[1:] == 0.95].min() > alpha[confidence[1:] == 0.55].max()
    assert str(found.points.symbol[0]) != str(found.points.symbol[1])
    assert found.points.border_color[0, 3] == 1


def test_a_stack_keeps_clusters_on_their_frames(app: Any, frame: Any) -> None:
    stack = np.stack([frame.image, frame.image[::-1].copy()])
    layer = app.show(Micrograph(stack, frame.pixel_size_nm, name="stack"))
    app.click(app.panel("Find clusters").search)
    table = app.document.table
    assert set(table.rows["frame"]) == {0, 1}
    assert app.points.data.shape[1] == 3
    assert np.array_equal(app.points.data[:, 0], table.rows["frame"])
    assert app.points.axis_labels == layer.axis_labels
    app.viewer.dims.set_current_step(0, 1)
    assert app.workspace.frame == 1
    app.points.add([1.0, 100.0, 120.0])
    app.idle()
    assert app.document.table.rows["frame"].iloc[-1] == 1


def test_an_image_without_pixel_size_asks_for_it_and_rescales_everything(app: Any) -> None:
    image = app.show(Micrograph(blobs(), None, name="uncalibrated"))
    load, find, count = (app.panel(name) for name in ("Load and calibrate", "Find clusters", "Count atoms"))
    app.click(count.run)
    assert "pixel size" in app.notes[-1]
    app.click(find.search)
    assert "pixel size" in app.notes[-1]
    app.workspace.clusters.make().add([50.0, 60.0])
    app.idle()
    assert np.isnan(app.document.table.rows["diameter_nm"].iloc[0])
    load.pixel.setValue(0.05)
    load.pixel.editingFinished.emit()
    app.idle()
    row = app.document.table.rows.iloc[0]
    assert row["y_nm"] == pytest.approx(2.5)
    assert np.isfinite(row["diameter_nm"])
    assert np.allclose(image.scale, 0.05)
    assert np.allclose(app.points.scale, 0.05)
    assert {str(unit) for unit in app.points.units} == {"nanometer"}
    assert load.field.value() == pytest.approx(10.0)
    app.document.undo()
    assert np.allclose(image.scale, 1)


def test_a_refused_image_is_shown_and_not_counted(app: Any) -> None:
    refused = dataclasses.replace(Micrograph(blobs(), 0.05, name="bad"), refusal="bad is constant; record it again.")
    app.show(refused)
    panel = app.panel("Atomicity")
    assert not panel.analyse.isEnabled()
    assert "bad is constant" in panel.steps[0].panel.remarks.text()


def test_what_cannot_be_measured_stays_where_it_was_put_and_is_said(app: Any) -> None:
    app.show(Micrograph(blobs(), 1.3, name="wrong pixel size"))
    app.workspace.clusters.make().add([50.0, 60.0])
    app.idle()
    table = app.document.table
    assert table.centres_px.tolist() == [[50.0, 60.0]] and np.isnan(table.rows["diameter_nm"]).all()
    assert "correct the pixel size" in app.notes[-1]


def test_a_point_beyond_the_last_frame_belongs_to_the_last_frame(app: Any) -> None:
    app.show(Micrograph(np.stack([blobs(), blobs()]), 0.05, name="stack"))
    app.workspace.clusters.make().add([4.0, 50.0, 60.0])
    app.idle()
    assert app.document.table.rows["frame"].tolist() == [1]
    assert app.points.data.tolist() == [[1.0, 50.0, 60.0]]


def test_clusters_that_are_hidden_follow_the_table_too(found: Any) -> None:
    document, points = found.document, found.points
    points.visible = False
    document.edit("Delete", document.table.drop(document.table.ids[-5:].tolist()), [])
    document.annotate([int(document.table.ids[-1])], "Pt19")
    document.undo()
    points.visible = True
    found.idle()
    assert np.array_equal(points.data, document.table.centres_px)


def test_a_layer_of_clusters_that_was_taken_off_comes_back_by_undo_and_nothing_else_goes(found: Any) -> None:
    document, strip = found.document, found.workbench.findChild(QWidget, "strip")
    document.annotate([0], "Pt19")
    found.viewer.layers.remove(found.points)
    found.settle()
    assert found.points is None and "layer of clusters" in strip.undo.toolTip()
    found.click(strip.undo)
    assert len(found.points.data) == len(document.table)
    assert rows(found).loc[0, "annotation"] == "Pt19", "the label is not what was taken back"
    found.click(strip.undo)
    assert rows(found).loc[0, "annotation"] == ""


def test_rings_lie_over_the_heat_maps_also_when_they_are_made_anew(found: Any) -> None:
    maps, image = found.workspace.maps, found.workspace.image
    plane = maps._made(image, np.zeros(image.data.shape, dtype=np.float32))
    found.viewer.layers.insert(found.viewer.layers.index(image) + 1, plane)
    maps.layers.append(plane)
    found.viewer.layers.remove(found.points)
    found.document.annotate([0], "Pt19")
    found.idle()
    layers = list(found.viewer.layers)
    assert layers.index(image) < layers.index(plane) < layers.index(found.points)


def test_what_naparis_controls_did_to_the_rings_is_put_right_with_the_next_step(found: Any) -> None:
    points, before = found.points, found.points.size.copy()
    points.selected_data = set(range(5))
    points.current_size, points.current_symbol, points.current_border_color = 80, "star", "red"
    assert points.size[0] == 80
    found.document.annotate([7], "Pt19")
    found.idle()
    assert np.allclose(points.size, before)
    assert {str(symbol) for symbol in points.symbol} == {"disc", "square"}
    red = np.all(np.isclose(points.border_color, (1, 0, 0, 1)), axis=1)
    assert not red.any()


def test_close_up_a_ring_is_a_thin_line_and_nothing_lies_over_the_cluster(found: Any) -> None:
    found.document.annotate([0], "Pt19")
    camera, pixel = found.viewer.scene.camera, found.document.micrograph.pixel_size_nm

    def on_screen() -> Any:
        return found.points.border_width * found.points.size * pixel * camera.zoom

    camera.zoom = 4.0
    found.qtbot.waitUntil(lambda: np.allclose(found.points.border_width.max(), 0.1), timeout=5000)
    assert found.points.face_color[0, 3] > 0, "from afar a label of a person is tinted"
    for zoom in (60.0, 150.0):
        camera.zoom = zoom
        found.qtbot.waitUntil(lambda: on_screen().max() < 3.3, timeout=5000)
        assert on_screen().max() > 2.5
        assert not found.points.face_color[:, 3].any()


def test_an_emptied_pixel_size_shows_again_what_is_in_force(app: Any, micrograph: Any) -> None:
    app.show(micrograph)
    panel, size = app.panel("Load and calibrate"), micrograph.pixel_size_nm
    for box, value in ((panel.pixel, size), (panel.field, size * micrograph.shape_yx[1])):
        box.setValue(0.0)
        box.editingFinished.emit()
        assert box.value() == pytest.approx(value, abs=1e-2)
    assert app.document.micrograph.pixel_size_nm == size and not app.document.history


def test_an_unlikely_pixel_size_is_remarked_before_anything_is_searched(app: Any, micrograph: Any) -> None:
    app.show(micrograph)
    panel = app.panel("Load and calibrate")
    panel.pixel.setValue(99.0)
    panel.pixel.editingFinished.emit()
    app.settle()
    assert "too coarse" in panel.remarks.text()
    panel.pixel.setValue(0.05)
    panel.pixel.editingFinished.emit()
    app.settle()
    assert "too coarse" not in panel.remarks.text()


def test_zooming_over_hidden_clusters_that_were_deleted_is_no_fault(found: Any) -> None:
    points, camera = found.points, found.viewer.scene.camera
    points.visible = False
    points.selected_data = {0, 1}
    points.remove_selected()
    camera.zoom = 150.0
    found.qtbot.wait(100)
    points.visible = True
    pixel = found.document.micrograph.pixel_size_nm

    def thin() -> bool:
        return len(points.size) > 0 and (points.border_width * points.size).max() * pixel * camera.zoom < 3.3

    found.qtbot.waitUntil(thin, timeout=5000)
    assert len(points.data) == len(found.document.table)


def test_the_slider_of_one_image_does_not_search_the_next_one(app: Any, frame: Any, found_once: Any) -> None:
    from napari_atomicity.micrograph import Micrograph

    find = app.panel("Find clusters")
    app.show(Micrograph(frame.image, frame.pixel_size_nm, name="first"))
    app.click(find.search)
    first = app.document
    app.show(Micrograph(frame.image[::-1].copy(), frame.pixel_size_nm, name="second"))
    app.click(find.search)
    second = app.document
    app.workspace.choose(app.layers[0])
    app.settle()
    find.slider.setValue(find.slider.value() + 10)
    app.workspace.choose(app.layers[1])
    app.settle()
    app.qtbot.waitUntil(lambda: not find._again.isActive())
    app.idle()
    assert [document.history.count("Find clusters") for document in (first, second)] == [1, 1]


def test_other_pixels_are_measured_anew(app: Any, micrograph: Any, found_once: Any) -> None:
    app.lay_out(micrograph, found_once)
    before = app.document.table.rows
    app.workspace.image.data = np.asarray(micrograph.data) * 2.0
    app.qtbot.waitUntil(lambda: app.document.micrograph.data is app.workspace.image.data)
    app.qtbot.waitUntil(lambda: bool(app.document.table.rows["intensity"].notna().all()), timeout=30_000)
    ratio = app.document.table.rows["intensity"] / before["intensity"]
    assert ratio.median() == pytest.approx(2, rel=0.02)


def test_a_label_typed_into_naparis_table_of_features_is_a_step_of_the_history(found: Any) -> None:
    from qtpy.QtCore import Qt

    features = found.viewer.window.add_plugin_dock_widget("napari", "Features table widget")[1]
    found.viewer.layers.selection.active = found.points
    model = features.table.model().sourceModel()
    model.editable = True
    names = [model.headerData(at, Qt.Orientation.Horizontal) for at in range(model.columnCount())]

    def type_in(column: str, word: object) -> None:
        assert model.setData(model.index(4, names.index(column)), word)

    steps = len(found.document.history)
    type_in("annotation", "Pt55")
    found.qtbot.waitUntil(lambda: rows(found)["annotation"].iloc[4] == "Pt55", timeout=5000)
    assert found.document.history[steps:] == ["Label 1 as Pt55"]
    found.document.annotate([7], "Pt19")
    assert found.points.features["annotation"].iloc[4] == "Pt55"
    # what is no label, and what a person cannot enter, is put back
    for column, word, why in (("annotation", "large", "“large” is no label"), ("diameter_nm", 9.0, "Only the column")):
        before = found.document.table.rows[column].iloc[4]
        type_in(column, word)
        found.qtbot.waitUntil(lambda before=before, column=column: found.points.rows[column].iloc[4] == before)
        assert why in found.notes[-1]
    assert len(found.document.history) == steps + 2
    # as a script does it
    written = found.points.features.copy()
    written.loc[[0, 4], "annotation"] = ["Pt70", None]
    found.points.features = written
    assert rows(found)["annotation"].iloc[[0, 4]].tolist() == ["Pt70", ""]


def test_points_in_another_order_stay_with_their_labels(found: Any) -> None:
    found.document.annotate([0], "Pt19")
    table, steps = found.document.table, len(found.document.history)
    found.points.data = found.points.data[::-1].copy()
    assert len(found.document.history) == steps
    assert np.array_equal(found.points.data, table.centres_px)
    found.points.selected_data = {3}
    assert found.document.selection == {int(table.ids[3])}


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of napari
@pytest.mark.parametrize("nowhere", [np.nan, np.inf])
def test_a_point_without_a_place_is_left_out_and_said(found: Any, nowhere: float) -> None:
    table, steps = found.document.table, len(found.document.history)
    places = np.vstack([found.points.data, [[nowhere, 5.0]]])
    places[2, 1] = nowhere
    found.points.data = places
    assert "2 points have no place" in found.notes[-1]
    assert found.document.table is table and len(found.document.history) == steps
    assert np.array_equal(found.points.data, table.centres_px)


def test_a_cluster_pasted_from_another_image_takes_nobodys_place(found: Any, frame: Any) -> None:
    found.document.annotate([3], "Pt70")
    others = found.points
    found.show(Micrograph(np.roll(frame.image, 37, 0), frame.pixel_size_nm, name="second"))
    found.click(found.panel("Find clusters").search)
    document, points = found.document, found.points
    assert points is not others
    n = len(document.table)
    others.selected_data = {3}
    others._copy_data()
    points._clipboard = others._clipboard
    points._paste_data()
    assert len(document.table) == n + 1
    points.selected_data = set(document.table.rows_of([3]).tolist())
    points.remove_selected()
    found.idle()
    assert document.table.row_of(3) is None
    assert not document.table.labelled.any()
