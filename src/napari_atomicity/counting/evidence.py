"""What a model derives from the patch of each cluster, one row a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.counting.scale_network import ScaleNetwork


@dataclass(frozen=True, eq=False)
class Evidence:
    """What follows from one cluster's patch alone, one row a cluster.

    Attributes
    ----------
    card
        Of the model.
    shape
        (n, classes) log-likelihood of each class from the scale-free shape, tempered; rows are normalised.
    outside
        (n,) log-odds, from shape, that the cluster is none of the classes.
    log_integral, log_integral_sd
        (n,) logarithm of the corrected integral in counts·nm² and its standard deviation.
    log_n, log_n_sd
        (n,) logarithm of the atom count from shape alone and its standard deviation.
    features
        (n, features) last hidden layer.
    branch
        (n, channels, classes) each channel's share of the class logits.
    noise
        (n,) of the background around the cluster, as in `Patches`.
    valid
        (n,) rows that could be classified; the other rows hold nan.
    scale_network
        What the model has learnt about the scales of whole frames; None where it has not.
    shipped
        Of an adapted model, the evidence by the model that it was adapted from: the scale network has learnt from the
        features of that one. None where the model is not adapted.
    """

    card: ModelCard
    shape: npt.NDArray[np.float64]
    outside: npt.NDArray[np.float64]
    log_integral: npt.NDArray[np.float64]
    log_integral_sd: npt.NDArray[np.float64]
    log_n: npt.NDArray[np.float64]
    log_n_sd: npt.NDArray[np.float64]
    features: npt.NDArray[np.float32]
    branch: npt.NDArray[np.float32]
    noise: npt.NDArray[np.float64]
    valid: npt.NDArray[np.bool_]
    scale_network: ScaleNetwork | None = None
    shipped: Evidence | None = None

    def __len__(self) -> int:
        return len(self.shape)

    def take(self, rows: npt.NDArray[Any]) -> Evidence:
        """The evidence of some `rows` (indices or mask)."""
        taken: dict[str, Any] = {name: getattr(self, name)[rows] for name in _ARRAYS}
        return replace(self, **taken, shipped=None if self.shipped is None else self.shipped.take(rows))

    @classmethod
    def join(cls, parts: Sequence[Evidence]) -> Evidence:
        """The evidence of several parts from one model, one after the other."""
        joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS}
        shipped = [part.shipped for part in parts if part.shipped is not None]
        return replace(parts[0], **joined, shipped=cls.join(shipped) if shipped else None)


_ARRAYS = tuple(name for name in Evidence.__dataclass_fields__ if name not in ("card", "scale_network", "shipped"))


def cluster_view(evidence: Evidence) -> npt.NDArray[np.float32]:
    """(n, inputs) what is known of each cluster, independent of the scale."""
    shape = np.clip(evidence.shape, -12, 0)
    shape = shape - shape.mean(axis=1, keepdims=True)
    columns = [
        shape[:, :-1],
        evidence.log_n[:, None],
        np.log(evidence.log_n_sd)[:, None],
        np.log(evidence.log_integral_sd)[:, None],
        np.log(np.maximum(evidence.noise, 1e-4))[:, None],
        np.clip(evidence.outside, -8, 8)[:, None],
        np.clip(evidence.branch.reshape(len(evidence), -1), -15, 15),
        evidence.features,
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)
