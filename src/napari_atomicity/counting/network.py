"""The compact network: from a cluster in atoms per nm² to a density whose sum is its atom count.

The decision has two parts that add up in the log-odds of the classes: *brightness*, the likelihood of the count that
the density sums to, and *shape*, what each channel sees beyond the count. A map of the density is therefore a map of
the larger part of the decision itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from napari_atomicity.counting.brightness import OUTSIDE_LOG_N, OUTSIDE_SD, TAIL
from napari_atomicity.counting.patches import CELL_NM, CELL_PX, UNIT

#: width of the layers
WIDTH: Final = 16
#: features a channel
FEATURES: Final = 16
#: pictures that each channel consists of: the image itself linear and compressed; its local contrast
PICTURES: Final = {"raw": 2, "lcn": 1}
_HIDDEN: Final = 24


class Outputs(NamedTuple):
    """Outputs of the network for a batch of b clusters.

    Attributes
    ----------
    density
        (b, 26, 26) atoms per nm², in cells of 0.1 nm.
    log_n, log_n_sd
        (b,) logarithm of the sum of the density, and its standard deviation.
    shape
        (b, channels, classes + 1) each channel's share of the log-odds of the classes beyond the count, for a picture
        in atoms per nm²; none of them last.
    alone
        (b, channels, classes + 1) the same for a picture whose scale is not known: one that was divided by its own
        integral, so that nothing but shape is left.
    features
        (b, channels · 16) mean of the last maps, weighted by the density.
    """

    density: torch.Tensor
    log_n: torch.Tensor
    log_n_sd: torch.Tensor
    shape: torch.Tensor
    alone: torch.Tensor
    features: torch.Tensor


class Residual(nn.Module):
    """Two convolutions beside a way past them.

    Parameters
    ----------
    width
        Number of maps.
    dilation
        Of the first convolution.
    """

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, width, y, x) of the same shape."""
        inner = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(x + self.second_norm(self.second(inner)))


def _verdict(classes: int) -> nn.Sequential:
    """From the features of a channel to its share of the log-odds."""
    return nn.Sequential(nn.Linear(FEATURES, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, classes + 1))


class Branch(nn.Module):
    """One channel: its last maps, its say in what belongs to the cluster, and its say in the classes.

    `maps` gives the last convolutional maps, (b, 16, 26, 26): Grad-CAM looks there.

    Parameters
    ----------
    pictures
        How many the channel consists of.
    classes
        Number of size classes.
    """

    def __init__(self, pictures: int, classes: int) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(pictures, WIDTH, 5, 2, padding=2, bias=False),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(),
            Residual(WIDTH, 1),
            Residual(WIDTH, 2),
            Residual(WIDTH, 4),
        )
        self.gate = nn.Conv2d(WIDTH, 1, 1)
        self.background = nn.Conv2d(WIDTH, 1, 1)
        self.features = nn.Conv2d(WIDTH, FEATURES, 1)
        self.shape = _verdict(classes)
        self.alone = _verdict(classes)
        nn.init.zeros_(self.background.weight)
        assert self.background.bias is not None
        nn.init.zeros_(self.background.bias)


