"""Heat maps that follow, models that are gone, reviews that lose their clusters, undo through everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def counted(desk: Any, micrograph: Any, counted_once: Any) -> Any:
    """A counted frame."""
    desk.lay_out(micrograph, counted_once)
    return desk


def up_to_date(desk: Any) -> None:
    """Wait until the heat maps are those of what is shown now."""
    explainer = desk.context.explainer
    desk.qtbot.waitUntil(lambda: explainer._stale() is None and not explainer.work.busy, timeout=30_000)
    desk.idle()


def test_undo_leads_through_everything_to_the_start_and_redo_back(
    counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_atomicity.ui.actions import single

    from .stand_ins import adapt_always

    desk = counted
    adapt_always(monkeypatch)
    document = desk.document
    document.annotate([int(document.table.ids[0])], "Pt55")
    desk.points.add(np.array([200.0, 210.0]))
    desk.idle()
    desk.points.selected_data = {2}
    desk.points.remove_selected()
    desk.idle()
    desk.click(desk.panel("Find clusters").search)
    desk.click(desk.panel("Count atoms").run)
    document.choose(adapt="auto")
    desk.click(desk.panel("Adapt to the image").run)
    states = [(name, state.table) for name, state in document.steps[0]]
    last = document.steps[1]
    assert last >= 6
    for step in range(last - 1, -1, -1):
        single.undo(desk.workspace)
        pd.testing.assert_frame_equal(document.table.rows, states[step][1].rows)
    assert not len(document.table) and document.undo_name == ""
    for step in range(1, last + 1):
        single.redo(desk.workspace)
        pd.testing.assert_frame_equal(document.table.rows, states[step][1].rows)
    assert document.state.applied is not None


def test_two_images_switched_while_heat_maps_follow(counted: Any, frame: Any, gate: Any) -> None:
    from napari_atomicity import pipeline
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.ui.actions import single

    desk, first = counted, counted.document
    single.explain(desk.workspace, desk.context.explainer)
    desk.idle()
    gate.hold(pipeline, "explain_steps")
    gate.close()
    first.edit("Delete 1 cluster", first.table.drop([int(first.table.ids[0])]), [])
    desk.qtbot.waitUntil(lambda: gate.begun and desk.context.explainer.work.busy, timeout=10_000)
    desk.show(Micrograph(frame.image[:256], frame.pixel_size_nm, name="second"))
    second = desk.document
    assert second is not first
    # and what was asked about changes once more, unseen
    first.edit("Delete 1 cluster", first.table.drop([int(first.table.ids[0])]), [])
    gate.open()
    desk.idle()
    assert second.attribution is None and not any(place.maps.shown for place in desk.workspace.groups[1:])
    desk.workspace.choose(desk.workspace.images[0])
    up_to_date(desk)
    assert set(first.attribution.ids) == set(first.table.ids)


def test_a_model_that_was_removed_is_said_and_the_labels_stay(
    desk: Any, micrograph: Any, model_path: Path, tmp_path: Path
) -> None:
    from napari_atomicity.counting.bundle import load_bundle, save_bundle

    path = save_bundle(load_bundle(model_path), tmp_path / "mine.safetensors")
    desk.show(micrograph)
    desk.document.choose(model=str(path), adapt="off")
    desk.click(desk.panel("Atomicity").analyse)
    labels = desk.document.table.rows["label"].tolist()
    for each in tmp_path.glob("mine.*"):
        each.unlink()
    desk.click(desk.panel("Count atoms").run)
    assert "There is no model" in desk.notes[-1]
    assert desk.document.table.rows["label"].tolist() == labels


@pytest.mark.parametrize("step", ["adapt", "explain"])
def test_a_model_file_removed_after_counting(
    desk: Any, micrograph: Any, mapped_model: Path, tmp_path: Path, step: str, counted_once: Any
) -> None:
    from dataclasses import replace

    from napari_atomicity.counting.bundle import load_bundle, save_bundle

    path = save_bundle(load_bundle(mapped_model), tmp_path / "mine.safetensors")
    settings = replace(counted_once.settings, model=str(path))
    desk.lay_out(micrograph, replace(counted_once, settings=settings, bundle=load_bundle(path)))
    desk.document.annotate(desk.document.table.ids[:2].tolist(), "Pt30")
    desk.document.choose(adapt="auto")
    state = desk.document.state
    for each in tmp_path.glob("mine.*"):
        each.unlink()
    if step == "explain":  # needs no file: the model is in memory
        desk.click(desk.panel("See why (Grad-CAM)").all)
        assert set(desk.document.attribution.ids) == set(desk.document.table.ids)
    else:
        panel = desk.panel("Adapt to the image")
        desk.click(panel.run)
        assert desk.notes[-1].startswith("There is no model") and panel.run.isEnabled()
    assert desk.document.state is state and desk.document.ratios()["count"].sum() > 0


@pytest.fixture
def reviewed(counted: Any) -> Any:
    """A review that has come to its third cluster."""
    desk = counted
    desk.click(desk.review.start)
    for _ in range(2):
        desk.click(desk.review.label_buttons["Pt30"])
    return desk


def test_a_review_goes_on_without_its_layer_its_clusters_or_its_image(
    reviewed: Any, frame: Any, micrograph: Any
) -> None:
    from napari_atomicity.micrograph import Micrograph

    desk, document, review = reviewed, reviewed.document, reviewed.workspace.group.review
    first, labelled = (
        desk.workspace.image,
        set(document.table.ids[(document.table.rows["annotation"] != "").to_numpy()]),
    )
    assert len(labelled) == 2
    # the layer
    at = review.at
    desk.viewer.layers.remove(desk.points)
    desk.click(desk.review.label_buttons["Pt41"])
    assert document.table.rows.set_index("id").at[at, "annotation"] == "Pt41"
    assert desk.points in desk.viewer.layers
    # the cluster at hand and the one after it
    gone = [review.at, review.peek(1)]
    document.edit("Delete 2 clusters", document.table.drop(gone), [])
    desk.settle()
    desk.click(desk.review._moves["next"])
    assert review.at not in gone and document.selection == {review.at}
    assert desk.review.bar.format() == f"3 of {len(document.table)} reviewed"
    # another image and back
    at = review.at
    desk.show(Micrograph(frame.image[:256], frame.pixel_size_nm, name="second"))
    desk.settle()
    assert not desk.review.start.isEnabled() and not desk.review.bar.isVisible()
    desk.workspace.choose(first)
    desk.settle()
    assert desk.workspace.group.review.at == at and desk.review.bar.format().startswith("3 of ")
    desk.click(desk.review.marks["accept"])
    assert (document.table.rows["annotation"] != "").sum() == 4
    # all clusters
    document.edit("Delete all", document.table.drop(document.table.ids.tolist()), [])
    desk.settle()
    assert not desk.review.start.isEnabled() and review.peek(1) is None
    document.undo()
    desk.settle()
    assert desk.review.bar.format().startswith("4 of ") and desk.review.start.isEnabled()
    # the image
    desk.viewer.layers.remove(first)
    desk.settle()
    assert desk.document is not document and not desk.review.start.isEnabled()
