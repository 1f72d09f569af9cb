"""Tuning: its optimiser is Adam."""

import pytest
import torch

from napari_atomicity.counting import tuning
from seeds import seeded


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
