"""The card of the selected cluster, in a real window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
        "class_index": np.repeat(np.arange(5), 4),
    }
    return save_bundle(replace(bundle, rehearsal=rehearsal), target)


@pytest.fixture(scope="session")
def library_model(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_library(model_path, tmp_path_factory.mktemp("library") / "library.safetensors")


@pytest.fixture
def counted(desk: Any, micrograph: Any, library_model: Path) -> Any:
    """A counted frame and its card."""

    desk.show(micrograph)
    count(desk, library_model)
    desk.panel("Cluster card")
    seen(desk)
    yield desk
    seen(desk)


def count(desk: Any, model: Path) -> None:
    from napari_atomicity.ui.actions import single

    desk.document.choose(model=str(model), adapt="off")
    single.detect(desk.workspace)
    desk.idle()
    single.classify(desk.workspace)
    desk.idle()


def seen(desk: Any) -> None:
    """Wait until the card has no more to show."""
    desk.idle()
    desk.qtbot.waitUntil(lambda: not desk.card.looker.work.busy and not desk.card.looker.waiting, timeout=30_000)
    desk.idle()


def usual(desk: Any, n: int = 1) -> list[int]:
    """Ids of the first `n` clusters that nothing is wrong with."""
    rows = desk.document.table.rows
    fine = (rows["label"] != "") & ~rows["flag"].isin(["border", "touching", "saturated"])
    return [int(i) for i in rows["id"][fine][:n]]


def test_a_click_on_a_point_shows_numbers_at_once_and_contours_later(counted: Any) -> None:
    desk, card = counted, counted.card
    (first,) = usual(desk)
    row = int(np.flatnonzero(desk.document.table.ids == first)[0])
    desk.points.selected_data = {row}
    card.show_now()
    one = desk.document.table.rows.iloc[row]
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
    seen(desk)
    done = card.looker.look(_subject(desk, row))
    for channel, shown in enumerate(card.patch.shown):
        assert bool(sum(map(len, shown.contours))) != bool(done.attribution.empty[0, channel])
        assert shown.caption[1]
    assert card.contours.text() and "moment" not in card.contours.text()


def _subject(desk: Any, row: int) -> Any:
    from napari_atomicity.ui.cluster_card.inspector import Subject

    return Subject.of(desk.document, row)


def test_maps_and_neighbours_are_those_of_the_pipeline(counted: Any) -> None:
    from napari_atomicity.insight.attribution import attribution_steps
    from napari_atomicity.insight.library import library_of
    from napari_atomicity.progress import drain

    desk, state = counted, counted.document.state
    first = usual(desk, 5)[-1]
    desk.document.select([first])
    seen(desk)
    row = int(np.flatnonzero(desk.document.table.ids == first)[0])
    target = int(desk.document.table.probabilities[row].argmax())
    patch = state.count.patches.take(np.array([row]))
    expected = drain(attribution_steps(state.bundle, patch, target, method="integrated-gradients"))
    found = desk.card.looker.look(_subject(desk, row))
    np.testing.assert_allclose(found.attribution.maps, expected.maps, atol=1e-6)
    library = library_of(state.bundle)
    rows, _ = library.nearest(state.count.evidence.features[[row]], 4)
    assert [shown.caption[0] for shown in desk.card.alike.shown] == [library.labels[i] for i in rows[0]]


def test_the_arrows_walk_through_the_selection_and_the_view_follows(counted: Any) -> None:
    desk, card = counted, counted.card
    chosen = sorted(usual(desk, 3))
    desk.document.select(chosen)
    seen(desk)
    walked = [card.shown]
    for step in (card.walk.on, card.walk.on, card.walk.on, card.walk.back):
        step.click()
        walked.append(card.shown)
    assert walked == [*chosen, chosen[0], chosen[2]]
    assert "3 of 3 selected" in card.walk.where.text()
    assert desk.document.selection == frozenset(chosen)
    # one of them stays as long as it is selected
    desk.document.select(chosen[1:])
    seen(desk)
    assert card.shown == chosen[2] and "2 of 2 selected" in card.walk.where.text()
    card.walk.centre.click()
    row = int(np.flatnonzero(desk.document.table.ids == card.shown)[0])
    camera = desk.workspace.viewer.scene.camera
    world = desk.workspace.image.data_to_world(desk.document.table.centres_px[row])
    np.testing.assert_allclose(camera.center[-2:], world)
    desk.document.select([])
    seen(desk)
    assert card.shown == -1 and "Select a cluster" in card.empty.text() and not card.body.isVisible()


def test_an_annotation_stands_beside_the_prediction(counted: Any) -> None:
    desk, card = counted, counted.card
    (first,) = usual(desk)
    label = str(desk.document.table.rows.set_index("id").loc[first, "label"])
    mine = "Pt70" if label != "Pt70" else "Pt19"
    desk.document.select([first])
    desk.document.annotate([first], mine)
    seen(desk)
    assert label in card.label.text() and mine not in card.label.text()
    assert mine in card.annotation.text() and "your label" in card.annotation.text()
    desk.document.undo()
    seen(desk)
    assert not card.annotation.isVisible()


def test_clusters_that_were_added_moved_or_deleted_since_the_count(counted: Any) -> None:
    desk, card = counted, counted.card
    points = desk.points
    keep, moved, gone = usual(desk, 3)
    place = {i: int(np.flatnonzero(desk.document.table.ids == i)[0]) for i in (keep, moved, gone)}
    features = desk.document.state.count.evidence.features[place[keep]].copy()
    # rows of the table no longer go with those of the count
    desk.document.edit("Delete", desk.document.table.drop([gone]), [])
    data = points.data.copy()
    data[np.flatnonzero(desk.document.table.ids == moved)[0]] += 3.0
    points.data = data
    points.add(np.array([[250.0, 251.0]]))
    desk.idle()
    new = int(desk.document.table.ids.max())
    desk.document.select([keep])
    seen(desk)
    row = int(np.flatnonzero(desk.document.table.ids == keep)[0])
    np.testing.assert_array_equal(_subject(desk, row).features, features)
    for one in (moved, new):
        desk.document.select([one])
        seen(desk)
        assert card.shown == one and "count again" in card.remarks.text()
        # the model sees it all the same
        assert len(card.patch.shown) == 2 and len(card.alike.shown) == 4
        assert not card.chances.isVisible() and not card.label.isVisible()


def test_before_any_count_patch_and_measurements_are_there(desk: Any, micrograph: Any) -> None:
    from napari_atomicity.ui.actions import single

    desk.show(micrograph)
    card = desk.card
    desk.settle()
    assert "no clusters yet" in card.empty.text()
    single.detect(desk.workspace)
    desk.idle()
    desk.document.select([int(desk.document.table.ids[3])])
    seen(desk)
    assert [shown.caption[0] for shown in card.patch.shown] == ["Raw intensity"]
    assert "Not counted yet" in card.remarks.text()
    assert {standing.quantity.column for standing in card.strips.standings} == {"diameter_nm", "intensity"}
    assert not card.alike.isVisible() and not card.chances.isVisible()


def test_without_a_pixel_size_or_inside_the_image_one_sentence(desk: Any, micrograph: Any) -> None:
    desk.show(replace(micrograph, pixel_size_nm=None))
    card = desk.card
    desk.workspace.clusters.make().add(np.array([[100.0, 100.0]]))
    desk.idle()
    desk.document.select(desk.document.table.ids.tolist())
    seen(desk)
    assert "pixel size" in card.remarks.text() and not card.patch.isVisible()


def test_a_model_without_library_of_another_element_with_one_channel(
    desk: Any, micrograph: Any, tmp_path: Path
) -> None:
    desk.show(micrograph)
    count(desk, save_gold(tmp_path / "gold.safetensors"))
    card = desk.card
    desk.document.select(usual(desk))
    seen(desk)
    assert next(shown.caption for shown in card.patch.shown)[0] == "Raw intensity"
    assert [label for label, _ in card.chances.chances] == ["Au20", "Au38", "Au55", "other"]
    assert "no library clusters" in card.likeness.text() and not card.alike.isVisible()


def test_it_opens_from_elsewhere_once_and_follows_the_theme(counted: Any) -> None:
    from qtpy.QtWidgets import QApplication

    from napari_atomicity.ui.cluster_card.panel import CardPanel
    from napari_atomicity.ui.workspace.docks import open_dock

    desk, card = counted, counted.card
    open_dock(desk.workspace.viewer, "Cluster card", tabify=True)
    open_dock(desk.workspace.viewer, "Cluster card", tabify=True)
    cards = [w for w in QApplication.allWidgets() if isinstance(w, CardPanel)]
    assert cards == [card] and card.isVisible()
    desk.document.select(usual(desk))
    seen(desk)
    dark = card.patch.grab().toImage()
    desk.viewer.theme = "light"
    seen(desk)
    assert card.patch.grab().toImage() != dark
    desk.viewer.theme = "dark"


def test_a_question_that_the_count_was_undone_under_is_dropped(counted: Any) -> None:
    desk = counted
    for one in usual(desk, 6):
        desk.document.select([one])
    while desk.document.undo_name:
        desk.document.undo()
    seen(desk)
    assert not desk.notes and desk.card.shown == -1
