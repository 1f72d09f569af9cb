"""What must hold of any scale network, learnt or not: it looks at a set of clusters, and never at the gain."""

import copy
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_atomicity.counting.bundle import Bundle, load_bundle, save_bundle
from napari_atomicity.counting.calibrate import calibrate_frame, calibrate_frames
from napari_atomicity.counting.classify import evidence_steps
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.counting.scale_likelihood import frame_view
from napari_atomicity.counting.scale_network import ScaleNetwork, offsets
from napari_atomicity.errors import InputError
from napari_atomicity.progress import drain
from seeds import seeded

from .synthetic import SIZES, evidence_of, looked, sized_blobs, trained_bundle


def _untaught(evidence, seed=0):
    torch.manual_seed(seeded(seed))
    inputs = frame_view(evidence)[0].clusters.shape[1]
    return replace(evidence, scale_network=ScaleNetwork(len(SIZES), inputs).eval().requires_grad_(False))


def test_the_order_of_the_clusters_does_not_matter():
    evidence = _untaught(evidence_of(SIZES * 12, 700.0))
    turned = evidence.take(np.random.default_rng(seeded(0)).permutation(len(evidence)))
    np.testing.assert_allclose(calibrate_frame(turned).log_scale, calibrate_frame(evidence).log_scale)
    np.testing.assert_allclose(calibrate_frame(turned).weight, calibrate_frame(evidence).weight, atol=1e-4)


def test_another_gain_moves_the_scale_and_nothing_else():
    dim = _untaught(evidence_of(SIZES * 12, 700.0))
    bright = replace(dim, log_integral=dim.log_integral + np.log(1e4))
    first, second = calibrate_frame(dim), calibrate_frame(bright)
    assert second.intensity_per_atom == pytest.approx(1e4 * first.intensity_per_atom, rel=1e-3)
    for label, share in first.fractions.items():
        assert second.fractions[label] == pytest.approx(share, abs=1e-3)


def test_every_class_is_within_reach_of_a_frame_that_holds_it_alone():
    reach = offsets(SIZES)
    for size in SIZES:
        assert reach[0] < -np.log(size) < reach[-1]


def test_a_hotter_network_is_less_sure():
    evidence = _untaught(evidence_of([41] * 30, 700.0), seed=3)
    spread = []
    for temperature in (0.2, 1.0, 5.0):
        evidence.scale_network.temperature.fill_(temperature)
        weight = calibrate_frame(evidence).weight
        spread.append(-(weight * np.log(weight)).sum())
    assert spread == sorted(spread)


def test_it_is_saved_with_its_model(tmp_path):
    bundle = trained_bundle()
    inputs = 4 + 2 + 2 * 6 + 2 * 16
    taught = Bundle(bundle.card, bundle.network, bundle.rehearsal, ScaleNetwork(5, inputs).eval())
    again = load_bundle(save_bundle(taught, tmp_path / "taught"))
    for name, value in taught.scale_network.state_dict().items():
        torch.testing.assert_close(again.scale_network.state_dict()[name], value)
    assert load_bundle(save_bundle(bundle, tmp_path / "plain")).scale_network is None
    wrong = replace(taught, scale_network=ScaleNetwork(4, inputs))
    with pytest.raises(InputError, match="does not fit its card"):
        load_bundle(save_bundle(wrong, tmp_path / "wrong"))


def test_a_frame_that_does_not_fit_its_session_is_named_and_stands_alone():
    rng = np.random.default_rng(seeded(1))
    frames = [evidence_of(rng.choice(SIZES, 80), 1000.0 * f, seed=i) for i, f in enumerate((1.0, 1.05, 0.96))]
    odd = evidence_of(rng.choice(SIZES, 80), 1000.0 * 1.1**4, seed=9)
    found = calibrate_frames([*frames, odd])
    assert [bool(one.misfit) for one in found] == [False, False, False, True]
    assert found[-1].intensity_per_atom == pytest.approx(1000 * 1.1**4, rel=0.03)
    assert found[0].intensity_per_atom == pytest.approx(1000, rel=0.03)


def test_a_pixel_size_that_contradicts_the_known_scale_is_said():
    evidence = evidence_of(np.random.default_rng(seeded(2)).choice(SIZES, 120), 1000.0 * 1.1**2)
    near_scale = PriorKnowledge(intensity_per_atom=1000.0, intensity_per_atom_sd=0.03)
    misfit = calibrate_frame(evidence, near_scale).misfit
    assert re.search("pixel size (9|10|11)%", misfit), misfit
    assert calibrate_frame(evidence, PriorKnowledge(intensity_per_atom=1230.0, intensity_per_atom_sd=0.05)).misfit == ""


def test_deposited_sizes_that_contradict_the_picture_are_said():
    evidence = evidence_of([19] * 60 + [55] * 60, 1000.0, shape_sd=0.1)
    assert "do not look like" in calibrate_frame(evidence, PriorKnowledge(deposited=(30,))).misfit
    assert calibrate_frame(evidence, PriorKnowledge(deposited=(19, 55))).misfit == ""


def test_an_interval_is_as_wide_as_what_is_open():
    sure = calibrate_frame(evidence_of([41] * 40, 1000.0, shape_sd=0.1, seed=1))
    assert sure.intervals["Pt41"][0] > 0.8 and sure.intervals["Pt55"][1] < 0.2
    open_ = calibrate_frame(evidence_of([41] * 15, 1000.0, bias=np.log(np.sqrt(41 * 55) / 41), seed=1))
    assert open_.ambiguous and open_.intervals["Pt41"][0] < 0.1 and open_.intervals["Pt41"][1] > 0.9


@pytest.mark.parametrize("pure", [False, True])
def test_intervals_hold_the_share_and_narrow_with_the_number_of_clusters(pure):
    rng = np.random.default_rng(seeded(4))
    widths = []
    for n in (40, 400):
        n_atoms = np.full(n, 41) if pure else rng.choice(SIZES, n)
        found = calibrate_frame(
            evidence_of(n_atoms, 1000.0, shape_sd=0.15, seed=5), PriorKnowledge(intensity_per_atom=1000.0)
        )
        assert set(found.intervals) == set(found.fractions)
        for label, (low, high) in found.intervals.items():
            assert 0 <= low <= found.fractions[label] + 0.02 and found.fractions[label] - 0.02 <= high <= 1
        low, high = found.intervals["Pt41"]
        assert low <= (n_atoms == 41).mean() <= high + 0.01
        widths.append(high - low)
    assert widths[1] < 0.7 * widths[0]


@pytest.mark.slow
def test_an_adapted_model_calibrates_with_the_features_of_the_model_as_shipped(tmp_path):
    _, patches, _ = sized_blobs()
    bundle = trained_bundle()
    torch.manual_seed(seeded(2))
    bundle = replace(bundle, scale_network=ScaleNetwork(5, 4 + 2 + 2 * 6 + 2 * 16).eval().requires_grad_(False))
    tuned = copy.deepcopy(bundle.network)
    with torch.no_grad():
        for parameter in tuned.tunable():
            parameter.add_(0.3 * torch.randn_like(parameter))
    adapted = replace(bundle, network=tuned, shipped=bundle.network)
    expected = drain(evidence_steps(bundle, patches))
    for one in (adapted, load_bundle(save_bundle(adapted, tmp_path / "adapted"))):
        evidence = looked(one, patches)
        assert not np.allclose(evidence.shape, looked(bundle, patches).shape)
        np.testing.assert_allclose(evidence.free.features, expected.features, atol=1e-5)
        np.testing.assert_allclose(evidence.take(np.arange(9)).free.shape, expected.shape[:9], atol=1e-5)
