"""The gallery in a real window: groups, order, selection both ways, labels by key, button and drag, pictures made."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from qtpy import PYSIDE6
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.micrograph import Micrograph

from .test_keys import SIZES, counted

LABELS = ("Pt19", "Pt30", "Pt41", "Pt55", "Pt70", "other")
NONE, SHIFT, CTRL = (getattr(Qt.KeyboardModifier, name) for name in ("NoModifier", "ShiftModifier", "ControlModifier"))
PRESS, MOVE, RELEASE, TWICE = (
    getattr(QEvent.Type, name)
    for name in ("MouseButtonPress", "MouseMove", "MouseButtonRelease", "MouseButtonDblClick")
)


@pytest.fixture
def gallery(app: Any, micrograph: Any) -> Any:
    """Eight clusters, half of them Pt19 and half Pt55, and the gallery of them; the less sure one is the later one."""
    counted(app, micrograph)
    return opened(app)


def opened(app: Any) -> Any:
    panel = app.panel("Gallery")
    panel.parentWidget().setFloating(True)
    panel.parentWidget().resize(700, 860)
    app.idle()
    return panel


def mouse(app: Any, view: Any, path: Any, keys: Any = NONE) -> None:
    """Press, move along `path` (pixels of the view) and release, as a person does."""
    send(view, PRESS, path[0], keys)
    for point in path[1:]:
        send(view, MOVE, point, keys)
    send(view, RELEASE, path[-1], keys)
    app.settle()


def send(view: Any, kind: Any, place: tuple[float, float], keys: Any = NONE) -> None:
    """One event of the left button."""
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    point, port = QPointF(*place), view.viewport()
    button, held = none if kind == MOVE else left, none if kind == RELEASE else left
    QApplication.sendEvent(port, QMouseEvent(kind, point, port.mapToGlobal(point), button, held, keys))


def middle(view: Any, index: int) -> tuple[float, float]:
    """Where a picture is seen."""
    centre = view.grid.picture(index).center()
    return centre.x(), centre.y() - view.top


def heading(view: Any, label: str) -> tuple[float, float]:
    group = [each.label for each in view.contents.groups].index(label)
    return 200.0, view.grid.heading(group).center().y() - view.top


def press(app: Any, view: Any, key: Any, keys: Any = NONE) -> None:
    app.qtbot.keyClick(view, key, keys)
    app.settle()


def annotation(app: Any, cluster: int) -> str:
    return str(app.document.table.values_of("annotation", [cluster])[0])


def test_clusters_stand_in_the_group_of_their_label_the_least_sure_first(app: Any, gallery: Any) -> None:
    view = gallery.view
    assert [group.label for group in view.contents.groups] == list(LABELS)
    assert view.contents.ids.tolist() == [6, 4, 2, 0, 7, 5, 3, 1]
    assert view.contents.caption(0)[0].startswith("○ Pt19") and "%" in view.contents.caption(0)[0]
    assert gallery.words.text() == "8 of 8 shown"
    gallery.backwards.click()
    assert view.contents.ids.tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
    app.document.annotate([4], "Pt55")
    gallery.gallery.choose(order="against", backwards=False)
    app.settle()
    assert view.contents.ids.tolist()[3] == 4, "the label against the model comes first in its group"
    assert view.contents.caption(3) == ("◇ Pt55", "model: Pt19")


def test_the_slider_shows_the_less_or_the_more_sure_ones_and_says_how_many(app: Any, gallery: Any) -> None:
    app.document.select([0])
    gallery.bound.setValue(70)
    confidence = app.document.table.rows["confidence"].to_numpy()
    n = int((confidence <= 0.7).sum())
    assert sorted(gallery.view.contents.ids.tolist()) == np.flatnonzero(confidence <= 0.7).tolist()
    app.settle()
    assert gallery.words.text() == f"{n} of 8 shown, 1 selected, not shown"
    gallery.side.setCurrentIndex(1)
    gallery.side.activated.emit(1)
    assert sorted(gallery.view.contents.ids.tolist()) == np.flatnonzero(confidence >= 0.7).tolist()
    gallery.bound.setValue(100)
    assert not len(gallery.view.contents) and "Move the slider" in gallery.view.message
    gallery.bound.setValue(0)
    assert gallery.view.contents.n_shown == 8


def test_the_selection_is_the_documents_in_both_directions(app: Any, gallery: Any) -> None:
    view, document = gallery.view, app.document
    mouse(app, view, [middle(view, 0)])
    assert document.selection == {6} and set(app.points.selected_data) == {6}
    mouse(app, view, [middle(view, 2)], SHIFT)
    assert document.selection == {6, 4, 2}
    mouse(app, view, [middle(view, 1)], CTRL)
    assert document.selection == {6, 2}
    app.points.selected_data = {7}
    app.settle()
    assert view.selected == {7} and view.at == 4
    mouse(app, view, [(2.0, heading(view, "Pt30")[1] + 400)])  # beside everything
    assert not document.selection


def test_a_box_from_beside_the_pictures_selects_those_that_it_touches(app: Any, gallery: Any) -> None:
    view = gallery.view
    (_, y), (x, _) = middle(view, 0), middle(view, 2)
    mouse(app, view, [(3.0, y - 40), (100.0, y), (x, y + 10)])
    assert app.document.selection == {6, 4, 2}
    told: list[Any] = []
    app.document.selection_changed.connect(told.append)
    (_, y) = middle(view, 4)
    mouse(app, view, [(3.0, y), (30.0, y), (60.0, y + 10)], SHIFT)
    assert app.document.selection == {6, 4, 2, 7} and len(told) == 1, "the image follows once the box is drawn"
    send(view, PRESS, (3.0, y))
    send(view, MOVE, (60.0, y + 10))
    assert view.preview == {7}
    press(app, view, Qt.Key.Key_Escape)
    assert view.preview is None and app.document.selection == {6, 4, 2, 7}


def test_a_double_click_centres_the_view_on_the_cluster(app: Any, gallery: Any) -> None:
    view = gallery.view
    send(view, TWICE, middle(view, 5))
    app.settle()
    at = app.layers[0].data_to_world(app.document.table.centres_px[5])
    assert np.allclose(app.viewer.scene.camera.center[-2:], at) and app.document.selection == {5}


def test_the_page_stays_under_the_mouse_when_a_picture_at_its_end_is_clicked(app: Any, micrograph: Any) -> None:
    counted(app, micrograph, 60)
    view = opened(app).view
    index = int(view.visible[-1])
    view.bar.setValue(int(view.grid.y[index] - view.viewport().height() + 40))  # the upper part of it is seen
    top, (x, _) = view.top, middle(view, index)
    at = (x, view.viewport().height() - 20.0)
    mouse(app, view, [at, (at[0] + 2, at[1] + 1)])
    assert view.top == top and view.mouse.doing == "nothing"
    assert app.document.selection == {int(view.contents.ids[index])}


def test_dragging_onto_a_heading_or_a_button_labels_all_that_is_selected_in_one_step(app: Any, gallery: Any) -> None:
    view, document = gallery.view, app.document
    mouse(app, view, [middle(view, 0)])
    mouse(app, view, [middle(view, 1)], CTRL)
    steps = len(document.history)
    start = middle(view, 1)
    mouse(app, view, [start, (start[0] + 20, start[1]), heading(view, "Pt70")])
    assert [annotation(app, i) for i in (6, 4, 2)] == ["Pt70", "Pt70", ""] and len(document.history) == steps + 1
    # one that is not selected is taken along alone
    button = gallery.labels.by_label["other"]
    there = view.viewport().mapFromGlobal(button.mapToGlobal(button.rect().center()))
    start = middle(view, 0)
    cluster = int(view.contents.ids[0])
    mouse(app, view, [start, (start[0] + 20, start[1]), (float(there.x()), float(there.y()))])
    assert annotation(app, cluster) == "other" and document.selection == {cluster}
    press(app, view, Qt.Key.Key_Z, CTRL)
    assert annotation(app, cluster) == "" and annotation(app, 6) == "Pt70"


def test_nothing_is_labelled_where_a_drag_is_given_up_or_ends_beside_everything(app: Any, gallery: Any) -> None:
    view, document = gallery.view, app.document
    steps = len(document.history)
    start = middle(view, 0)
    mouse(app, view, [start, (start[0] + 20, start[1]), (-500.0, 5.0)])
    mouse(app, view, [start, middle(view, 1)])  # a slip of the hand, within the group
    send(view, PRESS, start)
    send(view, MOVE, heading(view, "Pt70"))
    assert view.mouse.target == "Pt70"
    press(app, view, Qt.Key.Key_Escape)
    send(view, RELEASE, heading(view, "Pt70"))
    assert len(document.history) == steps and document.selection == {6}


def test_all_of_it_works_by_keys_alone(app: Any, gallery: Any) -> None:
    view, document = gallery.view, app.document
    view.setFocus()
    press(app, view, Qt.Key.Key_Home)
    press(app, view, Qt.Key.Key_Right)
    assert not document.selection, "arrows walk"
    press(app, view, Qt.Key.Key_Space)
    assert document.selection == {4} and "Cluster 4: Pt19" in view.accessibleName()
    assert "2 of 4 in Pt19, selected" in view.accessibleName()
    press(app, view, Qt.Key.Key_R)  # the fourth class
    assert annotation(app, 4) == "Pt55"
    assert view.at == 1 and view.contents.ids[1] == 2, "the next one took its place"
    press(app, view, Qt.Key.Key_Right, SHIFT)
    assert document.selection == {2, 0}
    press(app, view, Qt.Key.Key_D)
    assert annotation(app, 2) == annotation(app, 0) == "other" and annotation(app, 4) == "Pt55"
    press(app, view, Qt.Key.Key_G)
    assert annotation(app, 2) == annotation(app, 0) == ""
    press(app, view, Qt.Key.Key_A, CTRL)
    assert len(document.selection) == 8
    press(app, view, Qt.Key.Key_Escape)
    assert not document.selection


def test_delete_takes_the_selected_clusters_away_in_one_step(app: Any, gallery: Any) -> None:
    view, document = gallery.view, app.document
    view.setFocus()
    press(app, view, Qt.Key.Key_Delete)
    assert "Select clusters first" in app.viewer.status and len(document.table) == 8
    document.select([4, 6])
    app.settle()
    steps = len(document.history)
    press(app, view, Qt.Key.Key_Delete)
    assert document.history[-1] == "Delete 2 clusters" and len(document.history) == steps + 1
    assert view.contents.ids.tolist() == [2, 0, 7, 5, 3, 1] and len(app.points.data) == 6
    press(app, view, Qt.Key.Key_Z, CTRL)
    assert len(document.table) == 8


def test_pictures_are_cut_for_what_is_seen_and_are_those_of_the_clusters(app: Any, gallery: Any) -> None:
    crops, contents = gallery.gallery.crops, gallery.view.contents
    app.qtbot.waitUntil(lambda: all(crops.picture(contents.place(i)) is not None for i in range(8)), timeout=10_000)
    assert not gallery.grab().isNull()
    first = crops.picture(contents.place(0))
    app.document.annotate([6], "Pt30")
    app.idle()
    assert crops.picture(app_place(app, 6)) is first, "a label makes nothing anew"
    gallery.one_grey.click()
    app.idle()
    assert crops.picture(app_place(app, 6)) is not first


def app_place(app: Any, cluster: int) -> tuple[float, float, float]:
    frame, y, x = app.document.table.places[app.document.table.row_of(cluster)].tolist()
    return frame, y, x


def test_nothing_of_an_image_that_was_taken_off_is_held(app: Any, gallery: Any) -> None:
    crops, place = gallery.gallery.crops, app_place(app, 0)
    app.qtbot.waitUntil(lambda: crops.picture(place) is not None, timeout=10_000)
    app.viewer.layers.clear()
    app.idle()
    assert crops.picture(place) is None and crops._source is None


def test_a_bright_cluster_is_brighter_on_the_common_scale_of_grey() -> None:
    from napari_atomicity.progress import drain
    from napari_atomicity.ui.gallery.crops import Source, cut_steps

    image = np.random.default_rng(0).normal(100, 1, (200, 200)).astype(np.uint16)
    y, x = np.indices(image.shape)
    for i, height in enumerate((100, 200)):
        image += (height * np.exp(-((y - 100) ** 2 + (x - 60 - 80 * i) ** 2) / 200)).astype(np.uint16)
    table = ClusterTable.from_columns({"y_px": [100.0, 100.0], "x_px": [60.0, 140.0], "diameter_nm": [1.0, 1.0]})
    places = [(0.0, 100.0, 60.0), (0.0, 100.0, 140.0), (0.0, 100.0, -300.0)]
    source = Source(Micrograph(image, 0.05), table, 2.0, True)
    greys, levels = drain(cut_steps(source, 0, places, None))
    assert greys[1].max() > 1.7 * greys[0].max() and not greys[2].any()
    own, _ = drain(cut_steps(replace(source, one_grey=False), 0, places, levels))
    assert own[0].max() == own[1].max() == 255


def test_frames_of_a_stack_are_all_there_and_a_double_click_goes_to_the_frame(app: Any, frame: Any) -> None:
    stack = np.stack([frame.image, frame.image, frame.image])
    app.show(Micrograph(stack, frame.pixel_size_nm, name="stack"))
    table = ClusterTable.from_columns(
        {"y_px": [100.0, 200.0, 300.0], "x_px": [100.0, 200.0, 300.0], "frame": [0, 1, 2], "diameter_nm": [1.0] * 3}
    )
    values = {"label": ["Pt19"] * 3, "confidence": [0.9, 0.8, 0.7]} | {f"p_{n}": np.full(3, 0.2) for n in SIZES}
    app.document.commit("Count", table.with_predictions(SIZES, values))
    view = opened(app).view
    assert [view.contents.caption(i)[1] for i in range(3)] == ["frame 2", "frame 1", "frame 0"]
    view.looked_at.emit(2)
    assert app.workspace.frame == 2
    app.qtbot.waitUntil(
        lambda: all(view.crops.picture(view.contents.place(i)) is not None for i in range(3)), timeout=10_000
    )


def test_a_folded_group_shows_its_heading_alone_and_stays_so_when_the_panel_comes_again(
    app: Any, micrograph: Any
) -> None:
    counted(app, micrograph)
    panel = opened(app)
    mouse(app, panel.view, [heading(panel.view, "Pt19")])
    assert panel.view.contents.ids.tolist() == [7, 5, 3, 1] and panel.view.contents.n_shown == 8
    panel.bound.setValue(90)
    app.viewer.window.remove_dock_widget(panel.parentWidget())
    again, gone = opened(app), weakref.ref(panel)
    del panel
    gc.collect()
    # PySide6 holds what a lambda that is connected names
    assert gone() is None or PYSIDE6, "nothing holds a panel that was taken off"
    assert again.bound.value() == 90 and again.view.contents.ids.tolist() == [7, 5, 3, 1]


def test_captions_are_as_large_as_the_text_of_the_window(app: Any, gallery: Any) -> None:
    from napari.settings import get_settings

    appearance = get_settings().appearance
    line, size = gallery.view.grid.sizes.line, appearance.font_size
    appearance.font_size = size + 8
    try:
        app.qtbot.waitUntil(lambda: gallery.view.grid.sizes.line > 1.5 * line, timeout=5000)
        assert gallery.view.grid.sizes.line == gallery.words.fontMetrics().lineSpacing()
    finally:
        appearance.font_size = size


def test_pictures_can_be_made_larger_and_what_is_seen_stays(app: Any, gallery: Any) -> None:
    view, side = gallery.view, gallery.view.grid.sizes.side
    view.setFocus()
    for _ in range(8):
        press(app, view, Qt.Key.Key_Plus, CTRL)
    assert view.grid.sizes.side > 1.5 * side and 0 in view.visible
    for _ in range(9):
        press(app, view, Qt.Key.Key_Minus, CTRL)
    assert view.grid.sizes.side == side


def test_the_review_opens_the_gallery(app: Any) -> None:
    app.click_on(app.review.gallery)
    assert "Open a micrograph first" in app.panel("Gallery").view.message


def test_an_empty_gallery_says_what_to_do_and_outlives_its_image(app: Any, micrograph: Any) -> None:
    panel = opened(app)
    assert "Open a micrograph first" in panel.view.message and "Open a micrograph" in panel.view.accessibleName()
    press(app, panel.view, Qt.Key.Key_Right)
    press(app, panel.view, Qt.Key.Key_Q)
    app.show(micrograph)
    assert "find them first" in panel.view.message and not panel.bound.isEnabled()
    counted(app, micrograph)
    app.idle()
    assert len(panel.view.contents) == 8
    view = panel.view
    start = middle(view, 0)
    send(view, PRESS, start)
    send(view, MOVE, (start[0] + 40, start[1]))
    app.viewer.layers.clear()
    app.settle()
    mouse(app, view, [start])
    assert "Open a micrograph first" in view.message and not len(view.contents)


def test_what_is_selected_elsewhere_comes_into_view_and_a_label_leaves_the_page_where_it_is(
    app: Any, micrograph: Any
) -> None:
    counted(app, micrograph, 400)
    panel = opened(app)
    view = panel.view
    app.document.select([1])  # the last of all
    app.settle()
    assert view.top > 0 and view.at in view.visible
    for n in (7, 60):
        first, height = int(view.contents.ids[view.visible[0]]), view.grid.y[view.visible[0]] - view.top
        # these come before all that is seen
        app.document.annotate(app.document.table.ids[-n::2].tolist(), "Pt55")
        app.settle()
        assert view.grid.y[view.contents.index_of(first)] - view.top == height
