import numpy as np
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.patches import NM_PER_PX, extract_patches, network_input, normalise
from seeds import seeded

from .synthetic import blobs


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
    np.testing.assert_allclose(network_input(other, 2, 0.8), network_input(one, 2, 0.8), atol=5e-3)


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
    x = network_input(patches, 2, 0.8).numpy()
    assert x.shape == (2, 2, 64, 64)
    raw_peaks, lcn_peaks = x[:, 0].max(axis=(1, 2)), x[:, 1].max(axis=(1, 2))
    assert abs(np.log(lcn_peaks[0] / lcn_peaks[1])) < abs(np.log(raw_peaks[0] / raw_peaks[1]))
    assert x[:, 1, :6, :6].std() < 1.2 < lcn_peaks.min()
