from dataclasses import replace

import numpy as np
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.diameter_only import classify_by_diameter
from napari_atomicity.counting.ratios import class_ratios, wilson

from .synthetic import CARD


def _table(**columns):
    n = len(columns["label"])
    defaults = {"y_px": np.zeros(n), "x_px": np.zeros(n)}
    return ClusterTable.from_columns({**defaults, **columns}, CARD.class_sizes)


def test_ratios_count_what_can_be_sized_and_what_a_person_said():
    table = _table(
        label=["Pt19", "Pt19", "Pt30", "other", "Pt70", "Pt41"],
        flag=["ok", "ok", "ok", "outside", "border", "touching"],
        annotation=["", "Pt55", "", "", "", "Pt41"],
    )
    final = class_ratios(table, CARD).set_index("label")
    assert final["count"].to_dict() == {"Pt19": 1, "Pt30": 1, "Pt41": 1, "Pt55": 1, "Pt70": 0, "other": 1}
    model = class_ratios(table, CARD, by="label").set_index("label")
    assert model["count"].to_dict() == {"Pt19": 2, "Pt30": 1, "Pt41": 0, "Pt55": 0, "Pt70": 0, "other": 1}
    assert final["fraction"].sum() == pytest.approx(1.0)
    assert ((final["low"] <= final["fraction"]) & (final["fraction"] <= final["high"])).all()


def test_a_label_of_a_persons_own_gets_its_own_row():
    table = _table(label=["Pt19", "Pt30"], annotation=["Pt38", ""])
    assert class_ratios(table, CARD)["label"].tolist()[-1] == "Pt38"


def test_no_clusters_have_no_ratio():
    ratios = class_ratios(ClusterTable.empty(), CARD)
    assert (ratios["count"] == 0).all() and ratios["fraction"].isna().all()


def test_wilson_against_the_textbook():
    fraction, low, high = wilson(np.array([0, 5, 10]), 10)
    np.testing.assert_allclose(fraction, [0, 0.5, 1])
    np.testing.assert_allclose(low, [0, 0.2366, 0.7225], atol=2e-4)
    np.testing.assert_allclose(high, [0.2775, 0.7634, 1], atol=2e-4)


def test_diameter_alone_gives_the_nearest_class_and_nothing_for_what_was_not_measured():
    centre = [np.exp(CARD.diameter_nm[str(n)][0]) for n in CARD.class_sizes]
    labels = classify_by_diameter(np.array([*centre, np.nan]), CARD)
    assert labels.tolist() == ["Pt19", "Pt30", "Pt41", "Pt55", "Pt70", ""]
    table = _table(label=["Pt70"] * 2, diameter_nm=[centre[0], centre[1]])
    by_diameter = class_ratios(table, CARD, by="diameter").set_index("label")
    assert by_diameter["count"].to_dict()["Pt19"] == 1 and by_diameter["count"].to_dict()["Pt70"] == 0


def _calibration(**intervals):
    known = Calibration.at_scale(100.0, CARD.class_sizes)
    return replace(known, intervals={label: intervals.get(label, (0.0, 0.02)) for label in known.fractions})


def test_intervals_are_those_of_the_calibration_where_there_is_one():
    table = _table(label=["Pt19"] * 6 + ["Pt30"] * 4)
    doubtful = _calibration(Pt19=(0.3, 0.9), Pt30=(0.1, 0.35))
    ratios = class_ratios(table, CARD, calibrations={0: doubtful}).set_index("label")
    assert tuple(ratios.loc["Pt19", ["low", "high"]]) == (0.3, 0.9)
    # the share that was counted lies within, whatever the calibration says
    assert tuple(ratios.loc["Pt30", ["fraction", "low", "high"]]) == (0.4, 0.1, 0.4)
    assert tuple(ratios.loc["Pt70", ["low", "high"]]) == (0.0, 0.02)
    for other in ({"by": "diameter"}, {"calibrations": {}}, {"calibrations": {0: replace(doubtful, intervals={})}}):
        plain = class_ratios(table, CARD, **{"calibrations": {0: doubtful}, **other})
        expected = class_ratios(table, CARD, by=other.get("by", "final"))
        np.testing.assert_array_equal(plain.drop(columns="label"), expected.drop(columns="label"))


def test_labels_by_hand_take_no_part_in_the_calibrations_doubt():
    table = _table(label=["Pt19"] * 10, annotation=["Pt30"] * 10)
    by_hand = class_ratios(table, CARD, calibrations={0: _calibration(Pt19=(0.5, 1.0))}).set_index("label")
    assert by_hand.loc["Pt30", "low"] == pytest.approx(0.7225, abs=2e-4)
    model = class_ratios(table, CARD, by="label", calibrations={0: _calibration(Pt19=(0.5, 1.0))}).set_index("label")
    assert tuple(model.loc["Pt19", ["low", "high"]]) == (0.5, 1.0)


def test_frames_of_a_stack_join_their_intervals_by_their_clusters():
    table = _table(label=["Pt19"] * 30 + ["Pt30"] * 10, frame=[0] * 30 + [1] * 10)
    both = {0: _calibration(Pt19=(0.9, 1.0)), 1: _calibration(Pt30=(0.8, 1.0), Pt19=(0.0, 0.2))}
    ratios = class_ratios(table, CARD, calibrations=both).set_index("label")
    assert ratios.loc["Pt19", "fraction"] == 0.75
    assert tuple(ratios.loc["Pt19", ["low", "high"]]) == pytest.approx((0.75 * 0.9, 0.75 + 0.25 * 0.2))
