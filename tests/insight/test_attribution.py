"""Heat maps: where they point, and that they follow the weights."""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from counting.synthetic import SIZES, blobs, sized_blobs, trained_bundle
from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.bundle import Bundle, load_bundle
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.counting.network import Network
from napari_atomicity.counting.patches import NM_PER_PX, Patches, network_input, normalise
from napari_atomicity.errors import InputError
from napari_atomicity.insight import methods
from napari_atomicity.insight.attribution import METHODS, Attribution, Question, attribution_steps
from napari_atomicity.insight.overlay import compose
from napari_atomicity.progress import drain
from seeds import seeded


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
    return Bundle(ModelCard("brightness", SIZES, ("raw",), lcn_window_nm=0.8), network)


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
    torch.manual_seed(seeded(1))
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


def test_a_difference_of_two_classes_is_explained_and_its_contrary_is_its_mirror():
    _, patches, _ = sized_blobs()
    part, bundle = patches.take(np.arange(24)), trained_bundle()
    why = drain(attribution_steps(bundle, part, 4, 2))
    mirror = drain(attribution_steps(bundle, part, 2, 4))
    np.testing.assert_allclose(why.share, mirror.share, atol=1e-4)
    # what speaks for one speaks against the other: no place can do both
    assert not ((why.maps > 1e-6) & (mirror.maps > 1e-6))[:, :, ::4, ::4].any()
    # a cluster whose own class it is held against has no question
    own = drain(attribution_steps(bundle, part, np.full(24, 2), 2))
    assert (own.target == -1).all() and not own.maps.any() and np.isnan(own.share).all()


def test_a_question_names_classes_of_the_model():
    card = trained_bundle().card
    assert Question("Pt55", "Pt41").target_index(card) == 3 and Question().against_index(card) is None
    with pytest.raises(InputError, match="no class Pt38; it has Pt19"):
        Question("Pt38").target_index(card)
    with pytest.raises(InputError, match="two different"):
        Question("Pt55", "Pt55")
    with pytest.raises(InputError, match="choose grad-cam"):
        Question(method="magic")


def test_a_model_without_branches_is_refused_in_a_sentence():
    bundle = trained_bundle()
    fused = Bundle(bundle.card, torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(5)))
    with pytest.raises(InputError, match="no branch of its own"):
        drain(attribution_steps(fused, sized_blobs()[1].take(np.arange(2))))


def test_integrated_gradients_add_up_to_the_lead_over_an_empty_support():
    _, patches, _ = sized_blobs()
    part, bundle = patches.take(np.arange(6)), trained_bundle()
    branch = bundle.network.branches[0]
    x = network_input(part, 1, bundle.card.lcn_window_nm)
    empty = network_input(methods.empty_support(part), 1, bundle.card.lcn_window_nm)
    weights = torch.as_tensor(methods.lead(np.arange(6) % 5, None, 5))
    maps = methods.integrated_gradients(branch, x, empty, weights, steps=200)
    with torch.no_grad():
        gained = ((branch(x)[0] - branch(empty)[0]) * weights).sum(dim=1).numpy()
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), gained, atol=0.03 * np.abs(gained).max() + 1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_light_and_both_agree_there(method):
    found = drain(attribution_steps(_brightness_network(), _spot(20.0, 40.0), 0, method=method))
    np.testing.assert_allclose(_centroid(found.maps[0, 0]), [20, 40], atol=1.5)
    assert found.agreement[0, 0] > 0.6


def test_the_stated_field_is_the_field():
    bundle = load_bundle("dual")
    x = torch.zeros(1, 1, 64, 64, requires_grad=True)
    seen = bundle.network.branches[0].maps(x)[0, :, 8, 8].sum()
    rows = torch.autograd.grad(seen, x)[0][0, 0].abs().sum(dim=1).nonzero()
    reach = int(rows.max() - rows.min()) + 1
    assert methods.FIELD_PX - 8 <= reach <= methods.FIELD_PX  # on zeros some units sleep
    assert abs(float(rows.float().mean()) - 32) <= 4


