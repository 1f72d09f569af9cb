"""The card of the selected cluster, in a real window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .stand_ins import leave_undecided
from .test_models import save_gold


def with_library(path: Path, target: Path) -> Path:
    """The model in `path` with library clusters: blobs of five widths."""
    from napari_atomicity.counting.bundle import load_bundle, save_bundle

    y, x = (np.indices((64, 64)) - 31.5) * 0.05
    width = np.repeat(0.25 + 0.05 * np.arange(5), 4)[:, None, None]
    raw = np.exp(-0.5 * (y**2 + x**2) / width**2) / (2 * np.pi * width**2)
    raw += np.random.default_rng(0).normal(0, 0.02, raw.shape)
    bundle = load_bundle(str(path))
    rehearsal = {
        "raw": raw.astype(np.float16),
        "noise": np.full(20, 0.02, np.float32),
        "log_atoms": np.repeat(np.log([19, 30, 41, 55, 70]), 4),
        "class_index": np.repeat(np.arange(5), 4),
    }
    return save_bundle(replace(bundle, rehearsal=rehearsal), target)


@pytest.fixture(scope="session")
def library_model(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_library(model_path, tmp_path_factory.mktemp("library") / "library.safetensors")


@pytest.fixture
def counted(app: Any, micrograph: Any, library_model: Path, count_of: Any) -> Any:
    """A counted frame and its card."""

    app.lay_out(micrograph, count_of(library_model))
    app.panel("Cluster card")
    seen(app)
    yield app
    seen(app)


def count(app: Any, model: Path) -> None:
    from napari_atomicity.ui.actions import single

    app.document.choose(model=str(model), adapt="off")
    single.detect(app.workspace)
    app.idle()
    single.classify(app.workspace)
    app.idle()


def seen(app: Any) -> None:
    """Wait until the card has no more to show."""
    app.idle()
    app.qtbot.waitUntil(lambda: not app.card.looker.work.busy and not app.card.looker.waiting, timeout=30_000)
    app.idle()


def usual(app: Any, n: int = 1) -> list[int]:
    """Ids of the first `n` clusters that nothing is wrong with."""
    rows = app.document.table.rows
    fine = (rows["label"] != "") & ~rows["flag"].isin(["border", "touching", "saturated"])
    return [int(i) for i in rows["id"][fine][:n]]


def test_a_click_on_a_point_shows_numbers_at_once_and_contours_later(counted: Any) -> None:
    app, card = counted, counted.card
    (first,) = usual(app)
    row = int(np.flatnonzero(app.document.table.ids == first)[0])
    app.points.selected_data = {row}
    card.show_now()
    one = app.document.table.rows.iloc[row]
    # before any thread has had its turn
    assert one["label"] in card.label.text() and f"{one['n_atoms']:.0f} ± {one['n_atoms_sd']:.0f}" in card.label.text()
    assert [shown.caption[0] for shown in card.patch.shown] == ["Raw intensity", "Local contrast"]
    assert len(card.alike.shown) == 4 and card.likeness.text()
    told = dict(card.chances.chances)
    assert told[one["label"]] == pytest.approx(one["confidence"]) and sum(told.values()) == pytest.approx(1)
    assert {standing.quantity.column for standing in card.strips.standings} == {
        "diameter_nm",
        "intensity",
        "n_atoms",
        "confidence",
    }
    assert "as shipped" in card.model.text()
    seen(app)
    done = card.looker.look(_subject(app, row))
    *channels, density = card.patch.shown
    assert len(channels) == 2
    for channel, shown in enumerate(channels):
        assert bool(sum(map(len, shown.contours))) != bool(done.attribution.empty[0, channel])
        assert bool(shown.caption[1]) == bool(done.attribution.empty[0, channel])
    assert card.contours.text() and "moment" not in card.contours.text()
    # what was counted, and no evidence beside it
    assert density.caption[0] == "Atoms per nm²" and not density.contours
    assert density.caption[1] == f"up to {done.density.max():.0f}"


def test_a_sentence_says_what_decided_unless_it_was_none_of_the_classes(counted: Any) -> None:
    app, card = counted, counted.card
    (first,) = usual(app)
    app.document.select([first])
    seen(app)
    row = int(np.flatnonzero(app.document.table.ids == first)[0])
    table, said = app.document.table, card.decision.text()
    likelier, likeliest = np.argsort(table.probabilities[row])[-2:]
    sizes = table.class_sizes
    assert said.startswith(f"Pt{sizes[likeliest]} rather than Pt{sizes[likelier]}")
    assert all(part in said for part in ("brightness", "raw intensity", "local contrast", "class shares"))
    labels = table.rows["label"].to_numpy(dtype=object).copy()
    labels[row] = "other"
    app.document.commit("None of them", table.with_columns(label=labels))
    seen(app)
    assert "other" in card.label.text() and not card.decision.isVisible()


def test_the_density_is_that_of_the_scale_in_force(counted: Any) -> None:
    from napari_atomicity.insight.attribution import attribution_steps
    from napari_atomicity.progress import drain
    from napari_atomicity.ui.actions import single

    app, state = counted, counted.document.state
    (first,) = usual(app)
    app.document.select([first])
    row = int(np.flatnonzero(app.document.table.ids == first)[0])
    for dominant in leave_undecided(app.document, "Pt30", "Pt41"):
        single.choose(app.workspace, 0, dominant)
        seen(app)
        count = app.document.state.count
        scale = (count.evidence.log_scale + count.evidence.shift)[[row]]
        expected = drain(attribution_steps(state.bundle, count.patches.take(np.array([row])), scale))
        found = app.card.looker.look(_subject(app, row))
        np.testing.assert_allclose(found.density, expected.maps[0, 0], atol=1e-5)
        np.testing.assert_array_equal(found.features, count.evidence.features[row])


def _subject(app: Any, row: int) -> Any:
    from napari_atomicity.ui.cluster_card.inspector import Subject

    return Subject.of(app.document, row)


def test_maps_and_neighbours_are_those_of_the_pipeline(counted: Any) -> None:
    from napari_atomicity.insight.attribution import attribution_steps
    from napari_atomicity.insight.library import library_of
    from napari_atomicity.progress import drain

    app, state = counted, counted.document.state
    first = usual(app, 5)[-1]
    app.document.select([first])
    seen(app)
    row = int(np.flatnonzero(app.document.table.ids == first)[0])
    target = int(app.document.table.probabilities[row].argmax())
    patch = state.count.patches.take(np.array([row]))
    scale = (state.count.evidence.log_scale + state.count.evidence.shift)[[row]]
    found = app.card.looker.look(_subject(app, row))
    expected = drain(attribution_steps(state.bundle, patch, scale, target, method=found.attribution.method))
    np.testing.assert_allclose(found.attribution.maps, expected.maps, atol=1e-6)
    library = library_of(state.bundle)
    rows, _ = library.nearest(state.count.evidence.features[[row]], 4)
    assert [shown.caption[0] for shown in app.card.alike.shown] == [library.labels[i] for i in rows[0]]


def test_the_arrows_walk_through_the_selection_and_the_view_follows(counted: Any) -> None:
    app, card = counted, counted.card
    chosen = sorted(usual(app, 3))
    app.document.select(chosen)
    seen(app)
    walked = [card.shown]
    for step in (card.walk.on, card.walk.on, card.walk.on, card.walk.back):
        step.click()
        walked.append(card.shown)
    assert walked == [*chosen, chosen[0], chosen[2]]
    assert "3 of 3 selected" in card.walk.where.text()
    assert app.document.selection == frozenset(chosen)
    # one of them stays as long as it is selected
    app.document.select(chosen[1:])
    seen(app)
    assert card.shown == chosen[2] and "2 of 2 selected" in card.walk.where.text()
    card.walk.centre.click()
    row = int(np.flatnonzero(app.document.table.ids == card.shown)[0])
    camera = app.workspace.viewer.scene.camera
    world = app.workspace.image.data_to_world(app.document.table.centres_px[row])
    np.testing.assert_allclose(camera.center[-2:], world)
    app.document.select([])
    seen(app)
    assert card.shown == -1 and "Select a cluster" in card.empty.text() and not card.body.isVisible()


def test_an_annotation_stands_beside_the_prediction(counted: Any) -> None:
    app, card = counted, counted.card
    (first,) = usual(app)
    label = str(app.document.table.rows.set_index("id").loc[first, "label"])
    mine = "Pt70" if label != "Pt70" else "Pt19"
    app.document.select([first])
    app.document.annotate([first], mine)
    seen(app)
    assert label in card.label.text() and mine not in card.label.text()
    assert mine in card.annotation.text() and "your label" in card.annotation.text()
    app.document.undo()
    seen(app)
    assert not card.annotation.isVisible()


def test_clusters_that_were_added_moved_or_deleted_since_the_count(counted: Any) -> None:
    app, card = counted, counted.card
    points = app.points
    keep, moved, gone = usual(app, 3)
    place = {i: int(np.flatnonzero(app.document.table.ids == i)[0]) for i in (keep, moved, gone)}
    features = app.document.state.count.evidence.features[place[keep]].copy()
    # rows of the table no longer go with those of the count
    app.document.edit("Delete", app.document.table.drop([gone]), [])
    data = points.data.copy()
    data[np.flatnonzero(app.document.table.ids == moved)[0]] += 3.0
    points.data = data
    points.add(np.array([[250.0, 251.0]]))
    app.idle()
    new = int(app.document.table.ids.max())
    app.document.select([keep])
    seen(app)
    row = int(np.flatnonzero(app.document.table.ids == keep)[0])
    np.testing.assert_array_equal(_subject(app, row).features, features)
    for one in (moved, new):
        app.document.select([one])
        seen(app)
        assert card.shown == one and "count again" in card.remarks.text()
        # the model sees it all the same
        assert len(card.patch.shown) == 3 and len(card.alike.shown) == 4
        assert not card.decision.isVisible()
        assert not card.chances.isVisible() and not card.label.isVisible()


def test_before_any_count_patch_and_measurements_are_there(app: Any, micrograph: Any) -> None:
    from napari_atomicity.ui.actions import single

    app.show(micrograph)
    card = app.card
    app.settle()
    assert "no clusters yet" in card.empty.text()
    single.detect(app.workspace)
    app.idle()
    app.document.select([int(app.document.table.ids[3])])
    seen(app)
    assert [shown.caption[0] for shown in card.patch.shown] == ["Raw intensity"]
    assert "Not counted yet" in card.remarks.text()
    assert {standing.quantity.column for standing in card.strips.standings} == {"diameter_nm", "intensity"}
    assert not card.alike.isVisible() and not card.chances.isVisible()


def test_without_a_pixel_size_or_inside_the_image_one_sentence(app: Any, micrograph: Any) -> None:
    app.show(replace(micrograph, pixel_size_nm=None))
    card = app.card
    app.workspace.clusters.make().add(np.array([[100.0, 100.0]]))
    app.idle()
    app.document.select(app.document.table.ids.tolist())
    seen(app)
    assert "pixel size" in card.remarks.text() and not card.patch.isVisible()


def test_a_model_without_library_of_another_element_with_one_channel(app: Any, micrograph: Any, tmp_path: Path) -> None:
    app.show(micrograph)
    count(app, save_gold(tmp_path / "gold.safetensors"))
    card = app.card
    app.document.select(usual(app))
    seen(app)
    assert next(shown.caption for shown in card.patch.shown)[0] == "Raw intensity"
    assert [label for label, _ in card.chances.chances] == ["Au20", "Au38", "Au55", "other"]
    assert "no library clusters" in card.likeness.text() and not card.alike.isVisible()


def test_it_opens_from_elsewhere_once_and_follows_the_theme(counted: Any) -> None:
    from napari_atomicity.ui.cluster_card.panel import CardPanel
    from napari_atomicity.ui.workspace.docks import open_dock

    app, card = counted, counted.card
    open_dock(app.workspace.viewer, "Cluster card")
    open_dock(app.workspace.viewer, "Cluster card")
    assert card.window().findChildren(CardPanel) == [card] and card.isVisible()
    app.document.select(usual(app))
    seen(app)
    dark = card.patch.grab().toImage()
    app.viewer.theme = "light"
    seen(app)
    assert card.patch.grab().toImage() != dark
    app.viewer.theme = "dark"


def test_a_question_that_the_count_was_undone_under_is_dropped(counted: Any) -> None:
    app = counted
    for one in usual(app, 6):
        app.document.select([one])
    while app.document.undo_name:
        app.document.undo()
    seen(app)
    assert not app.notes and app.card.shown == -1


def test_buttons_label_the_cluster_at_hand_alone_and_undo_takes_it_back(counted: Any) -> None:
    app, card = counted, counted.card
    chosen = sorted(usual(app, 3))
    app.document.select(chosen)
    seen(app)
    card.walk.on.click()
    said = dict(zip(app.document.table.ids.tolist(), app.document.table.rows["label"], strict=True))
    other = next(label for label in card.labels.by_label if label not in (said[chosen[1]], "other"))
    assert app.context.shortcuts.keys["class_1"] in card.labels.by_label["Pt19"].text()
    assert not card.marks["clear"].isEnabled() and said[chosen[1]] in card.marks["accept"].text()

    def mine() -> list[str]:
        return app.document.table.values_of("annotation", chosen).tolist()

    app.click(card.labels.by_label[other])
    assert mine() == ["", other, ""] and app.document.history[-1] == f"Label cluster {chosen[1]} as {other}"
    assert card.shown == chosen[1] and other in card.annotation.text()
    app.click(card.labels.by_label["other"])
    assert mine() == ["", "other", ""]
    app.click(card.marks["accept"])
    assert mine() == ["", said[chosen[1]], ""]
    app.click(card.marks["clear"])
    assert mine() == ["", "", ""]
    app.document.undo()
    assert mine() == ["", said[chosen[1]], ""]
    seen(app)
