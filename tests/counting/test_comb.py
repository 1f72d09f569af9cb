"""The comb of integrals finds the scale of a mixed frame whatever shapes say, and admits where it cannot."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_atomicity.counting.calibrate import calibrate_frame
from napari_atomicity.counting.comb import comb_likelihood
from seeds import seeded

from .synthetic import SIZES, evidence_of

SCALE = 850.0


def mixed(n=100, sd=0.06, seed=1, **how):
    return evidence_of(np.random.default_rng(seeded(seed)).choice(SIZES, n), SCALE, integral_sd=sd, **how)


def around(scale, reach=0.6, step=0.01):
    return np.log(scale) + np.arange(-reach, reach + step / 2, step)


@pytest.mark.parametrize("bias", [-0.4, 0.4])
def test_a_mixed_frame_has_its_scale_though_its_shapes_speak_for_another(bias):
    grid = around(SCALE)
    found = grid[comb_likelihood(mixed(bias=bias), grid).argmax()]
    assert found == pytest.approx(np.log(SCALE), abs=0.03)


@pytest.mark.parametrize("size", SIZES)
def test_one_tooth_fits_every_class_as_well(size):
    evidence = evidence_of([size] * 60, SCALE, integral_sd=0.07, seed=2)
    at = np.log(SCALE * size / np.array(SIZES))
    likelihood = comb_likelihood(evidence, at)
    # broad as it is, it is no reason to see two classes in it that lie close
    assert np.ptp(likelihood) < 1.5
    between = comb_likelihood(evidence, np.log([SCALE * size / 23.8, SCALE * size / 35]))
    assert between.max() < likelihood.min()


def test_clusters_that_are_no_class_do_not_move_the_comb():
    n_atoms = [*np.random.default_rng(seeded(3)).choice(SIZES, 80), *[8] * 6, *[150] * 4]
    grid = around(SCALE)
    found = grid[comb_likelihood(evidence_of(n_atoms, SCALE, integral_sd=0.06), grid).argmax()]
    assert found == pytest.approx(np.log(SCALE), abs=0.03)


def test_many_clusters_say_little_more_than_a_good_few():
    few, many = mixed(40, seed=4), mixed(400, seed=4)
    right, wrong = np.log(SCALE), np.log(SCALE) + 0.2
    lead = [float(-np.diff(comb_likelihood(each, np.array([right, wrong])))[0]) for each in (few, many)]
    assert 0 < lead[0] < lead[1] < 3 * lead[0]


def test_no_cluster_says_nothing():
    np.testing.assert_array_equal(comb_likelihood(mixed().take(np.arange(0)), around(SCALE)), 0.0)


class _Sure(torch.nn.Module):
    """A network of scales that has learnt another microscope: sure of a wrong scale."""

    def __init__(self, log_scale, middle):
        super().__init__()
        self.offset = log_scale - middle

    def forward(self, _view, offset):
        return torch.log_softmax(-0.5 * ((offset - self.offset) / 0.12) ** 2, dim=0)


@pytest.mark.parametrize("factor", [0.8, 0.88, 1.15, 1.3])
def test_a_network_that_is_sure_of_a_wrong_scale_does_not_overrule_the_integrals(factor):
    evidence = mixed(90, sd=0.05, seed=5)
    sure = _Sure(float(np.log(SCALE * factor)), float(np.median(evidence.log_integral)))
    found = calibrate_frame(replace(evidence, scale_network=sure))
    assert found.intensity_per_atom == pytest.approx(SCALE, rel=0.05)
