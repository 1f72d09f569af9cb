"""Adapting in the window: before and after, anchors as a layer, one click back, a model of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .stand_ins import adapt_always


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the user's models."""
    folder = tmp_path / "models"
    monkeypatch.setenv("NAPARI_ATOMICITY_MODELS", str(folder))
    return folder


@pytest.fixture
def found(app: Any, micrograph: Any, model_path: Path) -> Any:
    """The window with the clusters of the frame found, and an untrained model chosen."""
    app.show(micrograph)
    app.document.choose(model=str(model_path))
    app.click(app.panel("Find clusters").search)
    return app


@pytest.fixture
def adapted(found: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """After an adaptation."""
    adapt_always(monkeypatch)
    found.click(found.adapt.run)
    return found


def test_the_panel_shows_what_changed_and_one_click_takes_it_back(adapted: Any) -> None:
    from napari_atomicity.counting.ratios import class_ratios

    panel, document = adapted.adapt, adapted.document
    done = document.state.applied
    before, after = done.before.table.rows["label"], done.after.table.rows["label"]
    changed = int((before.to_numpy() != after.to_numpy()).sum())
    assert changed > 0
    said = panel.comparison.headline.text()
    assert said.startswith(f"{changed} of {len(before)} labels changed, ") and " from Pt" in said
    details = panel.comparison.details
    assert not details.isVisible(), "scores and anchors are for those who ask"
    panel.comparison.more.click()
    assert details.isVisible() and panel.comparison.scores.isVisible()
    assert panel.comparison.reason.text() == "Fitted to 6 clusters."
    calibrations = done.after.calibrations
    ratios = class_ratios(done.after.table, document.state.bundle.card, calibrations=calibrations).set_index("label")
    label = ratios["fraction"].idxmax()
    share, low, high = 100 * ratios.loc[label, ["fraction", "low", "high"]].astype(float)
    expected = f"{share:.1f} ({low:.1f} to {high:.1f}) %"
    assert expected.replace(" ", "&nbsp;") in panel.comparison.shares.text()
    assert panel.comparison.chart.series[1].share.tolist() == ratios["fraction"].tolist()
    scores = panel.comparison.scores.text()
    assert all(text in scores for text in ("50%", "100%", "Silhouette", "0.10", "–"))
    anchors = panel.comparison.anchors.text().replace("&nbsp;", " ")
    assert all(text in anchors for text in ("calibration", "my labels", "Pt19", "2 + 2", "0.80 to 0.90", "Pt55"))
    adapted.click(panel.back)
    assert document.table.rows["label"].tolist() == before.tolist()
    assert document.state.bundle is done.base and not panel.back.isEnabled()
    assert not panel.comparison.isVisible()
    document.undo()
    adapted.idle()
    assert document.state.applied is done and panel.comparison.isVisible()


def test_the_review_says_how_many_clusters_its_fair_check_leaves_out(adapted: Any) -> None:
    app, document = adapted, adapted.document
    panel, review = app.panel("Review"), app.workspace.group.review
    panel.order.activated.emit(panel.order.findData("random"))
    app.click(panel.start)
    document.annotate(list(review.queue.ids), "Pt19")
    review.arrived(review.queue.ids[-1])
    app.idle()
    judged = sum(bool(label) for label in review.queue.predicted.values()) - 4  # 4 of the 6 anchors are not held back
    assert f" of {judged} (" in panel.agreement.text().splitlines()[1]
    assert "Not in it: 4 that you labelled, but the model was tuned on." in panel.agreement.text()
    document.annotate([0, 2, 3, 5], "")  # the anchors
    app.idle()
    assert f" of {judged} (" in panel.agreement.text() and "Not in it" not in panel.agreement.text()


def test_the_main_button_counts_and_adapts_in_one_step(
    app: Any, micrograph: Any, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapt_always(monkeypatch)
    app.show(micrograph)
    app.document.choose(model=str(model_path))
    panel = app.panel("Atomicity")
    app.click(panel.analyse)
    assert app.document.history == ["Analyse"] and app.document.state.applied is not None
    adapt = panel.steps[4].panel
    app.click(adapt.back)
    assert set(app.document.table.rows["source"]) <= {"base", ""}
    assert len(app.document.table) == len(app.document.state.count.table)
    adapt.mode.activated.emit(adapt.mode.findData("off"))
    app.idle()
    assert app.document.settings.adapt == "off" and not adapt.run.isEnabled()
    app.click(panel.analyse)
    # the image still finds how bright an atom is; the model stays as it is
    assert app.document.state.adaptation is None and app.document.state.count.calibrations
    assert "calibrates itself" in adapt.result.text()


def test_a_refused_adaptation_shows_why_and_its_anchors(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    adapt_always(monkeypatch, accepted=False)
    found.click(found.panel("Count atoms").run)
    table, history = found.document.table, found.document.history
    panel = found.panel("Adapt to the image")
    found.click(panel.run)
    assert found.document.table is table and found.document.history == history
    assert panel.comparison.headline.text() == "Nothing changed; tuning makes it no better here."
    assert panel.comparison.reason.text() == "No clear diameters." and found.notes[-1] == "No clear diameters."
    assert not panel.comparison.chart.isVisible() and "Pt19" in panel.comparison.anchors.text()
    assert panel.run.isEnabled() and not panel.back.isEnabled() and not panel.save.isEnabled()
    panel.anchors.click()
    assert len(found.workspace.group.anchors.points.data) == 6


def test_anchors_are_a_layer_in_register_with_the_image(adapted: Any) -> None:
    panel, image, document = adapted.adapt, adapted.workspace.image, adapted.document
    adapted.qtbot.waitUntil(panel.anchors.isEnabled)
    active = adapted.viewer.layers.selection.active
    panel.anchors.click()
    adapted.settle()
    points = adapted.workspace.group.anchors.points
    assert points in adapted.viewer.layers and points.visible
    assert adapted.viewer.layers.selection.active == active
    for name in ("units", "axis_labels"):
        assert getattr(points, name) == getattr(image, name)
    assert np.allclose(points.scale, image.scale) and np.allclose(points.translate, image.translate)
    np.testing.assert_allclose(points.data, document.table.centres_px[:6])
    features = points.features
    assert features["source"].tolist() == ["calibrated", "calibrated", "annotations"] * 2
    assert {"label", "diameter_nm", "low_nm", "high_nm", "certainty"} <= set(features)
    symbols = [str(symbol) for symbol in points.symbol]
    assert len(set(symbols)) == 2 and symbols[0] == symbols[2] != symbols[1]
    assert (points.face_color[:, 3] == 0).all()
    assert not np.allclose(points.border_color[0], points.border_color[2])
    image.scale = (0.07, 0.07)
    assert np.allclose(points.scale, 0.07)
    # nobody edits anchors by hand, and they are no micrograph
    assert not points.editable and len(adapted.workspace.images) == 1
    adapted.viewer.layers.selection.active = points
    assert adapted.workspace.image is image


def test_anchors_go_with_the_adaptation_and_with_a_click(adapted: Any) -> None:
    panel, keeper = adapted.adapt, adapted.workspace.group.anchors
    adapted.qtbot.waitUntil(panel.anchors.isEnabled)
    panel.anchors.click()
    points = keeper.points
    points.name = "clusters"  # whatever a person calls it
    panel.anchors.click()
    assert points not in adapted.viewer.layers
    panel.anchors.click()
    adapted.click(panel.back)
    assert keeper.points is None and len([x for x in adapted.viewer.layers if "anchors" in x.name]) == 0
    assert not panel.anchors.isEnabled()
    adapted.document.undo()
    assert keeper.points in adapted.viewer.layers
    # a person takes it off: it stays off, and the tick shows that
    adapted.viewer.layers.remove(keeper.points)
    adapted.document.annotate([0], "Pt19")
    adapted.idle()
    assert keeper.points is None and not panel.anchors.isChecked()
    panel.anchors.click()
    gone = adapted.document.table.ids[:2].tolist()
    adapted.document.edit("Delete", adapted.document.table.drop(gone), [])
    assert keeper.points.features["id"].tolist() == adapted.document.table.ids[:4].tolist()
    adapted.viewer.layers.remove(adapted.workspace.image)
    adapted.idle()
    assert adapted.document is None


def test_anchors_lie_on_their_frames_of_a_stack(
    app: Any, frame: Any, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_atomicity.micrograph import Micrograph

    adapt_always(monkeypatch)
    app.show(Micrograph(np.stack([frame.image, frame.image[::-1].copy()]), frame.pixel_size_nm, name="stack"))
    app.document.choose(model=str(model_path))
    app.click(app.panel("Atomicity").analyse)
    keeper = app.workspace.group.anchors
    keeper.show(True)
    rows = app.document.table.rows.set_index("id").loc[keeper.points.features["id"]]
    np.testing.assert_allclose(keeper.points.data, rows[["frame", "y_px", "x_px"]])


def test_sources_of_anchors_are_ticks(found: Any) -> None:
    panel, document = found.panel("Adapt to the image"), found.document
    ticked = lambda: {name for name, box in panel.sources.items() if box.isChecked()}  # noqa: E731
    assert ticked() == {"calibrated", "annotations"} and document.settings.anchors == ()
    panel.sources["diameter"].click()
    assert set(document.settings.anchors) == {"calibrated", "diameter", "annotations"}
    panel.sources["diameter"].click()
    assert document.settings.anchors == ()
    panel.mode.activated.emit(panel.mode.findData("diameter"))
    panel.show_now()
    assert ticked() == {"diameter"}
    panel.sources["diameter"].click()
    assert ticked() == {"diameter"} and "must learn from something" in found.notes[-1]


def test_the_adapted_model_becomes_a_model_with_its_history(
    adapted: Any, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtWidgets import QInputDialog

    from napari_atomicity.counting.bundle import load_bundle, weights_sha256

    panel, document = adapted.adapt, adapted.document
    asked = []

    def answer(*_: Any, text: str = "") -> tuple[str, bool]:
        asked.append(text)
        return "microscope 2", True

    monkeypatch.setattr(QInputDialog, "getText", answer)
    adapted.click(panel.save)
    assert asked == ["untrained-frame"]
    saved = load_bundle("microscope-2")
    assert weights_sha256(saved) == weights_sha256(document.state.bundle)
    assert saved.card.history == ("tuned",) and "Adapted to frame" in saved.card.limits[0]
    adapted.click(panel.save)
    assert "There is a model named microscope-2 already" in adapted.notes[-1]
    assert weights_sha256(load_bundle("microscope-2")) == weights_sha256(saved)
    # it counts like any other
    document.choose(model="microscope-2", adapt="auto")
    adapted.click(adapted.panel("Count atoms").run)
    assert document.state.bundle.card.name == "microscope-2" and document.counted
    assert document.state.applied is None


def test_clicks_in_the_wrong_order_say_what_is_missing(app: Any, micrograph: Any) -> None:
    from napari_atomicity.ui.actions import joint, save_model, single

    for step in (single.adapt, joint.calibrate, joint.hand_on, single.undo_adaptation):
        step(app.workspace)
    save_model.keep_model(app.workspace, "nothing")
    single.choose(app.workspace, 0, "Pt19")
    app.show(micrograph)
    said = len(app.notes)
    assert not single.adapt(app.workspace) and "find them first" in app.notes[-1]
    assert not joint.hand_on(app.workspace) and "no adapted model yet" in app.notes[-1]
    assert not save_model.keep_model(app.workspace, "nothing") and "no adapted model yet" in app.notes[-1]
    assert not single.choose(app.workspace, 0, "Pt19") and "nothing to choose" in app.notes[-1]
    assert not joint.calibrate(app.workspace) and "at least two" in app.notes[-1]
    single.undo_adaptation(app.workspace)
    app.document.choose(adapt="off")
    assert not single.adapt(app.workspace) and "switched off" in app.notes[-1]
    assert len(app.notes) == said + 6 and app.document.history == []
