"""Heat maps: where they point, and that they follow the weights."""

import copy

import numpy as np
import pytest
import torch

from counting.synthetic import SIZES, blobs, sized_blobs, trained_bundle
from napari_atomicity.counting.bundle import Bundle, Card
from napari_atomicity.counting.network import Network
from napari_atomicity.counting.patches import NM_PER_PX, Patches, normalise
from napari_atomicity.errors import InputError
from napari_atomicity.insight.attribution import Attribution, attribution_steps
from napari_atomicity.insight.overlay import compose
from napari_atomicity.progress import drain


def _explain(bundle, patches, target=None):
    return drain(attribution_steps(bundle, patches, target))


def _peak(image):
    return np.array(np.unravel_index(image.argmax(), image.shape), dtype=float)


def _centroid(image):
    y, x = np.indices(image.shape)
    return np.array([(image * y).sum(), (image * x).sum()]) / image.sum()


def _brightness_network():
    """A network whose class 0 is brightness itself: its map can only be where the light is."""
    network = Network(5, 1).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        branch = network.branches[0]
        for module in branch.maps.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.fill_(1.0)
            elif isinstance(module, torch.nn.Conv2d):
                middle = module.kernel_size[0] // 2
                module.weight[0, 0, middle, middle] = 1.0
        branch.hidden.weight[0, 0] = 1.0
        branch.logits.weight[0, 0] = 1.0
    network.requires_grad_(False)
    return Bundle(Card("brightness", SIZES, ("raw",), lcn_window_nm=0.8), network)


def _spot(y, x, width=3.0):
    rows, cols = np.indices((64, 64))
    raw = np.exp(-0.5 * ((rows - y) ** 2 + (cols - x) ** 2) / width**2).astype(np.float32)[None]
    return Patches(raw, np.zeros(1), np.full(1, 0.01, np.float32), np.ones(1, dtype=bool))


@pytest.mark.parametrize(("y", "x"), [(20.0, 40.0), (32.0, 32.0), (14.0, 25.0), (45.0, 13.0)])
def test_a_map_lies_where_the_light_is(y, x):
    found = _explain(_brightness_network(), _spot(y, x), target=0)
    assert found.maps.shape == (1, 1, 64, 64)
    assert not found.empty.any()
    np.testing.assert_allclose(_centroid(found.maps[0, 0]), [y, x], atol=0.5)


def test_turning_the_cluster_turns_the_map():
    bundle = _brightness_network()
    straight = _explain(bundle, _spot(20, 44), target=0).maps[0, 0]
    turned = _explain(bundle, _spot(44, 20), target=0).maps[0, 0]
    np.testing.assert_allclose(turned, straight.T, atol=1e-4)


def test_what_speaks_against_every_place_is_reported_as_empty_and_not_drawn():
    bundle = _brightness_network()
    against = _explain(bundle, _spot(30, 30), target=3)
    assert against.empty.all() and not against.maps.any()


def test_shares_of_the_channels_add_up_and_maps_are_not_negative():
    _, patches, _ = sized_blobs()
    found = _explain(trained_bundle(), patches.take(np.arange(70)))
    assert found.maps.shape == (70, 2, 64, 64) and found.maps.min() >= 0
    assert found.channel_names == ("raw", "lcn")
    np.testing.assert_allclose(found.share.sum(axis=1), 1.0, atol=1e-4)
    assert found.resolution_nm == pytest.approx(0.2)
    np.testing.assert_array_equal(found.empty, found.maps.max(axis=(2, 3)) == 0)


def test_other_weights_and_other_targets_give_other_maps():
    _, patches, _ = sized_blobs()
    part, trained = patches.take(np.arange(30)), trained_bundle()
    network = copy.deepcopy(trained.network)
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.reset_parameters()
    random = _explain(Bundle(trained.card, network), part, target=2)
    learnt, other = _explain(trained, part, target=2), _explain(trained, part, target=4)
    for changed in (random, other):
        a, b = learnt.maps.reshape(60, -1), changed.maps.reshape(60, -1)
        drawn = (a.std(axis=1) > 0) & (b.std(axis=1) > 0)
        alike = [np.corrcoef(u, v)[0, 1] for u, v in zip(a[drawn], b[drawn], strict=True)]
        assert np.median(alike or [0.0]) < 0.9


