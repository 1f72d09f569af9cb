"""The legend beside the image and on it: classes that answer to clicks, rings that are hidden, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .app_driver import cell
from .stand_ins import leave_undecided
from .test_keys import press

LABELS = ("Pt19", "Pt55", "Pt70")
#: of Pt19 on the screen
RED = np.array([203, 59, 50])


@pytest.fixture
def counted(app: Any, micrograph: Any, counted_once: Any) -> Any:
    """A counted frame: labels, confidence and flags by turns, so that each class has a few of each kind."""
    app.lay_out(micrograph, counted_once)
    assert app.count
    label_by_turns(app)
    return app


def label_by_turns(app: Any) -> None:
    n = len(app.document.table)
    values = {"label": np.resize(LABELS, n), "confidence": np.resize([1.0, 1.0, 1.0, 0.7], n)}
    flags = np.resize(["ok", "ok", "ok", "ok", "touching"], n)
    app.document.commit("Count", app.document.table.with_columns(**values, flag=flags))
    app.idle()


def ids_of(app: Any, label: str) -> list[int]:
    table = app.document.table
    return table.ids[table.final_labels == label].tolist()


def row_of(legend: Any, label: str) -> int:
    return [entry.label for entry in legend.entries].index(label)


def click(app: Any, legend: Any, label: str, double: bool = False, shift: bool = False) -> None:
    """Click the row of a label in a legend; a double click is two clicks, as from a mouse."""
    from qtpy.QtCore import Qt

    place = cell(legend, row_of(legend, label) + 1, 1).geometry().center()
    keys = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
    app.qtbot.mouseClick(legend, Qt.MouseButton.LeftButton, keys, place)
    if double:
        app.qtbot.mouseDClick(legend, Qt.MouseButton.LeftButton, keys, place)
    app.settle()


def hide(app: Any, legend: Any, label: str) -> None:
    legend.eyes[row_of(legend, label)].click()
    app.settle()


def red_pixels(app: Any) -> int:
    shot = app.viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    return int((np.abs(shot - RED).max(axis=-1) < 12).sum())


def seen(app: Any) -> set[int]:
    """Ids of the clusters that a person finds under the cursor."""
    places = app.document.table.centres_px
    found = {app.points.get_value(tuple(place)) for place in places} - {None}
    return set(app.document.table.ids[sorted(found)].tolist())


def test_a_click_selects_the_class_and_a_double_click_goes_from_one_to_the_next(counted: Any) -> None:
    app, legend = counted, counted.count.legend
    pt55 = ids_of(app, "Pt55")
    click(app, legend, "Pt55")
    assert app.document.selection == set(pt55)
    assert app.viewer.status == f"{len(pt55)} clusters of Pt55 selected."
    click(app, legend, "Pt70", shift=True)
    assert app.document.selection == {*pt55, *ids_of(app, "Pt70")}
    for cluster in (*pt55, pt55[0]):
        click(app, legend, "Pt55", double=True)
        assert app.document.selection == {cluster}, "after the last one the first"
        middle = app.workspace.image.world_to_data(app.viewer.scene.camera.center[-2:])
        assert np.allclose(middle, app.document.table.centres_px[app.document.table.row_of(cluster)], atol=0.5)
    click(app, legend, "Pt30")
    assert app.viewer.status == "There is no cluster of Pt30." and not app.document.selection


def test_a_click_on_a_bar_selects_its_class(counted: Any) -> None:
    from qtpy.QtCore import QPoint, QPointF, Qt

    app, chart = counted, counted.count.chart
    room = chart.labels.index("Pt55") + 0.3
    place = chart.axes.mapFromScene(chart.axes.getViewBox().mapViewToScene(QPointF(room, 0.05)))
    app.qtbot.mouseClick(chart.axes.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert app.document.selection == set(ids_of(app, "Pt55"))
    app.qtbot.mouseClick(chart.axes.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(2, 2))
    assert app.document.selection == set(ids_of(app, "Pt55")), "beside the bars there is no class"


def test_the_eye_hides_the_rings_of_a_class_and_nothing_reaches_what_is_hidden(counted: Any) -> None:
    app, legend = counted, counted.count.legend
    pt19, others = set(ids_of(app, "Pt19")), {*ids_of(app, "Pt55"), *ids_of(app, "Pt70")}
    app.document.select([min(pt19), min(others)])
    app.qtbot.waitUntil(lambda: app.points.visible)
    assert red_pixels(app) > 50 and seen(app) >= pt19
    hide(app, legend, "Pt19")
    assert red_pixels(app) == 0 and not seen(app) & pt19
    assert app.document.selection == {min(others)}, "a key would label what nobody sees"
    press(app, "Shift+A")
    app.settle()
    assert app.document.selection == others and len(app.points.selected_data) == len(others)
    click(app, legend, "Pt19")
    assert app.viewer.status == "All clusters of Pt19 are hidden; show them first." and not app.document.selection
    # what a person is led to is seen as long as it is selected
    app.document.select([min(pt19)])
    assert min(pt19) in seen(app)
    app.document.select([])
    assert not seen(app) & pt19
    hide(app, legend, "Pt19")
    assert seen(app) >= pt19 and red_pixels(app) > 50


def test_what_is_hidden_stays_so_through_a_new_count_a_new_layer_and_a_closed_panel(counted: Any) -> None:
    app = counted
    hide(app, app.count.legend, "Pt19")
    pt19 = set(ids_of(app, "Pt19"))
    state = app.document.state
    app.document.apply("Count again", state, state)
    label_by_turns(app)
    assert not seen(app) & pt19
    app.viewer.layers.remove(app.points)
    app.document.annotate([max(pt19)], "Pt19")
    app.qtbot.waitUntil(lambda: app.points is not None and app.points.visible)
    assert not seen(app) & pt19
    again = app.panel("Atomicity").steps[2].panel
    assert not again.legend.eyes[row_of(again.legend, "Pt19")].isChecked()
    app.document.annotate([max(pt19)], "Pt70")
    assert max(pt19) in seen(app), "it is no longer of the hidden class"


def test_filters_say_how_many_are_shown_and_change_no_number_and_no_file(counted: Any, tmp_path: Any) -> None:
    from napari_atomicity.io.tables import read_table

    app, panel = counted, counted.count
    table, shares = app.document.table, app.document.ratios()
    steps = len(app.document.history)
    n, bar = len(table), panel.filter
    assert bar.seen.text() == f"{n} of {n} shown" and not bar.all.isVisible()

    def choose(box: Any, name: str) -> None:
        box.setCurrentIndex(box.findData(name))
        box.activated.emit(box.currentIndex())
        app.settle()

    choose(bar.confidence, "below 80")
    unsure = set(table.ids[table.rows["confidence"] < 0.8].tolist())
    assert seen(app) <= unsure and bar.seen.text() == f"{len(unsure)} of {n} shown"
    choose(bar.flag, "touching")
    both = unsure & set(table.ids[table.rows["flag"] == "touching"].tolist())
    assert both and bar.seen.text() == f"{len(both)} of {n} shown" and seen(app) <= both
    assert app.document.table is table and app.document.ratios().equals(shares)
    assert len(app.document.history) == steps
    app.points.save(str(tmp_path / "layer.csv"), plugin="napari-atomicity")
    assert len(read_table(tmp_path / "layer.csv")) == n
    app.click(bar.all)
    app.settle()
    assert bar.seen.text() == f"{n} of {n} shown" and bar.flag.currentData() == bar.confidence.currentData() == ""
    # a cluster that nobody has counted yet has no confidence that could hide it
    choose(bar.confidence, "from 95")
    placed = table.next_id
    app.document.commit("Add", app.document.table.add({"y_px": [5.0], "x_px": [5.0]}))
    assert placed in seen(app)


def test_the_legend_on_the_image_answers_too_and_can_be_switched_off(counted: Any) -> None:
    app, panel = counted, counted.count
    on_image = on_image_of(app)
    assert on_image.isVisible() and [e.label for e in on_image.legend.entries] == [
        e.label for e in panel.legend.entries
    ]
    click(app, on_image.legend, "Pt55")
    assert app.document.selection == set(ids_of(app, "Pt55"))
    hide(app, on_image.legend, "Pt55")
    assert not panel.legend.eyes[row_of(panel.legend, "Pt55")].isChecked()
    assert on_image.seen.text() == panel.filter.seen.text() and on_image.seen.isVisible()
    panel.filter.on_image.click()
    app.settle()
    assert not on_image.isVisible()
    # a second panel makes no second legend, and knows that it is off
    again = app.panel("Atomicity").steps[2].panel
    app.settle()
    assert not again.filter.on_image.isChecked() and on_image_of(app) is on_image
    again.filter.on_image.click()
    app.viewer.theme = "light"
    app.settle()
    assert on_image.isVisible()
    app.viewer.layers.remove(app.workspace.image)
    app.settle()
    assert not on_image.isVisible()


def test_a_frame_that_cannot_decide_says_between_what_instead_of_a_share(counted: Any) -> None:
    app, legend = counted, counted.count.legend
    leave_undecided(app.document, "Pt55", "Pt70")
    app.settle()
    shares = {entry.label: entry.share for entry in legend.entries}
    assert shares["Pt55"] == shares["Pt70"] == "undecided: Pt55 or Pt70"
    assert shares["Pt19"].endswith(" %")
    single_choice = app.document.state.offered.calibrations[0].chosen("Pt70")
    chosen = {0: single_choice}
    from dataclasses import replace

    app.document.amend(count=replace(app.document.state.count, calibrations=chosen))
    app.settle()
    assert "undecided" not in "".join(entry.share for entry in legend.entries)


def test_the_cluster_under_the_cursor_is_said_in_words(counted: Any) -> None:
    from napari.settings import get_settings

    app, table = counted, counted.document.table
    cluster = int(table.ids[table.rows["flag"] == "touching"][0])
    row = table.row_of(cluster)
    values = {"n_atoms": 53.2, "n_atoms_sd": 4.1, "diameter_nm": 1.47, "label": "Pt55", "confidence": 0.97}
    app.document.commit("Count", table.with_values([cluster], values))
    app.qtbot.waitUntil(lambda: app.points.visible)
    get_settings().appearance.layer_tooltip_visibility = True
    app.viewer.layers.selection.active = app.points
    app.viewer.mouse_over_canvas = True
    app.viewer.cursor.position = app.points.data_to_world(app.points.data[row])
    app.viewer.update_status_from_cursor()
    assert app.viewer.status["coordinates"].endswith(" Pt55 97 %, 53 ± 4 atoms, 1.47 nm, touching")
    assert app.viewer.tooltip.text == "Pt55 97 %\n53 ± 4 atoms\n1.47 nm\ntouching"
    app.document.annotate([cluster], "Pt70")
    app.viewer.update_status_from_cursor()
    assert " Pt70, your label, the model says Pt55 97 %, " in app.viewer.status["coordinates"]
    app.viewer.cursor.position = app.points.data_to_world((-50.0, -50.0))
    app.viewer.update_status_from_cursor()
    assert app.viewer.status["value"] == "" == app.viewer.tooltip.text


def test_hidden_clusters_of_a_stack_are_not_drawn_either(app: Any, frame: Any, counted_once: Any) -> None:
    from napari_atomicity.micrograph import Micrograph

    app.show(Micrograph(np.stack([frame.image] * 2), frame.pixel_size_nm, name="stack"))
    table = counted_once.table
    app.document.commit(
        "Find", table.with_columns(frame=np.arange(len(table)) % 2, label=np.resize(LABELS, len(table)))
    )
    app.qtbot.waitUntil(lambda: app.points.visible)
    app.workspace.group.rings.show_label("Pt19", False)
    drawn = app.points._view_indices
    here = np.flatnonzero((np.arange(len(table)) % 2 == app.workspace.frame) & (table.final_labels != "Pt19"))
    assert set(app.document.table.final_labels[drawn]) == {"Pt55", "Pt70"}
    assert 0 < len(drawn) <= len(here) + len(table) // 3


def on_image_of(app: Any) -> Any:
    from napari_atomicity.ui.legend.on_image import lay_on_image

    return lay_on_image(app.context)
