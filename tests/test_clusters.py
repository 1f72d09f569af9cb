"""What a person entered is never lost, whatever is detected, classified, added or deleted in whatever order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from napari_atomicity.clusters import COLUMNS, FLAGS, SIZEABLE, ClusterTable, class_sizes_of, columns
from napari_atomicity.errors import InputError
from seeds import examples

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
TestCuration.settings = settings(max_examples=examples(60), stateful_step_count=15, deadline=None)


@given(places=_places)
@settings(deadline=None, max_examples=examples(50))
def test_detecting_the_same_again_changes_nothing(places: list[tuple[float, float, int]]) -> None:
    first = ClusterTable.empty().redetected(found(places), TOLERANCE)
    again = first.redetected(found(places), TOLERANCE)
    pd.testing.assert_frame_equal(first.rows, again.rows)


@given(shift=st.tuples(*[st.floats(-1, 1)] * 2))
@settings(deadline=None, max_examples=examples(30))
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


# ---------------------------------------------------------------------- reading some of its clusters


@st.composite
def tables(draw: st.DrawFn) -> ClusterTable:
    """A table of up to eight clusters whose ids stand in any order, some labelled, some placed by a person."""
    ids = draw(st.lists(st.integers(0, 20), max_size=8, unique=True))

    def each(values: st.SearchStrategy[object]) -> list[object]:
        return draw(st.lists(values, min_size=len(ids), max_size=len(ids)))

    table = ClusterTable.from_columns(
        {
            "id": ids,
            "y_px": each(st.floats(0, 60)),
            "x_px": each(st.floats(0, 60)),
            "frame": each(st.integers(0, 3)),
            "annotation": each(st.sampled_from(["", "Pt19", "other"])),
            "flag": each(st.sampled_from(FLAGS)),
        },
        draw(st.sampled_from([(), (19, 30)])),
    )
    by_hand = draw(st.frozensets(st.sampled_from(ids))) if ids else frozenset()
    return ClusterTable(table.rows, table.class_sizes, table.next_id, by_hand)


_any_ids = st.lists(st.integers(0, 25), max_size=12)


@given(table=tables(), ids=_any_ids)
@settings(deadline=None, max_examples=examples(100))
def test_rows_are_found_for_ids_in_any_order_and_none_for_those_that_are_missing(
    table: ClusterTable, ids: list[int]
) -> None:
    known = table.ids.tolist()
    expected = [known.index(each) if each in known else -1 for each in ids]
    for given_as in (ids, tuple(ids), np.array(ids, dtype=np.int64), pd.Series(ids, dtype=np.int64)):
        rows = table.rows_of(given_as)
        assert rows.dtype == np.int64 and rows.tolist() == expected
    assert [table.row_of(each) for each in ids] == [None if row < 0 else row for row in expected]


@given(table=tables(), ids=_any_ids)
@settings(deadline=None, max_examples=examples(60))
def test_values_of_missing_clusters_are_neutral(table: ClusterTable, ids: list[int]) -> None:
    for name, column in table.columns.items():
        there = dict(zip(table.ids.tolist(), table.rows[name], strict=True))
        values = table.values_of(name, ids)
        assert values.dtype == column.dtype
        np.testing.assert_array_equal(
            values, np.array([there.get(each, column.neutral) for each in ids], dtype=column.dtype)
        )


@given(table=tables())
@settings(deadline=None, max_examples=examples(60))
def test_what_is_asked_of_every_cluster_is_said_in_row_order(table: ClusterTable) -> None:
    rows = table.rows.to_dict("records")
    assert table.places.tolist() == [[float(row["frame"]), row["y_px"], row["x_px"]] for row in rows]
    assert table.centres_px.tolist() == [[row["y_px"], row["x_px"]] for row in rows]
    assert table.places.shape == (len(table), 3) and table.centres_px.shape == (len(table), 2)
    expected = {
        "labelled": [bool(row["annotation"]) for row in rows],
        "sizeable": [row["flag"] in SIZEABLE for row in rows],
        "placed": [row["id"] in table.hand_placed for row in rows],
    }
    for name, each in expected.items():
        values = getattr(table, name)
        assert values.dtype == bool and values.tolist() == each, name


@given(table=tables(), data=st.data())
@settings(deadline=None, max_examples=examples(60))
def test_some_clusters_are_taken_by_row_or_by_choice(table: ClusterTable, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(table))))
    rows = np.array(order[: data.draw(st.integers(0, len(table)))], dtype=np.int64)
    some = table.take(rows)
    assert some.ids.tolist() == table.ids[rows].tolist() and list(some.rows.index) == list(range(len(rows)))
    assert (some.next_id, some.hand_placed, some.class_sizes) == (table.next_id, table.hand_placed, table.class_sizes)
    chosen = np.isin(np.arange(len(table)), rows)
    pd.testing.assert_frame_equal(table.take(chosen).rows, table.take(np.sort(rows)).rows)


@given(table=tables(), ids=st.lists(st.integers(0, 25), max_size=12, unique=True))
@settings(deadline=None, max_examples=examples(60))
def test_new_values_reach_the_clusters_they_are_meant_for_and_no_others(table: ClusterTable, ids: list[int]) -> None:
    diameters = {each: 0.1 * each for each in ids}
    new = table.with_values(ids, {"diameter_nm": list(diameters.values()), "flag": "border"})
    for number, diameter, flag in zip(new.ids.tolist(), new.rows["diameter_nm"], new.rows["flag"], strict=True):
        old = table.rows.iloc[table.row_of(number)]
        np.testing.assert_array_equal(diameter, diameters.get(number, old["diameter_nm"]))
        assert flag == ("border" if number in diameters else old["flag"])
    others = [name for name in table.rows.columns if name not in ("diameter_nm", "flag")]
    pd.testing.assert_frame_equal(new.rows[others], table.rows[others])
    labels = [f"Pt{each}" for each in ids]
    assert table.annotate(ids, labels).values_of("annotation", new.ids).tolist() == [
        f"Pt{number}" if number in ids else annotation
        for number, annotation in zip(table.ids.tolist(), table.rows["annotation"], strict=True)
    ]


def test_an_empty_table_answers_everything() -> None:
    table = ClusterTable.empty((19,))
    assert table.rows_of([3, 1]).tolist() == [-1, -1] and table.rows_of([]).tolist() == []
    assert table.row_of(0) is None and table.values_of("annotation", [5]).tolist() == [""]
    assert not len(table.labelled) and not len(table.sizeable) and not len(table.placed)
    assert table.places.shape == (0, 3) and table.final_labels.shape == (0,)
    assert len(table.with_values([1], {"flag": "border"})) == 0


def test_what_is_said_of_a_column_holds_in_every_table() -> None:
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)
    for sizes in ((), (19,), (70, 19, 1000)):
        table = ClusterTable.from_columns({"id": [4, 2]}, sizes)
        assert class_sizes_of(table.rows) == sizes and tuple(table.columns) == columns(sizes)
        for name, column in table.columns.items():
            assert table.rows[name].dtype == column.dtype, name
            if column.origin != "identity":
                np.testing.assert_array_equal(table.rows[name], np.full(2, column.neutral, dtype=column.dtype))
    assert class_sizes_of(["p_", "p_x", "ap_3", "p_3.5", "p_-1", "y_px"]) == ()
