import numpy as np
import pytest

from napari_atomicity.clusters import ClusterTable
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