class Network(nn.Module):
    """One branch a channel; gate, background and log-odds of the classes are sums over the branches.

    Batch normalisation, with its running statistics, makes inference independent of the batch and leaves an affine
    pair a map to tune when the model is adapted to an image.

    Parameters
    ----------
    class_sizes
        Atoms of each class.
    channels
        ``("raw",)`` or ``("raw", "lcn")``.

    Attributes
    ----------
    log_sizes
        (classes,) logarithm of the atoms of each class.
    """

    log_sizes: torch.Tensor

    def __init__(self, class_sizes: Sequence[int], channels: Sequence[str]) -> None:
        super().__init__()
        self.register_buffer("log_sizes", torch.log(torch.tensor(class_sizes, dtype=torch.float32)))
        self.pictures = tuple(PICTURES[name] for name in channels)
        self.branches = nn.ModuleList(Branch(pictures, len(class_sizes)) for pictures in self.pictures)
        self.spread = nn.Sequential(nn.Linear(len(channels) * FEATURES + 3, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 1))

    @property
    def each(self) -> list[Branch]:
        """The branches."""
        return [branch for branch in self.branches if isinstance(branch, Branch)]

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> Outputs:
        """What the network says of clusters.

        Parameters
        ----------
        x
            (b, pictures, 52, 52), see `patches.network_input`.
        noise
            (b,) standard deviation of the background in atoms per nm².
        """
        parts = torch.split(x, list(self.pictures), dim=1)
        maps = [branch.maps(part) for branch, part in zip(self.each, parts, strict=True)]
        offset = torch.cat([branch.background(m) for branch, m in zip(self.each, maps, strict=True)], dim=1).sum(dim=1)
        gates = torch.cat([branch.gate(m) for branch, m in zip(self.each, maps, strict=True)], dim=1)
        gate = torch.sigmoid(gates.sum(dim=1))
        signal = functional.avg_pool2d(x[:, :1], CELL_PX)[:, 0] * UNIT
        density = gate * (signal - 2.0 * offset)
        # never below one atom, and linear from a few atoms on
        log_n = torch.log(1.0 + functional.softplus(density.sum(dim=(1, 2)) * CELL_NM**2 - 1.0, beta=2.0))
        weight = functional.softplus(density) * gate
        weight = weight / weight.sum(dim=(1, 2), keepdim=True).clamp(min=1e-6)
        pooled = [
            (torch.relu(branch.features(m)) * weight[:, None]).sum(dim=(2, 3))
            for branch, m in zip(self.each, maps, strict=True)
        ]
        features = torch.cat(pooled, dim=1)
        area = gate.sum(dim=(1, 2)) * CELL_NM**2
        known = torch.stack([log_n - 3.6, noise.clamp(min=1e-3).log(), area.clamp(min=0.01).log()], dim=1)
        log_sd = self.spread(torch.cat([features, known], dim=1))[:, 0].clamp(-5.0, 1.0)
        shape, alone = (
            torch.stack([head(f) for head, f in zip(heads, pooled, strict=True)], dim=1)
            for heads in ([branch.shape for branch in self.each], [branch.alone for branch in self.each])
        )
        return Outputs(density, log_n, log_sd.exp(), shape, alone, features)

    def lower_outside(self, by: float) -> None:
        """Take `by` off the logit of being none of the classes, with a scale and without."""
        for head in (self.each[0].shape, self.each[0].alone):
            last = head[-1]
            assert isinstance(last, nn.Linear)
            with torch.no_grad():
                last.bias[-1] -= by

    def tunable(self) -> list[nn.Parameter]:
        """The parameters that an adaptation may move: the affine pairs of the normalisations and the class heads."""
        parameters: list[nn.Parameter] = []
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                parameters += [module.weight, module.bias]
            elif isinstance(module, Branch):
                parameters += module.shape[-1].parameters()
        return parameters


def brightness(log_n: torch.Tensor, sd: torch.Tensor, log_sizes: torch.Tensor) -> torch.Tensor:
    """(b, classes + 1) log-density of a count, were the cluster of this or that class; none of them last.

    As `brightness.log_density`, for what has to have gradients.

    Parameters
    ----------
    log_n, sd
        (b,) logarithm of the count and its standard deviation, that of the scale included.
    log_sizes
        (classes,) logarithm of the atoms of each class.
    """
    z2 = ((log_n[:, None] - log_sizes) / sd[:, None]) ** 2
    inside = torch.logaddexp(-0.5 * z2, math.log(TAIL) - z2 / 18) - torch.log(sd[:, None] * math.sqrt(2 * math.pi))
    low, high = OUTSIDE_LOG_N
    beyond = torch.maximum(low - log_n, log_n - high).clamp(min=0.0)
    outside = -math.log(high - low) - 0.5 * (beyond / OUTSIDE_SD) ** 2
    return torch.cat([inside, outside[:, None]], dim=1)


def decision(out: Outputs, log_sizes: torch.Tensor, tau: float, temperature: float) -> torch.Tensor:
    """(b, classes + 1) log-odds of the classes, brightness and shape together; none of them last.

    Parameters
    ----------
    out
        Of the network for b clusters.
    log_sizes
        (classes,) logarithm of the atoms of each class.
    tau
        Standard deviation to be added to the stated error of ln(atoms).
    temperature
        As in `tempered`.
    """
    sd = torch.hypot(out.log_n_sd, torch.tensor(tau))
    return brightness(out.log_n, sd, log_sizes) + tempered(out.shape.sum(dim=1), temperature)


def tempered(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """(b, classes + 1) log-likelihoods of shape relative to an average class member, from its logits.

    Parameters
    ----------
    logits
        (b, classes + 1) none of the classes last.
    temperature
        Divides what tells the classes from one another, not what tells them from none of them.
    """
    inside = logits[:, :-1]
    even = math.log(inside.shape[1])
    outside = logits[:, -1:] - (torch.logsumexp(inside, dim=1, keepdim=True) - even)
    return torch.cat([torch.log_softmax(inside / temperature, dim=1) + even, outside], dim=1)
