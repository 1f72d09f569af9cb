"""Several ways to the intensity of one atom, held against each other."""

from __future__ import annotations

import numpy as np
import pytest

from napari_atomicity.counting.references import ScaleReference, compare_scales, joined
from napari_atomicity.errors import InputError
from seeds import seeded

OWN = ScaleReference("clusters", 1000.0, 0.03)
SCAN = ScaleReference("detector", 1040.0, 0.05)
OLD = ScaleReference("profile", 810.0, 0.05, "of March")
ATOMS = ScaleReference("atoms", 1150.0, 0.3)


def test_what_agrees_is_said_and_what_does_not_with_a_reason() -> None:
    found = compare_scales([OWN, SCAN, OLD])
    assert found.sentence == (
        "The image's own clusters and the detector scan agree within 4 %; the profile of March is 20 % lower: "
        "another gain or beam current?"
    )
    assert not found.agrees and found.p < 0.01
    assert len(found.pairs) == 3


def test_agreement_that_only_wide_errors_allow_is_no_praise() -> None:
    found = compare_scales([OWN, ATOMS])
    assert found.agrees
    assert found.sentence == (
        "The image's own clusters and single atoms agree within 15 %, which errors of up to 30 % allow."
    )


def test_two_that_contradict_each_other_are_both_named() -> None:
    found = compare_scales([OWN, ScaleReference("standard", 2500.0, 0.05, "Pt19")])
    assert not found.agrees
    assert (
        "do not agree" in found.sentence and "2.5 times as high" in found.sentence and "Another gain" in found.sentence
    )


def test_one_alone_is_held_against_nothing() -> None:
    found = compare_scales([OWN])
    assert found.agrees and "nothing else" in found.sentence
    assert found.as_dict()["chi2"] is None
    with pytest.raises(InputError, match="Nothing says"):
        compare_scales([])


def test_errors_of_what_is_joined_cover_what_is_true() -> None:
    """Independent ways with honest errors: the mean is right within its own error, χ² is that of chance."""
    rng = np.random.default_rng(seeded(1))
    sds = np.array([0.03, 0.06, 0.3])
    off, chances = [], []
    for _ in range(300):
        values = 1000 * np.exp(sds * rng.standard_normal(3))
        found = compare_scales(
            [ScaleReference("standard", float(v), float(sd)) for v, sd in zip(values, sds, strict=True)]
        )
        off.append(np.log(found.value / 1000) / found.relative_sd)
        chances.append(found.p)
    assert 0.8 < np.std(off) < 1.05
    assert np.mean(np.array(chances) < 0.1) == pytest.approx(0.1, abs=0.05)


def test_ways_that_contradict_each_other_make_no_sharp_factor() -> None:
    one = joined([SCAN, ScaleReference("standard", 1060.0, 0.05)])
    assert one.relative_sd < 0.05 and 1040 < one.value < 1060
    assert joined([SCAN, OLD]).relative_sd > 0.08
    assert joined([SCAN]) is SCAN


def test_an_impossible_intensity_is_refused() -> None:
    for value, sd in ((0.0, 0.1), (-1.0, 0.1), (np.inf, 0.1), (1.0, 0.0), (np.nan, 0.1)):
        with pytest.raises(InputError, match="impossible"):
            ScaleReference("detector", value, sd)
