"""Two people worked on the same image: what is new is added, and nobody is overruled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.project import merge, resolve
from seeds import examples

from .saved_images import edited, table_of

SIZE = 0.05


def grid(n: int = 6) -> ClusterTable:
    """Clusters 100 px apart, so that none is taken for another."""
    places = 100.0 * np.arange(n)
    return ClusterTable.from_columns({"y_px": places, "x_px": places, "diameter_nm": np.full(n, 1.0)})


def test_new_clusters_and_labels_are_added() -> None:
    start = grid()
    mine = start.annotate([0], "Pt19")
    theirs = start.annotate([1], "Pt30").add({"frame": [0], "y_px": [50.0], "x_px": [350.0], "annotation": ["Pt55"]})
    done = merge(mine, theirs, SIZE)
    rows = done.table.rows
    assert (done.added, done.labelled, done.conflicts) == (1, 1, ())
    assert rows["annotation"].tolist() == ["Pt19", "Pt30", "", "", "", "", "Pt55"]
    assert rows["y_nm"].iloc[-1] == pytest.approx(2.5) and done.table.hand_placed == {6}
    assert "1 cluster and 1 label added" in done.sentence


def test_a_search_of_their_own_adds_what_mine_missed_as_found_not_placed() -> None:
    done = merge(grid(4), grid(6), SIZE)
    assert done.added == 2 and done.table.hand_placed == frozenset()


def test_clusters_are_the_same_by_place_not_by_number() -> None:
    mine = grid()
    theirs = ClusterTable.from_columns({"y_px": mine.rows["y_px"][::-1] + 3, "x_px": mine.rows["x_px"][::-1] - 3})
    done = merge(mine, theirs.annotate([0], "Pt70"), SIZE)
    assert done.added == 0 and done.table.rows["annotation"].tolist() == ["", "", "", "", "", "Pt70"]


def test_conflicts_are_listed_and_mine_stays_until_decided() -> None:
    start = grid()
    mine = start.annotate([0], "Pt19").annotate([2], "Pt41").drop([1])
    theirs = start.annotate([0], "Pt30").annotate([1], "Pt55").drop([2, 3])
    done = merge(mine, theirs, SIZE)
    assert [(one.kind, one.mine, one.theirs) for one in done.conflicts] == [
        ("label", "Pt19", "Pt30"),
        ("deleted here", "", "Pt55"),
        ("deleted there", "Pt41", ""),
        ("deleted there", "", ""),
    ]
    kept = done.table.rows.set_index("id")
    assert kept.at[0, "annotation"] == "Pt19" and kept.at[2, "annotation"] == "Pt41" and 1 not in kept.index
    table = done.table
    for conflict in done.conflicts:
        assert conflict.sentence.count("\n") == 0
        table = resolve(table, conflict, SIZE)
    rows = table.rows
    assert sorted(rows["annotation"]) == ["", "", "Pt30", "Pt55"]
    assert len(table.removed) == 2  # theirs; what came back is no longer deleted


def test_another_pixel_size_there_is_taken_into_account() -> None:
    theirs = grid().add({"frame": [0], "y_px": [50.0], "x_px": [350.0], "diameter_nm": [1.0], "intensity": [10.0]})
    done = merge(grid(), theirs, 0.05, 0.1)
    row = done.table.rows.iloc[-1]
    assert (row["y_nm"], row["diameter_nm"], row["intensity"]) == pytest.approx((2.5, 0.5, 2.5))


def test_frames_of_a_stack_are_kept_apart() -> None:
    mine, theirs = grid(2), grid(2).with_columns(frame=[0, 1]).annotate([1], "Pt19")
    done = merge(mine, theirs, SIZE)
    assert done.added == 1 and done.table.rows["frame"].tolist() == [0, 0, 1]


edits = st.lists(st.integers(0, 200), max_size=15)


@settings(max_examples=examples(40), deadline=None)
@given(edits, edits)
def test_merging_never_takes_anything_of_mine_away_and_twice_is_once(here: list[int], there: list[int]) -> None:
    start = table_of(12)
    mine, theirs = start, start
    for at in here:
        mine = edited(mine, at) if len(mine) else mine
    for at in there:
        theirs = edited(theirs, at) if len(theirs) else theirs
    done = merge(mine, theirs, SIZE)
    before, after = mine.rows.set_index("id"), done.table.rows.set_index("id")
    assert set(before.index) <= set(after.index)
    given_here = before.index[before["annotation"] != ""]
    assert (after.loc[given_here, "annotation"] == before.loc[given_here, "annotation"]).all()
    assert after.loc[before.index, ["y_px", "x_px", "label"]].equals(before[["y_px", "x_px", "label"]])
    again = merge(done.table, theirs, SIZE)
    assert (again.added, again.labelled) == (0, 0)
    itself = merge(mine, mine, SIZE)
    assert (itself.added, itself.labelled) == (0, 0)
    assert not [one for one in itself.conflicts if one.kind == "label"]
