"""What a person entered is never lost, whatever is detected, classified, added or deleted in whatever order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from napari_atomicity.clusters import ClusterTable, columns
from napari_atomicity.errors import InputError

TOLERANCE = 3.0
_places = st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60), st.integers(0, 1)), max_size=8)


def found(places: list[tuple[float, float, int]]) -> ClusterTable:
    """A detection at `places` (y, x, frame)."""
    y, x, frame = zip(*places, strict=True) if places else ((), (), ())
    return ClusterTable.from_columns({"y_px": list(y), "x_px": list(x), "frame": list(frame)})


def positions(table: ClusterTable) -> dict[int, tuple[float, float]]:
    rows = table.rows
    return {int(i): (y, x) for i, y, x in zip(rows["id"], rows["y_px"], rows["x_px"], strict=True)}


class Curation(RuleBasedStateMachine):
    """A person and a detector work on one table; `expected` is what the person may rely on."""

    def __init__(self) -> None:
        super().__init__()
        self.table = ClusterTable.empty()
        self.seen: set[int] = set()
        self.annotations: dict[int, str] = {}
        self.placed: dict[int, tuple[float, float]] = {}
        self.deleted: set[int] = set()
        self.highest = -1

    @rule(places=_places)
    def detect(self, places: list[tuple[float, float, int]]) -> None:
        before = set(self.table.ids.tolist())
        self.table = self.table.redetected(found(places), TOLERANCE)
        fresh = set(self.table.ids.tolist()) - before
        assert not fresh & self.seen, "an id was used twice"
        for _, row in self.table.rows[self.table.rows["id"].isin(fresh)].iterrows():
            place = row[["frame", "y_px", "x_px"]].to_numpy(dtype=float)
            same_frame = self.table.removed[self.table.removed[:, 0] == place[0]]
            assert not (np.hypot(*(same_frame[:, 1:] - place[1:]).T) <= TOLERANCE).any(), "a deletion came back"
        self.seen |= fresh

    @precondition(lambda self: len(self.table))
    @rule(which=st.integers(0, 100), label=st.sampled_from(["Pt19", "Pt70", "other", ""]))
    def annotate(self, which: int, label: str) -> None:
        chosen = int(self.table.ids[which % len(self.table)])
        self.table = self.table.annotate([chosen], label)
        self.annotations.pop(chosen, None)
        if label:
            self.annotations[chosen] = label

    @rule(y=st.floats(0, 60), x=st.floats(0, 60))
    def place(self, y: float, x: float) -> None:
        before = set(self.table.ids.tolist())
        self.table = self.table.add({"y_px": [y], "x_px": [x]})
        (new,) = set(self.table.ids.tolist()) - before
        assert new not in self.seen
        self.seen.add(new)
        self.placed[new] = (y, x)

    @precondition(lambda self: len(self.table))
    @rule(which=st.integers(0, 100))
    def delete(self, which: int) -> None:
        chosen = int(self.table.ids[which % len(self.table)])
        self.table = self.table.drop([chosen])
        self.deleted.add(chosen)
        self.annotations.pop(chosen, None)
        self.placed.pop(chosen, None)

    @rule()
    def classify(self) -> None:
        n = len(self.table)
        values = {"p_19": np.full(n, 0.9), "p_30": np.full(n, 0.1), "label": np.full(n, "Pt19", dtype=object)}
        self.table = self.table.with_predictions((19, 30), values)

    @rule()
    def forget_predictions(self) -> None:
        self.table = self.table.without_predictions()

    @invariant()
    def annotations_stand(self) -> None:
        rows = self.table.rows
        given_labels = rows[rows["annotation"] != ""]
        assert dict(zip(given_labels["id"], given_labels["annotation"], strict=True)) == self.annotations

    @invariant()
    def hand_placed_stay_where_they_were_put(self) -> None:
        now = positions(self.table)
        for number, place in self.placed.items():
            assert now[number] == place
        assert self.table.hand_placed == frozenset(self.placed)

    @invariant()
    def deletions_and_ids_stand(self) -> None:
        ids = self.table.ids.tolist()
        assert not self.deleted & set(ids)
        assert len(self.table.removed) == len(self.deleted)
        assert len(set(ids)) == len(ids)
        assert all(number < self.table.next_id for number in ids)
        assert self.table.next_id > self.highest
        self.highest = max([self.highest, *ids])

    @invariant()
    def the_columns_stay(self) -> None:
        assert tuple(self.table.rows.columns) == columns(self.table.class_sizes)
        assert list(self.table.rows.index) == list(range(len(self.table)))


TestCuration = Curation.TestCase
TestCuration.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)


@given(places=_places)
@settings(deadline=None, max_examples=50)
def test_detecting_the_same_again_changes_nothing(places: list[tuple[float, float, int]]) -> None:
    first = ClusterTable.empty().redetected(found(places), TOLERANCE)
    again = first.redetected(found(places), TOLERANCE)
    pd.testing.assert_frame_equal(first.rows, again.rows)


@given(shift=st.tuples(*[st.floats(-1, 1)] * 2))
@settings(deadline=None, max_examples=30)
def test_a_cluster_that_is_found_again_keeps_id_and_label_and_is_measured_anew(shift: tuple[float, float]) -> None:
    table = ClusterTable.from_columns({"y_px": [10.0, 40.0], "x_px": [10.0, 40.0], "diameter_nm": [1.0, 1.0]})
    table = table.annotate([1], "Pt55")
    new = ClusterTable.from_columns(
        {"y_px": [40 + shift[0], 10 + shift[0]], "x_px": [40 + shift[1], 10 + shift[1]], "diameter_nm": [1.3, 1.2]}
    )
    again = table.redetected(new, TOLERANCE)
    assert again.ids.tolist() == [0, 1]
    assert again.rows["annotation"].tolist() == ["", "Pt55"]
    assert again.rows["diameter_nm"].tolist() == [1.2, 1.3]


def test_frames_of_a_stack_are_kept_apart() -> None:
    table = found([(10, 10, 0)]).annotate([0], "Pt19")
    again = table.redetected(found([(10, 10, 1)]), TOLERANCE)
    assert again.ids.tolist() == [0, 1]
    assert again.rows["frame"].tolist() == [0, 1]
    assert again.rows["annotation"].tolist() == ["Pt19", ""]


def test_predictions_end_with_the_measurements_they_came_from() -> None:
    table = found([(10, 10, 0)]).with_predictions((19,), {"p_19": [1.0], "label": ["Pt19"], "confidence": [1.0]})
    again = table.redetected(found([(10, 10, 0)]), TOLERANCE)
    assert again.class_sizes == ()
    assert again.rows["label"].tolist() == [""]
    assert np.isnan(again.rows["confidence"]).all()


def test_the_annotation_counts_before_the_label() -> None:
    table = found([(1, 1, 0), (9, 9, 0)]).with_predictions((19,), {"label": ["Pt19", "Pt19"]})
    assert table.annotate([1], "Pt70").final_labels.tolist() == ["Pt19", "Pt70"]
    assert table.annotate([1], "Pt70").annotate([1], "").final_labels.tolist() == ["Pt19", "Pt19"]


def test_every_change_gives_a_new_table() -> None:
    table = found([(1, 1, 0), (9, 9, 0)])
    rows = table.rows.copy()
    table.annotate([0], "Pt19")
    table.drop([0])
    table.add({"y_px": [3.0], "x_px": [3.0]})
    table.redetected(found([]), TOLERANCE)
    pd.testing.assert_frame_equal(table.rows, rows)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ClusterTable.from_columns({"size": [1.0]}), "no column size"),
        (lambda: ClusterTable.from_columns({"id": [1, 1]}), "same id twice"),
        (lambda: ClusterTable.from_columns({"flag": ["odd"]}), "flag 'odd'"),
        (lambda: found([(1, 1, 0)]).with_columns(size=[1.0]), "no column size"),
    ],
)
def test_what_is_not_a_table_is_refused(make, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make()
