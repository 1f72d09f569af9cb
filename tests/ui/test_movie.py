"""A movie in the window: tracks, plot and events follow one another, and nothing that a person did is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_atomicity.micrograph import Micrograph
from napari_atomicity.movies import MovieSettings
from napari_atomicity.pipeline import Settings
from napari_atomicity.pipeline.chain import analyse
from napari_atomicity.pipeline.movie import movie_steps
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.movies import Story, simulate_movie
from seeds import seeded


@pytest.fixture(scope="module")
def counted(model_path: Path) -> Any:
    """A movie of twelve frames in which clusters vanish and arrive, counted."""
    spec = sample_spec("nominal", {55: 1.0}, 10, shape=(320, 320), seed=seeded(3))
    story = Story(0.2, merges=0, splits=0, losses=0, vanishings=2, arrivals=2, drift_nm=(0.0, 0.0))
    simulated = simulate_movie(spec, 12, story, seeded(3))
    micrograph = Micrograph(simulated.images, simulated.pixel_size_nm, name="movie")
    known = Settings(
        model=str(model_path), adapt="off", intensity_per_atom=simulated.scale_counts_nm2_per_atom
    )  # fmt: skip
    return analyse(micrograph, known)


@pytest.fixture(scope="module")
def followed(counted: Any) -> Any:
    """Its clusters followed, once for all tests but the one that clicks."""
    return drain(movie_steps(counted, MovieSettings()))


@pytest.fixture
def panel(app: Any, counted: Any, followed: Any) -> Any:
    """The dock beside a counted movie that was followed."""
    made = app.panel("Movie")
    app.lay_out(counted.micrograph, counted)
    document = app.document
    document.apply("Follow clusters", replace(followed, micrograph=document.micrograph), document.state)
    app.idle()
    return made


def _layer(app: Any) -> Any:
    return app.workspace.group.tracks.tracks


@pytest.mark.slow
def test_a_person_is_told_what_is_missing(app: Any, micrograph: Any, counted: Any) -> None:
    panel = app.panel("Movie")
    assert not panel.run.isEnabled() and "Open a stack" in panel.remarks.text()
    app.show(micrograph)
    app.click(panel.run)
    assert "is one frame" in app.notes[-1]
    app.show(counted.micrograph)
    app.click(panel.run)
    assert "count the clusters" in app.notes[-1] and app.document.state.movie is None
    assert not panel.save.isEnabled() and not panel.means.isEnabled()


def test_followed_clusters_are_a_layer_a_plot_and_a_table_of_events(app: Any, panel: Any) -> None:
    app.document.undo()
    assert app.document.state.movie is None
    app.click(panel.run)
    movie = app.document.state.movie
    layer = _layer(app)
    assert layer in app.viewer.layers and len(layer.data) == len(movie.points)
    assert np.allclose(layer.scale, app.layers[0].scale)
    assert panel.chart.isVisible() and panel.events.rowCount() == len(movie.events) > 0
    assert movie.sentence == panel.finding.text() and "seconds of a frame" in panel.remarks.text()
    assert app.viewer.layers.selection.active is not layer


@pytest.mark.slow
def test_rows_of_events_grow_with_the_letters(app: Any, panel: Any) -> None:
    from napari.settings import get_settings

    appearance = get_settings().appearance
    before = appearance.font_size
    try:
        appearance.font_size = 2 * before
        app.settle()
        events = panel.events
        assert events.fontMetrics().height() > 20
        assert all(events.rowHeight(row) >= events.fontMetrics().height() for row in range(events.rowCount()))
        shares = panel.shares.chart
        assert shares.minimumSizeHint().height() >= 4 * shares.fontMetrics().height()
    finally:
        appearance.font_size = before


def test_events_and_clusters_choose_each_other(app: Any, panel: Any) -> None:
    events = app.document.state.movie.events
    row = next(at for at, kind in enumerate(events["kind"]) if kind in ("arrival", "loss"))
    panel.events.setCurrentCell(row, 0)
    app.idle()
    assert app.workspace.frame == events["frame"].iloc[row]
    names = {int(name) for side in ("before", "after") for name in events[side].iloc[row].split()}
    track = app.document.table.values_of("track", app.document.selection)
    assert set(track.tolist()) == names == set(panel.chart.tracks)
    app.document.select([])
    app.settle()
    assert not panel.events.selectedIndexes() and not panel.chart.tracks
    app.document.select([int(app.document.state.movie.of_track(min(names))["id"].iloc[0])])
    app.settle()
    assert row in {index.row() for index in panel.events.selectedIndexes()}
    assert panel.chart.tracks == [min(names)]
    # a choice by the cluster moves no frame
    assert app.workspace.frame == events["frame"].iloc[row]


def test_a_click_on_a_track_selects_its_cluster_and_one_in_the_plot_shows_its_frame(app: Any, panel: Any) -> None:
    points = app.document.state.movie.points
    long = points["track"].value_counts().index[0]
    app.workspace.group.tracks.select(int(long), 5)
    app.settle()
    (chosen,) = app.document.selection
    assert points.set_index("id").loc[chosen, "track"] == long
    panel.chart.chosen.emit(7)
    app.settle()
    assert app.workspace.frame == 7 and panel.chart._here.value() == 7


def test_shares_of_each_frame_stand_beside_the_atoms_and_lead_to_the_frame(app: Any, panel: Any) -> None:
    shares, rows = panel.shares.chart, app.document.table.rows
    assert shares.isVisible() and shares.series.found.tolist() == np.bincount(rows["frame"], minlength=12).tolist()
    assert "Pt55" in panel.shares.key.text()
    app.qtbot.mouseClick(shares, Qt.MouseButton.LeftButton, pos=QPoint(round(shares.x_of(5)), 40))
    app.settle()
    assert app.workspace.frame == 5 == shares.frame and panel.chart._here.value() == 5
    app.document.undo()
    app.settle()
    assert not shares.isVisible()


def test_tracks_are_cut_joined_and_numbered_and_each_is_undone(app: Any, panel: Any) -> None:
    document = app.document
    track = int(document.state.movie.points["track"].value_counts().index[0])
    rows = document.state.movie.of_track(track)
    panel.chart.chosen.emit(6)
    document.select([int(rows["id"].iloc[0])])
    app.settle()
    app.click(panel.cut)
    after = document.table.values_of("track", rows["id"])
    assert len(set(after.tolist())) == 2 and document.undo_name == f"Cut track {track}"
    document.select([int(rows["id"].iloc[0]), int(rows["id"].iloc[-1])])
    app.settle()
    app.click(panel.join)
    assert len(set(document.table.values_of("track", rows["id"]).tolist())) == 1
    document.select([int(rows["id"].iloc[0])])
    app.settle()
    panel.renumber.setValue(500)
    app.click(panel.number)
    assert set(document.table.values_of("track", rows["id"]).tolist()) == {500}
    assert 500 in set(_layer(app).data[:, 0].tolist())
    app.click(panel.run)  # followed again, the number stays
    assert set(document.table.values_of("track", rows["id"]).tolist()) == {500}
    for _ in range(4):
        document.undo()
    app.settle()
    assert set(document.table.values_of("track", rows["id"]).tolist()) == {track}
    assert document.undo_name == "Follow clusters"


def test_tracks_stay_when_clusters_are_searched_deleted_and_labelled(app: Any, panel: Any) -> None:
    from napari_atomicity.ui.actions import single

    document = app.document
    before = document.table
    gone = int(before.ids[3])
    app.points.selected_data = {3}
    app.points.remove_selected()
    app.settle()
    assert "follow them again" in panel.remarks.text()
    assert len(_layer(app).data) == len(before) - 1
    document.annotate([int(before.ids[0])], "Pt55")
    assert single.detect(app.workspace)
    app.idle()
    kept = document.table.ids[np.isin(document.table.ids, before.ids)]
    assert gone not in kept and len(kept) > 0.9 * len(before)
    assert np.array_equal(document.table.values_of("track", kept), before.values_of("track", kept))


def test_labels_are_proposed_by_selecting_and_given_by_nobody(app: Any, panel: Any) -> None:
    document = app.document
    rows = document.state.movie.of_track(int(document.state.movie.points["track"].value_counts().index[0]))
    document.annotate([int(rows["id"].iloc[0])], "Pt55")
    document.select([])
    app.settle()
    app.click(panel.propose)
    assert "Label them Pt55 to accept" in panel.proposal.text()
    assert document.selection <= set(rows["id"].tolist()) and len(document.selection) > 3
    assert int(document.table.labelled.sum()) == 1


def test_a_deleted_layer_stays_off_until_it_is_wanted(app: Any, panel: Any) -> None:
    app.viewer.layers.remove(_layer(app))
    app.settle()
    assert _layer(app) is None and not panel.tracks.isChecked()
    app.document.annotate([int(app.document.table.ids[0])], "Pt19")
    app.settle()
    assert _layer(app) is None
    panel.tracks.click()
    app.settle()
    assert _layer(app) in app.viewer.layers
    app.document.undo()
    app.document.undo()
    app.settle()
    assert _layer(app) is None and not panel.chart.isVisible()
    app.document.redo()
    app.settle()
    assert _layer(app) in app.viewer.layers


def test_what_is_typed_is_kept_and_nonsense_changes_nothing(app: Any, panel: Any) -> None:
    def enter(line: Any, text: str) -> None:
        line.setText(text)
        line.setModified(True)
        line.editingFinished.emit()
        app.settle()

    enter(panel.dose, "2,5e3")
    assert app.document.options.movie.dose_per_frame == 2500 and "e/nm²" in panel.numbers.text()
    enter(panel.dose, "many")
    assert app.document.options.movie.dose_per_frame == 2500 and panel.dose.text() == "2500"
    enter(panel.reach, "-3")
    assert "impossible" in app.notes[-1] and panel.reach.text() == "1"
    enter(panel.dose, "")
    assert app.document.options.movie.dose_per_frame is None
    enter(panel.reach, "0.8")
    assert "other settings" in panel.remarks.text()


@pytest.mark.slow
def test_time_and_dose_of_the_file_hold_until_a_person_says_otherwise(app: Any, counted: Any) -> None:
    panel = app.panel("Movie")
    told = {"frame_time_s": 0.25, "dwell_time_s": 2e-6, "beam_current_a": 1e-12}
    micrograph = replace(counted.micrograph, metadata=told)
    app.lay_out(micrograph, replace(counted, micrograph=micrograph))
    assert panel.seconds.text() == "" and panel.seconds.placeholderText() == "0.25 from the file"
    app.click(panel.run)
    movie = app.document.state.movie
    assert movie.settings.seconds_per_frame == 0.25 and panel.chart.axes.getAxis("bottom").labelText == "dose (e/nm²)"
    assert "electrons per nm²" not in panel.remarks.text() and "e/nm²" in panel.numbers.text()
    panel.dose.setText("40")
    panel.dose.setModified(True)
    panel.dose.editingFinished.emit()
    app.settle()
    assert app.document.options.movie.dose_per_frame == 40
    app.click(panel.run)
    assert app.document.state.movie.settings.dose_per_frame == 40
    panel.dose.setText("")
    panel.dose.setModified(True)
    panel.dose.editingFinished.emit()
    app.settle()
    assert panel.dose.placeholderText().endswith("from the file") and app.document.options.movie.dose_per_frame is None


def test_means_are_an_image_of_their_own(app: Any, panel: Any) -> None:
    panel.many.setValue(4)
    app.click(panel.means)
    assert app.document.micrograph.name == "movie, means of 4" and app.document.micrograph.n_frames == 3
    assert np.isfinite(app.document.micrograph.frame(0)).all()
    assert app.document.micrograph.pixel_size_nm == pytest.approx(app.documents[0].micrograph.pixel_size_nm)


def test_a_saved_project_brings_all_of_it_back(app: Any, panel: Any, tmp_path: Path) -> None:
    from napari_atomicity.progress import drain
    from napari_atomicity.project import open_steps

    document = app.document
    document.set_options(movie=replace(document.options.movie, dose_per_frame=100.0))
    path = tmp_path / "movie.atomicity"
    app.context.project.save(path)
    app.idle()
    (image,) = drain(open_steps(path)).images
    movie, now = image.steps[image.now].state.movie, document.state.movie
    for name in ("points", "graph", "events", "edits"):
        assert getattr(movie, name).equals(getattr(now, name)), name
    assert np.array_equal(movie.shifts_px, now.shifts_px, equal_nan=True) and movie.settings == now.settings
    assert movie.rates.keys() == now.rates.keys() and movie.remarks == now.remarks
    assert image.options.movie == document.options.movie
    assert image.steps[image.now].state.table.rows["track"].equals(document.table.rows["track"])


def test_files_are_written_and_written_again(app: Any, panel: Any, tmp_path: Path) -> None:
    from napari_atomicity.ui.actions import movie

    for _ in range(2):
        paths = movie.save(app.workspace, tmp_path)
    assert [path.name for path in paths] == [
        "movie.tracks.csv", "movie.events.csv", "movie.tracks.geff", "movie.tracks.png",
    ]  # fmt: skip
    assert all(path.exists() for path in paths)


def test_the_image_may_be_closed_while_its_clusters_are_followed(app: Any, counted: Any) -> None:
    panel = app.panel("Movie")
    layer = app.lay_out(counted.micrograph, counted)
    app.click_on(panel.run)
    app.viewer.layers.select_all()
    app.stop()
    app.viewer.layers.remove(layer)
    app.settle()
    assert not panel.chart.isVisible() and "Open a stack" in panel.remarks.text()
