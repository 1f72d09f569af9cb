"""Heat maps in the window: in register, true to what the table shows, and their profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_atomicity.micrograph import Micrograph


@pytest.fixture
def explained(app: Any, micrograph: Any, model_path: Path) -> Any:
    """A counted frame whose heat maps are shown."""
    app.show(micrograph)
    app.document.choose(model=str(model_path), adapt="off")
    panel = app.panel("Atomicity")
    app.click(panel.analyse)
    app.click(_why(panel).all)
    follow(app)
    return app, panel


def _why(panel: Any) -> Any:
    return panel.steps[5].panel


def follow(app: Any) -> None:
    """Wait until the heat maps are those of what the table shows."""
    app.qtbot.waitUntil(lambda: app.context.explainer.up_to_date, timeout=30_000)
    app.idle()
    app.qtbot.wait(250)


def test_a_planted_map_lies_on_its_pixel_in_the_world(explained: Any) -> None:
    import dataclasses

    app, _ = explained
    done = app.document.attribution
    plane = np.zeros_like(done.overlay)
    plane[0, 100, 37] = 1.0
    app.workspace.maps.show(dataclasses.replace(done, overlay=plane))
    app.qtbot.wait(300)
    layer, image = app.workspace.maps.layers[0], app.workspace.image
    y, x = np.unravel_index(layer.data.argmax(), layer.data.shape)
    assert np.allclose(layer.data_to_world((y, x)), image.data_to_world((100, 37)))
    assert np.allclose(layer.scale, image.scale) and layer.units == image.units
    assert layer.axis_labels == image.axis_labels and str(layer.blending) == "additive"
    # black adds nothing: what nobody attributed lets the micrograph through
    assert np.allclose(layer.colormap.map(np.array([0.0]))[0, :3], 0, atol=0.02)
    # moved, the image takes its maps along
    image.translate = (3.0, 5.0)
    assert np.allclose(layer.data_to_world((y, x)), image.data_to_world((100, 37)))


def test_maps_follow_deletion_annotation_undo_and_only_compute_what_changed(explained: Any) -> None:
    app, _ = explained
    document = app.document
    first = document.attribution
    ids = document.table.ids.tolist()
    document.edit("Delete 1 cluster", document.table.drop([ids[4]]), [])
    follow(app)
    now = document.attribution
    assert ids[4] not in now.ids and now.reused == len(ids) - 1
    layer = app.workspace.maps.layers[0]
    assert np.array_equal(layer.data, now.overlay[0])
    document.annotate([ids[5]], "Pt70")
    follow(app)
    assert document.attribution.overlay is now.overlay  # a label of a person changes no map
    document.undo()
    document.undo()
    follow(app)
    assert document.attribution.ids.tolist() == ids and document.attribution.reused >= len(ids) - 1
    np.testing.assert_allclose(document.attribution.overlay, first.overlay, atol=1e-3)


def test_a_recount_with_another_model_gives_other_maps_by_itself(explained: Any, tmp_path: Path) -> None:
    import torch

    from napari_atomicity.counting.bundle import load_bundle, save_bundle

    app, panel = explained
    document = app.document
    first = document.attribution
    other = load_bundle(document.settings.model)
    with torch.no_grad():
        for value in other.network.parameters():
            value.mul_(-1.0)
    document.choose(model=str(save_bundle(other, tmp_path / "other.safetensors")))
    app.click(panel.steps[2].panel.run)
    follow(app)
    now = document.attribution
    assert now is not None and now.bundle is document.state.bundle and now.reused == 0
    assert not np.allclose(now.overlay, first.overlay)


def test_cleared_maps_stay_away_and_a_deleted_layer_does_no_harm(explained: Any) -> None:
    app, panel = explained
    document = app.document
    app.viewer.layers.remove(app.workspace.maps.layers[0])
    document.edit("Delete 1 cluster", document.table.drop([int(document.table.ids[0])]), [])
    follow(app)
    assert len(app.workspace.maps.shown) == 2
    app.click(_why(panel).clear)
    document.edit("Delete 1 cluster", document.table.drop([int(document.table.ids[0])]), [])
    app.qtbot.wait(400)
    assert document.attribution is None and not app.workspace.maps.shown
    assert not _why(panel).clear.isEnabled()


def test_maps_go_with_the_frame_of_a_stack(app: Any, frame: Any, model_path: Path) -> None:
    stack = np.stack([frame.image[:256, :256], frame.image[256:, 256:]])
    app.show(Micrograph(stack, frame.pixel_size_nm, name="stack"))
    app.document.choose(model=str(model_path), adapt="off")
    panel = app.panel("Atomicity")
    app.click(panel.analyse)
    app.viewer.dims.set_current_step(0, 0)
    app.click(_why(panel).all)
    follow(app)
    assert app.document.attribution.frame == 0
    app.viewer.dims.set_current_step(0, 1)
    follow(app)
    done = app.document.attribution
    frames = app.document.table.rows.set_index("id")["frame"]
    assert done.frame == 1 and set(frames[done.ids]) == {1}
    assert np.array_equal(app.workspace.maps.layers[0].data, done.overlay[0])


def test_what_cannot_be_asked_is_said_and_draws_nothing(app: Any, micrograph: Any, model_path: Path) -> None:
    why = app.panel("See why (Grad-CAM)")
    why.all.clicked.emit()
    assert "Open a micrograph first" in app.notes[-1]
    app.show(micrograph)
    app.document.choose(model=str(model_path), adapt="off")
    why.all.clicked.emit()
    assert "no clusters yet" in app.notes[-1]
    why.some.clicked.emit()
    assert "Select clusters first" in app.notes[-1]
    panel = app.panel("Atomicity")
    app.click(panel.analyse)
    why.show_now()
    why.target.value = why.against.value = "Pt55"
    why.all.clicked.emit()
    assert "two different classes" in app.notes[-1]
    assert app.document.attribution is None and not app.workspace.maps.shown


def test_the_profiles_are_those_of_the_maps_and_can_be_saved(explained: Any, tmp_path: Path) -> None:
    import pandas as pd

    app, panel = explained
    uses = app.panel("What the model uses")
    uses.show_now()
    profiles = app.document.attribution.profiles
    shown = uses.curves[1].rows
    expected = profiles.table[(profiles.table["channel"] == "lcn") & (profiles.table["unit"] == "radii")]
    pd.testing.assert_frame_equal(shown, expected)
    uses.unit.setCurrentIndex(1)
    uses.show_now()
    assert set(uses.curves[0].rows["unit"]) == {"nm"}
    uses.write(tmp_path / "profiles.csv")
    app.idle()
    assert len(pd.read_csv(tmp_path / "profiles.csv")) == len(profiles.table)
    app.click(_why(panel).clear)
    uses.show_now()
    assert "first" in uses.question.text() and not uses.save.isEnabled()
