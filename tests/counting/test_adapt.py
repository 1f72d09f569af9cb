"""Adaptation: repeatable, refusable, and never touching the model it starts from."""

import copy

import numpy as np
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.adapt import adapt_steps
from napari_atomicity.counting.bundle import weights_sha256
from napari_atomicity.counting.classify import evidence_steps
from napari_atomicity.counting.patches import normalise
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, drain

from .synthetic import blobs


def _case(trained, n_atoms, stretch=1.0, seed=20, diameters=True):
    """A sample of `n_atoms` whose clusters all look `stretch` times as wide as the model has learnt."""
    n_atoms = np.asarray(n_atoms)
    windows, diameter, intensity = blobs(n_atoms, seed=seed, stretch=stretch)
    patches = normalise(windows, diameter, intensity)
    measured = diameter / stretch if diameters else np.full(len(n_atoms), np.nan)
    table = ClusterTable.from_columns(
        {"y_px": np.arange(len(n_atoms)), "x_px": np.zeros(len(n_atoms)), "diameter_nm": measured}
    )
    return patches, table, drain(evidence_steps(trained, patches))


@pytest.fixture(scope="module")
def shifted(trained):
    """Clusters that the model, as it is, takes for the next larger class."""
    return _case(trained, np.random.default_rng(8).choice([19, 41, 70], 120), stretch=1.12)


@pytest.fixture(scope="module")
def adapted(trained, shifted):
    return drain(adapt_steps(trained, *shifted, mode="diameter", seed=3))


def test_a_model_that_is_off_is_set_right_by_anchors_it_was_not_tuned_on(trained, shifted, adapted):
    assert adapted.accepted, adapted.reason
    assert adapted.after["loss"] < adapted.before["loss"]
    assert adapted.after["right"] >= adapted.before["right"]
    patches, _, before = shifted
    after = drain(evidence_steps(adapted.bundle, patches))
    truth = np.random.default_rng(8).choice([19, 41, 70], 120)
    right = [np.mean(np.array(before.card.class_sizes)[e.shape.argmax(axis=1)] == truth) for e in (before, after)]
    assert right[1] > right[0] + 0.1
    assert "diameter" in adapted.bundle.card.history[-1]


def test_anchors_are_told_with_their_ranges(adapted, shifted):
    _, table, _ = shifted
    anchors = adapted.anchors
    assert set(anchors["id"]) <= set(table.ids)
    assert anchors["held_back"].any() and not anchors["held_back"].all()
    assert ((anchors["low_nm"] <= anchors["diameter_nm"]) & (anchors["diameter_nm"] <= anchors["high_nm"])).all()
    spans = anchors.groupby("label")[["low_nm", "high_nm"]].first().sort_values("low_nm")
    assert (spans["low_nm"].to_numpy()[1:] > spans["high_nm"].to_numpy()[:-1]).all()


def test_the_same_seed_gives_the_same_model(trained, shifted, adapted):
    again = drain(adapt_steps(trained, *shifted, mode="diameter", seed=3))
    assert weights_sha256(again.bundle) == weights_sha256(adapted.bundle)
    assert weights_sha256(adapted.bundle) != weights_sha256(trained)


def test_stopping_midway_leaves_the_model_untouched(trained, shifted):
    before = weights_sha256(trained)
    steps = adapt_steps(trained, *shifted, mode="diameter")
    for _ in range(6):
        assert isinstance(next(steps), Progress)
    steps.close()
    assert weights_sha256(trained) == before
    assert not any(p.requires_grad for p in trained.network.parameters())


def test_only_normalisation_and_class_heads_move(trained, adapted):
    base, tuned = trained.network.state_dict(), adapted.bundle.network.state_dict()
    moved = {name for name in base if not np.array_equal(base[name].numpy(), tuned[name].numpy())}
    assert moved
    assert all(".norm." in name or ".logits." in name or ".1." in name for name in moved), moved
    assert not any("running" in name or "conv" in name or "measure" in name for name in moved)


@pytest.mark.parametrize("mode", ["diameter", "auto"])
def test_a_pure_sample_is_left_alone_and_the_reason_is_said(trained, mode):
    case = _case(trained, [41] * 80)
    result = drain(adapt_steps(trained, *case, mode=mode))
    assert not result.accepted
    assert result.bundle is trained
    assert result.reason.startswith("The model stays as it was") and result.reason.endswith(".")


def test_too_few_unusable_or_no_clusters_are_a_sentence_not_an_error(trained):
    for case in (
        _case(trained, [19, 70, 19]),
        _case(trained, [19, 70] * 30, diameters=False),
        _case(trained, [19]),
    ):
        result = drain(adapt_steps(trained, *case, mode="diameter"))
        assert not result.accepted and result.bundle is trained
        assert list(result.anchors.columns)[:3] == ["id", "label", "diameter_nm"]
    patches, table, evidence = _case(trained, [19, 70] * 20)
    border = table.with_columns(flag=["border"] * 40)
    assert "no cluster" in drain(adapt_steps(trained, patches, border, evidence)).reason


def test_a_model_that_is_right_already_is_not_made_worse(trained):
    case = _case(trained, np.random.default_rng(2).choice([19, 41, 70], 90))
    result = drain(adapt_steps(trained, *case, mode="auto"))
    if result.accepted:
        assert result.after["loss"] < result.before["loss"] and result.after["right"] >= result.before["right"]
    else:
        assert result.bundle is trained


def test_off_and_nonsense(trained, shifted):
    assert not drain(adapt_steps(trained, *shifted, mode="off")).accepted
    with pytest.raises(InputError, match="sideways"):
        drain(adapt_steps(trained, *shifted, mode="sideways"))
    patches, table, evidence = shifted
    with pytest.raises(InputError, match="same clusters"):
        drain(adapt_steps(trained, patches.take(np.arange(5)), table, evidence))


def test_a_bundle_without_rehearsal_patches_still_adapts(trained, shifted):
    bare = copy.copy(trained)
    object.__setattr__(bare, "rehearsal", {})
    assert drain(adapt_steps(bare, *shifted, mode="diameter")).after
