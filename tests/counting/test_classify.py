from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_atomicity.counting.classify import evidence_steps
from napari_atomicity.counting.looking import looked_steps, shift_of
from napari_atomicity.counting.mixture import integral_terms
from napari_atomicity.counting.network import Network, brightness
from napari_atomicity.counting.patches import normalise
from napari_atomicity.progress import drain
from seeds import seeded

from .synthetic import GAIN, SIZES, blobs, evidence_of, looked


@pytest.fixture(scope="module")
def fresh():
    """Atoms and patches of clusters that the network has not learnt from."""
    n_atoms = np.random.default_rng(seeded(9)).choice(SIZES, 150)
    return n_atoms, normalise(*blobs(n_atoms, seed=9))


def test_shape_alone_tells_what_was_taught(trained, fresh):
    n_atoms, patches = fresh
    evidence = drain(evidence_steps(trained, patches))
    right = np.array(SIZES)[evidence.shape.argmax(axis=1)] == n_atoms
    assert right.mean() > 0.6
    np.testing.assert_allclose(np.exp(evidence.shape).sum(axis=1), 1.0, rtol=1e-5)


def test_with_a_scale_the_network_counts_and_the_features_are_the_log_odds_that_decide(trained, fresh):
    n_atoms, patches = fresh
    evidence = looked(trained, patches)
    count = np.exp(evidence.log_integral - np.log(GAIN))
    assert np.mean(np.abs(count / n_atoms - 1) < 0.15) > 0.9
    assert evidence.features.shape == (150, len(SIZES) + 1)
    assert (evidence.features.max(axis=1) <= 0).all() and evidence.features.min() >= -5
    assert (np.array(SIZES)[evidence.features[:, :-1].argmax(axis=1)] == n_atoms).mean() > 0.8


@pytest.mark.few(1)
@pytest.mark.parametrize("factor", [0.5, 3.0, 1e4])
def test_another_gain_with_its_own_scale_changes_nothing(trained, fresh, factor):
    _, patches = fresh
    bright = replace(patches, log_integral=patches.log_integral + np.log(factor))
    one, other = looked(trained, patches), looked(trained, bright, np.log(GAIN * factor))
    np.testing.assert_allclose(other.log_integral - np.log(factor), one.log_integral, atol=1e-4)
    np.testing.assert_allclose(other.shape, one.shape, atol=1e-3)


def test_a_measured_standard_is_a_scale_whatever_lies_outside_the_aperture(trained, fresh):
    """Integrals that miss a twelfth: the scale measured on them gives the same counts as one that misses nothing."""
    n_atoms, patches = fresh
    missing = replace(patches, log_integral=patches.log_integral - 0.08, raw=patches.raw * np.float32(np.exp(0.08)))
    free = drain(evidence_steps(trained, missing))
    scale = float(np.median(missing.log_integral - np.log(n_atoms)))
    counted = drain(looked_steps(trained, missing, free, scale)).log_integral - scale
    expected = looked(trained, patches).log_integral - np.log(GAIN)
    np.testing.assert_allclose(counted, expected, atol=0.02)


def test_the_median_of_what_is_counted_is_that_of_what_is_measured(trained, fresh):
    _, patches = fresh
    evidence = looked(trained, patches)
    assert abs(np.median(evidence.log_integral - patches.log_integral)) < 0.012
    assert shift_of(evidence.free, patches, patches.valid, 0.3) == 0.3


def test_a_cluster_is_judged_alone_whatever_shares_its_batch(trained, sized):
    _, patches, _ = sized
    together = drain(evidence_steps(trained, patches))
    alone = drain(evidence_steps(trained, patches.take(np.array([7]))))
    np.testing.assert_allclose(alone.shape[0], together.shape[7], atol=1e-4)


def test_each_channel_has_its_share_of_the_logits(trained, sized):
    _, patches, _ = sized
    for evidence in (drain(evidence_steps(trained, patches.take(np.arange(20)))), looked(trained, patches)):
        logits = evidence.branch.sum(axis=1)
        inside = np.logaddexp.reduce(logits[:, :-1], axis=1)
        np.testing.assert_allclose(evidence.shape, logits[:, :-1] - inside[:, None], atol=1e-4)
        np.testing.assert_allclose(evidence.outside, logits[:, -1] - inside + np.log(len(SIZES)), atol=1e-4)


def test_temperatures_and_the_error_of_the_count_come_from_the_card(trained, sized):
    _, patches, _ = sized
    hot = replace(trained, card=replace(trained.card, temperature=4.0, temperature_scaled=5.0, integral_tau=0.5))
    cold, warm = (looked(one, patches) for one in (trained, hot))
    for a, b in ((cold, warm), (cold.free, warm.free)):
        assert np.exp(b.shape).max(axis=1).mean() < np.exp(a.shape).max(axis=1).mean()
    assert (warm.log_integral_sd >= 0.5).all()
    np.testing.assert_array_equal(warm.log_integral, cold.log_integral)


def test_invalid_and_no_clusters(trained, sized):
    _, patches, _ = sized
    valid = patches.valid.copy()
    valid[2] = False
    for evidence in (drain(evidence_steps(trained, replace(patches, valid=valid))),
                     looked(trained, replace(patches, valid=valid))):  # fmt: skip
        assert np.isnan(evidence.shape[2]).all() and np.isfinite(evidence.shape[3]).all()
    assert len(looked(trained, patches.take(np.arange(0)))) == 0


@pytest.mark.parametrize("channels", [("raw",), ("raw", "lcn")])
def test_outputs_have_the_promised_shapes(channels):
    out = Network((8, 13, 20, 30), channels).eval()(torch.zeros(3, len(channels) + 1, 52, 52), torch.ones(3))
    assert out.density.shape == (3, 26, 26)
    assert out.shape.shape == out.alone.shape == (3, len(channels), 5)
    assert out.features.shape == (3, 16 * len(channels)) and out.log_n.shape == out.log_n_sd.shape == (3,)


def test_the_count_is_the_sum_of_the_density(trained, fresh):
    from napari_atomicity.counting.classify import outputs_of

    _, patches = fresh
    out = outputs_of(trained.network, trained.card, patches, np.full(150, np.log(GAIN)))
    total = out.density.sum(dim=(1, 2)).numpy() * 0.1**2
    np.testing.assert_allclose(np.exp(out.log_n.numpy()), total, rtol=0.02)


@pytest.mark.parametrize("spread", [0.03, 0.1, 0.4])
def test_brightness_is_the_same_with_and_without_gradients(spread):
    evidence = replace(evidence_of(np.geomspace(3, 500, 40), 1.0), log_integral_sd=np.full(40, spread))
    expected = integral_terms(evidence, np.zeros(1), "logarithm")[0]
    log_n, sd = (torch.as_tensor(v) for v in (evidence.log_integral, evidence.log_integral_sd))
    np.testing.assert_allclose(brightness(log_n, sd, torch.as_tensor(np.log(SIZES))).numpy(), expected, rtol=1e-5)
