"""How the network is asked where it saw a class: four ways, those that follow gradients through Captum."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.patches import CELL_PX, CELLS, MARGIN_PX, PATCH_PX, Patches

if TYPE_CHECKING:
    import torch

    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.counting.network import Network, Outputs

Map = npt.NDArray[np.float32]
Score = Callable[["torch.Tensor"], "torch.Tensor"]
#: pixels of the patch along a side that a cell of the last maps sees
FIELD_PX: Final = 45
_SEED: Final = 20_260
#: steps of the integral: the map of 8 correlates with that of 32 to 0.97
_STEPS: Final = 8


def lead_parts(
    out: Outputs, network: Network, card: ModelCard, chosen: torch.Tensor, against: int | None
) -> torch.Tensor:
    """What the lead of a class is made of, in log-odds: brightness, then the shape in each channel.

    The lead is over the class `against` or, without one, over the next smaller class in brightness and the mean of the
    others in shape. The chance of a class peaks at its own count, where a gradient vanishes; the lead over the next
    smaller class grows with every atom, so that its gradient shows where atoms were counted. Below the smallest class
    one is imagined as far away as the class above.

    Parameters
    ----------
    out
        Of the network for b clusters.
    network, card
        Of the model.
    chosen
        (b,) index of the class of each cluster.
    against
        Index of the class that it is held against; None for none in particular.

    Returns
    -------
    (b, 1 + channels).
    """
    import torch

    log_sizes = network.log_sizes
    rows = torch.arange(len(chosen))
    below = torch.cat([2 * log_sizes[:1] - log_sizes[1:2], log_sizes[:-1]])[chosen]
    other = below if against is None else log_sizes[against].expand(len(chosen))
    sd = torch.hypot(out.log_n_sd, torch.tensor(card.integral_tau))
    bright = 0.5 * (((out.log_n - other) / sd) ** 2 - ((out.log_n - log_sizes[chosen]) / sd) ** 2)
    shape = out.shape[..., :-1] / card.temperature_scaled
    own = shape[rows, :, chosen]
    rest = (shape.sum(dim=2) - own) / (shape.shape[2] - 1) if against is None else shape[:, :, against]
    return torch.cat([bright[:, None], own - rest], dim=1)


def empty_support(patches: Patches) -> Patches:
    """The same windows with nothing in them but noise as strong as around each cluster; the same in every call."""
    noise = np.random.default_rng(_SEED).normal(size=patches.raw.shape[1:]).astype(np.float32)
    return Patches(noise * patches.noise[:, None, None], patches.log_integral, patches.noise, patches.valid)


def cell_weights() -> Map:
    """(64, 26) weights of linear interpolation from the cells of the last maps to the pixels of the patch.

    Cell i covers two of the pixels that the network looks at, 2 i and 2 i + 1.
    """
    cell = np.clip((np.arange(PATCH_PX) - MARGIN_PX - 0.5) / CELL_PX, 0, CELLS - 1)
    low = np.minimum(cell.astype(int), CELLS - 2)
    weights = np.zeros((PATCH_PX, CELLS), dtype=np.float32)
    rows = np.arange(PATCH_PX)
    weights[rows, low] = 1 - (cell - low)
    weights[rows, low + 1] += cell - low
    # the network does not look at the border
    weights[:MARGIN_PX] = weights[-MARGIN_PX:] = 0.0
    return weights


def grad_cam(network: Network, channel: int, x: torch.Tensor, score: Score) -> Map:
    """Signed Grad-CAM: the last maps of a channel, each weighted by its mean gradient (Selvaraju et al. 2017).

    Captum applies no ReLU unless it is asked to, so the sign stays.

    Parameters
    ----------
    network
        The network.
    channel
        Index of its branch.
    x
        (b, pictures, 52, 52) its input.
    score
        From an input to the (b,) score that is explained; runs `network`.

    Returns
    -------
    numpy.ndarray
        (b, 26, 26) contribution of each cell to the score.
    """
    from captum.attr import LayerGradCam

    maps = LayerGradCam(score, network.each[channel].maps[-1]).attribute(x.clone())
    return np.asarray(maps[:, 0].detach().numpy())


def hires_cam(network: Network, channel: int, x: torch.Tensor, score: Score) -> Map:
    """Signed HiResCAM: the last maps of a channel times their own gradients, cell by cell (Draelos & Carin 2020).

    Where Grad-CAM gives every cell the mean gradient of its map, also cells that the score does not depend on, this
    keeps to those that it does.

    Parameters
    ----------
    network, channel, x, score
        As in `grad_cam`.

    Returns
    -------
    numpy.ndarray
        (b, 26, 26) contribution of each cell to the score.
    """
    from captum.attr import LayerGradientXActivation

    maps = LayerGradientXActivation(score, network.each[channel].maps[-1]).attribute(x.clone())
    return np.asarray(maps.sum(dim=1).detach().numpy())


def integrated_gradients(
    network: Network, x: torch.Tensor, empty: torch.Tensor, score: Score, steps: int = _STEPS
) -> Map:
    """Integrated gradients from an empty support (Sundararajan et al. 2017), summed to the cells of each channel.

    Goes down to the pixels and knows nothing of the network's last maps, so it can contradict them. With many `steps`
    all cells of all channels add up to the score of the cluster less that of the empty support.

    Parameters
    ----------
    network
        The network.
    x
        (b, pictures, 52, 52) its input.
    empty
        The same of `empty_support`.
    score
        As in `grad_cam`; also of several copies of the clusters, one after the other.
    steps
        Points of the integral.

    Returns
    -------
    numpy.ndarray
        (b, channels, 26, 26) signed contribution of each cell to the score.
    """
    import torch
    from captum.attr import IntegratedGradients

    pixels = IntegratedGradients(score).attribute(x.clone(), baselines=empty, n_steps=steps)
    parts = torch.split(pixels.detach(), list(network.pictures), dim=1)
    by_channel = np.stack([part.sum(dim=1).numpy() for part in parts], axis=1)
    b, channels, side, _ = by_channel.shape
    cells: Map = by_channel.reshape(b, channels, CELLS, side // CELLS, CELLS, side // CELLS).sum(axis=(3, 5))
    return cells
