"""Batches of a library to train on, and the loss of a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.training.library import Library
from napari_atomicity.training.settings import TrainingConfig

if TYPE_CHECKING:
    import torch

    from napari_atomicity.counting.network import Outputs

#: standard deviations of ln(scale) in training reach up to this: what a calibration leaves open
_SCALE_SD: Final = 0.1


@dataclass(frozen=True)
class Target:
    """What the network shall say of the b clusters of a batch, which it is shown with and without their scale.

    Attributes
    ----------
    verdict
        (b,) index of the class, one beyond the last for none of them, -1 for a size between the classes, which is
        neither.
    log_n
        (b,) ln of the number of atoms that the picture shows at the scale that is told.
    counts
        (b,) 1 where the number of atoms is known and belongs to what was measured, else 0.
    scale_sd
        (b,) standard deviation of ln(scale) as it is told.
    """

    verdict: torch.Tensor
    log_n: torch.Tensor
    counts: torch.Tensor
    scale_sd: torch.Tensor

    def to(self, device: torch.device) -> Target:
        """The same on a device."""
        return Target(*(getattr(self, entry.name).to(device) for entry in fields(self)))


@dataclass(frozen=True)
class Batch:
    """What the network is shown, and what it shall say: the b clusters in atoms per nm², then the same without a scale.

    Attributes
    ----------
    x
        (2b, pictures, 52, 52), see `counting.patches.network_input`.
    noise
        (2b,) of the background, atoms per nm².
    target
        Of the batch.
    """

    x: torch.Tensor
    noise: torch.Tensor
    target: Target

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(self.x.to(device), self.noise.to(device), self.target.to(device))


class TrainingData:
    """Batches of a library: turned, mirrored, a little off centre and at a scale that is a little wrong.

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
        outside = library.is_outside(sizes)
        index = library.class_index(sizes)
        self.verdict = np.where(index >= 0, index, np.where(outside, len(sizes), -1))
        self.log_n = np.log(np.maximum(library.n_atoms, 1))
        # an integral that is far off belongs to something else that was matched by chance
        off = self.log_n + library.log_scale - library.log_integral
        self.counts = (library.n_atoms > 0) & (np.abs(off) < 0.7)
        self.middle = float(np.log(sizes).mean())
        self.batches = len(library) // config.batch

    def epoch(self, augment: bool = True) -> Iterator[Batch]:
        """The batches of one pass; all clusters, unchanged, without `augment`."""
        order = self.rng.permutation(len(self.library)) if augment else np.arange(len(self.library))
        for start in range(self.batches if augment else math.ceil(len(order) / self.config.batch)):
            rows = order[start * self.config.batch : (start + 1) * self.config.batch]
            yield self._batch(rows, augment)

    def _batch(self, rows: npt.NDArray[np.int64], augment: bool) -> Batch:
        import torch

        from napari_atomicity.counting.patches import in_atoms, network_input

        patches = self.library.take(rows).patches
        n = len(rows)
        scale_sd, mistaken = np.zeros(n), np.zeros(n)
        if augment:
            patches = replace(patches, raw=_turned(patches.raw, self.rng))
            scale_sd = self.rng.uniform(0, _SCALE_SD, n)
            mistaken = self.rng.normal(0, 1, n) * scale_sd
        # with their scale, and without: divided by their own integral
        with_scale = in_atoms(patches, self.library.log_scale[rows] - mistaken)
        without = in_atoms(patches, patches.log_integral - self.middle)
        picture, noise = (np.concatenate(parts) for parts in zip(with_scale, without, strict=True))
        x = network_input(picture, noise, len(self.config.channels), self.config.lcn_window_nm)

        def tensor(values: npt.NDArray[Any], kind: torch.dtype = torch.float32) -> torch.Tensor:
            return torch.as_tensor(np.ascontiguousarray(values)).to(kind)

        target = Target(
            verdict=tensor(self.verdict[rows], torch.int64),
            log_n=tensor(self.log_n[rows] + mistaken),
            counts=tensor(self.counts[rows]),
            scale_sd=tensor(scale_sd),
        )
        return Batch(x, tensor(noise), target)


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


def loss_of(out: Outputs, target: Target, log_sizes: torch.Tensor) -> torch.Tensor:
    """The loss of a batch: the decision, the number of atoms, and the classes by shape alone.

    Cross-entropy of the decision, which adds up brightness and shape, at the scale that was told and its error, and of
    the verdict without a scale; the number of atoms by the likelihood of a Gaussian whose width the network states
    (Nix & Weigend 1994), cut off at eight widths.

    Parameters
    ----------
    out
        What the network says.
    target
        What it shall say.
    log_sizes
        (classes,) ln of the atoms of each class.

    Returns
    -------
    torch.Tensor
        One number.
    """
    import torch
    from torch.nn import functional

    from napari_atomicity.counting.network import brightness

    n = len(target.verdict)
    log_n, sd = out.log_n[:n], out.log_n_sd[:n]
    decision = brightness(log_n, torch.hypot(sd, target.scale_sd), log_sizes) + out.shape[:n].sum(dim=1)
    z = ((target.log_n - log_n) / sd).clamp(-8, 8)
    count = ((0.5 * z**2 + torch.log(sd)) * target.counts).sum() / target.counts.sum().clamp(min=1)
    return (
        _surprise(functional.cross_entropy, decision, target.verdict)
        + 0.5 * count
        + 0.5 * _surprise(functional.cross_entropy, out.alone[n:].sum(dim=1), target.verdict)
    )


def _surprise(cross_entropy: Any, logits: torch.Tensor, verdict: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over the clusters that have a verdict; 0 where none has."""
    total: torch.Tensor = cross_entropy(logits, verdict, ignore_index=-1, reduction="sum")
    return total / (verdict >= 0).sum().clamp(min=1)
