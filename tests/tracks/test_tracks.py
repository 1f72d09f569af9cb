"""Clusters that are followed: links, merges, splits, losses, counts over time, and what a person does to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.movies import MovieSettings, cut, follow, joined, proposals, relabelled
from napari_atomicity.movies.export import edges_of, track_table, write_geff
from napari_atomicity.movies.linking import renumbered
from napari_atomicity.movies.saved import fits_together
from napari_atomicity.movies.smoothing import smoothed
from seeds import seeded

from .simulated_tables import PIXEL_NM, SHAPE, Told, followed


def _kinds(movie: object) -> list[str]:
    return list(movie.events["kind"])  # type: ignore[attr-defined]


def test_two_that_pass_each_other_are_told_apart_by_their_atoms() -> None:
    told = Told.empty()
    told.cluster(range(20), (10.0, 8.0), 19, (0.0, 0.2)).cluster(range(20), (10.6, 12.0), 70, (0.0, -0.2))
    movie = followed(told.table(seeded(1)), 20)
    assert len(movie.tracks) == 2 and not len(movie.events)
    for number in movie.tracks:
        assert movie.of_track(number)["n_atoms"].std() < 10 and len(movie.of_track(number)) == 20


def test_a_merge_keeps_its_atoms_and_one_that_vanishes_beside_another_is_none() -> None:
    told = Told.empty()
    told.cluster(range(10), (10.0, 8.0), 30, (0.0, 0.15)).cluster(range(10), (10.0, 11.0), 41, (0.0, -0.1))
    told.cluster(range(10, 24), (10.0, 9.8), 71)
    # beside the second, which stays as it was, the third vanishes
    told.cluster(range(24), (18.0, 18.0), 55).cluster(range(12), (18.0, 19.6), 30)
    movie = followed(told.table(seeded(2)), 24)
    assert _kinds(movie) == ["merge", "loss"]
    merge = movie.events.iloc[0]
    assert merge["frame"] == 10 and merge["atoms_before"] == pytest.approx(71, rel=0.15)
    assert movie.graph["child"].nunique() == 1 and len(movie.graph) == 2
    assert movie.events.iloc[1]["atoms_after"] == 0 and movie.events.iloc[1]["frame"] == 12


def test_a_split_is_a_merge_seen_backwards() -> None:
    told = Told.empty()
    told.cluster(range(10), (10.0, 9.8), 70)
    told.cluster(range(10, 24), (10.0, 9.0), 40, (0.0, -0.1)).cluster(range(10, 24), (10.0, 10.8), 30, (0.0, 0.1))
    movie = followed(told.table(seeded(3)), 24)
    assert _kinds(movie) == ["split"]
    assert movie.graph["parent"].nunique() == 1 and movie.graph["child"].nunique() == 2


def test_atoms_that_do_not_add_up_make_no_merge() -> None:
    told = Told.empty()
    told.cluster(range(10), (10.0, 8.0), 30, (0.0, 0.15)).cluster(range(10), (10.0, 11.0), 41, (0.0, -0.1))
    told.cluster(range(10, 24), (10.0, 9.8), 120)
    assert "merge" not in _kinds(followed(told.table(seeded(4)), 24))


def test_a_loss_of_atoms_is_told_with_its_frame_and_numbers() -> None:
    atoms = [55.0] * 12 + [36.0] * 12
    movie = followed(Told.empty().cluster(range(24), (10.0, 10.0), atoms).table(seeded(5)), 24)
    (event,) = movie.events.to_dict("records")
    assert event["kind"] == "loss" and abs(event["frame"] - 12) <= 1
    assert event["atoms_before"] == pytest.approx(55, rel=0.1) and event["atoms_after"] == pytest.approx(36, rel=0.1)
    assert len(movie.tracks) == 1


def test_what_is_cut_off_at_the_rim_neither_comes_nor_goes() -> None:
    told = Told.empty().cluster(range(12), (3.0, 10.0), 40, (-0.22, 0.0)).cluster(range(24), (12.0, 12.0), 40)
    assert not len(followed(told.table(seeded(6)), 24).events)


def test_one_that_is_missed_for_a_while_is_the_same() -> None:
    told = Told.empty().cluster(range(8), (10.0, 10.0), 12).cluster(range(15, 24), (10.3, 10.2), 12)
    movie = followed(told.table(seeded(7)), 24)
    assert len(movie.tracks) == 1 and not len(movie.events)


def test_a_cluster_that_is_found_again_after_a_while_and_then_merges() -> None:
    told = Told.empty().cluster(range(5), (10.0, 8.0), 30)
    told.cluster(range(12, 18), (10.0, 8.2), 30, (0.0, 0.15)).cluster(range(18), (10.0, 10.8), 41)
    told.cluster(range(18, 30), (10.0, 9.9), 71)
    movie = followed(told.table(seeded(2)), 30)
    assert _kinds(movie) == ["merge"] and set(movie.graph["parent"]) < set(movie.tracks)


def test_a_jump_is_told() -> None:
    told = Told.empty().cluster(range(10), (10.0, 10.0), 40).cluster(range(10, 20), (10.0, 10.85), 40)
    told.cluster(range(20), (18.0, 18.0), 30)
    movie = followed(told.table(seeded(8)), 20)
    assert _kinds(movie) == ["jump"] and movie.events.iloc[0]["frame"] == 10


def test_a_track_is_counted_better_than_a_frame_and_says_how_well() -> None:
    rng = np.random.default_rng(seeded(9))
    truth = np.repeat([[50.0], [30.0], [70.0], [19.0]], 10, axis=0)
    counts = truth * (1 + 0.08 * rng.standard_normal((len(truth), 10)))
    smooth, rates = smoothed(list(counts), [0.08 * each for each in counts])
    off = np.array([one.atoms for one in smooth]) / truth - 1
    assert np.sqrt(np.mean(off**2)) < 0.6 * np.sqrt(np.mean((counts / truth - 1) ** 2))
    assert rates.spread == pytest.approx(1.0, abs=0.2)
    z = (np.array([one.atoms for one in smooth]) - truth) / np.array([one.atoms_sd for one in smooth])
    assert 0.5 < np.sqrt(np.mean(z**2)) < 2.0


def test_errors_that_last_for_some_frames_are_no_atoms_that_come_and_go() -> None:
    rng = np.random.default_rng(seeded(13))
    truth = np.repeat([50.0, 30.0, 70.0, 19.0], 8)[:, None]
    off = np.zeros((len(truth), 60))
    for at in range(1, 60):  # as of clusters that keep their shape for four frames
        off[:, at] = 0.75 * off[:, at - 1] + 0.03 * rng.standard_normal(len(truth))
    counts = truth * (1 + off)
    counts[0, 30:] *= 0.7
    smooth, rates = smoothed(list(counts), [0.08 * each for each in counts])
    steady = np.array([one.atoms for one in smooth[1:]])
    assert rates.lasting > 2 and rates.rise < 0.004
    assert (np.ptp(steady, axis=1) / truth[1:, 0] < 0.05).mean() > 0.8
    assert smooth[0].atoms[20] == pytest.approx(50, rel=0.1) and smooth[0].atoms[40] == pytest.approx(35, rel=0.1)
    assert smooth[0].chance[28:33].sum() > 0.8


def test_errors_of_each_frame_alone_are_taken_as_such() -> None:
    rng = np.random.default_rng(seeded(14))
    counts = 50 * (1 + 0.05 * rng.standard_normal((30, 40)))
    _, rates = smoothed(list(counts), [0.08 * each for each in counts])
    assert rates.lasting < 1.7


def test_a_merge_is_told_in_its_frame_and_each_frame_has_the_atoms_of_its_side() -> None:
    told = Told.empty()
    told.cluster(range(14), (10.0, 8.4), 30, (0.0, 0.05)).cluster(range(16), (10.0, 10.2), 41, (0.0, -0.02))
    told.cluster(range(16, 40), (10.0, 9.6), 71)  # the smaller one was not found in the last frames before
    movie = followed(told.table(seeded(15), noise=0.03), 40)
    assert _kinds(movie) == ["merge"] and movie.events["frame"].iloc[0] == 16
    points = movie.points[movie.points["n_atoms"] > 34]
    assert (points["atoms"] / points["n_atoms"] - 1).abs().max() < 0.2


def test_counts_of_a_cluster_that_touches_another_enter_and_those_of_one_cut_off_do_not() -> None:
    rows = Told.empty().cluster(range(30), (10.0, 10.0), [80.0] * 2 + [40.0] * 28).table(seeded(16))
    late = rows["frame"] >= 2
    touching = followed(rows.assign(sizeable=~late), 30)
    assert touching.points.set_index("frame")["atoms"][20] == pytest.approx(40, rel=0.15)
    rows = Told.empty().cluster(range(30), (10.0, 10.0), [80.0] * 10 + [40.0] * 20).table(seeded(16))
    late = rows["frame"] >= 10
    cut_off = followed(rows.assign(sizeable=~late, cut_off=late), 30)
    assert cut_off.points.set_index("frame")["atoms"][20] == pytest.approx(80, rel=0.1)


def test_a_cluster_walks_on_while_a_frame_is_left_out() -> None:
    rows = Told.empty().cluster(range(12), (10.0, 10.0), 40).cluster(range(13, 25), (10.0, 11.2), 40).table(seeded(17))
    shifts = np.zeros((25, 2))
    shifts[12] = np.nan
    movie = follow(rows, MovieSettings(), shifts, SHAPE, PIXEL_NM)
    assert len(movie.tracks) == 1 and not {"loss", "arrival"} & set(_kinds(movie))
    # with no frame between them it is another cluster
    rows["frame"] -= rows["frame"] > 12
    assert len(followed(rows, 24).tracks) == 2


def test_what_all_frames_share_stays_in_the_error_of_a_track() -> None:
    rng = np.random.default_rng(seeded(10))
    counts = [50 * (1 + 0.02 * rng.standard_normal(30)) for _ in range(20)]
    smooth, rates = smoothed(counts, [np.full(30, 5.0)] * 20)
    assert rates.spread < 0.35
    assert smooth[0].atoms_sd.mean() > 4.0


def test_the_rate_of_losses_is_found_with_its_interval() -> None:
    told = Told.empty()
    places = [(y, x) for y in (4.0, 9.0, 14.0, 19.0) for x in (4.0, 9.0, 14.0, 19.0)]
    for place in places:
        told.cluster(range(40), place, np.linspace(60, 50, 40))
    movie = followed(told.table(seeded(11)), 40, dose_per_frame=1000.0)
    rates = movie.rates
    assert rates["loss_per_frame_low"] < 10 / 39 < rates["loss_per_frame_high"]
    assert rates["loss_share_per_dose"] == pytest.approx(10 / 39 / 55 / 1000, rel=0.25)


def _pair() -> pd.DataFrame:
    """Two stretches so far apart in time that nothing links them, and one that goes on."""
    told = Told.empty().cluster(range(6), (10.0, 10.0), 40).cluster(range(19, 26), (10.0, 10.0), 40)
    return told.cluster(range(26), (18.0, 18.0), 30).table(seeded(12))


def test_joined_and_cut_by_a_person_and_followed_again() -> None:
    rows = _pair()
    movie = followed(rows, 26)
    assert len(movie.tracks) == 3
    early, late, whole = _numbers(movie, rows)
    edits = joined(movie, late, early)
    again = followed(rows.assign(track=_tracks(movie, rows)), 26, edits)
    assert len(again.tracks) == 2 and {early, late} & set(again.tracks)
    edits = cut(again, whole, 13)
    parts = followed(rows.assign(track=_tracks(again, rows)), 26, edits)
    assert len(parts.tracks) == 3
    assert _kinds(parts) == ["arrival", "loss"]  # one vanished where another one came, says the person
    with pytest.raises(InputError, match="same frame"):
        joined(movie, early, whole)
    with pytest.raises(InputError, match="before and after"):
        cut(movie, early, 20)
    with pytest.raises(InputError, match="no track 99"):
        joined(movie, 99, whole)


def _tracks(movie: object, rows: pd.DataFrame) -> np.ndarray:  # type: ignore[type-arg]
    by_id = dict(zip(movie.points["id"], movie.points["track"], strict=True))  # type: ignore[attr-defined]
    return np.array([by_id[each] for each in rows["id"]])


def _numbers(movie: object, rows: pd.DataFrame) -> tuple[int, int, int]:
    track = _tracks(movie, rows)
    near = rows["y_px"].to_numpy() < 14 / PIXEL_NM
    early = track[near & (rows["frame"] == 0)][0]
    return int(early), int(track[near & (rows["frame"] == 20)][0]), int(track[~near][0])


def test_a_number_that_a_person_gave_stays_when_it_is_followed_again() -> None:
    rows = _pair()
    movie = followed(rows, 26)
    early, late, whole = _numbers(movie, rows)
    named = relabelled(movie, whole, 77)
    assert 77 in named.tracks and whole not in named.tracks
    again = followed(rows.assign(track=_tracks(named, rows)), 26)
    assert _numbers(again, rows) == (early, late, 77)
    with pytest.raises(InputError, match="there already"):
        relabelled(movie, early, late)
    with pytest.raises(InputError, match="cannot have"):
        relabelled(movie, early, -3)


def test_numbers_follow_most_of_the_clusters() -> None:
    new = renumbered(np.array([0, 0, 0, 1, 1, 2, -1]), np.array([5, 5, -1, 5, 5, -1, 5]))
    assert new.tolist() in ([5, 5, 5, 6, 6, 7, -1], [6, 6, 6, 5, 5, 7, -1])


def test_labels_are_proposed_along_a_track_and_never_given() -> None:
    rows = Told.empty().cluster(range(24), (10.0, 10.0), [55.0] * 12 + [30.0] * 12).table(seeded(5))
    movie = followed(rows, 24)
    columns = {name: rows[name] for name in ("frame", "y_px", "x_px", "n_atoms")}
    table = ClusterTable.from_columns({**columns, "track": _tracks(movie, rows)})
    table = table.annotate([3], "Pt55")
    found = proposals(movie, table)
    assert set(found.values()) == {"Pt55"} and 9 <= len(found) <= 13 and 3 not in found
    assert int(table.labelled.sum()) == 1
    assert not proposals(movie, table.annotate([5], "Pt70"))


def test_tables_and_graph_hold_all_that_was_followed(tmp_path: Path) -> None:
    geff = pytest.importorskip("geff")
    told = Told.empty()
    told.cluster(range(10), (10.0, 8.0), 30, (0.0, 0.15)).cluster(range(10), (10.0, 11.0), 41, (0.0, -0.1))
    told.cluster(range(10, 24), (10.0, 9.8), 71)
    movie = followed(told.table(seeded(2)), 24, seconds_per_frame=2.0, dose_per_frame=100.0)
    table = track_table(movie, PIXEL_NM)
    assert table["time_s"].max() == 46 and table["dose_e_per_nm2"].max() == 2300
    assert len(edges_of(movie)) == 9 + 9 + 13 + 2
    write_geff(movie, tmp_path / "tracks.geff", PIXEL_NM)
    write_geff(movie, tmp_path / "tracks.geff", PIXEL_NM)
    assert [path.name for path in tmp_path.iterdir()] == ["tracks.geff"]
    graph, _ = geff.read(tmp_path / "tracks.geff")
    assert graph.number_of_nodes() == len(movie.points) and graph.number_of_edges() == 33
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="there already"):
        write_geff(movie, tmp_path / "other", PIXEL_NM)
    assert (tmp_path / "other" / "letter.txt").read_text() == "mine"


def test_impossible_settings_are_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match="1 nm is usual"):
        MovieSettings(reach_nm=0)
    with pytest.raises(InputError, match="above zero"):
        MovieSettings(dose_per_frame=-1)
    with pytest.raises(InputError, match="one frame"):
        followed(_pair(), 1)
    with pytest.raises(InputError, match="no cluster"):
        followed(_pair()[:0], 5)


def test_clusters_that_were_not_counted_are_followed_by_place_and_nothing_is_said_of_their_atoms() -> None:
    rows = _pair()
    rows["n_atoms"] = np.nan
    movie = followed(rows, 26)
    assert len(movie.tracks) == 3 and movie.points["atoms"].isna().all()
    assert not {"merge", "split"} & set(_kinds(movie))


def test_half_a_table_of_holes_is_no_fault() -> None:
    rows = _pair()
    rows.loc[rows["frame"] == 3, "n_atoms"] = np.nan
    rows.loc[[2, 5], "n_atoms_sd"] = np.nan
    rows.loc[[4], "diameter_nm"] = np.nan
    rows.loc[[6], "n_atoms"] = 0.0
    assert len(followed(rows[~rows["frame"].isin([8, 9, 10])], 30).tracks) == 3


def test_a_saved_movie_that_runs_in_a_circle_or_names_no_tracks_is_not_believed() -> None:
    told = Told.empty()
    told.cluster(range(10), (10.0, 8.0), 30, (0.0, 0.15)).cluster(range(10), (10.0, 11.0), 41, (0.0, -0.1))
    told.cluster(range(10, 24), (10.0, 9.8), 71)
    movie = followed(told.table(seeded(2)), 24)
    assert fits_together(movie)
    turned = movie.graph.rename(columns={"child": "parent", "parent": "child"})[["child", "parent"]]
    assert not fits_together(replace(movie, graph=turned))
    assert not fits_together(replace(movie, events=movie.events.assign(before="one")))
    assert not fits_together(replace(movie, points=movie.points.assign(frame=99)))