def _scrambled(network, layers):
    """The network with the weights of its last `layers` modules drawn anew (cascading randomisation)."""
    network = copy.deepcopy(network)
    torch.manual_seed(seeded(3))
    for branch in network.branches:
        modules = [m for m in branch.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
        for module in modules[-layers:]:
            module.reset_parameters()
    return network


@pytest.mark.parametrize("method", METHODS)
def test_randomised_weights_destroy_the_maps_of_the_shipped_model(method, sample):
    """Adebayo et al. 2018: a map that survives other weights shows the image, not the model."""
    bundle, part = load_bundle("dual"), sample
    learnt = drain(attribution_steps(bundle, part, 2, method=method)).maps
    alike = []
    for layers in (2, 5, 20):
        network = _scrambled(bundle.network, layers)
        other = drain(attribution_steps(Bundle(bundle.card, network), part, 2, method=method)).maps
        a, b = (maps[:, :, ::4, ::4].reshape(len(part) * 2, -1) for maps in (learnt, other))
        drawn = (a.std(axis=1) > 0) & (b.std(axis=1) > 0)
        found = [spearmanr(u, v).statistic for u, v in zip(a[drawn], b[drawn], strict=True)]
        alike.append(float(np.median(found or [0.0])))
    assert max(alike) < 0.6 and min(alike) < 0.35, alike


@pytest.fixture(scope="module")
def sample():
    """Patches of a simulated frame."""
    from napari_atomicity.counting.patches import extract_patches
    from napari_atomicity.detection import detect
    from napari_atomicity.simulation.conditions import sample_spec
    from napari_atomicity.simulation.frames import simulate_frame

    frame = simulate_frame(sample_spec("nominal", None, 16, shape=(400, 400), seed=seeded(8)), seeded(8))
    found = detect(frame.image, frame.pixel_size_nm).clusters
    names = ("y_px", "x_px", "diameter_nm", "intensity", "flag")
    table = ClusterTable.from_columns({name: getattr(found, name) for name in names})
    return extract_patches(frame.image, table, frame.pixel_size_nm)


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


def test_the_channels_keep_their_proportion():
    maps = np.zeros((1, 2, 64, 64), np.float32)
    maps[0, 0, 30, 30], maps[0, 1, 40, 40] = 5.0, 1.0
    image = compose(_planted(maps), np.array([[40.5, 60.5]]), (100, 120), NM_PER_PX)
    assert image[0].max() == pytest.approx(1.0) and image[1].max() == pytest.approx(0.2)


def test_clusters_compare_in_where_and_not_in_how_much_and_windows_may_reach_beyond_the_image():
    maps = np.ones((3, 1, 64, 64), np.float32) * np.array([1.0, 2.0, 3.0], np.float32)[:, None, None, None]
    image = compose(_planted(maps), np.array([[50.0, 50.0], [50.0, 60.0], [2.0, 199.0]]), (100, 200), NM_PER_PX)[0]
    # in parts of each cluster's own strongest place: how strong the evidence is does not matter
    assert image[50, 55] == image[50, 26] == image[2, 197] == 1.0
    assert image[50, 19] < 0.3  # a window fades out at its rim
    assert image[99, 150] == 0.0 and np.isfinite(image).all()
    assert not compose(_planted(maps[:1]), np.array([[-500.0, 20.0]]), (100, 200), NM_PER_PX).any()


@pytest.mark.parametrize("method", METHODS)
def test_the_network_itself_is_never_hooked_for_other_threads_run_it_meanwhile(method, monkeypatch):
    bundle = _brightness_network()
    seen = []
    for name in ("grad_cam", "integrated_gradients"):
        whole = getattr(methods, name)

        def look(branch, *rest, whole=whole):
            seen.append(branch)
            return whole(branch, *rest)

        monkeypatch.setattr(methods, name, look)
    drain(attribution_steps(bundle, _spot(20.0, 40.0), method=method))
    shared = set(bundle.network.modules())
    assert seen and not any(branch in shared for branch in seen)
