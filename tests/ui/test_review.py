"""The review in the window: an order that stays, a view that follows, figures that follow the labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.micrograph import Micrograph

from .test_keys import annotations, counted, press


def centre(desk: Any) -> np.ndarray:
    """Middle of the view in pixels of the image."""
    return np.array(desk.workspace.image.world_to_data(desk.viewer.scene.camera.center[-2:]))


def place(desk: Any, cluster: int) -> np.ndarray:
    return desk.document.table.centres_px[desk.document.table.ids == cluster][0]


def test_it_goes_from_the_least_confident_on_and_the_view_follows(desk: Any, micrograph: Any) -> None:
    document = counted(desk, micrograph)
    panel = desk.panel("Review")
    desk.viewer.scene.camera.zoom = zoom = 40.0
    desk.click(panel.start)
    assert document.selection == {7} and np.allclose(centre(desk), place(desk, 7), atol=0.5)
    assert desk.viewer.scene.camera.zoom == zoom
    press(desk, "N")
    assert document.selection == {6}
    press(desk, "B")
    assert document.selection == {7}
    press(desk, "F")
    assert annotations(desk)[7] == "Pt55" and document.selection == {6}, "accepted, and on to the next"
    desk.click(panel.label_buttons["Pt70"])
    assert annotations(desk)[6] == "Pt70" and document.selection == {5}
    assert panel.bar.format() == "2 of 8 reviewed" == panel.status(document)
    assert "1 of 2 (50 %" in panel.agreement.text() and "Fair" not in panel.agreement.text()
    table = panel.table.text()
    assert "Pt70" in table and "<b>1</b>" in table
    press(desk, "B")
    assert document.selection == {6}, "back also to what is reviewed"
    press(desk, "Ctrl+Z")
    desk.idle()
    assert annotations(desk)[6] == "" and document.selection == {6}
    assert np.allclose(centre(desk), place(desk, 6), atol=0.5) and panel.bar.value() == 1
    # from far out the cluster would be a dot: the view comes closer
    desk.viewer.scene.camera.zoom = 2.0
    press(desk, "N")
    assert desk.viewer.scene.camera.zoom > 40


def test_the_order_stays_through_labels_deletions_undo_and_another_count(desk: Any, micrograph: Any) -> None:
    document = counted(desk, micrograph)
    panel, review = desk.panel("Review"), desk.workspace.group.review
    desk.click(panel.start)
    order = review.queue.ids
    document.edit("Delete", document.table.drop([6, 5]), [])
    press(desk, "N")
    assert document.selection == {4} and review.queue.ids == order
    desk.click(panel.findChild(type(panel.start), "undo"))
    desk.idle()
    assert document.selection == {5, 6}, "what came back is shown"
    press(desk, "B")
    press(desk, "B")
    assert review.at in (5, 7, 6)
    again = np.random.default_rng(0).uniform(0.3, 0.9, 8)
    document.commit("Count again", document.table.with_columns(confidence=again))
    assert review.queue.ids == order
    document.commit("Add", document.table.add({"y_px": [50.0], "x_px": [60.0]}))
    desk.idle()
    assert "1 came after the queue was started" in panel.agreement.text()
    # what was deleted at hand: the review goes on behind it
    at = review.at
    document.edit("Delete", document.table.drop([at]), [])
    press(desk, "N")
    assert order.index(review.at) > order.index(at)


def test_at_random_the_agreement_is_fair_and_says_so(desk: Any, micrograph: Any) -> None:
    document = counted(desk, micrograph)
    panel = desk.panel("Review")
    panel.order.activated.emit(panel.order.findData("random"))
    desk.click(panel.start)
    first = desk.workspace.group.review.queue.ids[:3]
    for key in ("F", "D"):
        press(desk, key)
    desk.idle()
    assert document.selection == {first[2]}
    assert "Fair check, of clusters drawn at random: 1 of 2 (50 %, 9 to 91 %)." in panel.agreement.text()
    press(desk, "N")
    desk.idle()
    assert "1 passed over without a label" in panel.agreement.text()
    assert "of 8 in the queue, at random" in panel.here.text()


def test_at_the_end_and_in_the_wrong_order_a_sentence_says_what_is_there(desk: Any, micrograph: Any) -> None:
    panel = desk.panel("Review")
    assert not panel.start.isEnabled()
    desk.show(micrograph)
    panel._start()
    assert "no clusters to review" in desk.notes[-1]
    document = counted(desk, micrograph, n=3)
    for order, words in (("adaptation", "adapt first"), ("intensity", "count the atoms"), ("channels", "two channels")):
        panel.order.activated.emit(panel.order.findData(order))
        panel._start()
        assert words in desk.notes[-1] and not desk.workspace.group.review.running
    desk.workspace.group.review.choose("confidence")
    for _ in range(3):
        press(desk, "N")
    assert document.selection == {0}
    press(desk, "N")
    assert "end of the review" in desk.viewer.status and document.selection == {0}
    press(desk, "F")
    assert annotations(desk)[0] == "Pt19"
    press(desk, "U")
    assert document.selection == {2}
    for _ in range(2):
        press(desk, "F")
        press(desk, "U")
    assert "nothing left to review" in desk.viewer.status


def test_reviewed_ones_and_those_against_the_model_look_different(desk: Any, micrograph: Any) -> None:
    document = counted(desk, micrograph)
    document.annotate([0], "Pt19")
    document.annotate([1], "Pt19")
    symbols = [str(symbol) for symbol in desk.points.symbol[:3]]
    assert len(set(symbols)) == 3
    assert desk.points.face_color[1, 3] > desk.points.face_color[0, 3] > desk.points.face_color[2, 3] == 0
    assert np.allclose(desk.points.border_color[1, :3], desk.points.border_color[0, :3]), "the person's label colours"
    document.annotate([0, 1], "")
    assert len({str(symbol) for symbol in desk.points.symbol}) == 1
    assert (desk.points.face_color[:, 3] == 0).all()


def test_clusters_of_a_stack_are_shown_on_their_frame(desk: Any, frame: Any) -> None:
    from napari_atomicity.micrograph import Micrograph

    stack = Micrograph(np.stack([frame.image] * 3), frame.pixel_size_nm, name="stack")
    document = counted(desk, stack, n=6)
    document.commit("Frames", document.table.with_columns(frame=[0, 1, 2, 0, 1, 2]))
    press(desk, "N")
    assert document.selection == {5} and desk.workspace.frame == 2
    press(desk, "Q")
    assert document.selection == {4} and desk.workspace.frame == 1
    press(desk, "Ctrl+Z")
    assert document.selection == {5} and desk.workspace.frame == 2


def test_two_images_have_a_review_each_and_the_workbench_has_the_step(desk: Any, micrograph: Any) -> None:
    panel = desk.panel("Atomicity")
    document = counted(desk, micrograph)
    first = desk.workspace.image
    press(desk, "N")
    other = counted(desk, micrograph)
    assert other is not document and not desk.workspace.group.review.running
    press(desk, "N")
    press(desk, "Q")
    assert (document.table.rows["annotation"] == "").all()
    (step,) = [step for step in panel.steps if step.panel.title == "Review"]
    desk.idle()
    assert step.state.toolTip() == "1 of 8 reviewed"
    desk.workspace.choose(first)
    desk.idle()
    assert step.state.toolTip() == "0 of 8 reviewed" and desk.workspace.group.review.running


def test_a_cluster_of_a_turned_and_shifted_stack_comes_into_view_and_the_selection_stays(desk: Any, frame: Any) -> None:
    layer = desk.show(Micrograph(np.stack([frame.image] * 3), frame.pixel_size_nm, name="stack"))
    layer.translate, layer.rotate = (4.0, -30.0, 12.0), 25
    desk.viewer.add_image(np.zeros((9, 16, 16)), name="other")  # its frames begin before those of the stack
    desk.workspace.choose(layer)
    places = {"y_px": [100.0, 300.0], "x_px": [60.0, 410.0], "diameter_nm": [1.0, 1.4], "frame": [0, 2]}
    desk.document.commit("Find", ClusterTable.from_columns(places))
    desk.idle()
    card = desk.panel("Cluster card")
    desk.document.select([0, 1])
    desk.idle()
    camera = desk.viewer.scene.camera
    camera.zoom = 1.0
    for click, cluster, shown in ((None, 0, 0), (card.walk.on, 1, 2)):
        if click is not None:
            desk.click(click)
        desk.click(card.walk.centre)
        assert desk.workspace.frame == shown and desk.viewer.dims.point[0] == pytest.approx(4.0 + shown)
        world = layer.data_to_world([shown, *place(desk, cluster)])
        assert np.allclose(camera.center[-2:], world[-2:]) and camera.zoom > 40
    assert desk.document.selection == {0, 1}, "looking at one of them does not unselect the others"
    camera.zoom = zoom = 55.0
    desk.click(card.walk.centre)
    assert camera.zoom == zoom, "large enough already"
