"""The review queue never jumps about, and its fair figure is fair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.opinions import Opinions, opinion_words
from napari_atomicity.counting.review import LabelAgreement, Queue, agreement, confusion, reviewed, uncertain_after
from napari_atomicity.errors import InputError
from seeds import examples, seeded

from .synthetic import CARD, SIZES, evidence_of


def counted(n: int = 12, seed: int = 0) -> ClusterTable:
    """Classified clusters of falling confidence."""
    rng = np.random.default_rng(seeded(seed))
    found = {"y_px": rng.uniform(0, 99, n), "x_px": rng.uniform(0, 99, n), "diameter_nm": np.full(n, 0.9)}
    chances = np.full((n, 5), 0.05)
    best = np.arange(n) % 5
    chances[np.arange(n), best] = np.linspace(0.9, 0.4, n)
    values = {f"p_{size}": chances[:, i] for i, size in enumerate(SIZES)}
    values |= {"label": [f"Pt{SIZES[i]}" for i in best], "confidence": chances.max(axis=1)}
    return ClusterTable.from_columns(found).with_predictions(SIZES, values)


def queue_of(table: ClusterTable, order: str = "confidence", **more) -> Queue:
    return Queue.make(Opinions.read(table, CARD), order, **more)


def test_least_confidence_comes_first_and_what_has_none_last():
    table = counted()
    confidence = table.rows["confidence"].to_numpy(copy=True)
    confidence[4] = np.nan
    queue = queue_of(table.with_columns(confidence=confidence))
    assert queue.ids == (11, 10, 9, 8, 7, 6, 5, 3, 2, 1, 0, 4)


def test_disagreement_puts_first_what_another_opinion_excludes():
    n_atoms = np.array([19, 30, 41, 55, 70, 19])
    table = counted(6)
    diameter = 0.31 * n_atoms ** (1 / 3)
    diameter[3] = 0.31 * 19 ** (1 / 3)  # the model says Pt55, the diameter Pt19
    table = table.with_columns(diameter_nm=diameter)
    # its labels are right: Pt19, Pt30, Pt41, Pt55, Pt70, Pt19; one intensity is that of Pt70
    evidence = evidence_of(np.where(np.arange(6) == 1, 70, n_atoms), 100.0, integral_sd=0.0)
    calibration = Calibration.at_scale(100.0, SIZES)
    opinions = Opinions.read(table, CARD, evidence, {0: calibration}, table.ids)
    assert Queue.make(opinions, "diameter").ids[0] == 3
    assert Queue.make(opinions, "intensity").ids[0] == 1
    said = {name: label for name, label, _ in opinion_words(opinions, 3)}
    assert said == {"model": "Pt55", "diameter": "Pt19", "intensity": "Pt55"}
    assert opinions.urgency("diameter").max() <= 1 and opinions.urgency("intensity").min() >= 0


def test_base_and_adapted_and_the_channels_are_held_against_each_other():
    from dataclasses import replace

    table = counted(10)
    base = table.with_columns(**{"p_19": table.rows["p_70"].to_numpy(), "p_70": table.rows["p_19"].to_numpy()})
    evidence = evidence_of(np.full(10, 41), 100.0)
    branch = np.zeros((10, 2, 5), np.float32)
    branch[6, 0, 0], branch[6, 1, 4] = 9, 9
    evidence = replace(evidence, branch=branch)
    opinions = Opinions.read(table, CARD, evidence, {}, table.ids, base)
    assert {*Queue.make(opinions, "adaptation").ids[:4]} == {0, 4, 5, 9}
    assert Queue.make(opinions, "channels").ids[0] == 6
    assert "intensity" not in opinions.offered(), "not calibrated: intensity has no word"


def test_an_order_that_cannot_be_had_is_refused_with_a_sentence():
    table = counted()
    for order, words in (("adaptation", "adapt first"), ("intensity", "not calibrated"), ("channels", "two channels")):
        with pytest.raises(InputError, match=words):
            queue_of(table, order)
    with pytest.raises(InputError, match="find them first"):
        Queue.make(Opinions.read(ClusterTable.empty()), "random")
    with pytest.raises(InputError, match="count the atoms first"):
        Queue.make(Opinions.read(table.without_predictions()), "confidence")
    assert queue_of(table, "listed").ids == tuple(range(12))


def test_evidence_of_clusters_that_came_and_went_stays_with_its_own():
    table = counted(6)
    evidence = evidence_of([19, 30, 41, 55, 70, 19], 100.0, integral_sd=0.0)
    later = table.drop([0, 2]).add({"y_px": [1.0], "x_px": [2.0]})
    opinions = Opinions.read(later, CARD, evidence, {0: Calibration.at_scale(100.0, SIZES)}, table.ids)
    assert opinions.labels_of("intensity").tolist() == ["Pt30", "Pt55", "Pt70", "Pt19", ""]


labels = st.sampled_from(["Pt19", "Pt55", "other", ""])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("label"), st.integers(0, 11), labels),
        st.tuples(st.just("delete"), st.integers(0, 11)),
        st.tuples(st.just("undo")),
        st.tuples(st.just("add")),
        st.tuples(st.just("count again")),
    ),
    max_size=30,
)


@settings(max_examples=examples(60), deadline=None)
@given(steps, st.sampled_from(["confidence", "random", "listed", "diameter"]))
def test_whatever_is_done_meanwhile_the_order_stays(todo, order):
    table = counted()
    queue = queue_of(table, order)
    history = [table]
    at = queue.step(table, None)
    for what, *how in todo:
        if what == "label":
            history.append(table.annotate([how[0]], how[1]))
        elif what == "delete":
            history.append(table.drop([how[0]]))
        elif what == "add":
            history.append(table.add({"y_px": [1.0], "x_px": [2.0]}))
        elif what == "count again":
            history.append(table.with_columns(confidence=table.rows["confidence"].to_numpy()[::-1]))
        elif len(history) > 1:
            history.pop()
        table = history[-1]
        present = queue.present(table)
        assert present == [i for i in queue.ids if i in set(table.ids)]
        ahead = queue.step(table, at)
        place = queue.ids.index(at)
        assert ahead == next((i for i in present if queue.ids.index(i) > place), None)
        free = queue.step(table, at, unreviewed=True)
        assert free is None or (free not in reviewed(table) and queue.ids.index(free) > place)
        at = ahead if ahead is not None else at
    assert queue.added(table) == len(set(table.ids) - set(range(12)))


def test_back_and_forth_meet_and_end():
    table, queue = counted(), queue_of(counted(), "random", seed=3)
    assert queue.step(table, queue.ids[0], -1) is None and queue.step(table, queue.ids[-1]) is None
    for before, after in zip(queue.ids, queue.ids[1:], strict=False):
        assert queue.step(table, before) == after and queue.step(table, after, -1) == before
    assert queue_of(counted(), "random", seed=3).ids == queue.ids != queue_of(counted(), "random", seed=4).ids


def test_the_fair_figure_counts_only_what_was_drawn_and_not_what_was_taught():
    table = counted()
    queue = queue_of(table, "random", tuned=[queue_of(table, "random").ids[2]])
    first = queue.ids[:5]
    # all labelled as the model has it but the second, which is passed over; and one far ahead, wrong
    for i in (first[0], first[2], first[3]):
        table = table.annotate([i], queue.predicted[i])
    table = table.annotate([first[4]], "other").annotate([queue.ids[9]], "other")
    assert queue.fair(table, 5) == LabelAgreement(2, 3, 1, tuned=1)
    assert queue.fair(table, 5, now=first[1]) == LabelAgreement(2, 3, 0, tuned=1)
    assert agreement(table) == LabelAgreement(3, 5)
    assert queue_of(table, "confidence").fair(table, 12).total == 0
    # a model that has learnt since then is not judged by what it was taught
    taught = table.with_columns(label=table.final_labels)
    assert queue.fair(taught, 5) == LabelAgreement(2, 3, 1, tuned=1)
    share, low, high = LabelAgreement(2, 3).interval
    assert (round(low, 3), round(share, 3), round(high, 3)) == (0.208, 0.667, 0.939)  # Wilson 1927


def test_confusion_is_of_annotated_ones_in_the_order_of_the_model():
    table = counted(6).annotate([0, 1], "Pt30").annotate([4], "Pt70").annotate([2], "other")
    counts = confusion(table, (*CARD.labels, "other"))
    assert list(counts.columns) == ["Pt19", "Pt30", "Pt41", "Pt70", "other"]
    assert counts.loc["Pt30", "Pt19"] == counts.loc["Pt30", "Pt30"] == 1
    assert counts.loc["other", "Pt41"] == 1 and counts.to_numpy().sum() == 4
    assert confusion(counted()).empty


def test_the_next_uncertain_one_goes_round_and_skips_what_is_reviewed():
    table = counted(4)
    assert uncertain_after(table, None) == 3 and uncertain_after(table, 3) == 2
    assert uncertain_after(table, 0) == 3
    table = table.annotate([3, 2], "Pt19")
    assert uncertain_after(table, 3) == 1
    assert uncertain_after(table.annotate([0, 1], "Pt19"), 0) is None


def test_the_opinion_of_the_intensity_is_a_bell_curve_around_each_class():
    """By hand: ten percent wide, as clusters of one class scatter, beside the error of the integral itself."""
    from dataclasses import replace

    evidence = evidence_of([24, 30], 100.0, integral_sd=0.0)
    evidence = replace(evidence, log_integral_sd=np.array([0.0, 0.24]))
    found = Opinions.read(counted(2), CARD, evidence, {0: Calibration.at_scale(100.0, SIZES)}, np.arange(2))
    for row, (atoms, sd) in enumerate(((24, 0.1), (30, 0.26))):
        density = np.exp(-0.5 * ((np.log(atoms) - np.log(SIZES)) / sd) ** 2)
        np.testing.assert_allclose(found.chances["intensity"][row], density / density.sum(), rtol=2e-3)


def test_every_order_is_offered_for_which_there_are_two_opinions():
    chances = np.full((3, 5), 0.2)
    for names, offered in (
        ((), {"random", "listed"}),
        (("channel 1", "channel 2"), {"channels", "random", "listed"}),
        (("channel 1",), {"random", "listed"}),
        (("model", "diameter", "base"), {"diameter", "adaptation", "random", "listed"}),
        (("model", "intensity"), {"intensity", "random", "listed"}),
    ):
        nobody = np.full(3, "", dtype=object), np.full(3, np.nan), CARD.labels
        ids = np.arange(3)
        assert set(Opinions(ids, 0 * ids, *nobody, dict.fromkeys(names, chances)).offered()) == offered
