from functools import partial

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.patches import (
    NM_PER_PX,
    channel_pictures,
    extract_patches,
    in_atoms,
    network_input,
    normalise,
)
from seeds import seeded

from .synthetic import GAIN, blobs


def _frame(seed=0):
    """An image of three clusters on a tilted, noisy background, and its table without intensities."""
    rng = np.random.default_rng(seeded(seed))
    y, x = np.indices((300, 300))
    image = 300 + 0.2 * y + rng.normal(0, 3, (300, 300))
    for cy, cx in ((80, 90), (200, 100), (150, 220.5)):
        image += 150 * np.exp(-0.5 * ((y - cy) ** 2 + (x - cx) ** 2) / 9**2)
    table = ClusterTable.from_columns({"y_px": [80, 200, 150], "x_px": [90, 100, 220.5], "diameter_nm": [1.0] * 3})
    return image.astype(np.float32), table


def test_gain_and_black_level_drop_out():
    image, table = _frame()
    one = extract_patches(image, table, 0.05)
    other = extract_patches(image * 3 + 100, table, 0.05)
    np.testing.assert_allclose(other.raw, one.raw, atol=2e-4)
    np.testing.assert_allclose(other.log_integral - one.log_integral, np.log(3), atol=1e-3)
    # at the scale that belongs to each, atoms per nm² are the same
    seen = [in_atoms(patches, np.log(scale)) for patches, scale in ((one, 7.0), (other, 21.0))]
    np.testing.assert_allclose(network_input(*seen[0], 2, 0.8), network_input(*seen[1], 2, 0.8), atol=5e-3)


def test_in_atoms_the_sum_over_a_cluster_is_its_atoms_and_the_network_sees_the_middle():
    patches = normalise(*blobs([19, 70], noise=0.5))
    picture, noise = in_atoms(patches, np.log(GAIN))
    assert picture.sum(axis=(1, 2)) * NM_PER_PX**2 == pytest.approx([19, 70], rel=0.05)
    x = network_input(picture, noise, 2, 0.8).numpy()
    assert x.shape == (2, 3, 52, 52)
    np.testing.assert_allclose(x[:, 0] * 20, picture[:, 6:58, 6:58], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.sinh(x[:, 1] * 3) * 4, picture[:, 6:58, 6:58], rtol=1e-4, atol=1e-4)


def test_a_cluster_without_an_integral_or_at_an_absurd_scale_gives_finite_pictures():
    patches = normalise(*blobs([19, 70]))
    patches.valid[0] = False
    for scale in (np.nan, 400.0, -400.0, np.log(GAIN)):
        picture, noise = in_atoms(patches, np.full(2, scale))
        assert np.isfinite(picture).all() and np.isfinite(noise).all() and not picture[0].any()


def test_the_measured_intensity_takes_precedence_over_the_own_sum():
    image, table = _frame()
    own = extract_patches(image, table, 0.05)
    given = extract_patches(image, table.with_columns(intensity=[1000.0, 2000.0, np.nan]), 0.05)
    np.testing.assert_allclose(np.exp(given.log_integral[:2]), [1000.0, 2000.0])
    assert given.log_integral[2] == own.log_integral[2]
    scale = np.exp(own.log_integral[0]) / 1000.0
    np.testing.assert_allclose(given.raw[0], own.raw[0] * scale, rtol=1e-4, atol=1e-6)


def test_a_sloping_support_and_a_bright_neighbour_leave_no_pedestal():
    windows, diameter, intensity = blobs([30])
    y, x = np.indices((64, 64))
    slope = windows + 0.8 * x
    neighbour = slope + 500 * np.exp(-0.5 * ((y - 6) ** 2 + (x - 60) ** 2) / 3**2)
    for changed in (slope, neighbour):
        patch = normalise(changed.astype(np.float32), diameter, intensity)
        total = patch.raw[0, 12:52, 12:52].sum() * NM_PER_PX**2
        assert total == pytest.approx(1.0, abs=0.05)


def test_the_empty_outside_of_the_image_becomes_zero_and_a_lost_cluster_invalid():
    image, table = _frame()
    table = table.with_columns(y_px=[80, 200, -40.0])
    patches = extract_patches(image, table, 0.05)
    assert patches.valid.tolist() == [True, True, False]
    assert np.isfinite(patches.raw).all()
    assert not patches.raw[2].any() and np.isnan(patches.log_integral[2])


def test_local_contrast_shows_dim_and_bright_structure_alike_but_not_noise():
    patches = normalise(*blobs([19, 70], noise=0.5))
    x = channel_pictures(*in_atoms(patches, np.log(GAIN)), 2, 0.8).numpy()
    assert x.shape == (2, 2, 64, 64)
    raw_peaks, lcn_peaks = x[:, 0].max(axis=(1, 2)), x[:, 1].max(axis=(1, 2))
    assert abs(np.log(lcn_peaks[0] / lcn_peaks[1])) < abs(np.log(raw_peaks[0] / raw_peaks[1]))
    assert x[:, 1, :6, :6].std() < 1.2 < lcn_peaks.min()


