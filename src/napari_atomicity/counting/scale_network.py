"""How well a scale explains all clusters of a frame together: a small network over sets of clusters.

Clusters of a frame share blur, noise and flatness. A likelihood that takes them as independent witnesses is too sure
of itself, and where they all err alike it is sure of the wrong scale. Which scale goes with which picture can be
learnt instead, from simulated frames whose scale is known: every cluster is described under a supposed scale (the atom
count that its integral would then mean, the classes that this would make it), the clusters are averaged (Zaheer et
al., Deep Sets, 2017), and the network says how plausible the supposed scale is. Over a grid of scales that is their
posterior.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_atomicity.counting.network import FEATURES

Floats = npt.NDArray[np.float64]

#: width of the layers, and networks whose outputs are averaged
_WIDTH: Final = 32
_MEMBERS: Final = 2
#: scales on the grid of a frame, and how far beyond the classes it reaches
_GRID: Final = 64
_REACH: Final = 1.35
#: clusters beyond these add little: what a frame's clusters share does not average out
_WITNESSES: Final = 15.0
_MIDDLE: Final = 3.6


def offsets(class_sizes: tuple[int, ...]) -> Floats:
    """(64,) ln(scale) of the networks' grid, relative to the median of a frame's ln(integral), ascending."""
    return np.linspace(-np.log(max(class_sizes) * _REACH), -np.log(min(class_sizes) / _REACH), _GRID)


def inputs(classes: int, channels: int) -> int:
    """Number of columns of `cluster_view`.

    Parameters
    ----------
    classes, channels
        How many the model has.
    """
    return classes - 1 + 2 + channels * (classes + 1) + channels * FEATURES


class FrameView:
    """The input of the network: n clusters of a frame under g supposed scales.

    The parameters become attributes, as tensors.

    Parameters
    ----------
    clusters
        (n, inputs) see `cluster_view`.
    classes
        (g, n, classes + 1) chances of each class at each scale, other last.
    fit
        (g, n) log-likelihood of each cluster at each scale.
    shares
        (g, classes + 1) class shares at each scale.
    log_integral
        (n,) relative to the frame's median.
    """

    def __init__(
        self,
        clusters: npt.NDArray[np.float32],
        classes: Floats,
        fit: Floats,
        shares: Floats,
        log_integral: Floats,
    ) -> None:
        self.clusters = torch.from_numpy(clusters)
        self.classes = torch.from_numpy(classes.astype(np.float32))
        self.fit = torch.from_numpy(np.clip(fit, -12, 6).astype(np.float32))
        self.shares = torch.from_numpy(shares.astype(np.float32))
        self.log_integral = torch.from_numpy(log_integral.astype(np.float32))


class Member(nn.Module):
    """One of the networks that are averaged.

    Parameters
    ----------
    classes
        Number of size classes.
    inputs
        Columns of `cluster_view`.

    Attributes
    ----------
    mean, spread
        (inputs,) mean and standard deviation of `cluster_view` over the clusters of the training.
    """

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, classes: int, inputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("spread", torch.ones(inputs))
        width = _WIDTH
        self.context = nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width))
        self.own = nn.Linear(inputs, width)
        self.common = nn.Linear(width, width, bias=False)
        self.supposed = nn.Linear(classes + 3, width, bias=False)
        self.cluster = nn.Sequential(nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.frame = nn.Sequential(
            nn.Linear(2 * width + classes + 4, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 1)
        )
        self.trust = nn.Parameter(torch.tensor(0.1))

    def forward(self, view: FrameView, offset: torch.Tensor) -> torch.Tensor:
        """Judge supposed scales.

        Parameters
        ----------
        view
            The frame.
        offset
            (g,) ln(scale) relative to the median of the frame's ln(integral).

        Returns
        -------
        (g,) logits of the scales.
        """
        x = (view.clusters - self.mean) / self.spread
        n = len(x)
        log_n = view.log_integral[None] - offset[:, None] - _MIDDLE
        supposed = torch.cat([view.classes, log_n[..., None], view.fit[..., None]], dim=2)
        hidden = self.own(x) + self.common(self.context(x).mean(dim=0))
        hidden = self.cluster(hidden[None] + self.supposed(supposed))
        spread = (hidden.var(dim=1, unbiased=False) + 1e-6).sqrt()
        fit = view.fit.mean(dim=1)
        size = torch.full((len(offset), 1), float(np.log(n)) / 3)
        columns = [hidden.mean(dim=1), spread, view.shares, fit[:, None], offset[:, None] + _MIDDLE, size]
        frame = torch.cat(columns, dim=1)
        witnesses = n / (1 + n / _WITNESSES)
        logits: torch.Tensor = self.frame(frame)[:, 0] * witnesses / 4 + self.trust * witnesses * fit
        return logits


class ScaleNetwork(nn.Module):
    """Plausibility of the scales of a frame's grid, averaged over a few networks that learnt from different starts.

    Parameters
    ----------
    classes
        Number of size classes.
    inputs
        Columns of `cluster_view`.
    """

    #: divides the logits: chosen so that the posterior is as sure as it is right on frames never trained on
    temperature: torch.Tensor

    def __init__(self, classes: int, inputs: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(Member(classes, inputs) for _ in range(_MEMBERS))
        self.register_buffer("temperature", torch.tensor(1.0))

    @property
    def each(self) -> list[Member]:
        """The networks that are averaged."""
        return [member for member in self.members if isinstance(member, Member)]

    def forward(self, view: FrameView, offset: torch.Tensor) -> torch.Tensor:
        """Probability of supposed scales.

        Parameters
        ----------
        view
            The frame.
        offset
            (g,) ln(scale) relative to the median of the frame's ln(integral).

        Returns
        -------
        (g,) log-probability of each.
        """
        log_chances = torch.stack([torch.log_softmax(member(view, offset), dim=0) for member in self.each])
        return torch.log_softmax(log_chances.logsumexp(dim=0) / self.temperature, dim=0)
