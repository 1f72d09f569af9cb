"""What a model sees in each cluster, one row a cluster."""

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
    """What a network sees in clusters: before anything is known of their scale, or looked at with one.

    Without a scale a cluster's picture is divided by its own integral, and only its shape is left. With one it is in
    atoms per nm², and the network counts.

    Attributes
    ----------
    card
        Of the model.
    shape
        (n, classes) log-likelihood of each class from the shape (with a scale: beyond the count), tempered; rows are
        normalised.
    outside
        (n,) log-odds, from the same, that the cluster is none of the classes.
    log_integral, log_integral_sd
        (n,) logarithm of the integral in counts·nm² and its standard deviation: as measured without a scale, as the
        network counts with one. The median of a frame is the same in both, so that a scale means one thing everywhere:
        intensity over atoms as they are measured.
    features
        (n, features) without a scale what the last maps hold; with one the features that decide, see `classify`.
    branch
        (n, channels, classes + 1) each channel's share of the logits of shape, not tempered; none of the classes last.
    noise
        (n,) of the background around the cluster, as in `Patches`.
    valid
        (n,) rows that could be classified; the other rows hold nan.
    log_scale
        (n,) logarithm of the scale that the clusters were looked at with, counts·nm² per atom; None without.
    shift
        (n,) what the network finds beyond what is measured, the median of the frame of ln(integral): what lies outside
        the aperture; None without a scale.
    scale_network
        What the model has learnt about the scales of whole frames; None where it has not.
    scale_free
        Of clusters that were looked at with a scale, the evidence without, by the model as shipped: the scale network
        has learnt from that. None where this is it.
    """

    card: ModelCard
    shape: npt.NDArray[np.float64]
    outside: npt.NDArray[np.float64]
    log_integral: npt.NDArray[np.float64]
    log_integral_sd: npt.NDArray[np.float64]
    features: npt.NDArray[np.float32]
    branch: npt.NDArray[np.float32]
    noise: npt.NDArray[np.float64]
    valid: npt.NDArray[np.bool_]
    log_scale: npt.NDArray[np.float64] | None = None
    shift: npt.NDArray[np.float64] | None = None
    scale_network: ScaleNetwork | None = None
    scale_free: Evidence | None = None

    def __len__(self) -> int:
        return len(self.shape)

    @property
    def free(self) -> Evidence:
        """The evidence without a scale."""
        return self if self.scale_free is None else self.scale_free

    def take(self, rows: npt.NDArray[Any]) -> Evidence:
        """The evidence of some `rows` (indices or mask)."""
        taken: dict[str, Any] = {name: values[rows] for name, values in self._arrays().items()}
        return replace(self, **taken, scale_free=None if self.scale_free is None else self.scale_free.take(rows))

    @classmethod
    def join(cls, parts: Sequence[Evidence]) -> Evidence:
        """The evidence of several parts from one model, all with a scale or all without, one after the other."""
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in parts[0]._arrays()
        }
        free = [part.scale_free for part in parts if part.scale_free is not None]
        return replace(parts[0], **joined, scale_free=cls.join(free) if free else None)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        present = {name: getattr(self, name) for name in _ARRAYS}
        return {name: values for name, values in present.items() if values is not None}


_ARRAYS = tuple(name for name in Evidence.__dataclass_fields__ if name not in ("card", "scale_network", "scale_free"))


def cluster_view(evidence: Evidence) -> npt.NDArray[np.float32]:
    """(n, inputs) what is known of each cluster, independent of the scale."""
    shape = np.clip(evidence.shape, -12, 0)
    shape = shape - shape.mean(axis=1, keepdims=True)
    columns = [
        shape[:, :-1],
        np.log(np.maximum(evidence.noise, 1e-4))[:, None],
        np.clip(evidence.outside, -8, 8)[:, None],
        np.clip(evidence.branch.reshape(len(evidence), -1), -15, 15),
        evidence.features,
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)
