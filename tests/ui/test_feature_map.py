"""The map of features in a real window: selection both ways, what is computed again, and what is said instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .stand_ins import adapt_always


@pytest.fixture
def counted(app: Any, micrograph: Any, mapped_model: Path, count_of: Any) -> Any:
    """A counted frame and the map of it."""
    app.lay_out(micrograph, count_of(mapped_model, "auto"))
    app.feature_map.parentWidget().setFloating(True)
    app.feature_map.parentWidget().resize(700, 500)
    wait(app)
    yield app
    app.feature_map.looks.stop()
    wait(app)


def wait(app: Any) -> None:
    """Until the map shows what there is."""
    app.idle()
    app.qtbot.waitUntil(lambda: not app.feature_map.looks.work.busy, timeout=60_000)
    app.settle()


def mouse(app: Any, canvas: Any, path: Any, shift: bool = False) -> None:
    """Press, move along `path` (pixels) and release, as a person draws."""
    from qtpy.QtCore import QEvent, QPointF, Qt
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtWidgets import QApplication

    keys = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    points = [QPointF(float(x), float(y)) for x, y in path]
    kinds = [(QEvent.Type.MouseButtonPress, points[0], left)]
    kinds += [(QEvent.Type.MouseMove, point, none) for point in points]
    kinds.append((QEvent.Type.MouseButtonRelease, points[-1], left))
    for kind, point, button in kinds:
        QApplication.sendEvent(canvas, QMouseEvent(kind, point, canvas.mapToGlobal(point), button, left, keys))
    app.settle()


def labelled(document: Any) -> list[int]:
    """The clusters that got a label; a patch that says nothing, as at the border, gets none."""
    rows = document.table.rows
    return rows["id"][rows["label"] != ""].tolist()


def around(places: Any, rows: Any, margin: float = 6) -> Any:
    """A rectangle around some places, as a lasso."""
    (x0, y0), (x1, y1) = places[rows].min(axis=0) - margin, places[rows].max(axis=0) + margin
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def test_every_counted_cluster_is_on_the_map(counted: Any) -> None:
    panel = counted.feature_map
    assert panel.clusters.rows["id"].tolist() == labelled(counted.document) and len(panel.clusters) > 20
    assert panel.after.canvas.isVisible() and not panel.before.isVisible()
    assert "silhouette" in panel.after.figures.text() and "library" in panel.after.figures.text()
    assert "means nothing" in panel.note.text()


def test_a_lasso_in_the_map_selects_in_the_image_and_back(counted: Any) -> None:
    panel, canvas = counted.feature_map, counted.feature_map.after.canvas
    panel.view.zoom = 3.0
    places, told = panel.view.to_pixels(canvas.xy, canvas.extent_px), []
    counted.document.selection_changed.connect(told.append)
    path = around(places, np.arange(5))
    mouse(counted, canvas, path)
    from skimage.measure import points_in_poly

    within = points_in_poly(places, np.array(path))
    assert within[:5].all()
    ids = set(panel.clusters.rows["id"][within])
    assert counted.document.selection == ids and told == [frozenset(ids)]
    chosen = {int(counted.document.table.ids[i]) for i in counted.points.selected_data}
    assert chosen == ids
    row = counted.document.table.ids.tolist().index(int(panel.clusters.rows["id"][1]))
    counted.points.selected_data = {row}
    counted.settle()
    assert np.flatnonzero(canvas.selected).tolist() == [1] and len(told) == 2


def test_a_click_selects_one_shift_adds_and_beside_clears(counted: Any) -> None:
    panel, canvas = counted.feature_map, counted.feature_map.after.canvas
    from napari_atomicity.ui.feature_map.view import nearest

    places = panel.view.to_pixels(canvas.xy, canvas.extent_px)
    alone = [i for i in range(len(places)) if nearest(places, places[i], 9) == i]
    ids = panel.clusters.rows["id"].tolist()
    mouse(counted, canvas, [places[alone[0]]])
    assert counted.document.selection == {ids[alone[0]]}
    mouse(counted, canvas, [places[alone[-1]]], shift=True)
    assert counted.document.selection == {ids[alone[0]], ids[alone[-1]]}
    mouse(counted, canvas, [(1, 1)], shift=True)
    assert len(counted.document.selection) == 2
    mouse(counted, canvas, [(1, 1)])
    assert not counted.document.selection


def test_only_what_changed_is_computed_again(counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_atomicity.insight.feature_map import FeatureMap
    from napari_atomicity.ui.feature_map import panel as map_panel

    placed, gathered = [], []
    place, gather = FeatureMap.place, map_panel.gather
    monkeypatch.setattr(FeatureMap, "place", lambda self, one: placed.append(len(one)) or place(self, one))
    monkeypatch.setattr(map_panel, "gather", lambda *one: gathered.append(1) or gather(*one))
    panel, document = counted.feature_map, counted.document
    document.select(document.table.ids[:3])
    wait(counted)
    assert not placed and not gathered
    before = panel.after.figures.text()
    half, names = labelled(document)[::2], document.state.bundle.card.labels
    given = next(name for name in names if name not in set(document.table.rows["label"]))
    document.annotate(half, given)
    wait(counted)
    assert not placed and gathered and panel.clusters.annotated.sum() == len(half)
    assert panel.after.figures.text() != before
    counted.click(counted.panel("Count atoms").run)
    wait(counted)
    assert placed == [len(document.table)]


def test_edits_and_undo_are_followed(counted: Any) -> None:
    from napari_atomicity.ui.actions import single

    panel, document = counted.feature_map, counted.document
    n = len(panel.clusters)
    document.commit("Delete", document.table.drop(labelled(document)[:2]))
    wait(counted)
    assert len(panel.clusters) == n - 2
    single.undo(counted.workspace)
    wait(counted)
    assert len(panel.clusters) == n
    document.undo()  # the count
    wait(counted)
    assert panel.clusters is None and "step 3" in panel.after.canvas.message


def test_before_and_after_stand_side_by_side_and_move(counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    adapt_always(monkeypatch)
    panel = counted.feature_map
    counted.click(counted.panel("Adapt to the image").run)
    wait(counted)
    assert panel.before.isVisible() and panel.move_row.isVisible()
    before, after = panel.before.canvas.xy, panel.after.canvas.xy.copy()
    assert not np.allclose(before, after)
    panel.move_row.slider.setValue(0)
    np.testing.assert_allclose(panel.after.canvas.xy, before)
    panel.move_row.play.click()
    counted.qtbot.waitUntil(lambda: panel.move_row.slider.value() == panel.move_row.slider.maximum(), timeout=20_000)
    np.testing.assert_allclose(panel.after.canvas.xy, after)
    # the islands stay where they are
    looks = [pane.canvas.placement.feature_map.xy for pane in (panel.before, panel.after)]
    np.testing.assert_array_equal(*looks)
    counted.document.undo_adaptation()
    wait(counted)
    assert not panel.before.isVisible()


def test_colours_by_label_and_by_number(counted: Any) -> None:
    panel, document = counted.feature_map, counted.document
    assert any(label in panel.key.words for label in document.table.rows["label"])
    for name in [panel.colour.itemData(i) for i in range(panel.colour.count())]:
        panel.colour.setCurrentIndex(panel.colour.findData(name))
        panel.show_now()
        assert panel.after.canvas.rgba.shape == (len(panel.clusters), 4)
    panel.colour.setCurrentIndex(panel.colour.findData("diameter_nm"))
    panel.show_now()
    rgba, diameter = panel.after.canvas.rgba, panel.clusters.rows["diameter_nm"]
    assert "diameter (nm)" in panel.key.words
    # viridis runs from dark blue to yellow
    assert rgba[diameter.argmax(), 0] > 0.9 > rgba[diameter.argmin(), 0]


def test_hovering_shows_patches(counted: Any) -> None:
    panel, canvas = counted.feature_map, counted.feature_map.after.canvas
    canvas.grab()
    card = canvas.describe(3, False)
    row = panel.clusters.row_after[3]
    np.testing.assert_array_equal(card.patches[0][1], counted.document.state.count.patches.raw[row])
    assert "library: Pt" in card.patches[1][0] and str(panel.clusters.rows["id"][3]) in card.lines[0]
    library = canvas.describe(7, True)
    assert library.patches[0][0] == "Pt41" and "simulated" in library.lines[0]


def test_before_anything_is_counted_one_sentence_stands_there(app: Any, micrograph: Any, model_path: Path) -> None:
    from napari_atomicity.ui.feature_map.placements import looks_of

    panel = app.panel("Feature map")
    app.settle()
    assert "Open a micrograph" in panel.after.canvas.message
    app.show(micrograph)
    app.settle()
    assert "step 3" in panel.after.canvas.message
    app.document.choose(model=str(model_path))
    app.click(app.panel("Find clusters").search)
    app.click(app.panel("Count atoms").run)
    app.qtbot.waitUntil(lambda: "no library clusters" in panel.after.canvas.message, timeout=20_000)
    assert panel.after.canvas.placement is None and panel.again.isVisible()
    assert not looks_of(app.workspace).work.busy and not [note for note in app.notes if "library" in note]
    panel.grab()


def test_stopping_the_fit_leaves_the_window_as_it_was(
    app: Any, micrograph: Any, mapped_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_atomicity.progress import Progress
    from napari_atomicity.ui.feature_map.placements import looks_of

    closed = []

    def endless(*_: Any) -> Any:
        import time

        try:
            while True:
                time.sleep(0.01)
                yield Progress(0, 0, "Making the map")
        finally:
            closed.append(True)

    monkeypatch.setattr("napari_atomicity.insight.feature_map.feature_map_steps", endless)
    app.show(micrograph)
    app.document.choose(model=str(mapped_model))
    app.click(app.panel("Find clusters").search)
    app.click(app.panel("Count atoms").run)
    panel, looks = app.panel("Feature map"), looks_of(app.workspace)
    app.qtbot.waitUntil(panel.waiting.isVisible, timeout=10_000)
    app.qtbot.waitUntil(lambda: panel.waiting.bar.format() == "Making the map", timeout=10_000)
    assert not app.workspace.work.busy  # other work can go on
    panel.waiting.halt.click()
    app.qtbot.waitUntil(lambda: not looks.work.busy, timeout=10_000)
    app.settle()
    assert closed and "Try again" in panel.after.canvas.message and not looks.work.busy
    monkeypatch.undo()
    panel.again.click()
    app.qtbot.waitUntil(lambda: panel.clusters is not None, timeout=20_000)


def test_all_open_images_share_one_map_and_each_keeps_its_selection(counted: Any, micrograph: Any) -> None:
    first, model = counted.document, counted.document.settings.model
    counted.show(micrograph)
    counted.document.choose(model=model)
    counted.click(counted.panel("Find clusters").search)
    counted.click(counted.panel("Count atoms").run)
    panel, second = counted.feature_map, counted.document
    panel.scope.setCurrentIndex(panel.scope.findData("images"))
    panel.show_now()
    wait(counted)
    assert len(panel.clusters) == len(labelled(first)) + len(labelled(second))
    panel.after.canvas.picked.emit(np.array([0, len(labelled(first))]), False)
    assert len(first.selection) == len(second.selection) == 1


def test_the_theme_is_followed_and_a_closed_dock_comes_back(counted: Any) -> None:
    from napari_atomicity.ui.workspace.docks import open_dock

    panel = counted.feature_map
    dark = panel.after.canvas.map_style.theme["background"]
    counted.viewer.theme = "light"
    panel.show_now()
    assert panel.after.canvas.map_style.theme["background"] != dark
    panel.parentWidget().close()
    counted.settle()
    open_dock(counted.workspace.viewer, "Feature map")
    counted.settle()
    assert panel.isVisible()
