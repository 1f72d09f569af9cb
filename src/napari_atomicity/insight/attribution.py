"""Where in its patch the network saw a cluster's class: heat maps, one a channel."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.patches import NM_PER_PX, PATCH_PX, Patches, network_input
from napari_atomicity.errors import InputError
from napari_atomicity.insight import methods
from napari_atomicity.insight.methods import CELLS, FIELD_PX
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.threads import in_order, steps_on_one_thread_each

if TYPE_CHECKING:
    import torch

    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.counting.network import Branch

Method = Literal["grad-cam", "integrated-gradients"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
#: integrated gradients look at every patch many times: fewer at once, so that it can be stopped soon
_BATCH: Final = {"grad-cam": 32, "integrated-gradients": 8}
#: clusters of a Grad-CAM that are looked at the other way too
_COMPARED: Final = 24


@dataclass(frozen=True)
class Question:
    """What the heat maps are to explain.

    Attributes
    ----------
    target
        Label of the class, for example ``Pt55``; each cluster's own class where empty.
    against
        "Why `target` and not this one?"; the mean of all other classes where empty.
    method
        ``grad-cam``: as in the paper, from the network's last maps; ``integrated-gradients``: pixel by pixel, against
        an empty support, slower. See `methods`, and docs/heat_maps.md for how far each can be trusted.
    """

    target: str = ""
    against: str = ""
    method: Method = "grad-cam"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"There is no attribution {self.method!r}; choose {', '.join(METHODS)}.")
        if self.target and self.target == self.against:
            raise InputError(f"{self.target} cannot be told from itself; choose two different classes.")

    def target_index(self, card: ModelCard) -> int | None:
        """Index of the target class; None for each cluster's own."""
        return _index(self.target, card)

    def against_index(self, card: ModelCard) -> int | None:
        """Index of the class that it is held against; None for the mean of the others."""
        return _index(self.against, card)


