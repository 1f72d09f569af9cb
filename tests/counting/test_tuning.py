"""Tuning: its optimiser is Adam, its loss that of the anchors, and it leaves a network that no longer learns."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from napari_atomicity.counting import tuning
from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.counting.network import Network, brightness
from napari_atomicity.counting.patches import in_atoms, network_input, normalise
from napari_atomicity.progress import drain
from seeds import seeded

from .synthetic import CARD, GAIN, blobs


@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_the_optimiser_moves_parameters_as_that_of_pytorch_does(precision, tolerance):
    torch.manual_seed(seeded(0))
    ours = [torch.randn(shape, dtype=precision) for shape in [(16, 1, 5, 5), (48,), (5, 48), ()]]
    theirs = [torch.nn.Parameter(parameter.clone()) for parameter in ours]
    optimiser, reference = tuning._Adam(ours), torch.optim.Adam(theirs, lr=tuning._LEARNING_RATE)
    # gradients of all sizes, and some that are exactly 0 for a while
    sizes = [10.0 ** torch.empty_like(parameter).uniform_(-6, 2) for parameter in ours]
    for step in range(50):
        gradients = [size * torch.randn_like(size) * (step % 3 > 0) for size in sizes]
        optimiser.step(gradients)
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient.clone()
        reference.step()
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other.detach(), rtol=tolerance, atol=tolerance)


def tuning_of(card, n=16):
    """A run on round clusters, by a network that has learnt nothing."""
    torch.manual_seed(seeded(1))
    n_atoms = np.resize([19, 70], n)
    patches = normalise(*blobs(n_atoms))
    network = Network(card.class_sizes, card.channels).eval().requires_grad_(False)
    rehearsal = {
        "raw": patches.raw[:4],
        "noise": patches.noise[:4],
        "log_atoms": patches.log_integral[:4] - np.log(GAIN),
        "class_index": np.zeros(4, np.int64),
    }
    anchors = pd.DataFrame({"label": [f"Pt{k}" for k in n_atoms], "held_back": np.arange(n) % 8 < 2})
    return tuning.Tuning(Bundle(card, network, rehearsal), patches, np.full(n, np.log(GAIN)), np.arange(n), anchors, 0)


def test_a_tuned_network_is_closed_to_further_learning_and_the_model_stays(monkeypatch):
    monkeypatch.setattr(tuning, "STEPS", 6)
    run = tuning_of(CARD)
    drain(run.steps())
    assert not any(parameter.requires_grad for parameter in run.network.parameters())
    assert set(run.before) == set(run.after) == {"right", "loss", "anchors"} and run.before["anchors"] == 4


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_before_anything_has_moved_the_loss_is_that_of_the_anchors_at_the_temperature(monkeypatch, temperature):
    """Nothing has drifted or been forgotten yet; of all classes only those of anchors compete."""
    monkeypatch.setattr(tuning, "STEPS", 1)
    run = tuning_of(replace(CARD, temperature_scaled=temperature))
    drain(run._prepare_steps())
    batch = replace(run.batches[0], turn=0, mirror=False)
    picture, noise = in_atoms(run.patches.take(batch.anchors), np.log(GAIN))
    out = run.network(network_input(picture, noise, 1, 1.0), torch.from_numpy(noise))
    sd = torch.hypot(out.log_n_sd, torch.tensor(CARD.integral_tau))
    logits = brightness(out.log_n, sd, run.network.log_sizes) + out.shape.sum(dim=1) / temperature
    label = torch.as_tensor(batch.anchors % 2)
    expected = torch.nn.functional.cross_entropy(logits[:, [0, 4]], label)
    # and the count of an anchor is that of its class
    z = (run.network.log_sizes[torch.tensor([0, 4])][label] - out.log_n) / out.log_n_sd
    found = run._loss(batch, len(batch.anchors), len(batch.rehearsed))
    torch.testing.assert_close(found, expected + 0.5 * (z**2).mean(), rtol=1e-4, atol=1e-4)
