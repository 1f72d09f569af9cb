"""Alloys: the ridge covers the truth, and a second measurement says where on it a cluster lies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.metals import Exponent, Pair, Second, covered, likeliest_sizes, ridge, size_and_composition
from napari_atomicity.pipeline import Known, alloy_count, known_fraction, known_second
from napari_atomicity.pipeline.compositions import measured_fractions
from seeds import seeded

PAIR = Pair("Pt", "Co", "Pt")
N = 400


def counted(seed: int, sd: float = 0.05) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Atoms of Pt and Co of clusters, and counts of them with noise, at exponents anywhere in the range."""
    rng = np.random.default_rng(seed)
    total = rng.choice([30, 41, 55, 70], N)
    guest = rng.binomial(total, 0.25)
    signal = (27 / 78) ** rng.uniform(1.46, 1.7, N)
    count = (total - guest + guest * signal) * (1 + rng.normal(0, sd, N))
    return total - guest, guest, count, sd * count


def test_the_ridge_covers_the_truth_as_often_as_it_says() -> None:
    host, guest, count, sd = counted(seeded(0))
    share = covered(count, sd, PAIR, host, guest).mean()
    assert 0.92 < share < 0.98
    # a cluster with twice as much cobalt in as many atoms is told from it, one on the ridge is not
    assert covered(np.array([31.8]), np.array([0.5]), PAIR, np.array([30]), np.array([10])).all()
    assert not covered(np.array([31.8]), np.array([0.5]), PAIR, np.array([20]), np.array([20])).any()


def test_all_pairs_of_a_ridge_are_the_same_intensity() -> None:
    line = ridge(31.83, 1.0, PAIR)
    again = line["n_host"] + line["n_guest"] * Exponent().signal("Co", "Pt")
    assert np.allclose(again, 31.83)
    assert line["n_atoms"].iloc[[0, -1]].tolist() == pytest.approx([31.83, 173.8], abs=0.1)
    # without guest the exponent of the guest says nothing
    half = (line["high"] - line["low"]) / 2
    assert half.iloc[0] == pytest.approx(1.96) and half.iloc[-1] / line["n_atoms"].iloc[-1] > 0.1


def test_with_measured_fractions_size_and_composition_are_known_within_their_errors() -> None:
    host, guest, count, sd = counted(seeded(1))
    rng = np.random.default_rng(seeded(2))
    x = guest / (host + guest)
    found = size_and_composition(count, sd, PAIR, (x + rng.normal(0, 0.05, N), np.full(N, 0.05)))
    assert found["settled"].all()
    off = (found["n_atoms"] - host - guest) / found["n_atoms_sd"]
    assert abs(off.mean()) < 0.25 and off.std() == pytest.approx(1.0, abs=0.15)
    assert np.allclose(found["n_host"] + found["n_guest"], found["n_atoms"])


def test_a_second_detector_settles_what_it_can_and_leaves_the_rest_open() -> None:
    host, guest, _, _ = counted(seeded(3))
    rng = np.random.default_rng(seeded(4))
    first, other = Exponent.within(1.69, 1.71), Exponent.within(1.09, 1.11)

    def counts(power: float, sd: float) -> tuple[np.ndarray, np.ndarray]:
        count = (host + guest * (27 / 78) ** power) * (1 + rng.normal(0, sd, N))
        return count, sd * count

    pair = Pair("Pt", "Co", "Pt", first)
    sharp = size_and_composition(*counts(1.7, 0.005), pair, second=Second(*counts(1.1, 0.005), other))
    known = sharp[sharp["settled"]]
    assert len(known) > 0.9 * N
    off = (known["n_atoms"] - (host + guest)[sharp["settled"]]) / known["n_atoms_sd"]
    assert off.std() < 1.3 and abs(off.median()) < 0.3
    # of the usual precision two detectors do not settle it, and no number is given
    dull = size_and_composition(*counts(1.6, 0.05), PAIR, second=Second(*counts(1.3, 0.05), Exponent.within(1.2, 1.4)))
    assert dull["settled"].mean() < 0.2 and dull.loc[~dull["settled"], "n_atoms"].isna().all()
    assert dull["equivalents"].notna().all()


def table_of(count: np.ndarray, sd: np.ndarray) -> ClusterTable:
    n = len(count)
    table = ClusterTable.from_columns({"y_px": np.arange(n) * 30.0, "x_px": np.full(n, 9.0), "intensity": count * 7})
    values = {"label": ["Pt30"] * n, "confidence": np.full(n, 0.9), "source": ["base"] * n, "n_atoms": count}
    return table.with_predictions(
        (30, 41, 55), {**values, "n_atoms_sd": sd, **{f"p_{k}": np.full(n, 0.3) for k in (30, 41, 55)}}
    )


