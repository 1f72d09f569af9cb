"""The library's labels, a short training run, and the honesty of the calibration."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from counting.synthetic import SIZES, trained_bundle
from napari_atomicity.counting.bundle import load_bundle, save_bundle, weights_sha256
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, drain
from napari_atomicity.training.evaluate import evaluate_steps
from napari_atomicity.training.library import Library, Recipe, label_image, labelled_frame
from napari_atomicity.training.loop import calibrated_steps, train, train_steps
from napari_atomicity.training.scores import expected_calibration_error, scored_steps, scores
from napari_atomicity.training.settings import TrainingConfig
from training.libraries import blob_library


@pytest.fixture(scope="module")
def config():
    return TrainingConfig(name="tiny", channels=("raw",), epochs=2, batch=32)


@pytest.fixture(scope="module")
def tiny(config):
    return train(config, blob_library(320, 1), blob_library(200, 2))


def test_a_simulated_frame_is_labelled_by_its_truth(simulated):
    truth = simulated.truth
    part = label_image(simulated.image, simulated.pixel_size_nm, truth, simulated.scale_counts_nm2_per_atom, 3, "clean")
    inner = truth[(truth["kind"] == "cluster") & ~truth["on_edge"]]
    assert len(part) >= 0.9 * len(inner)
    assert set(part.n_atoms[part.whole]) <= {19, 55}
    # the integral, less the scale, is the logarithm of the count: label and measurement belong together
    counts = part.whole & (part.flag == "ok")
    np.testing.assert_allclose(
        part.log_integral[counts] - part.log_scale[counts], np.log(part.n_atoms[counts]), atol=0.25
    )
    assert (part.frame == 3).all() and (part.condition == "clean").all()


def test_frames_of_a_recipe_are_repeatable_and_splits_differ():
    recipe = Recipe(clusters=6, conditions=("clean",))
    one, again, other = (labelled_frame(recipe, split, 0) for split in ("train", "train", "test"))
    np.testing.assert_array_equal(one.raw, again.raw)
    assert len(other) != len(one) or not np.array_equal(one.log_integral, other.log_integral)


def test_outsiders_are_dimers_strangers_and_sizes_far_from_any_class():
    library = replace(blob_library(6, 0), n_atoms=np.array([19, 20, 8, 120, 48, 41]),
                      whole=np.array([True, True, True, True, True, False]))  # fmt: skip
    assert library.is_outside(SIZES).tolist() == [False, False, True, True, False, True]
    assert library.class_index(SIZES).tolist() == [0, -1, -1, -1, -1, -1]


def test_a_library_survives_its_file(tmp_path):
    library = blob_library(20, 0)
    library.save(tmp_path / "some" / "library.npz")
    again = Library.load(tmp_path / "some" / "library.npz")
    np.testing.assert_array_equal(again.raw, library.raw)
    assert again.condition.tolist() == library.condition.tolist()


def test_training_gives_a_bundle_that_saves_loads_and_says_what_it_is(tiny, tmp_path):
    again = load_bundle(save_bundle(tiny, tmp_path / "tiny"))
    assert weights_sha256(again) == weights_sha256(tiny)
    card = again.card
    assert card.labels == ("Pt19", "Pt30", "Pt41", "Pt55", "Pt70")
    assert [card.diameter_nm[str(n)][0] for n in SIZES] == sorted(card.diameter_nm[str(n)][0] for n in SIZES)
    assert card.recipe_sha256 == Recipe().sha256 and card.recipe["training_clusters"] == 320
    assert len(again.rehearsal["raw"]) == 60
    assert not any(p.requires_grad for p in again.network.parameters())


def test_training_reports_every_step_and_is_repeatable(config):
    short = replace(config, epochs=1)
    library, validation = blob_library(192, 1), blob_library(200, 2)
    seen, steps = [], train_steps(short, library, validation)
    first = drain(steps, seen.append)
    assert all(isinstance(one, Progress) for one in seen) and len(seen) >= 192 // 32
    assert weights_sha256(train(short, library, validation)) == weights_sha256(first)


def test_a_class_without_clusters_is_said_before_training(config):
    with pytest.raises(InputError, match="70 atoms"):
        next(train_steps(config, blob_library(300, 1, sizes=(19, 30, 41, 55)), blob_library(200, 2)))


def test_calibration_finds_an_exaggerated_network_out():
    """Logits that are too large are divided by a temperature that is larger by as much."""
    import copy

    import torch

    validation = blob_library(400, 4)
    honest = drain(calibrated_steps(trained_bundle(), validation))
    network = copy.deepcopy(trained_bundle().network)
    with torch.no_grad():
        for branch in network.branches:
            for head in (branch.alone[-1], branch.shape[-1]):
                head.weight.mul_(1.4)
                head.bias.mul_(1.4)
    loud = drain(calibrated_steps(replace(trained_bundle(), network=network), validation))
    assert loud.card.temperature == pytest.approx(1.4 * honest.card.temperature, rel=0.05)
    assert 0.2 <= honest.card.outside_threshold <= 1.0


def test_the_scores_know_a_perfect_and_a_blind_method():
    truth = np.repeat(np.array(["Pt19", "Pt30", "other"], dtype=object), 20)
    table = pd.DataFrame({"condition": "odd", "frame": 0, "truth": truth, "n_atoms": np.repeat([19, 30, 120], 20)})
    for method in ("scale known", "no scale", "auto"):
        table[method], table[f"{method} p"], table[f"{method} n"] = truth, 1.0, table["n_atoms"]
    table["diameter only"] = table["intensity, scale known"] = "Pt19"
    table.loc[0, "auto"] = "other"
    found = scores(table).set_index(["condition", "method"]).loc["pooled"]
    assert found.loc["scale known", "balanced_accuracy"] == 1.0 and found.loc["scale known", "ece"] == 0.0
    assert found.loc["diameter only", "balanced_accuracy"] == 0.5
    assert found.loc["auto", "rejected"] == pytest.approx(1 / 40) and found.loc["auto", "caught"] == 1.0


def test_scores_end_up_in_the_card(tiny):
    library = blob_library(150, 6)
    bundle = drain(scored_steps(tiny, library))
    assert set(bundle.card.metrics) == {"odd", "even", "pooled"}
    predictions = drain(evaluate_steps(tiny, library))
    intensity = bundle.card.metrics["pooled"]["intensity, scale known"]["balanced_accuracy"]
    assert intensity > 0.9
    assert len(predictions) == 150


def test_calibration_error_of_a_boaster():
    assert expected_calibration_error(np.full(100, 0.95), np.arange(100) < 50) == pytest.approx(0.45)
