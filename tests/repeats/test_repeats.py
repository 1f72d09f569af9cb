"""Repeated frames: shifts, identity and precision with known answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.progress import drain
from napari_atomicity.repeats import Alignment, align_steps, precision_of, same_clusters
from napari_atomicity.repeats.precision import cohen_kappa
from seeds import seeded

PIXEL_NM = 0.05


def field(seed: int, shape: tuple[int, int] = (300, 300), clusters: int = 25) -> Any:
    """Draws a field of blobs, moved and noisy."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 1, (clusters, 2)) * shape
    heights = rng.uniform(50, 150, clusters)
    y, x = np.mgrid[: shape[0], : shape[1]]

    def draw(shift: Any, noise: float, gain: float = 1.0) -> Any:
        image = np.zeros(shape, dtype=np.float32)
        for (cy, cx), height in zip(places + np.asarray(shift), heights, strict=True):
            image += height * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 8.0**2))
        return (gain * (image + 400) + rng.normal(0, noise, shape)).astype(np.float32)

    return draw


def test_shifts_are_found_and_a_frame_of_another_field_is_named() -> None:
    draw, other = field(seeded(1)), field(seeded(2))
    shifts = np.array([[0, 0], [3.4, -7.2], [-12, 5], [0, 0], [20.5, 11]])
    images = [draw(shift, 60.0, gain) for shift, gain in zip(shifts, (1, 1.2, 0.8, 1, 1), strict=True)]
    images[3] = other((0, 0), 60.0)
    found = drain(align_steps([lambda image=image: image for image in images], PIXEL_NM))
    assert found.rejected == (3,) and np.isnan(found.shifts_px[3]).all()
    kept = [0, 1, 2, 4]
    assert np.allclose(found.shifts_px[kept], shifts[kept], atol=0.6)
    assert found.spread_nm < 0.05 and found.pairs == (10, 6)
    assert found.overlap((300, 300)) == pytest.approx((1 - 32.5 / 300) * (1 - 18.2 / 300), abs=0.02)


def test_frames_that_cannot_be_aligned_are_refused_in_a_sentence() -> None:
    one, other = field(seeded(3)), field(seeded(4))
    with pytest.raises(InputError, match="one frame only"):
        drain(align_steps([lambda: one((0, 0), 10.0)], PIXEL_NM))
    with pytest.raises(InputError, match="No two of the frames"):
        drain(align_steps([lambda: one((0, 0), 10.0), lambda: other((0, 0), 10.0)], PIXEL_NM))
    with pytest.raises(InputError, match="300 × 200"):
        drain(align_steps([lambda: one((0, 0), 1.0), lambda: one((0, 0), 1.0)[:, :200]], PIXEL_NM))
    noise = np.random.default_rng(seeded(5)).normal(0, 1, (2, 128, 128)).astype(np.float32)
    with pytest.raises(InputError, match="No two"):
        drain(align_steps([lambda: noise[0], lambda: noise[1]], PIXEL_NM))


def repeats(
    seed: int, clusters: int = 120, frames: int = 6, sd: float = 0.05, stated: float = 0.05, drift: float = 0.0
) -> tuple[list[ClusterTable], Alignment]:
    """Tables of frames with relative noise `sd`, gains that differ by 4 % and drift, and moved places."""
    rng = np.random.default_rng(seed)
    size = rng.choice([19, 30, 41, 55, 70], clusters).astype(float)
    places = np.stack(np.meshgrid(np.arange(12), np.arange(12)), -1).reshape(-1, 2)[:clusters] * 60.0 + 30
    shifts = rng.uniform(-20, 20, (frames, 2)).round(1)
    shifts[0] = 0
    tables = []
    for number in range(frames):
        there = rng.random(clusters) > 0.1
        noise = np.exp(rng.normal(0, sd, clusters))
        gain = np.exp(rng.normal(0, 0.04) + drift * number)
        y, x = (places + shifts[number] + rng.normal(0, 0.5, (clusters, 2))).T
        n = size * noise
        labels = np.array([f"Pt{value:.0f}" for value in size])
        table = ClusterTable.from_columns(
            {"y_px": y[there], "x_px": x[there], "diameter_nm": np.ones(there.sum()),
             "intensity": (1e4 * gain * n)[there]}
        )  # fmt: skip
        values = {
            "label": labels[there], "confidence": np.full(there.sum(), 0.9), "source": ["base"] * there.sum(),
            "n_atoms": n[there], "n_atoms_sd": (stated * size)[there],
            **{f"p_{k}": np.full(there.sum(), 0.2) for k in (19, 30, 41, 55, 70)},
        }  # fmt: skip
        tables.append(table.with_predictions((19, 30, 41, 55, 70), values))
    return tables, Alignment(shifts, (), (0, 0), 0.0)


