"""What the scores count: missed clusters, ratios about the identity, scales carried over, honest intervals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from counting.synthetic import SIZES, trained_bundle
from napari_atomicity.progress import drain
from napari_atomicity.training.evaluate import (
    METHODS,
    EvaluationSet,
    evaluate_steps,
    evaluation_frame,
    plan,
)
from napari_atomicity.training.scores import confusion, ratio_r2, scores
from seeds import seeded
from training.libraries import blob_library as library


@pytest.fixture(scope="module")
def scored():
    made = library(200, 6)
    missed = pd.DataFrame({"frame": [0, 1], "condition": ["odd", "even"], "n_atoms": [19, 8]})
    return drain(evaluate_steps(trained_bundle(), EvaluationSet(made, missed, np.array([1]))))


def test_a_plan_numbers_its_frames_apart_and_holds_every_class_alone():
    frames = plan(["nominal", "random"], 2, 1, SIZES, first=50)
    assert [one.index for one in frames] == list(range(50, 64))
    assert [one.pure for one in frames[:7]] == [0, 0, *SIZES]
    assert {one.condition for one in frames} == {"nominal", "random"}


def test_a_missed_cluster_counts_as_wrong_for_every_method(scored):
    missed = scored[scored["scale known"] == ""]
    assert missed["truth"].tolist() == ["Pt19"]  # one of eight atoms is no class of this model
    table = scores(scored).set_index(["condition", "method"]).loc["pooled"]
    others = scores(scored[scored["scale known"] != ""]).set_index(["condition", "method"]).loc["pooled"]
    for method in METHODS:
        assert table.loc[method, "balanced_accuracy"] < others.loc[method, "balanced_accuracy"] + 1e-12
    assert table.loc["scale known", "clusters"] == others.loc["scale known", "clusters"] + 1


def test_frames_of_one_class_are_told_from_mixed_ones(scored):
    assert set(scored.loc[scored["pure"], "frame"]) == {1}


@pytest.mark.slow
def test_a_scale_of_other_frames_serves_only_where_frames_share_it():
    shared = library(200, 6)
    good = drain(evaluate_steps(trained_bundle(), shared))
    own = shared.frame.astype(float)  # each frame another gain: e, e², ...
    moved = type(shared)(**{
        **{name: getattr(shared, name) for name in shared.__dataclass_fields__},
        "log_integral": shared.log_integral + own, "log_scale": shared.log_scale + own,
    })  # fmt: skip
    bad = drain(evaluate_steps(trained_bundle(), moved))
    accuracy = [
        scores(one).set_index(["condition", "method"]).loc["pooled", "balanced_accuracy"] for one in (good, bad)
    ]
    assert accuracy[0]["intensity, other frames"] > 0.9
    assert accuracy[1]["intensity, other frames"] < 0.5
    assert accuracy[1]["intensity, scale known"] == pytest.approx(accuracy[0]["intensity, scale known"])


def test_class_ratios_are_judged_about_the_identity():
    truth = ["Pt19"] * 8 + ["Pt30"] * 2 + ["Pt19"] * 3 + ["Pt30"] * 7
    table = pd.DataFrame({"frame": [0] * 10 + [1] * 10, "truth": truth, "right": truth})
    assert ratio_r2(table, "right") == 1.0
    # two errors that cancel leave the ratio right; a method that says one class everywhere is worse than the mean
    table["swapped"] = truth
    table.loc[0, "swapped"], table.loc[8, "swapped"] = "Pt30", "Pt19"
    assert ratio_r2(table, "swapped") == 1.0
    table["blind"] = "Pt19"
    assert ratio_r2(table, "blind") < 0
    # an outsider that was given a class is among what a person would count
    table.loc[len(table)] = [1, "other", "other", "Pt30", "Pt30"]
    assert ratio_r2(table, "right") == 1.0 and ratio_r2(table, "swapped") < 1.0


def test_intervals_of_a_known_spread_hold_what_they_promise():
    rng = np.random.default_rng(seeded(3))
    n = np.full(4000, 41)
    table = pd.DataFrame({"condition": "odd", "frame": 0, "truth": "Pt41", "n_atoms": n})
    table["auto"], table["auto p"] = "Pt41", 1.0
    table["auto n"], table["auto sd"] = n + rng.normal(0, 3, len(n)), 3.0
    row = scores(table, ["auto"]).iloc[0]
    assert row["within_68"] == pytest.approx(0.683, abs=0.02)
    assert row["within_95"] == pytest.approx(0.95, abs=0.01)
    table["auto sd"] = 1.0
    assert scores(table, ["auto"]).iloc[0]["within_95"] < 0.6


def test_confusion_has_a_row_a_truth_and_sums_to_one(scored):
    share = confusion(scored, "scale known", [f"Pt{n}" for n in SIZES])
    assert list(share.index) == list(share.columns) == [*(f"Pt{n}" for n in SIZES), "other"]
    np.testing.assert_allclose(share.sum(axis=1), 1.0)


@pytest.mark.slow
def test_a_frame_to_score_on_holds_structures_never_trained_on():
    one = replace(plan(["clean"], 1, class_sizes=(12, 19))[0], clusters=40)
    found = evaluation_frame(one)
    again = evaluation_frame(one)
    np.testing.assert_array_equal(found.library.raw, again.library.raw)
    members = found.library.class_index((12, 19)) >= 0
    assert members.sum() + len(found.missed) > 20
    assert len(found.missed) <= 2
