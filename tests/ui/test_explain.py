"""Heat maps in the window: in register, true to what the table shows, and their profiles."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_atomicity.insight.question import METHODS
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.style import CHANNEL_COLOURS

from .stand_ins import adapt_always, leave_undecided


@pytest.fixture
def explained(app: Any, micrograph: Any, model_path: Path, count_of: Any) -> Any:
    """A counted frame whose heat maps are shown."""
    panel = app.panel("Atomicity")
    app.lay_out(micrograph, count_of(model_path))
    app.click(_why(panel).all)
    follow(app)
    return app, panel


def _why(panel: Any) -> Any:
    return panel.steps[5].panel


def follow(app: Any) -> None:
    """Wait until the heat maps are those of what the table shows, and lie over the image."""
    app.qtbot.waitUntil(lambda: app.context.explainer.up_to_date, timeout=30_000)
    app.idle()
    done = app.document.attribution
    laid(app, [] if done is None else done.overlay)


def laid(app: Any, planes: Any) -> None:
    """Wait until these planes, and no others, are what is seen over the image."""

    def lie() -> bool:
        shown = app.workspace.maps.shown
        return len(shown) == len(planes) and all(map(np.array_equal, [layer.data for layer in shown], planes))

    app.qtbot.waitUntil(lie, timeout=10_000)


def ask(app: Any, panel: Any, method: str) -> None:
    """Ask for the maps of all clusters by another method."""
    _why(panel).method.value = method
    app.click(_why(panel).all)
    follow(app)


def test_every_method_is_offered() -> None:
    from napari_atomicity.ui.steps.explain import _METHODS as offered

    assert {method for _, method in offered} == set(METHODS)


def test_atoms_per_nm2_are_one_layer_with_a_colour_bar_and_other_maps_one_a_channel(explained: Any) -> None:
    app, panel = explained
    from napari_atomicity.ui.legend.on_image import lay_on_image

    maps, notes, key = app.workspace.maps, list(app.notes), lay_on_image(app.context).maps
    (density,) = maps.shown
    assert density.name == "atoms per nm²" and density.colorbar.visible
    low, high = density.contrast_limits
    assert low == 0 and 0 < high <= density.contrast_limits_range[1] == pytest.approx(density.data.max())
    assert "brightness" in _why(panel).result.text()
    ask(app, panel, "hires-cam")
    raw, lcn = maps.shown
    assert raw.name == "why: raw" and lcn.name == "why: local contrast"
    assert not raw.colorbar.visible and not lcn.colorbar.visible
    assert raw.colormap.name != lcn.colormap.name
    # the legend on the image says which colour is which, and follows the eyes of the layer list
    app.qtbot.waitUntil(lambda: "why: raw" in key.text() and "why: local contrast" in key.text(), timeout=10_000)
    raw.visible = False
    app.qtbot.waitUntil(lambda: "why: raw" not in key.text(), timeout=10_000)
    raw.visible = True
    assert [colour for colour, _ in maps.key] == list(CHANNEL_COLOURS)
    raw.name = "evidence"
    app.qtbot.waitUntil(lambda: "evidence" in key.text(), timeout=10_000)
    raw.name = "why: raw"
    # the slider reaches all of the map and nothing beyond it, whatever was shown before
    assert raw.contrast_limits_range == lcn.contrast_limits_range == [0, 1]
    assert "Agreement with integrated gradients" in _why(panel).result.text()
    ask(app, panel, "density")
    app.qtbot.waitUntil(lambda: not key.isVisible(), timeout=10_000)
    assert maps.shown == [density] and density.name == "atoms per nm²" and density.colorbar.visible
    # what is put away holds nothing, should a person bring it back by hand
    assert not lcn.visible and not lcn.data.any() and not lcn.colorbar.visible
    app.click(_why(panel).clear)
    assert not maps.shown and not density.data.any() and not density.colorbar.visible
    assert app.notes == notes


@pytest.mark.slow
def test_another_question_before_the_maps_lie_leaves_none_of_the_first(explained: Any) -> None:
    app, panel = explained
    density, active = app.document.attribution, app.viewer.layers.selection.active
    ask(app, panel, "hires-cam")
    channels, maps = app.document.attribution, app.workspace.maps
    for layer in list(maps.layers):
        app.viewer.layers.remove(layer)
    app.viewer.layers.selection.active = active
    maps.show(channels)
    maps.show(density)
    laid(app, density.overlay)
    maps.show(channels)
    laid(app, channels.overlay)
    maps.show(dataclasses.replace(channels, overlay=channels.overlay[::-1]))
    maps.clear()
    app.settle()
    assert not maps.shown
    app.qtbot.waitUntil(lambda: app.viewer.layers.selection.active == active, timeout=10_000)


def test_a_planted_map_lies_on_its_pixel_in_the_world(explained: Any) -> None:
    app, _ = explained
    done = app.document.attribution
    plane = np.zeros_like(done.overlay)
    plane[0, 100, 37] = 1.0
    app.workspace.maps.show(dataclasses.replace(done, overlay=plane))
    laid(app, plane)
    layer, image = app.workspace.maps.layers[0], app.workspace.image
    y, x = np.unravel_index(layer.data.argmax(), layer.data.shape)
    assert np.allclose(layer.data_to_world((y, x)), image.data_to_world((100, 37)))
    assert np.allclose(layer.scale, image.scale) and layer.units == image.units
    assert layer.axis_labels == image.axis_labels and str(layer.blending) == "translucent"
    # clear where nothing is: what nobody attributed lets the micrograph through
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


@pytest.mark.slow
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


def test_maps_follow_an_adaptation_and_its_undoing(explained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app, panel = explained
    document = app.document
    first = document.attribution
    adapt_always(monkeypatch)
    document.choose(adapt="auto")
    app.click(panel.steps[4].panel.run)
    follow(app)
    adapted = document.attribution
    assert adapted.bundle is document.state.model_in_force is not first.bundle and adapted.reused == 0
    assert not np.allclose(adapted.overlay, first.overlay)
    app.click(panel.steps[4].panel.back)
    follow(app)
    np.testing.assert_allclose(document.attribution.overlay, first.overlay, atol=1e-3)


@pytest.mark.slow
def test_a_choice_among_candidates_looks_at_the_clusters_with_its_scale(explained: Any) -> None:
    from napari_atomicity.ui.actions import single

    app, _ = explained
    document = app.document
    scales = leave_undecided(document, "Pt30", "Pt41")
    follow(app)
    for dominant in scales:
        single.choose(app.workspace, 0, dominant)
        app.idle()
        follow(app)
        evidence, done = document.state.count.evidence, document.attribution
        np.testing.assert_allclose(evidence.log_scale, np.log(scales[dominant]), atol=0.05)
        assert done.log_scale == pytest.approx((evidence.log_scale + evidence.shift)[0]) and done.reused == 0


@pytest.mark.slow
def test_maps_that_are_asked_for_go_with_the_count_and_come_back_with_the_next(explained: Any) -> None:
    app, panel = explained
    document, notes = app.document, list(app.notes)
    first = document.attribution
    app.click(panel.steps[1].panel.search)
    follow(app)
    assert document.state.count is None and document.attribution is None
    assert not app.workspace.maps.layers[0].data.any() and app.notes == notes
    app.click(panel.steps[2].panel.run)
    follow(app)
    np.testing.assert_allclose(document.attribution.overlay, first.overlay, atol=1e-3)


@pytest.mark.slow
def test_cleared_maps_stay_away_and_a_deleted_layer_does_no_harm(explained: Any) -> None:
    app, panel = explained
    document = app.document
    ask(app, panel, "hires-cam")
    app.viewer.layers.remove(app.workspace.maps.layers[0])
    assert app.workspace.maps.key == [(CHANNEL_COLOURS[1], "why: local contrast")]
    document.edit("Delete 1 cluster", document.table.drop([int(document.table.ids[0])]), [])
    follow(app)
    assert len(app.workspace.maps.shown) == 2
    app.click(_why(panel).clear)
    document.edit("Delete 1 cluster", document.table.drop([int(document.table.ids[0])]), [])
    follow(app)
    assert document.attribution is None and not app.workspace.maps.shown
    assert not _why(panel).clear.isEnabled()


@pytest.mark.slow
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
    why = app.panel("See why")
    why.all.clicked.emit()
    assert "Open a micrograph first" in app.notes[-1]
    app.show(micrograph)
    app.document.choose(model=str(model_path), adapt="off")
    why.all.clicked.emit()
    assert "no clusters yet" in app.notes[-1]
    why.some.clicked.emit()
    assert "Select clusters first" in app.notes[-1]
    panel = app.panel("Atomicity")
    app.click(panel.steps[1].panel.search)
    app.click(why.all)
    assert app.notes[-1].startswith("Count the atoms first") and why.all.isEnabled()
    assert app.document.attribution is None and app.document.asked is None
    app.click(panel.analyse)
    # nothing in the frame could be looked at, so that it has no scale
    counted = app.document.state.count
    app.document.amend(count=dataclasses.replace(counted, calibrations={}))
    app.click(why.all)
    assert app.notes[-1].startswith("This frame was not counted") and app.document.attribution is None
    app.document.amend(count=counted)
    why.show_now()
    why.target.value = why.against.value = "Pt55"
    why.all.clicked.emit()
    assert "two different classes" in app.notes[-1]
    assert app.document.attribution is None and not app.workspace.maps.shown


@pytest.mark.slow
def test_the_profiles_are_those_of_the_maps_and_can_be_saved(explained: Any, tmp_path: Path) -> None:
    import pandas as pd

    app, panel = explained
    uses = app.panel("What the model uses")
    uses.show_now()
    assert [curves.isVisibleTo(uses) for curves in uses.curves] == [True, False]
    assert "counted" in uses.question.text() and "evidence" not in uses.curves[0].words.text()
    ask(app, panel, "hires-cam")
    uses.show_now()
    assert all(curves.isVisibleTo(uses) for curves in uses.curves)
    profiles = app.document.attribution.profiles
    for curves, channel in zip(uses.curves, ("raw", "lcn"), strict=True):
        expected = profiles.table[(profiles.table["channel"] == channel) & (profiles.table["unit"] == "radii")]
        pd.testing.assert_frame_equal(curves.rows, expected)
    uses.unit.setCurrentIndex(1)
    uses.show_now()
    assert set(uses.curves[0].rows["unit"]) == {"nm"}
    uses.write(tmp_path / "profiles.csv")
    app.idle()
    assert len(pd.read_csv(tmp_path / "profiles.csv")) == len(profiles.table)
    app.click(_why(panel).clear)
    uses.show_now()
    assert "first" in uses.question.text() and not uses.save.isEnabled()