def test_the_batch_does_not_matter_and_targets_can_be_given_one_by_one():
    _, patches, _ = sized_blobs()
    target = np.arange(40) % 5
    together = _explain(trained_bundle(), patches.take(np.arange(40)), target)
    alone = _explain(trained_bundle(), patches.take(np.array([33])), target[33:34])
    np.testing.assert_allclose(alone.maps[0], together.maps[33], atol=1e-4)
    np.testing.assert_array_equal(together.target, target)


def test_a_cluster_without_a_patch_gets_no_map_and_none_at_all_is_fine():
    windows, diameter, intensity = blobs([19, 70])
    windows[1] = np.nan
    found = _explain(trained_bundle(), normalise(windows, diameter, intensity))
    assert found.target[1] == -1 and found.empty[1].all() and np.isnan(found.share[1]).all()
    nothing = _explain(trained_bundle(), normalise(windows[:0], diameter[:0], intensity[:0]))
    assert nothing.maps.shape == (0, 2, 64, 64)
    with pytest.raises(InputError, match="5 classes"):
        _explain(trained_bundle(), normalise(windows[:1], diameter[:1], intensity[:1]), target=7)


# ---------------------------------------------------------------------- over the micrograph


def _planted(maps):
    n, channels = maps.shape[:2]
    return Attribution(maps, ("raw", "lcn")[:channels], np.zeros(n, int), np.ones((n, channels)),
                       np.zeros((n, channels), bool), 0.2, 0.2, "grad-cam", np.ones((n, channels)))  # fmt: skip


@pytest.mark.parametrize("pixel_size_nm", [0.02, 0.05, 0.1])
def test_a_planted_spot_comes_out_at_its_place_to_a_fraction_of_a_pixel(pixel_size_nm):
    maps = np.zeros((1, 1, 64, 64), np.float32)
    rows, cols = np.indices((64, 64))
    maps[0, 0] = np.exp(-0.5 * ((rows - 20) ** 2 + (cols - 47) ** 2) / 4**2)
    centre = np.array([[101.3, 96.8]])
    image = compose(_planted(maps), centre, (220, 200), pixel_size_nm)
    assert image.shape == (1, 220, 200) and image.dtype == np.float32
    expected = centre[0] + (np.array([20, 47]) - 31.5) * NM_PER_PX / pixel_size_nm
    np.testing.assert_allclose(_centroid(image[0]), expected, atol=0.05)


def test_one_map_pixel_lands_on_its_image_pixel():
    maps = np.zeros((1, 2, 64, 64), np.float32)
    maps[0, 1, 10, 50] = 1.0
    image = compose(_planted(maps), np.array([[40.5, 60.5]]), (100, 120), NM_PER_PX)
    assert not image[0].any()
    assert tuple(_peak(image[1])) == (40.5 - 31.5 + 10, 60.5 - 31.5 + 50)
    assert image[1].max() == pytest.approx(1.0)


def test_overlaps_keep_the_larger_and_windows_may_reach_beyond_the_image():
    maps = np.ones((3, 1, 64, 64), np.float32) * np.array([1.0, 2.0, 3.0], np.float32)[:, None, None, None]
    image = compose(_planted(maps), np.array([[50.0, 50.0], [50.0, 60.0], [2.0, 199.0]]), (100, 200), NM_PER_PX)[0]
    assert image[50, 55] == 2.0 and image[50, 26] == 1.0
    assert image[2, 197] == 3.0
    assert image[50, 19] < 0.3  # a window fades out at its rim
    assert image[99, 150] == 0.0 and np.isfinite(image).all()
    assert not compose(_planted(maps[:1]), np.array([[-500.0, 20.0]]), (100, 200), NM_PER_PX).any()
