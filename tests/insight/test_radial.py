"""Radial profiles: known answers for maps of known shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_atomicity.counting.patches import NM_PER_PX
from napari_atomicity.insight.attribution import Attribution
from napari_atomicity.insight.radial import radial_profiles
from seeds import examples

_DISTANCE = np.hypot(*(np.indices((64, 64)) - 31.5)) * NM_PER_PX


def _planted(*heats):
    maps = np.array(heats, dtype=np.float32)[:, None]
    n = len(maps)
    empty = maps.max(axis=(2, 3)) <= 0
    parts = np.ones((n, 2))
    return Attribution(maps, ("raw",), np.zeros(n, int), parts, empty, 0.1, 2.25, "grad-cam", parts[:, :1])


def _of(heats, diameters, labels):
    return radial_profiles(_planted(*heats), np.array(diameters), np.array(labels, dtype=object))


def _curve(profiles, unit, label="Pt19"):
    rows = profiles.table[(profiles.table["unit"] == unit) & (profiles.table["label"] == label)]
    return rows["radius"].to_numpy(), rows["mean"].to_numpy()


def test_an_even_map_is_one_everywhere():
    _, mean = _curve(_of([np.ones((64, 64))], [1.0], ["Pt19"]), "radii")
    np.testing.assert_allclose(mean, 1.0, rtol=1e-5)


def test_a_ring_lies_at_the_contour_and_a_spot_in_the_centre():
    ring = np.exp(-0.5 * ((_DISTANCE - 0.5) / 0.06) ** 2)
    spot = np.exp(-0.5 * (_DISTANCE / 0.1) ** 2)
    profiles = _of([ring, ring, spot, spot], [1.0, 1.0, 1.0, 1.0], ["Pt19", "Pt19", "Pt70", "Pt70"])
    radius, mean = _curve(profiles, "radii")
    assert radius[mean.argmax()] == pytest.approx(0.9) or radius[mean.argmax()] == pytest.approx(1.1)
    lead = profiles.summary.set_index("label")["lead"]
    assert lead["Pt19"] > 0.9 and lead["Pt70"] < -0.9
    in_nm, mean = _curve(profiles, "nm")
    assert abs(in_nm[mean.argmax()] - 0.5) < 0.06


@settings(max_examples=examples(25), deadline=None)
@given(strength=st.floats(0.01, 1e4), seed=st.integers(0, 99))
def test_the_strength_of_the_evidence_does_not_matter(strength, seed):
    heat = np.random.default_rng(seed).random((64, 64))
    one, other = (_curve(_of([each], [1.1], ["Pt19"]), "radii")[1] for each in (heat, strength * heat))
    np.testing.assert_allclose(one, other, rtol=1e-3)


def test_a_larger_cluster_of_the_same_form_has_the_same_profile_in_radii():
    small = np.exp(-0.5 * ((_DISTANCE - 0.4) / 0.12) ** 2)
    large = np.exp(-0.5 * ((_DISTANCE - 0.6) / 0.18) ** 2)
    profiles = _of([small, large], [0.8, 1.2], ["Pt19", "Pt70"])
    np.testing.assert_allclose(*(_curve(profiles, "radii", label)[1] for label in ("Pt19", "Pt70")), atol=0.12)


def test_intervals_hold_the_mean_and_shrink_with_more_clusters():
    rng = np.random.default_rng(1)
    heats = [np.exp(-0.5 * ((_DISTANCE - rng.normal(0.5, 0.1)) / 0.15) ** 2) for _ in range(40)]
    few, many = (_of(heats[:n], [1.0] * n, ["Pt19"] * n).table for n in (5, 40))
    for rows in (few, many):
        assert ((rows["low"] <= rows["mean"] + 1e-9) & (rows["mean"] <= rows["high"] + 1e-9)).all()
    width = [(rows["high"] - rows["low"])[rows["unit"] == "radii"].mean() for rows in (few, many)]
    assert width[1] < 0.6 * width[0]


def test_what_cannot_take_part_is_left_out_and_counted():
    blank, even = np.zeros((64, 64)), np.ones((64, 64))
    found = _of([even, blank, even, even], [1.0, 1.0, np.nan, 1.0], ["Pt19", "Pt19", "Pt19", ""])
    row = found.summary.iloc[0]
    assert len(found.summary) == 1 and row["clusters"] == 1 and row["without_evidence"] == pytest.approx(0.5)
    nothing = _of([even], [np.nan], ["Pt19"])
    assert not len(nothing.table) and not len(nothing.summary)
