"""Corrected shares: known answers, intervals that hold, agreement that errs as rarely as it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.corrected import CountedImage, corrected_steps
from napari_atomicity.counting.expected import (
    RatioAgreement,
    classify_by_intensity,
    compare,
    expected_shares,
    r_squared,
)
from napari_atomicity.errors import InputError
from napari_atomicity.progress import drain
from seeds import examples, seeded

from .synthetic import CARD

LABELS = list(CARD.labels)


def table(labels, **columns):
    n = len(labels)
    columns.setdefault("flag", np.full(n, "ok", dtype=object))
    chances = {}
    for k, size in enumerate(CARD.class_sizes):
        own = np.array([label == LABELS[k] for label in labels])
        chances[f"p_{size}"] = np.where(own, 0.999, 0.0001)
    values = {"y_px": np.zeros(n), "x_px": np.zeros(n), "label": labels, **chances, **columns}
    return ClusterTable.from_columns(values, CARD.class_sizes)


def shares(*tables, **options):
    return drain(corrected_steps([CountedImage(one, CARD) for one in tables], **options))


def noisy(true, n, confusion, rng):
    """A table whose probabilities are what a calibrated classifier of this confusion would say."""
    truth = rng.choice(len(LABELS), size=n, p=true)
    # two Gaussian features make neighbours overlap
    seen = truth + rng.normal(0, confusion, n)
    density = np.exp(-0.5 * ((seen[:, None] - np.arange(len(LABELS))) / confusion) ** 2)
    chances = density / density.sum(axis=1, keepdims=True)
    labels = np.array(LABELS, dtype=object)[chances.argmax(axis=1)]
    columns = {f"p_{size}": 0.999 * chances[:, k] for k, size in enumerate(CARD.class_sizes)}
    return table(labels, **columns)


def test_certain_labels_need_no_correction():
    found = shares(table(["Pt19"] * 60 + ["Pt55"] * 40))
    best, low, high = found.interval(among=LABELS)
    np.testing.assert_allclose(best, [0.6, 0, 0, 0.4, 0], atol=0.01)
    assert low[0] == pytest.approx(0.50, abs=0.03) and high[0] == pytest.approx(0.70, abs=0.03)
    assert low[1] == 0 and 0.02 < high[1] < 0.06  # none of 100: Clopper and Pearson say 0.036


def test_what_is_confused_is_taken_out():
    rng = np.random.default_rng(seeded(0))
    true = np.array([0.8, 0.1, 0.1, 0.0, 0.0])
    lot = noisy(true, 4000, 0.8, rng)
    plain = np.array([(lot.final_labels == label).mean() for label in LABELS])
    best, low, high = shares(lot).interval(among=LABELS)
    assert np.abs(plain - true).max() > 0.08
    assert np.abs(best - true).max() < 0.05
    assert ((low <= true) & (true <= high)).all()


def test_intervals_hold_and_the_test_of_agreement_is_right_about_as_often_as_it_says():
    rng = np.random.default_rng(seeded(1))
    held, refused, contradicted = [], [], []
    for _ in range(30):
        true = rng.dirichlet(np.ones(5))
        found = shares(noisy(true, 150, 0.45, rng))
        _, low, high = found.interval(among=LABELS)
        held += list((low <= true) & (true <= high))
        refused.append(compare(found, dict(zip(LABELS, true, strict=True))).p < 0.05)
        other = np.roll(true, 1)
        if np.abs(other - true).max() > 0.3:
            contradicted.append(compare(found, dict(zip(LABELS, other, strict=True))).p < 0.05)
    assert np.mean(held) > 0.9
    assert np.mean(refused) <= 0.2
    assert np.mean(contradicted) > 0.8


def test_what_is_all_but_impossible_is_said_to_be_rarer_than_the_draws_can_tell():
    found = compare(shares(table(["Pt19"] * 60 + ["Pt55"] * 40)), expected_shares({19: 0.05, 55: 0.95}, CARD))
    # none of the draws was as far off
    assert found.p == pytest.approx(found.least / 2) and found.least < 0.01
    assert f"(p < {found.least:.2g}:" in found.sentence and "do not agree" in found.sentence


def test_a_persons_label_is_certain_and_wins():
    lot = table(["Pt19"] * 50, annotation=["Pt30"] * 50)
    best, low, _ = shares(lot).interval(among=LABELS)
    assert best[1] == pytest.approx(1.0) and low[1] > 0.9
    own = shares(table(["Pt19"] * 3, annotation=["Pt38", "", ""]))
    assert own.labels[-1] == "Pt38"


def test_a_random_sample_of_labels_corrects_the_others():
    # a third of what the model calls Pt19 is Pt30, and it does not know
    label = np.array(["Pt19"] * 300, dtype=object)
    annotation = np.array(["Pt19"] * 40 + ["Pt30"] * 20 + [""] * 240, dtype=object)
    lot = table(label, annotation=annotation)
    best, low, high = shares(lot, checked=True).interval(among=LABELS)
    assert best[1] == pytest.approx(1 / 3, abs=0.03) and low[1] < 1 / 3 < high[1]
    assert shares(lot).interval(among=LABELS)[0][1] < 0.1
    with pytest.raises(InputError, match="label at least 20"):
        shares(table(label, annotation=np.array(["Pt19"] * 5 + [""] * 295, dtype=object)), checked=True)


def test_frames_of_a_stack_show_the_same_clusters_again():
    once = shares(table(["Pt19"] * 30 + ["Pt55"] * 30))
    again = ["Pt19"] * 30 + ["Pt55"] * 30
    four = shares(table(again * 4, frame=np.repeat(np.arange(4), 60)))
    widths = [float(np.subtract(*found.interval(among=LABELS)[2:0:-1])[0]) for found in (once, four)]
    assert widths[1] == pytest.approx(widths[0], rel=0.2)


def test_images_that_differ_say_less_together():
    alike = shares(*[table(["Pt19"] * 30 + ["Pt55"] * 30)] * 2)
    apart = shares(table(["Pt19"] * 55 + ["Pt55"] * 5), table(["Pt19"] * 5 + ["Pt55"] * 55))
    assert alike.spread == 1 and apart.spread > 10 and apart.worth < alike.worth / 10
    assert np.ptp(apart.draws[:, 0]) > np.ptp(alike.draws[:, 0])


def test_nothing_counted_and_other_classes_are_one_sentence():
    with pytest.raises(InputError, match="No cluster enters the shares"):
        shares(ClusterTable.empty(CARD.class_sizes))
    import dataclasses

    other = dataclasses.replace(CARD, class_sizes=(19, 30), diameter_nm={})
    with pytest.raises(InputError, match="different classes"):
        drain(corrected_steps([CountedImage(table(["Pt19"]), CARD), CountedImage(ClusterTable.empty((19, 30)), other)]))


@settings(max_examples=examples(15), deadline=None)
@given(
    labels=st.lists(st.sampled_from([*LABELS, "other"]), min_size=1, max_size=25),
    by_hand=st.lists(st.sampled_from(["", "Pt19", "Pt38", "other"]), min_size=25, max_size=25),
    flags=st.lists(st.sampled_from(["ok", "border", "outside"]), min_size=25, max_size=25),
)
def test_shares_and_draws_add_up_to_one_and_lie_in_their_intervals(labels, by_hand, flags):
    n = len(labels)
    lot = table(labels, annotation=by_hand[:n], flag=np.array(flags[:n], dtype=object))
    try:
        found = shares(lot)
    except InputError:
        assert all(flag == "border" and not hand for flag, hand in zip(flags[:n], by_hand[:n], strict=True))
        return
    assert found.best.sum() == pytest.approx(1) and np.allclose(found.draws.sum(axis=1), 1)
    best, low, high = found.interval()
    assert ((low >= 0) & (low <= best) & (best <= high) & (high <= 1)).all()


def test_r_squared_is_about_the_identity():
    expected = np.array([[0.7, 0.3, 0.0]])
    assert r_squared(expected, expected) == 1
    assert r_squared(np.array([[0.0, 0.3, 0.7]]), expected) < -1
    assert np.isnan(r_squared(expected, np.full((1, 3), 1 / 3)))


def test_expected_amounts_in_any_unit():
    assert expected_shares({19: 30, 55: 10}, CARD) == {"Pt19": 0.75, "Pt30": 0, "Pt41": 0, "Pt55": 0.25, "Pt70": 0}
    for bad in ({13: 1.0}, {19: -1.0}, {19: 0.0}, {19: float("nan")}, {}):
        with pytest.raises(InputError):
            expected_shares(bad, CARD)


def test_intensity_alone_takes_the_nearest_class_at_the_calibrated_scale():
    lot = table(["Pt19"] * 3, intensity=[1900.0, 5400.0, np.nan])
    fit = Calibration.at_scale(100.0, CARD.class_sizes)
    assert classify_by_intensity(lot, CARD, {0: fit}).tolist() == ["Pt19", "Pt55", ""]
    assert classify_by_intensity(lot, CARD, {}).tolist() == ["", "", ""]


@pytest.mark.parametrize(
    ("r2", "p", "said"),
    [
        (0.95, 0.43, "agree with what was deposited (p = 0.43:"),
        (float("nan"), 0.43, "agree with what was deposited (p = 0.43:"),
        (-0.2, 0.3, "too uncertain to confirm it"),
        (0.95, 0.01, "do not agree with what was deposited (p = 0.01:"),
        (-3.0, 0.001, "do not agree with what was deposited (p < 0.003:"),
    ],
)
def test_a_probability_is_never_left_to_itself(r2, p, said):
    assert said in RatioAgreement(r2, p, 0.003).sentence