def test_without_a_second_column_no_class_is_given() -> None:
    found = alloy_count(table_of(np.array([31.8, 50.0]), np.array([1.0, 2.0])), PAIR)
    assert found.settled == 0 and set(found.table["size"]) == {""}
    assert "No class is given" in found.sentence and "Intensity alone" in found.sentence
    lines = found.ridges()
    assert set(lines["id"]) == {0, 1} and lines["fraction"].nunique() == 11


def test_a_given_composition_gives_the_size_with_its_error() -> None:
    table = table_of(np.array([31.8]), np.array([0.1]))
    found = alloy_count(table, PAIR, Known((np.array([0.25]), np.array([0.02])), None, "the composition"))
    one = found.table.iloc[0]
    assert one["n_atoms"] == pytest.approx(40, abs=0.3) and one["size"] == "41" and one["size_confidence"] > 0.9
    assert "1 of 1 clusters" in found.sentence


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (pd.Series([25.0], index=[0]), "divide per cent by 100"),
        (pd.Series([-0.1], index=[0]), "between 0 and 1"),
        (pd.Series([0.2], index=[77]), "None of the 1 ids"),
        (pd.Series([np.nan], index=[0]), "None of the 1 ids"),
    ],
)
def test_columns_that_are_no_fractions_of_these_clusters_are_refused(values: pd.Series, says: str) -> None:
    with pytest.raises(InputError, match=says):
        known_fraction(table_of(np.array([31.8]), np.array([1.0])), values, 0.05, "the column edx")


def test_what_the_second_detector_did_not_see_stays_open() -> None:
    table = table_of(np.array([31.8, 31.8]), np.array([0.2, 0.2]))
    known = known_second(table, pd.Series([900.0], index=[0]), 30.0, 0.01, Exponent.within(1.1, 1.1))
    assert (
        np.isnan(known.second.equivalents[1]) and alloy_count(table, PAIR, known).table["settled"].tolist()[1] is False
    )


def test_a_few_that_a_second_detector_seems_to_settle_are_only_its_largest_errors() -> None:
    rng = np.random.default_rng(seeded(5))
    true = 31 + 10 * (27 / 78) ** np.array([1.6, 1.0])[:, None]
    first, second = true * (1 + rng.normal(0, 0.1, (2, N)))
    table = table_of(first, 0.1 * first)
    known = known_second(table, pd.Series(second, index=table.ids), 1.0, 0.1, Exponent.within(1.0, 1.0))
    alone = size_and_composition(first, 0.1 * first, PAIR, second=known.second)
    assert 0 < alone["settled"].mean() < 0.5  # taken by themselves some have a fraction, and a wrong one
    found = alloy_count(table, PAIR, known)
    assert found.settled == 0 and found.table["fraction"].isna().all() and set(found.table["size"]) == {""}
    assert "second detector does not settle it" in found.sentence


def test_ids_and_fractions_that_a_damaged_project_holds_are_a_sentence_or_nothing() -> None:
    table = table_of(np.array([31.8, 60.0]), np.array([1.0, 2.0]))
    known = measured_fractions(table, {"0": 0.25, "x": 0.1, "-1": 0.2}, {"0": 0.05})
    assert alloy_count(table, PAIR, known).table["settled"].tolist() == [True, False]
    assert measured_fractions(table, {"7": 0.2}, {"7": 0.1}) is None
    for fractions, sds in (({"0": 9.0}, {"0": 0.1}), ({"0": 0.2}, {}), ({"0": 0.2}, {"0": -1.0})):
        with pytest.raises(InputError):
            measured_fractions(table, fractions, sds)


def test_one_metal_twice_and_an_empty_table_are_refused() -> None:
    with pytest.raises(InputError, match="named for both"):
        Pair("Pt", "Pt", "Pt")
    with pytest.raises(InputError, match="No cluster"):
        alloy_count(table_of(np.array([np.nan]), np.array([np.nan])), PAIR)


def test_the_likeliest_size_of_a_count() -> None:
    found = likeliest_sizes(np.array([40.0, 35.0, 500.0, np.nan]), np.array([1.0, 3.0, 5.0, 1.0]), "", (30, 41))
    assert found["label"].tolist() == ["41", "30", "other", ""] or found["label"].tolist()[0] == "41"
    assert found["confidence"].iloc[0] > 0.99 > found["confidence"].iloc[1]
