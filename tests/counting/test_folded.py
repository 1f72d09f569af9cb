"""The folded copy of a network says what the network says, also after its weights have changed."""

from __future__ import annotations

import copy

import pytest
import torch

from napari_atomicity.counting.bundle import load_bundle
from napari_atomicity.counting.folded import folded


@pytest.fixture
def network():
    return copy.deepcopy(load_bundle("dual").network).eval().requires_grad_(False)


def differs(network) -> float:
    generator = torch.Generator().manual_seed(1)
    x, noise = torch.randn(5, 3, 52, 52, generator=generator).abs(), torch.rand(5, generator=generator)
    with torch.inference_mode():
        pairs = zip(network(x, noise), folded(network)(x, noise), strict=True)
        return max(float((ours - theirs).abs().max() / (1 + ours.abs().max())) for ours, theirs in pairs)


def test_a_folded_network_says_the_same(network):
    assert folded(network) is not network
    assert differs(network) < 1e-5


def test_it_is_kept_while_the_weights_stay_and_made_again_when_they_change(network):
    first = folded(network)
    assert folded(network) is first
    with torch.no_grad():
        network.each[0].maps[1].bias.add_(0.3)
    assert folded(network) is not first
    assert differs(network) < 1e-5
    second = folded(network)
    network.each[0].maps[1].running_var.mul_(1.5)
    assert folded(network) is not second
    assert differs(network) < 1e-5


def test_weights_that_take_the_place_of_others_are_seen(network):
    first = folded(network)
    norm = network.each[0].maps[1]
    norm.weight = torch.nn.Parameter(norm.weight * 1.5, requires_grad=False)
    assert folded(network) is not first
    assert differs(network) < 1e-5


def test_a_network_in_training_looks_as_it_is(network):
    assert folded(network.train()) is network
