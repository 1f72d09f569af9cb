from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_atomicity.counting.classify import evidence_steps
from napari_atomicity.counting.patches import normalise
from napari_atomicity.progress import drain
from seeds import seeded

from .synthetic import SIZES, blobs


def test_the_network_separates_what_it_was_taught(trained):
    n_atoms = np.random.default_rng(seeded(9)).choice(SIZES, 150)
    evidence = drain(evidence_steps(trained, normalise(*blobs(n_atoms, seed=9))))
    right = np.array(SIZES)[evidence.shape.argmax(axis=1)] == n_atoms
    assert right.mean() > 0.75
    np.testing.assert_allclose(np.exp(evidence.shape).sum(axis=1), 1.0, rtol=1e-5)


def test_a_cluster_is_judged_alone_whatever_shares_its_batch(trained, sized):
    _, patches, _ = sized
    together = drain(evidence_steps(trained, patches))
    alone = drain(evidence_steps(trained, patches.take(np.array([7]))))
    np.testing.assert_allclose(alone.shape[0], together.shape[7], atol=1e-4)


def test_each_channel_has_its_share_of_the_logits(trained, sized):
    _, patches, _ = sized
    evidence = drain(evidence_steps(trained, patches.take(np.arange(20))))
    logits = evidence.branch.sum(axis=1)
    shape = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    np.testing.assert_allclose(evidence.shape, shape, atol=1e-4)


def test_temperature_and_the_error_of_the_integral_come_from_the_card(trained, sized):
    _, patches, _ = sized
    hot = replace(trained, card=replace(trained.card, temperature=4.0, integral_tau=0.5))
    cold, warm = (drain(evidence_steps(one, patches)) for one in (trained, hot))
    assert np.exp(warm.shape).max(axis=1).mean() < np.exp(cold.shape).max(axis=1).mean()
    assert (warm.log_integral_sd >= 0.5).all()
    np.testing.assert_array_equal(warm.log_integral, cold.log_integral)


def test_invalid_and_no_clusters(trained, sized):
    _, patches, _ = sized
    valid = patches.valid.copy()
    valid[2] = False
    evidence = drain(evidence_steps(trained, replace(patches, valid=valid)))
    assert np.isnan(evidence.shape[2]).all() and np.isfinite(evidence.shape[3]).all()
    assert len(drain(evidence_steps(trained, patches.take(np.arange(0))))) == 0


@pytest.mark.parametrize("channels", [1, 2])
def test_outputs_have_the_promised_shapes(channels):
    from napari_atomicity.counting.network import Network

    out = Network(4, channels).eval()(torch.zeros(3, channels, 64, 64))
    assert out.shape_logits.shape == (3, 4) and out.branch_logits.shape == (3, channels, 4)
    assert out.features.shape[0] == 3
    for name in ("log_integral_shift", "log_integral_sd", "log_n", "log_n_sd", "outside_logit"):
        assert getattr(out, name).shape == (3,)
