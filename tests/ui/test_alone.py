"""Of several images only the one in hand is seen: no clusters of one over the pixels of another."""

from __future__ import annotations

from typing import Any

from napari_atomicity.micrograph import Micrograph

from .stand_ins import blobs


def seen(app: Any) -> list[bool]:
    return [layer.visible for layer in app.viewer.layers]


def test_the_image_in_hand_is_seen_alone_with_its_clusters(app: Any, micrograph: Any) -> None:
    first = app.show(micrograph)
    app.click(app.panel("Find clusters").search)
    clusters = app.points
    app.qtbot.waitUntil(lambda: clusters.visible)
    second = app.show(Micrograph(blobs(), 0.05, name="second"))
    assert second.visible and not first.visible and not clusters.visible
    app.click(app.panel("Find clusters").search)
    others = app.points
    app.qtbot.waitUntil(lambda: others.visible)
    load = app.panel("Load and calibrate")
    load.images.setCurrentIndex(0)
    load.images.activated.emit(0)
    assert first.visible and clusters.visible and not second.visible and not others.visible
    # what a person hid stays hidden
    clusters.visible = False
    app.workspace.choose(second)
    app.workspace.choose(first)
    assert first.visible and not clusters.visible
    clusters.visible = True
    app.viewer.layers.remove(first)
    assert second.visible and others.visible and not clusters.visible


def test_all_are_seen_where_a_person_wants_it_or_they_lie_side_by_side(app: Any, micrograph: Any) -> None:
    first = app.show(micrograph)
    load = app.panel("Load and calibrate")
    assert load.hide_others.isHidden()
    second = app.show(Micrograph(blobs(), 0.05, name="second"))
    app.idle()
    assert not load.hide_others.isHidden() and load.hide_others.isChecked()
    load.hide_others.click()
    assert seen(app) == [True, True]
    load.hide_others.click()
    assert seen(app) == [False, True]
    app.viewer.canvas.grid.enabled = True
    app.workspace.choose(first)
    assert first.visible and second.visible


def test_a_saved_project_knows_what_was_seen_while_its_image_was_in_hand(app: Any, micrograph: Any) -> None:
    from napari_atomicity.ui.project.conversion import project_of

    app.show(micrograph)
    app.show(Micrograph(blobs(), 0.05, name="second"))
    workspace = app.workspace
    images = project_of(workspace, app.context.solo, workspace.groups).images
    assert [image.view["image"]["visible"] for image in images] == [True, True]


def test_clusters_found_in_images_that_are_not_in_hand_stay_hidden(app: Any, micrograph: Any) -> None:
    from napari_atomicity.clusters import ClusterTable

    first = app.show(micrograph)
    app.show(Micrograph(blobs(), 0.05, name="second"))
    table = ClusterTable.from_columns({"y_px": [50.0], "x_px": [60.0]})
    app.workspace.document_of(first).commit("Find clusters", table)
    app.qtbot.wait(300)
    (clusters,) = (layer for layer in app.viewer.layers if layer.name == "clusters")
    app.qtbot.waitUntil(lambda: not clusters.visible)
    app.workspace.choose(first)
    assert clusters.visible
