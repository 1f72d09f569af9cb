"""Where in its patch the network saw a cluster's class: Grad-CAM, one map a channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.patches import NM_PER_PX, PATCH_PX, Patches, network_input
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    import torch

    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.network import Branch

_BATCH = 32


@dataclass(frozen=True, eq=False)
class Attribution:
    """Heat maps of n clusters; one channel a branch of the network.

    Attributes
    ----------
    maps
        (n, channels, 64, 64) float32, 0 or above: contribution of each place to the score of the target class, in
        register with the patch. 0 everywhere where `empty`.
    channel_names
        ``raw``, ``lcn``.
    target
        (n,) index of the class that is explained, -1 for a cluster without a patch.
    share
        (n, channels) share of each channel in the target's lead over the mean of the other classes. Shares add up
        to 1; a negative one speaks against the class.
    empty
        (n, channels) nothing in this channel speaks for the class: the map would be negative everywhere.
    resolution_nm
        Side of one cell of the network's last maps: finer detail in `maps` is interpolation.
    """

    maps: npt.NDArray[np.float32]
    channel_names: tuple[str, ...]
    target: npt.NDArray[np.int64]
    share: npt.NDArray[np.float64]
    empty: npt.NDArray[np.bool_]
    resolution_nm: float


def attribution_steps(
    bundle: Bundle, patches: Patches, target: int | npt.NDArray[np.int64] | None = None
) -> Steps[Attribution]:
    """Grad-CAM of every patch.

    Parameters
    ----------
    target
        Index of the class to explain, for all or one a cluster; the class of the largest shape logit where None.

    Raises
    ------
    InputError
        For a target that is no class of the model.
    """
    classes = len(bundle.card.class_sizes)
    wanted = np.full(len(patches), -1) if target is None else np.broadcast_to(np.asarray(target), (len(patches),))
    if target is not None and not ((wanted >= 0) & (wanted < classes)).all():
        raise InputError(f"The class to explain must be one of the {classes} classes of the model.")
    parts = []
    for start in range(0, max(len(patches), 1), _BATCH):
        yield Progress(start, len(patches), "Computing heat maps")
        rows = np.arange(start, min(start + _BATCH, len(patches)))
        parts.append(_explain(bundle, patches.take(rows), wanted[rows] if target is not None else None))
    maps, chosen, share = (np.concatenate(column) for column in zip(*parts, strict=True))
    size = int(maps.shape[-1])
    return Attribution(
        maps=_upsampled(maps),
        channel_names=bundle.card.channels,
        target=chosen,
        share=share,
        empty=maps.max(axis=(2, 3), initial=0.0) <= 0,
        resolution_nm=PATCH_PX * NM_PER_PX / size,
    )


def _explain(
    bundle: Bundle, patches: Patches, wanted: npt.NDArray[np.int64] | None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Coarse maps (b, channels, 16, 16), targets (b,) and shares (b, channels) of one batch."""
    import torch

    classes, channels = len(bundle.card.class_sizes), len(bundle.card.channels)
    x = network_input(patches, channels, bundle.card.lcn_window_nm)
    with torch.inference_mode():
        branch = bundle.network(x.contiguous(memory_format=torch.channels_last)).branch_logits.numpy()
    chosen = branch.sum(axis=1).argmax(axis=1) if wanted is None else wanted
    rows = np.arange(len(patches))
    # what counts is the lead over the other classes: a logit that all classes share decides nothing
    lead = (branch[rows, :, chosen] - branch.mean(axis=2)) * classes / (classes - 1)
    total = lead.sum(axis=1, keepdims=True)
    share = np.where(np.abs(total) > 1e-6, lead / np.where(total == 0, 1.0, total), np.nan)
    maps = np.zeros((0, channels, 16, 16), dtype=np.float32)
    if len(patches):
        branches = enumerate(cast("list[Branch]", list(bundle.network.branches)))
        maps = np.stack([_grad_cam(one, x[:, i : i + 1], chosen) for i, one in branches], axis=1)
    maps[~patches.valid] = 0.0
    share[~patches.valid] = np.nan
    return np.maximum(maps, 0.0), np.where(patches.valid, chosen, -1), share.astype(np.float64)


def _grad_cam(branch: Branch, x: torch.Tensor, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Signed Grad-CAM (b, 16, 16) of one branch, for the target's logit less the mean logit of all classes."""
    import torch
    from captum.attr import LayerGradCam

    def lead(patch: torch.Tensor) -> torch.Tensor:
        logits, _ = branch(patch)
        centred: torch.Tensor = logits - logits.mean(dim=1, keepdim=True)
        return centred

    maps = LayerGradCam(lead, branch.maps[-1]).attribute(x.clone(), target=torch.as_tensor(chosen))
    result: npt.NDArray[np.float32] = maps[:, 0].detach().numpy()
    return result


def _upsampled(maps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(n, channels, 64, 64) from the coarse maps (n, channels, m, m), in register with the patch.

    Cell i of a layer of total stride 4 is centred on patch pixel 4 i (odd kernels, padding of half a kernel), not on
    the middle of the pixels 4 i to 4 i + 3.
    """
    size = maps.shape[-1]
    stride = PATCH_PX // size
    place = np.clip(np.arange(PATCH_PX) / stride, 0, size - 1)
    low = np.minimum(place.astype(int), size - 2)
    weights = np.zeros((PATCH_PX, size), dtype=np.float32)
    rows = np.arange(PATCH_PX)
    weights[rows, low] = 1 - (place - low)
    weights[rows, low + 1] += place - low
    return np.asarray(weights @ maps @ weights.T, dtype=np.float32)
