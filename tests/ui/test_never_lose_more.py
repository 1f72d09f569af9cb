"""More of it, with everything open: overlapping work, all docks, a full disk, undo through everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

DOCKS = ("Cluster card", "Feature map", "What the model uses", "Review", "History", "Class ratios", "Save and restore")


@pytest.fixture
def counted(desk: Any, micrograph: Any, model_path: Path) -> Any:
    """A counted frame."""
    desk.show(micrograph)
    desk.document.choose(model=str(model_path), adapt="off")
    desk.click(desk.panel("Atomicity").analyse)
    return desk


def test_the_image_goes_while_every_dock_is_open(counted: Any) -> None:
    desk = counted
    for name in DOCKS:
        desk.panel(name)
    desk.document.select([int(desk.document.table.ids[3])])
    desk.document.annotate([int(desk.document.table.ids[3])], "Pt30")
    desk.qtbot.wait(100)
    feature_map = desk.panel("Feature map")
    desk.viewer.layers.clear()
    # the mouse is over the map before it was refreshed
    assert feature_map._describe(0, False) is None and feature_map._describe(0, True) is None
    desk.idle()
    desk.qtbot.wait(200)
    assert desk.document is None


def test_docks_hidden_opened_again_and_opened_twice_show_the_same(counted: Any) -> None:
    desk = counted
    ids = desk.document.table.ids
    docks = [desk.viewer.window.add_plugin_dock_widget("napari-atomicity", name)[0] for name in DOCKS]
    for dock in docks:
        dock.hide()
    desk.document.annotate([int(ids[0])], "Pt70")
    desk.document.select([int(ids[0])])
    for name in DOCKS:
        desk.panel(name)
    desk.qtbot.wait(200)
    assert desk.document.table.rows["annotation"].iloc[0] == "Pt70"
    assert "Pt70" in desk.document.history[-1]


def test_layers_renamed_reordered_and_the_clusters_deleted_while_heat_maps_run(counted: Any) -> None:
    from napari_atomicity.ui import actions

    desk = counted
    table = desk.document.table.annotate([int(desk.document.table.ids[1])], "Pt41")
    desk.document.commit("Label", table)
    actions.explain(desk.bench)
    desk.bench.image.name = "another name"
    desk.viewer.layers.move(0, len(desk.viewer.layers))
    desk.idle()
    desk.qtbot.wait(300)
    assert len(desk.bench.maps.shown) == 2
    desk.viewer.layers.remove(desk.points)
    desk.document.annotate([int(table.ids[2])], "Pt19")
    desk.qtbot.wait(400)
    desk.idle()
    rows = desk.document.table.rows
    assert rows["annotation"].tolist()[1:3] == ["Pt41", "Pt19"]
    assert desk.points is not None and desk.points in desk.viewer.layers


def test_undo_leads_through_everything_to_the_start_and_redo_back(
    counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conftest import adapt_always
    from napari_atomicity.ui import actions

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
        actions.undo(desk.bench)
        pd.testing.assert_frame_equal(document.table.rows, states[step][1].rows)
    assert not len(document.table) and document.undo_name == ""
    for step in range(1, last + 1):
        actions.redo(desk.bench)
        pd.testing.assert_frame_equal(document.table.rows, states[step][1].rows)
    assert document.state.adapted is not None


def test_a_model_that_was_removed_is_said_and_the_labels_stay(
    desk: Any, micrograph: Any, model_path: Path, tmp_path: Path
) -> None:
    from napari_atomicity.counting.bundle import load_bundle, save_bundle

    path = save_bundle(load_bundle(model_path), tmp_path / "mine.safetensors")
    desk.show(micrograph)
    desk.document.choose(model=str(path), adapt="off")
    desk.click(desk.panel("Atomicity").analyse)
    labels = desk.document.table.rows["label"].tolist()
    for each in tmp_path.iterdir():
        each.unlink()
    desk.click(desk.panel("Count atoms").run)
    assert "There is no model" in desk.notes[-1]
    assert desk.document.table.rows["label"].tolist() == labels


def test_two_images_switched_while_heat_maps_follow(counted: Any, frame: Any) -> None:
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.ui import actions

    desk = counted
    first = desk.document
    actions.explain(desk.bench)
    desk.idle()
    first.edit("Delete 1 cluster", first.table.drop([int(first.table.ids[0])]), [])
    desk.show(Micrograph(frame.image[:256], frame.pixel_size_nm, name="second"))
    second = desk.document
    assert second is not first
    desk.qtbot.wait(400)
    desk.idle()
    assert second.attribution is None
    desk.bench.choose(desk.bench.images[0])
    desk.qtbot.waitUntil(lambda: desk.bench.explainer._stale() is None, timeout=30_000)
    desk.idle()
    assert set(first.attribution.ids) == set(first.table.ids)
