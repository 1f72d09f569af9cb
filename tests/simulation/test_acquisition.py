"""Support, scan and detector: what was asked for comes out, and nothing is lost or gained on the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.detector import Detector, ScanPath, acquire, moved, scanned
from napari_atomicity.simulation.frames import simulate_frame
from napari_atomicity.simulation.support import Support, collar, support_signal
from seeds import examples, seeded
from validation.statistics import noise_statistics

QUIET = Detector(dose=1e12, readout=0, correlation=0, line_offset=0, jitter_nm=0, gain=1, black=0)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seeded(seed))


# ---------------------------------------------------------------------- detector


def test_noise_is_that_of_the_electrons_and_has_the_correlation_it_was_given():
    flat = np.full((400, 400), 6.0, dtype=np.float32)
    detector = replace(QUIET, dose=400, readout=2, correlation=0.3, gain=50, black=300)
    image = acquire(flat, 6.0, 0.05, detector, rng())
    noise = image - image.mean()
    assert image.mean() == pytest.approx(300 + 50 * 6, rel=0.01)
    assert noise.std() == pytest.approx(50 * np.sqrt((6 + 2) / 400) / 0.05, rel=0.02)
    assert (noise[:, 1:] * noise[:, :-1]).mean() / noise.var() == pytest.approx(0.3, abs=0.02)
    assert (noise[1:] * noise[:-1]).mean() / noise.var() == pytest.approx(0, abs=0.02)


def test_an_integral_of_n_atoms_scatters_by_n_over_dose_at_every_pixel_size():
    for pixel in (0.02, 0.05, 0.1):
        block = round(1 / pixel)
        flat = np.full((20 * block, 20 * block), 30.0, dtype=np.float32)
        image = acquire(flat, 30.0, pixel, replace(QUIET, dose=100), rng())
        sums = image.reshape(20, block, 20, block).sum(axis=(1, 3)) * pixel**2
        assert sums.mean() == pytest.approx(30, rel=0.01)
        assert sums.var() == pytest.approx(30 / 100, rel=0.25)


def test_afterglow_delays_signal_along_the_line_and_loses_none():
    image = np.zeros((9, 200), dtype=np.float32)
    image[4, 50] = 100
    out = acquire(image, 0.0, 0.05, replace(QUIET, afterglow=0.2, afterglow_px=5), rng())
    assert out.sum() == pytest.approx(100, rel=1e-3)
    assert out[4, 50] == pytest.approx(80 + 20 * (1 - np.exp(-1 / 5)), rel=1e-3)
    assert np.abs(out[4, :50]).max() < 1e-3 < out[4, 60]
    assert np.abs(out[[3, 5]]).max() < 1e-3


def test_a_beam_that_drifts_and_flickers_has_the_spread_it_was_given():
    flat = np.full((600, 600), 10.0, dtype=np.float32)
    drifting = acquire(flat, 10.0, 0.05, replace(QUIET, gain_drift=0.2), rng())
    assert drifting[-1].mean() / drifting[0].mean() == pytest.approx(1.1 / 0.9, rel=1e-3)
    flickering = acquire(flat, 10.0, 0.05, replace(QUIET, flicker=0.03), rng())
    assert flickering.std() / 10 == pytest.approx(0.03, rel=0.15)
    # streaks lie along the lines
    assert np.diff(flickering, axis=1).std() < 0.5 * np.diff(flickering, axis=0).std()


def test_a_saturated_detector_stops_at_its_full_scale():
    ramp = np.tile(np.linspace(0, 100, 64, dtype=np.float32), (64, 1))
    image = acquire(ramp, 5.0, 0.05, replace(QUIET, gain=10, black=50, full_scale=400), rng())
    assert image.max() == 400
    assert image[0, 10] == pytest.approx(50 + 10 * ramp[0, 10], rel=1e-3)


# ---------------------------------------------------------------------- scan


def blob(shape: tuple[int, int], y: float, x: float, sigma: float = 4.0) -> np.ndarray:
    rows, cols = np.indices(shape)
    return np.exp(-0.5 * ((rows - y) ** 2 + (cols - x) ** 2) / sigma**2).astype(np.float32)


@settings(max_examples=examples(20), deadline=None)
@given(dy=st.floats(-6, 6), dx=st.floats(-6, 6))
def test_a_shift_moves_the_image_and_keeps_its_sum(dy, dx):
    image = blob((64, 64), 32, 32)
    out = moved(image, np.full(64, dy), np.full(64, dx))
    assert out.sum() == pytest.approx(image.sum(), rel=1e-3)
    assert ndimage.center_of_mass(out) == pytest.approx((32 - dy, 32 - dx), abs=0.01)


def test_a_place_of_the_image_shows_the_place_of_the_specimen_that_the_path_names():
    detector = Detector(jitter_nm=0, drift=(0.02, -0.015), flyback_nm=0.3)
    path = ScanPath.of((200, 240), 0.05, detector, rng())
    margin = path.reach_px
    y, x = path.specimen(150, 8)
    canvas = blob((200 + 2 * margin, 240 + 2 * margin), y + margin, x + margin, sigma=2)
    seen = ndimage.center_of_mass(scanned(canvas, path))
    assert seen == pytest.approx((150, 8), abs=0.3)  # the flyback distorts the spot a little
    assert abs(x - 8) > 3


# ---------------------------------------------------------------------- support


def test_structure_has_the_strength_it_was_given_within_its_band():
    for structure in (0.5, 1.5):
        film, _ = support_signal((600, 600), 0.05, Support(8, structure, 2, 0, 0), 0.05, rng())
        spectrum = np.abs(np.fft.fft2(film - film.mean())) ** 2
        q = np.hypot(*np.meshgrid(*[np.fft.fftfreq(600, 0.05)] * 2))
        in_band = spectrum[(q > 1 / 2.0) & (q < 1 / 0.4)].sum() / film.size**2
        assert np.sqrt(in_band) == pytest.approx(structure, rel=0.1)
        assert film.mean() == pytest.approx(8 * 1.2, rel=0.1)


def test_vacuum_has_no_support_and_covers_the_share_it_was_given():
    film, covered = support_signal((256, 256), 0.1, Support(vacuum=0.3), 0.16, rng(2))
    assert 1 - covered.mean() == pytest.approx(0.3, abs=0.02)
    assert film[~covered].max() == 0


def test_a_support_is_never_less_than_nothing():
    film, _ = support_signal((256, 256), 0.1, Support(2.0, 3.0, 6.0, 0.1, 1.0, 3, 0.2), 0.16, rng(3))
    assert film.min() >= 0


def test_a_collar_lies_around_the_rim_and_is_worth_a_few_atoms():
    worth = []
    for seed in range(20):
        pile = collar((121, 121), np.array([60.0, 60.0]), 0.6, 1.0, 0.05, rng(seed))
        y, x = (np.indices(pile.shape) - 60) * 0.05
        assert pile.min() >= 0
        assert pile[np.hypot(y, x) > 2.6].max() < 0.05
        worth.append(pile.sum() * 0.05**2)
        middle = pile[np.hypot(y, x) < 0.15].mean()
        assert middle < 0.2 * pile.max()
    assert 2 < np.mean(worth) < 6


# ---------------------------------------------------------------------- statistics


def test_the_estimator_finds_what_was_put_in():
    support = Support(thickness_nm=30, structure=2.5, coarseness_nm=3, speckle=0.01, gradient=0.5)
    film, _ = support_signal((512, 512), 0.03, support, 0.18, rng(4))
    detector = Detector(dose=800, readout=1, correlation=0.2, line_offset=0.2, line_memory=0, gain=70, black=400)
    image = acquire(film, support.level, 0.03, detector, rng(5))
    found = noise_statistics(image, 0.03, black=400)
    expected = np.sqrt((support.level + 1) / 800) / 0.03
    assert found.level / 70 == pytest.approx(film.mean(), rel=0.1)
    assert found.pixel_noise / 70 == pytest.approx(expected, rel=0.1)
    assert found.correlation_along == pytest.approx(0.2, abs=0.06)
    assert found.correlation_across == pytest.approx(0, abs=0.04)
    assert found.line_offset == pytest.approx(0.2, rel=0.35)
    assert found.structure / 70 == pytest.approx(2.4, rel=0.2)
    assert found.noise_growth == pytest.approx(1, abs=0.35)


@pytest.mark.slow
@pytest.mark.parametrize(("condition", "level", "structure"), [
    ("nominal", (3, 14), (0.7, 2.5)), ("thick_support", (25, 70), (1.1, 3.6)),
])  # fmt: skip
def test_frames_have_the_statistics_of_real_ones(condition, level, structure):
    found = []
    for seed in range(6):
        spec = sample_spec(condition, n_clusters=0, shape=(512, 512), seed=seeded(seed), pixel_size_nm=0.03)
        frame = simulate_frame(replace(spec, support=replace(spec.support, vacuum=0.0)), seeded(seed))
        statistics = noise_statistics(frame.image, 0.03, spec.detector.black)
        assert 0.0 <= statistics.correlation_along < 0.55
        assert abs(statistics.correlation_across) < 0.25
        found.append((statistics, spec.detector.gain))
    levels = [s.level / gain for s, gain in found]
    structures = [s.structure / gain for s, gain in found]
    noise = np.array([s.pixel_noise / gain * 0.03 for s, gain in found])
    assert level[0] < min(levels) and max(levels) < level[1]
    assert structure[0] < np.median(structures) < structure[1]
    # 0.14 to 0.27 atoms per nm were measured
    assert noise.min() > 0.07 and noise.max() < 0.4
    assert max(s.line_offset for s, _ in found) < 0.25
