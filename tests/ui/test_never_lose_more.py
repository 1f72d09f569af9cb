"""Heat maps that follow, models that are gone, reviews that lose their clusters, undo through everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def counted(app: Any, micrograph: Any, counted_once: Any) -> Any:
    """A counted frame."""
    app.lay_out(micrograph, counted_once)
    return app


def up_to_date(app: Any) -> None:
    """Wait until the heat maps are those of what is shown now."""
    explainer = app.context.explainer
    app.qtbot.waitUntil(lambda: explainer.up_to_date, timeout=30_000)
    app.idle()


@pytest.mark.slow
def test_undo_leads_through_everything_to_the_start_and_redo_back(
    counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_atomicity.ui.actions import single

    from .stand_ins import adapt_always

    app = counted
    adapt_always(monkeypatch)
    document = app.document
    document.annotate([int(document.table.ids[0])], "Pt55")
    app.points.add(np.array([200.0, 210.0]))
    app.idle()
    app.points.selected_data = {2}
    app.points.remove_selected()
    app.idle()
    app.click(app.panel("Find clusters").search)
    app.click(app.panel("Count atoms").run)
    document.choose(adapt="auto")
    app.click(app.panel("Adapt to the image").run)
    states = [(name, state.table) for name, state in document.steps[0]]
    last = document.steps[1]
    assert last >= 6
    for step in range(last - 1, -1, -1):
        single.undo(app.workspace)
        pd.testing.assert_frame_equal(document.table.rows, states[step][1].rows)
    assert not len(document.table) and document.undo_name == ""
    for step in range(1, last + 1):
        single.redo(app.workspace)
        pd.testing.assert_frame_equal(document.table.rows, states[step][1].rows)
    assert document.state.applied is not None


def test_two_images_switched_while_heat_maps_follow(counted: Any, frame: Any, gate: Any) -> None:
    from napari_atomicity import pipeline
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.ui.actions import single

    app, first = counted, counted.document
    single.explain(app.workspace, app.context.explainer)
    app.idle()
    gate.hold(pipeline, "explain_steps")
    gate.close()
    first.edit("Delete 1 cluster", first.table.drop([int(first.table.ids[0])]), [])
    app.qtbot.waitUntil(lambda: gate.begun and app.context.explainer.work.busy, timeout=10_000)
    app.show(Micrograph(frame.image[:256], frame.pixel_size_nm, name="second"))
    second = app.document
    assert second is not first
    # and what was asked about changes once more, unseen
    first.edit("Delete 1 cluster", first.table.drop([int(first.table.ids[0])]), [])
    gate.open()
    app.idle()
    assert second.attribution is None and not any(place.maps.shown for place in app.workspace.groups[1:])
    app.workspace.choose(app.workspace.images[0])
    up_to_date(app)
    assert set(first.attribution.ids) == set(first.table.ids)


def test_a_model_that_was_removed_is_said_and_the_labels_stay(
    app: Any, micrograph: Any, model_path: Path, tmp_path: Path
) -> None:
    from napari_atomicity.counting.bundle import load_bundle, save_bundle

    path = save_bundle(load_bundle(model_path), tmp_path / "mine.safetensors")
    app.show(micrograph)
    app.document.choose(model=str(path), adapt="off")
    app.click(app.panel("Atomicity").analyse)
    labels = app.document.table.rows["label"].tolist()
    for each in tmp_path.glob("mine.*"):
        each.unlink()
    app.click(app.panel("Count atoms").run)
    assert "There is no model" in app.notes[-1]
    assert app.document.table.rows["label"].tolist() == labels


@pytest.mark.parametrize("step", ["adapt", "explain"])
def test_a_model_file_removed_after_counting(
    app: Any, micrograph: Any, mapped_model: Path, tmp_path: Path, step: str, counted_once: Any
) -> None:
    from dataclasses import replace

    from napari_atomicity.counting.bundle import load_bundle, save_bundle

    path = save_bundle(load_bundle(mapped_model), tmp_path / "mine.safetensors")
    settings = replace(counted_once.settings, model=str(path))
    app.lay_out(micrograph, replace(counted_once, settings=settings, bundle=load_bundle(path)))
    app.document.annotate(app.document.table.ids[:2].tolist(), "Pt30")
    app.document.choose(adapt="auto")
    state = app.document.state
    for each in tmp_path.glob("mine.*"):
        each.unlink()
    if step == "explain":  # needs no file: the model is in memory
        app.click(app.panel("See why").all)
        assert set(app.document.attribution.ids) == set(app.document.table.ids)
    else:
        panel = app.panel("Adapt to the image")
        app.click(panel.run)
        assert app.notes[-1].startswith("There is no model") and panel.run.isEnabled()
    assert app.document.state is state and app.document.ratios()["count"].sum() > 0


@pytest.fixture
def reviewed(counted: Any) -> Any:
    """A review that has come to its third cluster."""
    app = counted
    app.click(app.review.start)
    for _ in range(2):
        app.click(app.review.label_buttons["Pt30"])
    return app


def test_a_review_goes_on_without_its_layer_its_clusters_or_its_image(
    reviewed: Any, frame: Any, micrograph: Any
) -> None:
    from napari_atomicity.micrograph import Micrograph

    app, document, review = reviewed, reviewed.document, reviewed.workspace.group.review
    first, labelled = (
        app.workspace.image,
        set(document.table.ids[(document.table.rows["annotation"] != "").to_numpy()]),
    )
    assert len(labelled) == 2
    # the layer
    at = review.at
    app.viewer.layers.remove(app.points)
    app.click(app.review.label_buttons["Pt41"])
    assert document.table.rows.set_index("id").at[at, "annotation"] == "Pt41"
    assert app.points in app.viewer.layers
    # the cluster at hand and the one after it
    gone = [review.at, review.peek(1)]
    document.edit("Delete 2 clusters", document.table.drop(gone), [])
    app.settle()
    app.click(app.review.moves["next"])
    assert review.at not in gone and document.selection == {review.at}
    assert app.review.bar.format() == f"3 of {len(document.table)} reviewed"
    # another image and back
    at = review.at
    app.show(Micrograph(frame.image[:256], frame.pixel_size_nm, name="second"))
    app.settle()
    assert not app.review.start.isEnabled() and not app.review.bar.isVisible()
    app.workspace.choose(first)
    app.settle()
    assert app.workspace.group.review.at == at and app.review.bar.format().startswith("3 of ")
    app.click(app.review.marks["accept"])
    assert (document.table.rows["annotation"] != "").sum() == 4
    # all clusters
    document.edit("Delete all", document.table.drop(document.table.ids.tolist()), [])
    app.settle()
    assert not app.review.start.isEnabled() and review.peek(1) is None
    document.undo()
    app.settle()
    assert app.review.bar.format().startswith("4 of ") and app.review.start.isEnabled()
    # the image
    app.viewer.layers.remove(first)
    app.settle()
    assert app.document is not document and not app.review.start.isEnabled()
