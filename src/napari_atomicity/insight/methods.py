"""How one branch of the network is asked where it saw a class: two ways, both through Captum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.patches import PATCH_PX, Patches

if TYPE_CHECKING:
    import torch

    from napari_atomicity.counting.network import Branch

Map = npt.NDArray[np.float32]
#: cells of the network's last maps along a side of the patch
CELLS: Final = 16
#: pixels of the patch along a side that a cell of the last maps sees
FIELD_PX: Final = 49
_SEED: Final = 20_260
#: steps of the integral: the map of 8 correlates with that of 32 to 0.97
_STEPS: Final = 8


def lead(chosen: npt.NDArray[np.int64], against: int | None, classes: int) -> npt.NDArray[np.float32]:
    """Weights of the logits whose sum is the score that is explained.

    The score is the target's lead over the mean of the other classes, or over the one class `against`: a logit that all
    classes share decides nothing.

    Parameters
    ----------
    chosen
        (b,) index of the target of each cluster.
    against
        Index of the class that it is held against; None for the mean of the others.
    classes
        Number of classes.

    Returns
    -------
    numpy.ndarray
        (b, classes) float32; all zero where target and `against` are the same.
    """
    weights = np.zeros((len(chosen), classes), dtype=np.float32)
    if against is None:
        weights -= 1 / (classes - 1)
        weights[np.arange(len(chosen)), chosen] = 1.0
    else:
        weights[:, against] = -1.0
        weights[np.arange(len(chosen)), chosen] += 1.0
    return weights


def empty_support(patches: Patches) -> Patches:
    """The same windows with nothing in them but noise as strong as around each cluster; the same in every call."""
    noise = np.random.default_rng(_SEED).normal(size=patches.raw.shape[1:]).astype(np.float32)
    return Patches(noise * patches.noise[:, None, None], patches.log_integral, patches.noise, patches.valid)


def cell_weights() -> Map:
    """(64, 16) weights of linear interpolation from the cells of the last maps to the pixels of the patch.

    Cell i of a layer of total stride 4 is centred on patch pixel 4 i (odd kernels, padding of half a kernel), not on
    the middle of the pixels 4 i to 4 i + 3.
    """
    cell = np.clip(np.arange(PATCH_PX) / (PATCH_PX // CELLS), 0, CELLS - 1)
    low = np.minimum(cell.astype(int), CELLS - 2)
    weights = np.zeros((PATCH_PX, CELLS), dtype=np.float32)
    rows = np.arange(PATCH_PX)
    weights[rows, low] = 1 - (cell - low)
    weights[rows, low + 1] += cell - low
    return weights


def grad_cam(branch: Branch, x: torch.Tensor, weights: torch.Tensor) -> Map:
    """Signed Grad-CAM: the last maps, each weighted by its mean gradient (Selvaraju et al. 2017).

    Captum applies no ReLU unless it is asked to, so the sign stays.

    Parameters
    ----------
    branch
        The network's branch of one channel.
    x
        (b, 1, 64, 64) that channel of the patches.
    weights
        (b, classes) weights of the logits, see `lead`.

    Returns
    -------
    numpy.ndarray
        (b, 16, 16) contribution of each cell to the score.
    """
    from captum.attr import LayerGradCam

    def score(patch: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = (branch(patch)[0] * weights).sum(dim=1)
        return total

    maps = LayerGradCam(score, branch.maps[-1]).attribute(x.clone(), additional_forward_args=(weights,))
    return np.asarray(maps[:, 0].detach().numpy())


def integrated_gradients(
    branch: Branch, x: torch.Tensor, empty: torch.Tensor, weights: torch.Tensor, steps: int = _STEPS
) -> Map:
    """Integrated gradients from an empty support (Sundararajan et al. 2017), summed to the cells.

    Goes down to the pixels and knows nothing of the network's last maps, so it can contradict Grad-CAM. With many
    `steps` all cells add up to the score of the cluster less that of the empty support.

    Parameters
    ----------
    branch
        The network's branch of one channel.
    x
        (b, 1, 64, 64) that channel of the patches.
    empty
        (b, 1, 64, 64) the same of `empty_support`.
    weights
        (b, classes) weights of the logits, see `lead`.
    steps
        Points of the integral.

    Returns
    -------
    numpy.ndarray
        (b, 16, 16) signed contribution of each cell to the score.
    """
    from captum.attr import IntegratedGradients

    def score(patch: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = (branch(patch)[0] * weights).sum(dim=1)
        return total

    pixels = IntegratedGradients(score).attribute(
        x.clone(), baselines=empty, additional_forward_args=(weights,), n_steps=steps
    )
    to_cells = cell_weights()
    return np.asarray(to_cells.T @ pixels[:, 0].detach().numpy() @ to_cells, dtype=np.float32)