def _index(label: str, card: ModelCard) -> int | None:
    if label and label not in card.labels:
        raise InputError(f"The model {card.name!r} has no class {label}; it has {', '.join(card.labels)}.")
    return card.labels.index(label) if label else None


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
        (n,) index of the class that is explained, -1 for a cluster without a patch or without a question (its own
        class is the one that it should be held against).
    share
        (n, channels) share of each channel in the target's lead over what it is held against. Shares add up
        to 1; a negative one speaks against the class.
    empty
        (n, channels) nothing in this channel speaks for the class: the map would be negative everywhere.
    resolution_nm
        Side of one cell of the maps: finer detail in `maps` is interpolation.
    field_nm
        How wide the field is from which a cell can draw what it shows: for Grad-CAM the receptive field of the last
        maps, so that evidence may lie that far beside the place that lights up; for integrated gradients the cell.
    method
        How they were made; see `Question`.
    agreement
        (n, channels) correlation of Grad-CAM with integrated gradients, cell by cell, signs kept (`agreement_of`); nan
        for clusters that were not looked at both ways: of a Grad-CAM only a sample is.
    """

    maps: npt.NDArray[np.float32]
    channel_names: tuple[str, ...]
    target: npt.NDArray[np.int64]
    share: npt.NDArray[np.float64]
    empty: npt.NDArray[np.bool_]
    resolution_nm: float
    field_nm: float
    method: Method
    agreement: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: npt.NDArray[Any]) -> Attribution:
        """The heat maps of some `rows` (indices or mask)."""
        taken: dict[str, Any] = {name: getattr(self, name)[rows] for name in _ARRAYS}
        return replace(self, **taken)

    @classmethod
    def join(cls, first: Attribution, second: Attribution) -> Attribution:
        """The heat maps of two sets of clusters from one model and one method, one after the other.

        Parameters
        ----------
        first, second
            Heat maps of n and of m clusters.

        Returns
        -------
        Attribution
            Of n + m clusters.
        """
        return replace(first, **_joined([first, second]))


_ARRAYS: Final = ("maps", "target", "share", "empty", "agreement")


@steps_on_one_thread_each
def attribution_steps(
    bundle: Bundle,
    patches: Patches,
    target: int | npt.NDArray[np.int64] | None = None,
    against: int | None = None,
    method: Method = "grad-cam",
) -> Steps[Attribution]:
    """Heat maps of every patch.

    Grad-CAM (Selvaraju et al. 2017) or integrated gradients (Sundararajan et al. 2017) of each branch of the network by
    itself; see `methods`.

    Parameters
    ----------
    bundle
        The model.
    patches
        Patches of n clusters.
    target
        Index of the class to explain, for all or one a cluster; the class of the largest shape logit where None or -1.
    against
        Index of the class that it is held against; the mean of the others where None. A cluster whose own class this
        is has no question, and no map.
    method
        See `Question`. Each comes with its agreement with the other, Grad-CAM for a sample of the clusters.

    Returns
    -------
    Attribution
        One row a patch.

    Raises
    ------
    InputError
        For a target that is no class of the model, and for a model without a branch a channel.
    """
    classes = len(bundle.card.class_sizes)
    _check_branches(bundle)
    targets = np.broadcast_to(np.asarray(-1 if target is None else target), (len(patches),))
    if not ((targets >= -1) & (targets < classes)).all() or not 0 <= (against or 0) < classes:
        raise InputError(f"The class to explain must be one of the {classes} classes of the model.")

    def explain(start: int) -> Attribution:
        rows = np.arange(start, min(start + _BATCH[method], len(patches)))
        return _explain(bundle, patches.take(rows), targets[rows], against, method)

    batches = []
    starts = range(0, max(len(patches), 1), _BATCH[method])
    explained = in_order(explain, starts)
    for start in starts:
        yield Progress(start, len(patches), "Computing heat maps")
        batches.append(next(explained))
    attribution = batches[0] if len(batches) == 1 else replace(batches[0], **_joined(batches))
    if method == "grad-cam":
        yield from _compare_steps(bundle, patches, attribution, against)
    return attribution


def _joined(attributions: Sequence[Attribution]) -> dict[str, Any]:
    return {name: np.concatenate([getattr(attribution, name) for attribution in attributions]) for name in _ARRAYS}


def _compare_steps(bundle: Bundle, patches: Patches, attribution: Attribution, against: int | None) -> Steps[None]:
    """Fill in the agreement for a sample of the clusters, evenly over the rows."""
    rows_with_map = np.flatnonzero(attribution.target >= 0)
    sample = rows_with_map[
        np.unique(np.linspace(0, len(rows_with_map) - 1, min(len(rows_with_map), _COMPARED)).astype(np.int64))
    ]
    batch = _BATCH["integrated-gradients"]
    batches = [sample[start : start + batch] for start in range(0, len(sample), batch)]

    def explain(rows: npt.NDArray[np.int64]) -> Attribution:
        return _explain(bundle, patches.take(rows), attribution.target[rows], against, "integrated-gradients")

    explained = in_order(explain, batches)
    for i, rows in enumerate(batches):
        yield Progress(i * batch, len(sample), "Comparing with a second method")
        attribution.agreement[rows] = next(explained).agreement


def _check_branches(bundle: Bundle) -> None:
    if len(getattr(bundle.network, "branches", ())) != len(bundle.card.channels):
        raise InputError(
            f"The model {bundle.card.name!r} has no branch of its own for each channel, so there is no heat map a "
            "channel; train it with this version."
        )


def _explain(
    bundle: Bundle, patches: Patches, targets: npt.NDArray[np.int64], against: int | None, method: Method
) -> Attribution:
    """Heat maps of one batch."""
    import torch

    card = bundle.card
    # both methods hang hooks on the network, which other threads are running meanwhile: each gets one of its own
    bundle = replace(bundle, network=copy.deepcopy(bundle.network))
    channels = len(card.channels)
    x = network_input(patches, channels, card.lcn_window_nm)
    with torch.inference_mode():
        branch = bundle.network(x.contiguous(memory_format=torch.channels_last)).branch_logits.numpy()
    chosen = np.where(targets < 0, branch.sum(axis=1).argmax(axis=1), targets)
    weights = methods.lead(chosen, against, len(card.class_sizes))
    lead = np.einsum("bck,bk->bc", branch, weights)
    total = lead.sum(axis=1, keepdims=True)
    share = np.where(np.abs(total) > 1e-6, lead / np.where(total == 0, 1.0, total), np.nan).astype(np.float64)
    maps, agreement = _maps(bundle, patches, x, torch.as_tensor(weights), method)
    has_question = patches.valid & (chosen != (-1 if against is None else against))
    maps[~has_question], share[~has_question], agreement[~has_question] = 0.0, np.nan, np.nan
    cell_nm = PATCH_PX * NM_PER_PX / maps.shape[-1]
    return Attribution(
        maps=_upsampled(np.maximum(maps, 0.0)),
        channel_names=card.channels,
        target=np.where(has_question, chosen, -1),
        share=share,
        empty=maps.max(axis=(2, 3), initial=0.0) <= 0,
        resolution_nm=cell_nm,
        field_nm=FIELD_PX * NM_PER_PX if method == "grad-cam" else cell_nm,
        method=method,
        agreement=agreement,
    )


def _maps(
    bundle: Bundle, patches: Patches, x: torch.Tensor, weights: torch.Tensor, method: Method
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Signed maps (b, channels, 16, 16) and, of integrated gradients, their agreement with Grad-CAM (b, channels)."""
    card = bundle.card
    empty = network_input(methods.empty_support(patches), len(card.channels), card.lcn_window_nm)
    maps = np.zeros((len(patches), len(card.channels), CELLS, CELLS), dtype=np.float32)
    agreement = np.full(maps.shape[:2], np.nan)
    for i, branch in enumerate(cast("list[Branch]", list(bundle.network.branches)) if len(patches) else []):
        shown = x[:, i : i + 1]
        maps[:, i] = cam = methods.grad_cam(branch, shown, weights)
        if method == "integrated-gradients":
            maps[:, i] = methods.integrated_gradients(branch, shown, empty[:, i : i + 1], weights)
            agreement[:, i] = agreement_of(maps[:, i], cam)
    return maps, agreement


def agreement_of(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Pearson correlation of two sets of signed maps, cell by cell.

    Parameters
    ----------
    first, second
        (n, m, m) maps.

    Returns
    -------
    numpy.ndarray
        (n,) 1 for the same, 0 unrelated, below 0 contrary; nan where a map is the same everywhere.
    """
    a, b = (np.asarray(maps, dtype=np.float64).reshape(len(maps), -1) for maps in (first, second))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    norm = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.where(norm > 0, (a * b).sum(axis=1) / np.where(norm > 0, norm, 1.0), np.nan)


def _upsampled(maps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(n, channels, 64, 64) from the coarse maps (n, channels, 16, 16), in register with the patch."""
    weights = methods.cell_weights()
    return np.asarray(weights @ maps @ weights.T, dtype=np.float32)
