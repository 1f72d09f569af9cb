"""Interruptions: a run that was stopped anywhere ends as if it had not been."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from counting.synthetic import SIZES
from napari_atomicity.counting.bundle import weights_sha256
from napari_atomicity.errors import InputError
from napari_atomicity.progress import drain
from napari_atomicity.training import library as libraries
from napari_atomicity.training import loop
from napari_atomicity.training.library import Recipe, simulate_library_steps
from napari_atomicity.training.loop import epochs_done, train_steps
from napari_atomicity.training.settings import TrainingConfig
from training.libraries import blob_library

CONFIG = TrainingConfig(name="tiny", channels=("raw",), epochs=3, batch=32)


@pytest.fixture(scope="module")
def data():
    return blob_library(128, 1), blob_library(100, 2)


@pytest.fixture(scope="module")
def uninterrupted(data):
    return weights_sha256(drain(train_steps(CONFIG, *data)))


@pytest.mark.few(1)
@pytest.mark.parametrize("stopped_after", [2, 10])
def test_a_stopped_training_goes_on_and_ends_with_the_same_weights(data, uninterrupted, tmp_path, stopped_after):
    path = tmp_path / "run" / "checkpoint.safetensors"
    steps = train_steps(CONFIG, *data, checkpoint=path)
    batches = 0
    for progress in steps:  # stops within the first or the third epoch of four batches
        batches += progress.what.startswith("Training")
        if batches == stopped_after:
            steps.close()
            break
    assert epochs_done(CONFIG, data[0], path) == (stopped_after - 1) // 4
    torch.manual_seed(99)
    seen = []
    again = drain(train_steps(CONFIG, *data, checkpoint=path), seen.append)
    assert weights_sha256(again) == uninterrupted
    assert sum(one.what.startswith("Training") for one in seen) == 12 - (stopped_after - 1) // 4 * 4
    # all is done: once more gives the model at once
    seen.clear()
    assert weights_sha256(drain(train_steps(CONFIG, *data, checkpoint=path), seen.append)) == uninterrupted
    assert not any(one.what.startswith("Training") for one in seen)


@pytest.mark.slow
def test_a_checkpoint_of_another_run_or_a_damaged_one_is_not_used(data, uninterrupted, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    drain(train_steps(replace(CONFIG, seed=5), *data, checkpoint=path))
    assert epochs_done(CONFIG, data[0], path) == 0
    assert epochs_done(replace(CONFIG, seed=5), blob_library(128, 3), path) == 0
    assert weights_sha256(drain(train_steps(CONFIG, *data, checkpoint=path))) == uninterrupted
    whole = path.read_bytes()
    flipped = whole[:-10] + bytes([whole[-10] ^ 1]) + whole[-9:]
    deep = b'{"__metadata__":{"facts":"' + b"[" * 5000 + b'"}}'
    for content in (whole[:-50], flipped, b"", b"\xff" * 20, len(deep).to_bytes(8, "little") + deep):
        path.write_bytes(content)
        assert epochs_done(CONFIG, data[0], path) == 0


def test_training_stops_early_and_keeps_the_best_epoch(data, tmp_path, monkeypatch):
    losses = iter([3.0, 2.0, 2.5, 2.1, 1.0])
    kept = tmp_path / "after-2.safetensors"

    def judged(network, config, validation):
        yield from ()
        loss = next(losses)
        if loss == 2.5:  # the state after the second epoch is on the disk by now
            shutil.copy(path, kept)
        return loss

    monkeypatch.setattr(loop, "_validation_loss_steps", judged)
    path = tmp_path / "checkpoint.safetensors"
    config = replace(CONFIG, epochs=10, patience=2)
    bundle = drain(train_steps(config, *data, checkpoint=path))
    assert (bundle.card.recipe["epochs"], bundle.card.recipe["best_epoch"]) == (4, 2)
    second = loop.load_checkpoint(kept, loop._fingerprint(config, data[0])).part("network")
    for name, value in bundle.network.state_dict().items():
        if name not in (
            "branches.0.shape.2.bias",
            "branches.0.alone.2.bias",
        ):  # there the share of outsiders has been taken out
            torch.testing.assert_close(value, second[name], rtol=0, atol=0)


def test_a_training_that_diverges_says_so(data, monkeypatch):
    def judged(network, config, validation):
        yield from ()
        return float("nan")

    monkeypatch.setattr(loop, "_validation_loss_steps", judged)
    with pytest.raises(InputError, match="learning_rate"):
        drain(train_steps(CONFIG, *data))


def test_fewer_clusters_than_a_batch_is_said(data):
    with pytest.raises(InputError, match=r"128 clusters, fewer than one batch of 256; lower training\.batch"):
        next(train_steps(replace(CONFIG, batch=256), *data))


def test_one_step_is_enough(data):
    drain(train_steps(replace(CONFIG, epochs=1, batch=128), *data))


def test_an_unknown_device_is_said(data):
    name = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(InputError, match=f"no device '{name}'"):
        next(train_steps(replace(CONFIG, device=name), *data))


@pytest.mark.parametrize("total", [10, 37, 400])
def test_the_learning_rate_follows_one_cycle(total):
    """torch's own schedule, which keeps its state inside, is the reference."""
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=total, pct_start=0.2)
    for step in range(total):
        group = optimiser.param_groups[0]
        np.testing.assert_allclose(loop._one_cycle(step, total, 0.1), (group["lr"], group["betas"][0]), rtol=1e-9)
        optimiser.step()
        if step < total - 1:
            schedule.step()


# ---------------------------------------------------------------------- the simulated library


@pytest.fixture
def made(monkeypatch):
    """Frames that cost nothing, and the list of those that were made."""
    frames = []

    def frame(recipe, split, index):
        frames.append(index)
        return replace(blob_library(3, index), frame=np.full(3, index))

    class _Structures:
        per_size = 2

        def make_steps(self, sizes):
            yield from ()

        def origin(self, sizes):
            return {}

    monkeypatch.setattr(libraries, "labelled_frame", frame)
    monkeypatch.setattr(libraries, "_structures", lambda recipe, split: _Structures())
    return frames


def test_an_interrupted_library_goes_on_and_ends_the_same(made, tmp_path):
    recipe = Recipe(class_sizes=SIZES)
    whole = drain(simulate_library_steps(recipe, "train", 40, workers=1))
    made.clear()
    steps = simulate_library_steps(recipe, "train", 40, 1, tmp_path)
    for progress in steps:
        if progress.done == 20:
            steps.close()
            break
    seen = []
    again = drain(simulate_library_steps(recipe, "train", 40, 1, tmp_path), seen.append)
    assert made == [*range(20), *range(16, 40)] and seen[-1].done == 40
    np.testing.assert_array_equal(again.raw, whole.raw)
    assert again.frame.tolist() == np.repeat(np.arange(40), 3).tolist()
    made.clear()
    drain(simulate_library_steps(recipe, "train", 40, 1, tmp_path))
    assert made == []


def test_a_damaged_or_a_changed_library_is_made_again(made, tmp_path):
    recipe = Recipe(class_sizes=SIZES)
    drain(simulate_library_steps(recipe, "train", 20, 1, tmp_path))
    made.clear()
    next(tmp_path.rglob("00000-*.npz")).write_bytes(b"PK")
    drain(simulate_library_steps(recipe, "train", 20, 1, tmp_path))
    assert made == list(range(16))
    made.clear()
    drain(simulate_library_steps(replace(recipe, dimers=0.2), "train", 20, 1, tmp_path))
    drain(simulate_library_steps(recipe, "validation", 20, 1, tmp_path))
    assert made == [*range(20), *range(20)]
