"""Batches of a library to train on, and the loss of a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.training.library import Library
from napari_atomicity.training.settings import TrainingConfig

if TYPE_CHECKING:
    import torch

    from napari_atomicity.counting.network import Outputs


@dataclass(frozen=True)
class Target:
    """What the network shall say of the b clusters of a batch.

    Attributes
    ----------
    class_index
        (b,) index of the class, -1 for none.
    shift
        (b,) what the logarithm of the measured integral lacks of the true one.
    log_n
        (b,) ln of the number of atoms.
    counts
        (b,) 1 where the number of atoms is known and belongs to what was measured, else 0.
    outside
        (b,) 1 for clusters that are none of the classes, else 0.
    """

    class_index: torch.Tensor
    shift: torch.Tensor
    log_n: torch.Tensor
    counts: torch.Tensor
    outside: torch.Tensor

    def to(self, device: torch.device) -> Target:
        """The same on a device."""
        return Target(*(getattr(self, entry.name).to(device) for entry in fields(self)))


class TrainingData:
    """Batches of a library: turned, mirrored, a little off centre and with an integral a little wrong.

    Parameters
    ----------
    config
        Of the training; says the classes and the size of a batch.
    library
        The clusters.
    rng
        From which order and changes are drawn.
    """

    def __init__(self, config: TrainingConfig, library: Library, rng: np.random.Generator) -> None:
        self.config, self.library, self.rng = config, library, rng
        sizes = config.recipe.class_sizes
        self.class_index = library.class_index(sizes)
        self.outside = library.is_outside(sizes)
        self.counts = library.n_atoms > 0
        self.log_n = np.log(np.maximum(library.n_atoms, 1))
        self.shift = np.where(self.counts, self.log_n + library.log_scale - library.log_integral, 0.0)
        # an integral that is far off belongs to something else that was matched by chance
        self.counts &= np.abs(self.shift) < 0.7
        self.batches = len(library) // config.batch

    def epoch(self, augment: bool = True) -> Iterator[tuple[torch.Tensor, Target]]:
        """Input (b, channels, 64, 64) and target of each batch; all clusters, unchanged, without `augment`."""
        order = self.rng.permutation(len(self.library)) if augment else np.arange(len(self.library))
        for start in range(self.batches if augment else math.ceil(len(order) / self.config.batch)):
            rows = order[start * self.config.batch : (start + 1) * self.config.batch]
            yield self._batch(np.sort(rows), augment)

    def _batch(self, rows: npt.NDArray[np.int64], augment: bool) -> tuple[torch.Tensor, Target]:
        import torch

        from napari_atomicity.counting.patches import network_input

        clusters = self.library.take(rows)
        raw, noise = clusters.raw.astype(np.float32), clusters.noise
        shift = self.shift[rows]
        if augment:
            raw = _turned(raw, self.rng)
            factor = np.exp(self.rng.normal(0, 0.08, len(rows)))
            raw *= factor[:, None, None]
            noise = noise * factor.astype(np.float32)
            shift = shift + np.log(factor)
        patches = replace(clusters.patches, raw=raw, noise=noise)
        x = network_input(patches, len(self.config.channels), self.config.lcn_window_nm)

        def tensor(values: npt.NDArray[Any], kind: torch.dtype = torch.float32) -> torch.Tensor:
            return torch.as_tensor(np.ascontiguousarray(values)).to(kind)

        target = Target(
            class_index=tensor(self.class_index[rows], torch.int64),
            shift=tensor(shift),
            log_n=tensor(self.log_n[rows]),
            counts=tensor(self.counts[rows]),
            outside=tensor(self.outside[rows]),
        )
        return x.contiguous(memory_format=torch.channels_last), target


def _turned(raw: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Each patch turned by a multiple of 90°, mirrored or not, and moved by at most one pixel."""
    turned = np.empty_like(raw)
    choice = rng.integers(0, 72, len(raw))
    for transformation in np.unique(choice):
        chosen = choice == transformation
        turn, mirror = transformation % 4, transformation // 4 % 2
        dy, dx = transformation // 8 % 3 - 1, transformation // 24 - 1
        moved = np.rot90(raw[chosen], turn, axes=(1, 2))
        moved = moved[:, :, ::-1] if mirror else moved
        turned[chosen] = np.roll(moved, (dy, dx), axis=(1, 2))
    return turned


def loss_of(out: Outputs, target: Target) -> torch.Tensor:
    """The loss of a batch: classes, integral, number of atoms, and whether a cluster is none of the classes.

    Cross-entropy of the classes and of the outsiders; the integral and the number of atoms by the likelihood of a
    Gaussian whose width the network states (Nix & Weigend 1994), cut off at eight widths.

    Parameters
    ----------
    out
        What the network says.
    target
        What it shall say.

    Returns
    -------
    torch.Tensor
        One number.
    """
    import torch
    from torch.nn import functional

    is_class = target.class_index >= 0
    loss = functional.cross_entropy(out.shape_logits, target.class_index, ignore_index=-1, reduction="sum")
    loss = loss / torch.clamp(is_class.sum(), min=1)

    def unlikely(value: torch.Tensor, mean: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
        z = ((value - mean) / sd).clamp(-8, 8)
        return ((0.5 * z**2 + torch.log(sd)) * target.counts).sum() / target.counts.sum().clamp(min=1)

    loss = loss + 0.3 * unlikely(target.shift, out.log_integral_shift, out.log_integral_sd)
    loss = loss + 0.3 * unlikely(target.log_n, out.log_n, out.log_n_sd)
    return loss + 0.5 * functional.binary_cross_entropy_with_logits(out.outside_logit, target.outside)
