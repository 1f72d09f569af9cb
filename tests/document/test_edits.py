"""Edits by hand are functions from table to table; none of them may lose what a person entered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.document import edits
from napari_atomicity.document.document import Document
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import Count
from napari_atomicity.pipeline.adaptation import AppliedAdaptation
from napari_atomicity.ui.layers.places import compare


def table(n: int = 5) -> ClusterTable:
    places = np.arange(n) * 10.0 + 5
    made = ClusterTable.from_columns(
        {
            "y_px": places,
            "x_px": places,
            "y_nm": places * 0.1,
            "x_nm": places * 0.1,
            "diameter_nm": np.full(n, 1.0),
            "intensity": np.full(n, 50.0),
        }
    )
    values = {"label": ["Pt19"] * n, "confidence": [0.9] * n, "p_19": [0.9] * n, "p_30": [0.1] * n}
    return made.with_predictions((19, 30), values)


def test_a_moved_cluster_keeps_id_and_annotation_and_loses_what_was_computed() -> None:
    before = table().annotate([2], "Pt30")
    after = edits.move(before, [2], np.array([[0.0, 99.0, 98.0]]), 0.1)
    row = after.rows.set_index("id").loc[2]
    assert (row["y_px"], row["x_px"], row["y_nm"]) == (99.0, 98.0, pytest.approx(9.9))
    assert row["annotation"] == "Pt30"
    assert row["label"] == ""
    assert np.isnan(row["p_19"])
    assert 2 in after.hand_placed
    assert after.rows.drop(index=2).equals(before.rows.drop(index=2))


def test_clusters_that_are_gone_meanwhile_are_passed_over() -> None:
    before = table()
    places = np.array([[0.0, 1.0, 2.0], [0.0, 5.0, 6.0]])
    after = edits.move(before, [9, 2], places, 0.1)
    assert after.ids.tolist() == before.ids.tolist() and after.hand_placed == before.hand_placed | {2}
    assert after.places[2].tolist() == [0.0, 5.0, 6.0] and len(after.removed) == len(before.removed) + 1
    assert after.rows.drop(index=2).equals(before.rows.drop(index=2))
    measured = {"diameter_nm": np.array([9.0]), "intensity": np.array([9.0]), "flag": np.array(["ok"], dtype=object)}
    assert edits.measure(before, [9], measured).rows.equals(before.rows)


def test_placed_clusters_get_fresh_ids_even_after_deletions() -> None:
    after = edits.place(table().drop([4]), np.array([[0.0, 1.0, 2.0]]), None)
    assert after.ids.tolist() == [0, 1, 2, 3, 5]
    assert np.isnan(after.rows["y_nm"].iloc[-1])


def test_rescaling_changes_lengths_linearly_and_areas_quadratically_and_drops_predictions() -> None:
    after = edits.rescale(table().annotate([0], "Pt19"), 0.1, 0.2)
    assert np.allclose(after.rows["diameter_nm"], 2.0)
    assert np.allclose(after.rows["intensity"], 200.0)
    assert np.allclose(after.rows["y_nm"], after.rows["y_px"] * 0.2)
    assert (after.rows["label"] == "").all()
    assert after.rows["annotation"].iloc[0] == "Pt19"


def test_what_a_person_did_while_work_ran_goes_on_top_of_its_result() -> None:
    before = table()
    now = before.annotate([0], "Pt30").drop([1])
    now = edits.move(now, [2], np.array([[0.0, 70.0, 71.0]]), 0.1)
    now = edits.place(now, np.array([[0.0, 80.0, 81.0]]), 0.1).annotate([5], "Pt19")
    result = before.with_columns(label=["Pt30"] * 5)
    done = edits.rebase(result, before, now, 0.1).rows.set_index("id")
    assert sorted(done.index) == [0, 2, 3, 4, 5]
    assert done.at[0, "annotation"] == "Pt30"
    assert done.at[0, "label"] == "Pt30"
    assert (done.at[2, "y_px"], done.at[2, "label"]) == (70.0, "")
    assert (done.at[5, "y_px"], done.at[5, "annotation"]) == (80.0, "Pt19")


@pytest.mark.parametrize("how", ["bulk cut from the front", "copied id", "moved", "reordered"])
def test_points_keep_their_identity_however_the_layer_was_changed(how: str) -> None:
    known = np.column_stack([np.zeros(4), np.arange(4.0), np.arange(4.0)])
    ids = np.array([3, 5, 7, 9])
    if how == "bulk cut from the front":  # napari leaves the features on the wrong points
        added, moved, deleted = compare(known[2:], ids[:2], known, ids)
        assert (len(added), moved, deleted) == (0, {}, [3, 5])
    elif how == "copied id":  # a new point carries the features of the last one
        places = np.vstack([known, [[0, 8, 8]]])
        added, moved, deleted = compare(places, np.append(ids, 9), known, ids)
        assert (added.tolist(), moved, deleted) == ([4], {}, [])
    elif how == "moved":
        places = known.copy()
        places[1] = [0, 20, 20]
        added, moved, deleted = compare(places, ids, known, ids)
        assert (len(added), moved, deleted) == (0, {5: 1}, [])
    else:
        order = [2, 0, 3, 1]
        added, moved, deleted = compare(known[order], ids[order], known, ids)
        assert (len(added), moved, deleted) == (0, {}, [])


def test_history_goes_back_and_forth_over_200_steps() -> None:
    document = Document(Micrograph(np.zeros((8, 8)), 0.1))
    document.commit("Find clusters", table(3))
    for i in range(250):
        document.annotate([i % 3], f"Pt{i + 1}")
    last = document.table
    for _ in range(250):
        document.undo()
    assert document.undo_name == "Find clusters"
    assert (document.table.rows["annotation"] == "").all()
    for _ in range(250):
        document.redo()
    assert document.table is last
    document.undo()
    document.annotate([0], "other")
    assert document.redo_name == ""


def test_undoing_the_adaptation_keeps_later_annotations() -> None:
    document = Document(Micrograph(np.zeros((100, 100)), 0.1))
    base = Count(table(), None, None, {})
    after = Count(table().with_columns(label=["Pt30"] * 5, source=["adapted"] * 5), None, None, {})
    adapted = AppliedAdaptation(None, "base", base, base, after, pd.DataFrame())
    # in one step with the search, as the main button does it
    document.commit("Analyse", after.table, bundle="adapted", count=after, offered=after, adaptation=adapted)
    document.annotate([1], "other")
    document.undo_adaptation()
    assert document.table.rows["label"].tolist() == ["Pt19"] * 5
    assert document.table.rows["annotation"].tolist() == ["", "other", "", "", ""]
    assert (document.state.bundle, document.state.adaptation) == ("base", None)
    document.undo()
    assert document.state.bundle == "adapted" and document.state.applied is adapted


def test_what_was_refused_is_kept_with_the_count_and_is_no_step() -> None:
    document = Document(Micrograph(np.zeros((100, 100)), 0.1))
    base = Count(table(), None, None, {})
    document.commit("Classify", base.table, bundle="base", count=base, offered=base)
    refused = AppliedAdaptation(None, "base", base, base, None, pd.DataFrame())
    document.amend(adaptation=refused)
    assert document.history == ["Classify"] and document.state.adaptation is refused
    assert document.state.applied is None and refused.changed == (0, 5)
    document.undo_adaptation()
    assert document.history == ["Classify"]