def test_local_contrast_is_what_the_plain_filter_gives():
    """Mean and spread within a Gaussian window, the noise as its floor: here by SciPy, pixel by pixel."""
    patches = normalise(*blobs([19, 41, 70], noise=4.0))
    blur = partial(gaussian_filter, sigma=(0, *[0.8 / NM_PER_PX / 2.355] * 2), mode="nearest", truncate=2.5)
    raw, noise = in_atoms(patches, np.log(GAIN))
    mean = blur(raw.astype(np.float64))
    spread = np.sqrt(blur((raw - mean) ** 2) + 0.25 * noise[:, None, None] ** 2 + 1.0)
    expected = np.stack([raw, (raw - mean) / spread], axis=1)
    np.testing.assert_allclose(channel_pictures(raw, noise, 2, 0.8).numpy(), expected, atol=2e-3)
    np.testing.assert_array_equal(channel_pictures(raw, noise, 1, 0.8).numpy(), expected[:, :1].astype(np.float32))


def _support(noise, n=24, seed=1):
    """Windows of level support without a cluster, which are told to be clusters of 1 nm and 1000 counts nm²."""
    windows = 400 + np.random.default_rng(seeded(seed)).normal(0, noise, (n, 64, 64))
    return windows.astype(np.float32), np.ones(n), np.full(n, 1000.0)


@pytest.mark.parametrize("noise", [1.0, 6.0])
def test_the_noise_of_a_patch_is_that_of_the_support_around_its_cluster(noise):
    measured = normalise(*_support(noise)).noise * 1000
    assert np.mean(measured) == pytest.approx(noise, rel=0.04)
    assert measured == pytest.approx(np.full(24, noise), rel=0.12)


@pytest.mark.parametrize("neighbours", [0, 1, 3])
def test_the_support_is_a_plane_even_beside_bright_neighbours(neighbours):
    y, x = np.indices((64, 64)) - 31.5
    windows, diameter, intensity = _support(1.0)
    bright = sum(900 * np.exp(-0.5 * ((y - 27 + 8 * i) ** 2 + (x - 27) ** 2) / 2**2) for i in range(neighbours))
    patches = normalise((windows + 0.6 * x - 0.9 * y + bright).astype(np.float32), diameter, intensity)
    middle = patches.raw[:, 16:48, 16:48] * 1000
    # of neighbours 900 counts high no more than three thousandths are left
    for axis in (1, 2):
        assert np.abs(middle.mean(axis=(0, axis))).max() < 0.3 + 0.8 * neighbours


@pytest.mark.parametrize("diameter", [1.0, np.nan])
def test_without_an_intensity_a_cluster_is_summed_up_by_itself(diameter):
    """A neighbour that ends 0.9 nm away does not count; where no diameter was measured the cluster is a usual one."""
    y, x = (np.indices((64, 64)) - 31.5) * NM_PER_PX
    disc, neighbour = np.hypot(y, x) < 0.5, np.hypot(y, x - 1.15) < 0.25
    windows = 400 + np.random.default_rng(seeded(3)).normal(0, 1.0, (1, 64, 64)) + 1000.0 * (disc | neighbour)
    patches = normalise(windows.astype(np.float32), np.array([diameter]), np.array([np.nan]))
    assert np.exp(patches.log_integral) == pytest.approx([1000.0 * disc.sum() * NM_PER_PX**2], rel=0.01)


def test_a_large_cluster_adds_nothing_to_the_noise_of_the_support_around_it():
    windows, _, intensity = _support(2.0)
    y, x = (np.indices((64, 64)) - 31.5) * NM_PER_PX
    patches = normalise(windows + np.float32(500.0) * (np.hypot(y, x) < 1.0), np.full(24, 2.0), intensity)
    assert np.mean(patches.noise * 1000) == pytest.approx(2.0, rel=0.06)


def test_the_support_is_level_where_the_side_of_the_image_leaves_too_little_for_a_slope():
    slope = np.repeat(400 + 0.5 * np.arange(64, dtype=np.float32)[:, None], 64, axis=1)
    cut = slope.copy()
    cut[:, :32] = np.nan
    patches = normalise(np.stack([slope, cut]), np.full(2, 1.9), np.full(2, 1000.0))
    assert np.ptp(patches.raw[0] * 1000) < 0.1
    assert np.ptp(patches.raw[1, :, 32:] * 1000, axis=0) == pytest.approx(np.full(32, 0.5 * 63), rel=1e-3)
    assert not patches.raw[1, :, :32].any() and patches.valid.all()
