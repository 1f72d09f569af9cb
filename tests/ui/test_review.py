"""The review in the window: an order that stays, a view that follows, figures that follow the labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.micrograph import Micrograph

from .test_keys import annotations, counted, press


def centre(app: Any) -> np.ndarray:
    """Middle of the view in pixels of the image."""
    return np.array(app.workspace.image.world_to_data(app.viewer.scene.camera.center[-2:]))


def place(app: Any, cluster: int) -> np.ndarray:
    return app.document.table.centres_px[app.document.table.ids == cluster][0]


def test_it_goes_from_the_least_confident_on_and_the_view_follows(app: Any, micrograph: Any) -> None:
    document = counted(app, micrograph)
    panel = app.panel("Review")
    app.viewer.scene.camera.zoom = zoom = 40.0
    app.click(panel.start)
    assert document.selection == {7} and np.allclose(centre(app), place(app, 7), atol=0.5)
    assert app.viewer.scene.camera.zoom == zoom
    press(app, "N")
    assert document.selection == {6}
    press(app, "B")
    assert document.selection == {7}
    press(app, "F")
    assert annotations(app)[7] == "Pt55" and document.selection == {6}, "accepted, and on to the next"
    app.click(panel.label_buttons["Pt70"])
    assert annotations(app)[6] == "Pt70" and document.selection == {5}
    assert panel.bar.format() == "2 of 8 reviewed" == panel.status(document)
    assert "1 of 2 (50 %" in panel.agreement.text() and "Fair" not in panel.agreement.text()
    table = panel.table.text()
    assert "Pt70" in table and "<b>1</b>" in table
    press(app, "B")
    assert document.selection == {6}, "back also to what is reviewed"
    press(app, "Ctrl+Z")
    app.idle()
    assert annotations(app)[6] == "" and document.selection == {6}
    assert np.allclose(centre(app), place(app, 6), atol=0.5) and panel.bar.value() == 1
    # from far out the cluster would be a dot: the view comes closer
    app.viewer.scene.camera.zoom = 2.0
    press(app, "N")
    assert app.viewer.scene.camera.zoom > 40


def test_the_order_stays_through_labels_deletions_undo_and_another_count(app: Any, micrograph: Any) -> None:
    document = counted(app, micrograph)
    panel, review = app.panel("Review"), app.workspace.group.review
    app.click(panel.start)
    order = review.queue.ids
    document.edit("Delete", document.table.drop([6, 5]), [])
    press(app, "N")
    assert document.selection == {4} and review.queue.ids == order
    app.click(panel.findChild(type(panel.start), "undo"))
    app.idle()
    assert document.selection == {5, 6}, "what came back is shown"
    press(app, "B")
    press(app, "B")
    assert review.at in (5, 7, 6)
    again = np.random.default_rng(0).uniform(0.3, 0.9, 8)
    document.commit("Count again", document.table.with_columns(confidence=again))
    assert review.queue.ids == order
    document.commit("Add", document.table.add({"y_px": [50.0], "x_px": [60.0]}))
    app.idle()
    assert "1 came after the queue was started" in panel.agreement.text()
    # what was deleted at hand: the review goes on behind it
    at = review.at
    document.edit("Delete", document.table.drop([at]), [])
    press(app, "N")
    assert order.index(review.at) > order.index(at)


def test_at_random_the_agreement_is_fair_and_says_so(app: Any, micrograph: Any) -> None:
    document = counted(app, micrograph)
    panel = app.panel("Review")
    panel.order.activated.emit(panel.order.findData("random"))
    app.click(panel.start)
    first = app.workspace.group.review.queue.ids[:3]
    for key in ("F", "D"):
        press(app, key)
    app.idle()
    assert document.selection == {first[2]}
    assert "Fair check, of clusters drawn at random: 1 of 2 (50 %, 9 to 91 %)." in panel.agreement.text()
    press(app, "N")
    app.idle()
    assert "1 passed over without a label" in panel.agreement.text()
    assert "of 8 in the queue, at random" in panel.here.text()


def test_at_the_end_and_in_the_wrong_order_a_sentence_says_what_is_there(app: Any, micrograph: Any) -> None:
    panel = app.panel("Review")
    assert not panel.start.isEnabled()
    app.show(micrograph)
    panel.start.clicked.emit()
    assert "no clusters to review" in app.notes[-1]
    document = counted(app, micrograph, n=3)
    for order, words in (("adaptation", "adapt first"), ("intensity", "count the atoms"), ("channels", "two channels")):
        panel.order.activated.emit(panel.order.findData(order))
        panel.start.clicked.emit()
        assert words in app.notes[-1] and not app.workspace.group.review.running
    app.workspace.group.review.choose("confidence")
    for _ in range(3):
        press(app, "N")
    assert document.selection == {0}
    press(app, "N")
    assert "end of the review" in app.viewer.status and document.selection == {0}
    press(app, "F")
    assert annotations(app)[0] == "Pt19"
    press(app, "U")
    assert document.selection == {2}
    for _ in range(2):
        press(app, "F")
        press(app, "U")
    assert "nothing left to review" in app.viewer.status


def test_reviewed_ones_and_those_against_the_model_look_different(app: Any, micrograph: Any) -> None:
    document = counted(app, micrograph)
    document.annotate([0], "Pt19")
    document.annotate([1], "Pt19")
    symbols = [str(symbol) for symbol in app.points.symbol[:3]]
    assert len(set(symbols)) == 3
    assert app.points.face_color[1, 3] > app.points.face_color[0, 3] > app.points.face_color[2, 3] == 0
    assert np.allclose(app.points.border_color[1, :3], app.points.border_color[0, :3]), "the person's label colours"
    document.annotate([0, 1], "")
    assert len({str(symbol) for symbol in app.points.symbol}) == 1
    assert (app.points.face_color[:, 3] == 0).all()


def test_clusters_of_a_stack_are_shown_on_their_frame(app: Any, frame: Any) -> None:
    from napari_atomicity.micrograph import Micrograph

    stack = Micrograph(np.stack([frame.image] * 3), frame.pixel_size_nm, name="stack")
    document = counted(app, stack, n=6)
    document.commit("Frames", document.table.with_columns(frame=[0, 1, 2, 0, 1, 2]))
    press(app, "N")
    assert document.selection == {5} and app.workspace.frame == 2
    press(app, "Q")
    assert document.selection == {4} and app.workspace.frame == 1
    press(app, "Ctrl+Z")
    assert document.selection == {5} and app.workspace.frame == 2


def test_two_images_have_a_review_each_and_the_workbench_has_the_step(app: Any, micrograph: Any) -> None:
    panel = app.panel("Atomicity")
    document = counted(app, micrograph)
    first = app.workspace.image
    press(app, "N")
    other = counted(app, micrograph)
    assert other is not document and not app.workspace.group.review.running
    press(app, "N")
    press(app, "Q")
    assert (document.table.rows["annotation"] == "").all()
    (step,) = [step for step in panel.steps if step.panel.title == "Review"]
    app.idle()
    assert step.state.toolTip() == "1 of 8 reviewed"
    app.workspace.choose(first)
    app.idle()
    assert step.state.toolTip() == "0 of 8 reviewed" and app.workspace.group.review.running


def test_a_cluster_of_a_turned_and_shifted_stack_comes_into_view_and_the_selection_stays(app: Any, frame: Any) -> None:
    layer = app.show(Micrograph(np.stack([frame.image] * 3), frame.pixel_size_nm, name="stack"))
    layer.translate, layer.rotate = (4.0, -30.0, 12.0), 25
    app.viewer.add_image(np.zeros((9, 16, 16)), name="other")  # its frames begin before those of the stack
    app.workspace.choose(layer)
    places = {"y_px": [100.0, 300.0], "x_px": [60.0, 410.0], "diameter_nm": [1.0, 1.4], "frame": [0, 2]}
    app.document.commit("Find", ClusterTable.from_columns(places))
    app.idle()
    card = app.panel("Cluster card")
    app.document.select([0, 1])
    app.idle()
    camera = app.viewer.scene.camera
    camera.zoom = 1.0
    for click, cluster, shown in ((None, 0, 0), (card.walk.on, 1, 2)):
        if click is not None:
            app.click(click)
        app.click(card.walk.centre)
        assert app.workspace.frame == shown and app.viewer.dims.point[0] == pytest.approx(4.0 + shown)
        world = layer.data_to_world([shown, *place(app, cluster)])
        assert np.allclose(camera.center[-2:], world[-2:]) and camera.zoom > 40
    assert app.document.selection == {0, 1}, "looking at one of them does not unselect the others"
    camera.zoom = zoom = 55.0
    app.click(card.walk.centre)
    assert camera.zoom == zoom, "large enough already"


def test_while_a_review_runs_the_contrast_is_that_of_the_place_and_no_heat_map_covers_it(
    app: Any, micrograph: Any
) -> None:
    counted(app, micrograph)
    image, maps = app.workspace.image, app.workspace.maps
    plane = maps._made(image, np.ones(image.data.shape, dtype=np.float32))
    app.viewer.layers.insert(1, plane)
    maps.layers, maps._used, plane.visible = [plane], 1, True
    app.viewer.layers.selection.active = app.points
    usual = list(image.contrast_limits)
    panel, review = app.panel("Review"), app.workspace.group.review
    app.click(panel.start)
    first = list(image.contrast_limits)
    assert first != usual and not plane.visible
    assert app.workspace.group.look.limits == pytest.approx(usual), "figures are written as usual"
    press(app, "N")
    assert list(image.contrast_limits) != first
    review.stop()
    app.idle()
    assert list(image.contrast_limits) == usual and plane.visible
    # what a person sets while it runs is theirs
    app.click(panel.start)
    image.contrast_limits = (0.0, 1234.0)
    press(app, "N")
    review.stop()
    assert list(image.contrast_limits) == [0.0, 1234.0]
