"""The compact network: from a cluster's patch to its class, its atom count and a correction of its integral."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

_WIDTHS = (16, 24, 32, 48, 48)
#: features a channel
FEATURES = 48


class Outputs(NamedTuple):
    """Outputs of the network for a batch of b patches.

    Attributes
    ----------
    shape_logits
        (b, classes) logits of the classes: the sum of `branch_logits`.
    branch_logits
        (b, channels, classes) each channel's share of them.
    log_integral_shift, log_integral_sd
        (b,) correction of the logarithm of the rough integral, and its standard deviation.
    log_n, log_n_sd
        (b,) logarithm of the atom count as far as shape alone tells it, and its standard deviation.
    outside_logit
        (b,) log-odds that the cluster is none of the classes.
    features
        (b, channels · 48) last hidden layer.
    """

    shape_logits: torch.Tensor
    branch_logits: torch.Tensor
    log_integral_shift: torch.Tensor
    log_integral_sd: torch.Tensor
    log_n: torch.Tensor
    log_n_sd: torch.Tensor
    outside_logit: torch.Tensor
    features: torch.Tensor


class _Residual(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.norm(self.conv(x)))


def _convolution(before: int, after: int, size: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


class Branch(nn.Module):
    """From one channel of a patch to its share of the class logits.

    `maps` gives the last convolutional maps, (b, 48, 16, 16): Grad-CAM looks there.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        a, b, c, d, e = _WIDTHS
        self.maps = nn.Sequential(
            _convolution(1, a, 5, 2),
            _convolution(a, b, 3, 2),
            _convolution(b, c, 3, 1),
            _convolution(c, d, 3, 1),
            _Residual(d, 2),
            _Residual(e, 1),
        )
        self.hidden = nn.Linear(2 * e, FEATURES)
        self.logits = nn.Linear(FEATURES, classes)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Share of the class logits (b, classes) and features (b, 48) for `x` (b, 1, 64, 64)."""
        return self.head(self.maps(x))

    def head(self, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Share of the class logits (b, classes) and features (b, 48) from the last `maps` (b, 48, 16, 16)."""
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        features = torch.relu(self.hidden(pooled))
        return self.logits(features), features


class Network(nn.Module):
    """One branch a channel, fused at the very end.

    Batch normalisation, with its running statistics, makes inference independent of the batch and leaves an affine
    pair a map to tune when the model is adapted to an image.

    Parameters
    ----------
    classes
        Number of size classes.
    channels
        1: raw; 2: raw and local contrast normalisation.
    """

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Branch(classes) for _ in range(channels))
        self.measure = nn.Linear(channels * FEATURES, 5)

    def forward(self, x: torch.Tensor) -> Outputs:
        """Outputs for `x` (b, channels, 64, 64)."""
        by_channel = [branch(x[:, i : i + 1]) for i, branch in enumerate(self.branches)]
        branch_logits = torch.stack([logits for logits, _ in by_channel], dim=1)
        features = torch.cat([own_features for _, own_features in by_channel], dim=1)
        shift, log_shift_sd, log_n, log_n_sd, outside = self.measure(features).unbind(dim=1)
        return Outputs(
            shape_logits=branch_logits.sum(dim=1),
            branch_logits=branch_logits,
            log_integral_shift=shift,
            log_integral_sd=torch.exp(log_shift_sd.clamp(-5.0, 1.0)),
            log_n=log_n + 3.6,
            log_n_sd=torch.exp(log_n_sd.clamp(-5.0, 1.0)),
            outside_logit=outside,
            features=features,
        )

    def tunable(self) -> list[nn.Parameter]:
        """The parameters that an adaptation may move: the affine pairs of the normalisations and the class heads."""
        parameters: list[nn.Parameter] = []
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                parameters += [module.weight, module.bias]
            elif isinstance(module, Branch):
                parameters += module.logits.parameters()
        return parameters
