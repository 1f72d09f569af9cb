"""Heat maps: where they point, and that they follow the weights."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from counting.synthetic import GAIN, SIZES, blobs, sized_blobs, trained_bundle
from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.bundle import Bundle, load_bundle
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.counting.classify import outputs_of
from napari_atomicity.counting.network import Network, decision
from napari_atomicity.counting.patches import CELL_NM, CELL_PX, MARGIN_PX, NM_PER_PX, Patches, normalise
from napari_atomicity.errors import InputError
from napari_atomicity.insight import methods
from napari_atomicity.insight.asked import Asked, agreement_of
from napari_atomicity.insight.attribution import _BATCH, Attribution, attribution_steps
from napari_atomicity.insight.overlay import compose
from napari_atomicity.insight.question import METHODS, Question
from napari_atomicity.progress import drain
from napari_atomicity.wording import method_words
from seeds import seeded

_LOG_GAIN = float(np.log(GAIN))
#: methods whose maps follow gradients; the density is what the network counts
GRADIENTS = tuple(method for method in METHODS if method != "density")


def _explain(bundle, patches, target=None, against=None, method="hires-cam", log_scale=_LOG_GAIN):
    scales = np.full(len(patches), log_scale)
    return drain(attribution_steps(bundle, patches, scales, target, against, method))


def test_every_method_has_its_place_wherever_methods_are_told_apart():
    assert set(_BATCH) == set(METHODS)
    assert all(method_words(method) != method for method in METHODS)


def _peak(image):
    return np.array(np.unravel_index(image.argmax(), image.shape), dtype=float)


def _centroid(image):
    y, x = np.indices(image.shape)
    return np.array([(image * y).sum(), (image * x).sum()]) / image.sum()


def _brightness_network():
    """A network that counts what is bright, and sees no shape: its maps can only be where the light is."""
    network = Network(SIZES, ("raw",)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        (branch,) = network.each
        for module in branch.maps.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.fill_(1.0)
            elif isinstance(module, torch.nn.Conv2d):
                middle = module.kernel_size[0] // 2
                module.weight[0, 0, middle, middle] = 1.0
        # what is brighter belongs to a cluster the more
        branch.gate.weight[0, 0] = 0.02
    network.requires_grad_(False)
    return Bundle(ModelCard("brightness", SIZES, ("raw",), lcn_window_nm=0.8), network)


def _spot(y, x, width=3.0, atoms=55):
    rows, cols = np.indices((64, 64))
    raw = np.exp(-0.5 * ((rows - y) ** 2 + (cols - x) ** 2) / width**2).astype(np.float32)[None]
    raw /= raw.sum() * NM_PER_PX**2
    return Patches(raw, np.log([atoms * GAIN]), np.full(1, 1e-3, np.float32), np.ones(1, dtype=bool))


# ---------------------------------------------------------------------- where maps lie


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("y", "x"), [(20.0, 40.0), (32.0, 32.0), (16.0, 25.0), (45.0, 15.0)])
def test_a_map_lies_where_the_light_is(y, x, method):
    found = _explain(_brightness_network(), _spot(y, x), 2, method=method)
    assert found.maps.shape == (1, 1, 64, 64)
    assert not found.empty.any()
    np.testing.assert_allclose(_centroid(found.maps[0, 0]), [y, x], atol=0.6)


@pytest.mark.parametrize("method", METHODS)
def test_turning_the_cluster_turns_the_map(method, monkeypatch):
    # the noise of the empty support does not turn
    monkeypatch.setattr(methods, "empty_support", lambda patches: replace(patches, raw=0 * patches.raw))
    bundle = _brightness_network()
    straight = _explain(bundle, _spot(20, 44), 2, method=method).maps[0, 0]
    turned = _explain(bundle, _spot(44, 20), 2, method=method).maps[0, 0]
    np.testing.assert_allclose(turned, straight.T, atol=1e-4 * straight.max())


@pytest.mark.parametrize("method", ["hires-cam", "grad-cam"])
def test_what_speaks_against_every_place_is_reported_as_empty_and_not_drawn(method):
    # every atom speaks for Pt55 and against Pt19
    against = _explain(_brightness_network(), _spot(30, 30), 0, 3, method=method)
    assert against.empty.all() and not against.maps.any()
    assert against.parts[0, 0] < 0 and against.target[0] == 0


def test_ways_to_follow_gradients_agree_about_the_light_and_a_density_is_compared_with_nothing():
    bundle, spot = _brightness_network(), _spot(20.0, 40.0)
    for method in GRADIENTS:
        assert _explain(bundle, spot, 2, method=method).agreement[0, 0] > 0.6
    assert np.isnan(_explain(bundle, spot, 2, method="density").agreement).all()


# ---------------------------------------------------------------------- what is counted


def test_the_density_sums_to_the_count_and_has_one_channel():
    n_atoms, patches, _ = sized_blobs()
    bundle, part = trained_bundle(), patches.take(np.arange(70))
    found = _explain(bundle, part, method="density")
    assert found.channel_names == ("density",) and found.maps.shape == (70, 1, 64, 64)
    assert found.resolution_nm == found.field_nm == pytest.approx(0.1)
    out = outputs_of(bundle.network, bundle.card, part, np.full(70, _LOG_GAIN))
    # whatever is asked, the same atoms are counted
    np.testing.assert_array_equal(found.maps, _explain(bundle, part, 1, 0, "density").maps)
    total = found.maps.sum(axis=(1, 2, 3)) * NM_PER_PX**2
    # what is below zero is not drawn
    np.testing.assert_allclose(total, np.maximum(out.density.numpy(), 0).sum(axis=(1, 2)) * CELL_NM**2, rtol=1e-3)
    np.testing.assert_allclose(total, np.exp(out.log_n.numpy()), rtol=0.15)
    assert np.median(np.abs(total / n_atoms[:70] - 1)) < 0.1


def test_a_density_follows_the_scale():
    _, patches, _ = sized_blobs()
    part, bundle = patches.take(np.arange(20)), _brightness_network()
    few, many = (_explain(bundle, part, method="density", log_scale=np.log(gain)) for gain in (2 * GAIN, GAIN))
    assert (many.maps.sum(axis=(1, 2, 3)) > 1.9 * few.maps.sum(axis=(1, 2, 3))).all()


# ---------------------------------------------------------------------- what the lead is made of


def test_parts_add_up_to_the_lead_and_maps_are_not_negative():
    _, patches, _ = sized_blobs()
    card = replace(trained_bundle().card, integral_tau=0.4, temperature_scaled=1.7)
    bundle, part = replace(trained_bundle(), card=card), patches.take(np.arange(70))
    found = _explain(bundle, part)
    assert found.maps.shape == (70, 2, 64, 64) and found.maps.min() >= 0
    assert found.channel_names == ("raw", "lcn") and found.resolution_nm == pytest.approx(0.1)
    np.testing.assert_array_equal(found.empty, found.maps.max(axis=(2, 3)) == 0)
    out = outputs_of(bundle.network, card, part, np.full(70, _LOG_GAIN))
    log_odds = decision(out, bundle.network.log_sizes, 0.4, 1.7).numpy()
    np.testing.assert_array_equal(found.target, log_odds[:, :-1].argmax(axis=1))
    # between two neighbours, where the wide tails of the decision do not matter
    between = _explain(bundle, part, 2, 1)
    assert between.parts.shape == (70, 3)
    near = np.abs(out.log_n.numpy() - np.log(np.sqrt(30 * 41))) < 0.5
    lead = (log_odds[:, 2] - log_odds[:, 1])[near]
    assert near.sum() > 20
    np.testing.assert_allclose(between.parts.sum(axis=1)[near], lead, atol=0.05)


def test_without_a_rival_brightness_is_held_against_the_next_smaller_class():
    _, patches, _ = sized_blobs()
    bundle, part = trained_bundle(), patches.take(np.arange(30))
    alone, rival = _explain(bundle, part, 3), _explain(bundle, part, 3, 2)
    np.testing.assert_allclose(alone.parts[:, 0], rival.parts[:, 0], rtol=1e-4)
    # the smallest has none below it: one is imagined, and every atom still speaks for it
    smallest = _explain(_brightness_network(), _spot(30, 30, atoms=25), 0)
    assert smallest.parts[0, 0] > 0 and smallest.maps.any()


@pytest.mark.few(1)
@pytest.mark.parametrize("method", ["hires-cam", "grad-cam"])
def test_a_difference_of_two_classes_is_explained_and_its_contrary_is_its_mirror(method):
    _, patches, _ = sized_blobs()
    part, bundle = patches.take(np.arange(24)), trained_bundle()
    why, mirror = _explain(bundle, part, 4, 2, method), _explain(bundle, part, 2, 4, method)
    np.testing.assert_allclose(why.parts, -mirror.parts, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(why.agreement, mirror.agreement, atol=1e-3)
    # what speaks for one speaks against the other: of a cell that is drawn in one, nothing is drawn in the other
    cell = slice(MARGIN_PX, -MARGIN_PX, CELL_PX)
    for first, second in zip(why.maps, mirror.maps, strict=True):
        a, b = (maps / max(first.max(), second.max()) for maps in (first, second))
        assert np.minimum(a, b)[:, cell, cell].max() < 0.3 and a.any()
    # a cluster whose own class it is held against has no question
    own = _explain(bundle, part, np.full(24, 2), 2, method)
    assert (own.target == -1).all() and not own.maps.any() and np.isnan(own.parts).all()


@pytest.mark.parametrize("against", [None, 2])
def test_integrated_gradients_add_up_to_the_lead_over_an_empty_support(against):
    _, patches, _ = sized_blobs()
    scale, target = np.full(4, _LOG_GAIN), np.array([0, 1, 3, 4])
    asked = Asked.of(trained_bundle(), patches.take(np.arange(4)), scale, target, against)
    network = asked.bundle.network
    maps = methods.integrated_gradients(network, asked.x, asked.empty, asked.score, steps=100)
    assert maps.shape == (4, 2, 26, 26)
    with torch.no_grad():
        lead, bare = (asked.score(x).numpy() for x in (asked.x, asked.empty))
    np.testing.assert_allclose(maps.sum(axis=(1, 2, 3)), lead - bare, rtol=0.01, atol=0.01)
    np.testing.assert_allclose(asked.parts().sum(axis=1), lead, rtol=1e-4, atol=1e-3)


# ---------------------------------------------------------------------- of the model, and of nothing else


def test_other_targets_give_other_maps():
    _, patches, _ = sized_blobs()
    part, trained = patches.take(np.arange(30)), trained_bundle()
    learnt, other = _explain(trained, part, 4, 2), _explain(trained, part, 0, 2)
    a, b = learnt.maps.reshape(60, -1), other.maps.reshape(60, -1)
    drawn = (a.std(axis=1) > 0) & (b.std(axis=1) > 0)
    alike = [np.corrcoef(u, v)[0, 1] for u, v in zip(a[drawn], b[drawn], strict=True)]
    assert np.median(alike or [0.0]) < 0.9


@pytest.mark.few(2)
@pytest.mark.parametrize("method", METHODS)
def test_the_batch_does_not_matter_and_targets_can_be_given_one_by_one(method):
    _, patches, _ = sized_blobs()
    target = np.arange(40) % 5
    together = _explain(trained_bundle(), patches.take(np.arange(40)), target, method=method)
    alone = _explain(trained_bundle(), patches.take(np.array([33])), target[33:34], method=method)
    np.testing.assert_allclose(alone.maps[0], together.maps[33], atol=1e-3 * together.maps[33].max())
    np.testing.assert_array_equal(together.target, target)
    rest = _explain(trained_bundle(), patches.take(np.arange(40, 46)), target[:6], method=method)
    joined = Attribution.join(alone, rest).take(np.array([6, 0]))
    np.testing.assert_array_equal(joined.target, [target[5], target[33]])
    np.testing.assert_array_equal(joined.maps, np.stack([rest.maps[5], alone.maps[0]]))


def test_the_stated_field_is_the_field():
    network = Network(SIZES, ("raw",)).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.abs_()  # no unit sleeps
    x = torch.ones(1, 2, 52, 52, requires_grad=True)
    seen = network.each[0].maps(x)
    assert seen.shape == (1, 16, 26, 26)
    rows = torch.autograd.grad(seen[0, :, 13, 13].sum(), x)[0][0].abs().sum(dim=(0, 2)).nonzero()
    assert int(rows.max() - rows.min()) + 1 == methods.FIELD_PX == 45
    assert float(rows.float().mean()) == 2 * 13
    for method, field in (("hires-cam", 2.25), ("grad-cam", 2.25), ("integrated-gradients", 0.1), ("density", 0.1)):
        assert _explain(_brightness_network(), _spot(30, 30), method=method).field_nm == pytest.approx(field)


def test_cells_lie_on_their_pixels_and_lose_nothing():
    weights = methods.cell_weights()
    assert weights.shape == (64, 26)
    np.testing.assert_allclose(weights.sum(axis=0), 2.0, atol=1e-6)
    np.testing.assert_allclose((weights * np.arange(64)[:, None]).sum(axis=0)[1:-1] / 2, 6.5 + 2 * np.arange(1, 25))
    assert not weights[:MARGIN_PX].any() and not weights[-MARGIN_PX:].any()


def _scrambled(network, layers):
    """The network with the weights of its last `layers` layers drawn anew (cascading randomisation)."""
    network = copy.deepcopy(network)
    torch.manual_seed(seeded(3))
    for branch in network.each:
        parts = (branch.maps, branch.gate, branch.background, branch.features, branch.shape)
        layered = [m for part in parts for m in part.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
        for module in layered[-layers:]:
            module.reset_parameters()
    return network


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "channel"), [("hires-cam", 0), ("hires-cam", 1), ("grad-cam", 0), ("integrated-gradients", 1)]
)
def test_randomised_weights_destroy_the_maps_of_the_shipped_model(method, channel, sample):
    """Adebayo et al. 2018: a map that survives other weights shows the image, not the model.

    The density and integrated gradients of the raw picture are the picture times what the weights say of it: they lie
    where the light is by design, and are not held to this.
    """
    bundle, (part, log_scale) = load_bundle("dual"), sample
    learnt = _explain(bundle, part, 2, method=method, log_scale=log_scale).maps[:, channel]
    alike = []
    for layers in (5, 9, 12):
        network = _scrambled(bundle.network, layers)
        other = _explain(Bundle(bundle.card, network), part, 2, method=method, log_scale=log_scale).maps[:, channel]
        a, b = (maps[:, 6:-6:2, 6:-6:2].reshape(len(part), -1) for maps in (learnt, other))
        drawn = (a.std(axis=1) > 0) & (b.std(axis=1) > 0)
        found = [spearmanr(u, v).statistic for u, v in zip(a[drawn], b[drawn], strict=True)]
        alike.append(float(np.median(found or [0.0])))
    assert max(alike) < 0.7 and min(alike) < 0.4, alike


def test_with_randomised_weights_the_density_is_another(sample):
    bundle, (part, log_scale) = load_bundle("dual"), sample
    other = Bundle(bundle.card, _scrambled(bundle.network, 12))
    learnt, random = (_explain(one, part, method="density", log_scale=log_scale).maps for one in (bundle, other))
    counted = learnt.any(axis=(1, 2, 3))
    moved = np.abs(random - learnt).sum(axis=(1, 2, 3))[counted] / learnt.sum(axis=(1, 2, 3))[counted]
    assert np.median(moved) > 0.2


@pytest.mark.parametrize("method", GRADIENTS)
def test_the_network_itself_is_never_hooked_for_other_threads_run_it_meanwhile(method, monkeypatch):
    bundle = _brightness_network()
    seen = []
    for name in ("grad_cam", "hires_cam", "integrated_gradients"):
        whole = getattr(methods, name)

        def look(network, *rest, whole=whole):
            seen.append(network)
            return whole(network, *rest)

        monkeypatch.setattr(methods, name, look)
    _explain(bundle, _spot(20.0, 40.0), method=method)
    shared = set(bundle.network.modules())
    # every map is also made another way
    assert len(seen) >= 2 and not shared.intersection(module for network in seen for module in network.modules())


# ---------------------------------------------------------------------- what cannot be asked, and what has no map


def test_a_question_names_classes_of_the_model():
    card = trained_bundle().card
    assert Question().method == "density"
    assert Question("Pt55", "Pt41").target_index(card) == 3 and Question().against_index(card) is None
    with pytest.raises(InputError, match="no class Pt38; it has Pt19"):
        Question("Pt38").target_index(card)
    with pytest.raises(InputError, match="two different"):
        Question("Pt55", "Pt55")
    with pytest.raises(InputError, match="choose density, hires-cam"):
        Question(method="magic")


@pytest.mark.parametrize(("target", "against"), [(7, None), (np.array([5]), None), (-2, None), (1, 5), (1, -1)])
def test_a_class_that_the_model_lacks_is_refused_in_a_sentence(target, against):
    with pytest.raises(InputError, match="one of the 5 classes") as raised:
        _explain(trained_bundle(), _spot(30, 30), target, against)
    assert "\n" not in str(raised.value)


def test_a_model_without_branches_is_refused_in_a_sentence():
    bundle = trained_bundle()
    fused = Bundle(bundle.card, torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(5)))
    with pytest.raises(InputError, match="no branch of its own"):
        _explain(fused, sized_blobs()[1].take(np.arange(2)))


@pytest.mark.parametrize("method", METHODS)
def test_a_cluster_without_a_patch_or_a_scale_gets_no_map_and_none_at_all_is_fine(method):
    windows, diameter, intensity = blobs([19, 70, 41])
    windows[1] = np.nan
    patches, bundle = normalise(windows, diameter, intensity), trained_bundle()
    scales = np.log([GAIN, GAIN, np.nan])
    found = drain(attribution_steps(bundle, patches, scales, method=method))
    assert found.target[0] >= 0 and np.isfinite(found.parts[0]).all() and np.isfinite(found.maps).all()
    for row in (1, 2):
        assert found.target[row] == -1 and found.empty[row].all() and not found.maps[row].any()
        assert np.isnan(found.parts[row]).all() and np.isnan(found.agreement[row]).all()
    # beside them the first is what it is alone
    alone = _explain(bundle, patches.take(np.array([0])), method=method)
    np.testing.assert_allclose(found.maps[0], alone.maps[0], atol=1e-3 * alone.maps.max())
    nothing = _explain(bundle, patches.take(np.arange(0)), method=method)
    assert nothing.maps.shape == (0, len(nothing.channel_names), 64, 64) and nothing.parts.shape == (0, 3)


def test_a_map_that_is_the_same_everywhere_agrees_with_nothing():
    ramp = np.arange(9.0).reshape(1, 3, 3)
    assert agreement_of(ramp, 2 * ramp + 5)[0] == pytest.approx(1.0)
    assert agreement_of(ramp, -ramp)[0] == pytest.approx(-1.0)
    assert np.isnan(agreement_of(ramp, np.ones((1, 3, 3)))[0])


@pytest.fixture(scope="module")
def sample():
    """Patches of a simulated frame, and the logarithm of the whole intensity of an atom in it."""
    from napari_atomicity.counting.classify import evidence_steps
    from napari_atomicity.counting.looking import calibrated_steps
    from napari_atomicity.counting.patches import extract_patches
    from napari_atomicity.detection import detect
    from napari_atomicity.simulation.conditions import sample_spec
    from napari_atomicity.simulation.frames import simulate_frame

    frame = simulate_frame(sample_spec("nominal", None, 16, shape=(400, 400), seed=seeded(8)), seeded(8))
    found = detect(frame.image, frame.pixel_size_nm).clusters
    names = ("y_px", "x_px", "diameter_nm", "intensity", "flag")
    table = ClusterTable.from_columns({name: getattr(found, name) for name in names})
    patches, bundle = extract_patches(frame.image, table, frame.pixel_size_nm), load_bundle("dual")
    free = drain(evidence_steps(bundle, patches))
    (seen,), _ = drain(calibrated_steps(bundle, [patches], [free]))
    return patches, float(seen.log_scale[0] + seen.shift[0])


# ---------------------------------------------------------------------- over the micrograph


def _planted(maps, method="grad-cam"):
    n, channels = maps.shape[:2]
    names = ("density",) if method == "density" else ("raw", "lcn")[:channels]
    return Attribution(maps, names, np.zeros(n, int), np.ones((n, 1 + channels)),
                       np.zeros((n, channels), bool), 0.1, 2.25, method, np.ones((n, channels)))  # fmt: skip


@pytest.mark.parametrize("pixel_size_nm", [0.02, 0.05, 0.1])
def test_a_planted_spot_comes_out_at_its_place_to_a_fraction_of_a_pixel(pixel_size_nm):
    maps = np.zeros((1, 1, 64, 64), np.float32)
    rows, cols = np.indices((64, 64))
    maps[0, 0] = np.exp(-0.5 * ((rows - 24) ** 2 + (cols - 39) ** 2) / 4**2)
    centre = np.array([[101.3, 96.8]])
    image = compose(_planted(maps), centre, (220, 200), pixel_size_nm)
    assert image.shape == (1, 220, 200) and image.dtype == np.float32
    expected = centre[0] + (np.array([24, 39]) - 31.5) * NM_PER_PX / pixel_size_nm
    np.testing.assert_allclose(_centroid(image[0]), expected, atol=0.05)


def test_one_map_pixel_lands_on_its_image_pixel():
    maps = np.zeros((1, 2, 64, 64), np.float32)
    maps[0, 1, 14, 48] = 1.0
    image = compose(_planted(maps), np.array([[40.5, 60.5]]), (100, 120), NM_PER_PX)
    assert not image[0].any()
    assert tuple(_peak(image[1])) == (40.5 - 31.5 + 14, 60.5 - 31.5 + 48)
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
    assert image[50, 55] == image[50, 31] == image[2, 197] == 1.0
    # it fades out towards the border of what the network looks at, 26 pixels from the middle
    assert 0 < image[50, 25] < 0.3 and image[50, 23] == image[50, 19] == 0.0
    assert image[99, 150] == 0.0 and np.isfinite(image).all()
    assert not compose(_planted(maps[:1]), np.array([[-500.0, 20.0]]), (100, 200), NM_PER_PX).any()


def test_a_density_keeps_its_atoms_per_nm2_and_where_windows_overlap_the_larger_stands():
    maps = np.ones((3, 1, 64, 64), np.float32) * np.array([100.0, 200.0, 0.0], np.float32)[:, None, None, None]
    centres = np.array([[50.0, 50.0], [50.0, 70.0], [50.0, 90.0]])
    image = compose(_planted(maps, "density"), centres, (100, 200), NM_PER_PX)[0]
    assert image[50, 30] == pytest.approx(100.0) and image[50, 65] == pytest.approx(200.0)
    assert image[50, 90] == pytest.approx(200.0) and image[50, 110] == 0.0