def test_clusters_are_the_same_through_shifts_and_gaps() -> None:
    tables, alignment = repeats(seeded(6))
    measured = same_clusters(tables, alignment, PIXEL_NM)
    assert len(measured) == sum(map(len, tables))
    assert measured["cluster"].nunique() == 120
    assert not measured.duplicated(["cluster", "frame"]).any()
    spread = measured.groupby("cluster")[["y_px", "x_px"]].std().mean()
    assert (spread < 1.0).all()


@pytest.mark.parametrize("sd", [0.02, 0.06, 0.15])
def test_precision_is_recovered_within_a_tenth(sd: float) -> None:
    found = precision_of(same_clusters(*repeats(seeded(7), 140, 8, sd), PIXEL_NM))
    assert found.intensity.value == pytest.approx(sd, rel=0.1)
    assert found.count.value == pytest.approx(sd, rel=0.1)
    assert found.intensity.low <= sd * 1.05 and found.intensity.high >= sd * 0.95
    assert found.kappa.value == pytest.approx(1.0)


def test_gain_and_its_drift_are_told_from_noise() -> None:
    found = precision_of(same_clusters(*repeats(seeded(8), 140, 12, 0.05, drift=0.03), PIXEL_NM))
    assert found.gain_drift.value == pytest.approx(0.03, abs=0.012)
    assert found.gain_drift.low > 0
    # counts are calibrated frame by frame: no gain is in them
    assert abs(found.atom_drift.value) < 0.005
    assert found.frames["gain"].tolist() == sorted(found.frames["gain"]) or found.frames["gain"].iloc[-1] > 1.1


def test_a_stated_uncertainty_that_is_half_as_large_as_it_should_is_called_too_small() -> None:
    half = precision_of(same_clusters(*repeats(seeded(9), 140, 8, 0.06, stated=0.03), PIXEL_NM))
    assert half.honesty.value == pytest.approx(2.0, rel=0.12) and "too small" in half.sentence
    right = precision_of(same_clusters(*repeats(seeded(9), 140, 8, 0.06, stated=0.06), PIXEL_NM))
    assert right.honesty.low < 1.06 and right.honesty.high > 0.94
    wide = precision_of(same_clusters(*repeats(seeded(9), 140, 8, 0.03, stated=0.06), PIXEL_NM))
    assert wide.honesty.high < 1 and "also covers" in wide.sentence and "too" not in wide.sentence


def test_what_happened_to_one_cluster_does_not_spoil_the_rest() -> None:
    tables, alignment = repeats(seeded(10), 140, 8, 0.04)
    rows = tables[3].rows.copy()
    rows.loc[0, "intensity"] *= 3
    tables[3] = ClusterTable(rows, tables[3].class_sizes, tables[3].next_id)
    found = precision_of(same_clusters(tables, alignment, PIXEL_NM))
    assert found.outliers >= 1 and found.intensity.value == pytest.approx(0.04, rel=0.1)


def test_too_few_clusters_are_refused() -> None:
    tables, alignment = repeats(seeded(11), 5, 4)
    with pytest.raises(InputError, match="seen in more than one frame"):
        precision_of(same_clusters(tables, alignment, PIXEL_NM))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60))
def test_kappa_is_one_for_agreement_and_symmetric(pairs: list[tuple[int, int]]) -> None:
    one, other = (np.array(values, dtype=float) for values in zip(*pairs, strict=True))
    kappa = cohen_kappa(one, other)
    assert kappa <= 1 or np.isnan(kappa)
    assert np.isclose(kappa, cohen_kappa(other, one), equal_nan=True)
    same = cohen_kappa(one, one)
    assert np.isnan(same) == (len(set(one)) == 1) and (np.isnan(same) or same == pytest.approx(1.0))


def test_kappa_of_the_textbook() -> None:
    # Cohen 1960, two raters, 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no
    one = np.repeat([1.0, 1.0, 0.0, 0.0], [20, 5, 10, 15])
    other = np.repeat([1.0, 0.0, 1.0, 0.0], [20, 5, 10, 15])
    assert cohen_kappa(one, other) == pytest.approx(0.4)
