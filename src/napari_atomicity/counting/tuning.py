"""Tuning a copy of a network to anchors, with a rehearsal of its training so that it does not forget."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.counting.library_patches import rehearsal_patches
from napari_atomicity.counting.patches import Patches, in_atoms, network_input
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.threads import in_order, pool

if TYPE_CHECKING:
    import torch

    from napari_atomicity.counting.network import Network, Outputs

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

STEPS: Final = 48
_CHECK_EVERY: Final = 6
_PATIENCE: Final = 3
_ANCHORS_A_STEP: Final = 24
_REHEARSED_A_STEP: Final = 8
#: parts of a step that are computed beside one another; their number is fixed, and so is every sum over them
_SHARDS: Final = 4
_LEARNING_RATE: Final = 4e-3
_BATCH: Final = 32
_TASK: Final = "Fine-tuning"


class Tuning:
    """One run of fine-tuning, on a copy of the network.

    Parameters
    ----------
    bundle
        The model; it stays as it is.
    patches, log_scale
        Of all clusters, and (clusters,) logarithm of the whole intensity of one atom in each, counts·nm².
    rows
        (n,) which of them are the anchors.
    anchors
        One row an anchor, in the order of `rows`: label, and held_back for those that decide when to stop.
    seed
        Decides what each step learns from.

    Attributes
    ----------
    network
        The copy; after `steps` in the state that did best on the anchors that were held back.
    before, after
        right (share of these with the anchor's label), loss and anchors (their number), by the base model and by the
        best state.
    """

    def __init__(
        self, bundle: Bundle, patches: Patches, log_scale: Floats, rows: Rows, anchors: pd.DataFrame, seed: int
    ) -> None:
        import torch

        self.card = bundle.card
        self.network: Network = copy.deepcopy(bundle.network).eval()
        self.before: dict[str, float] = {}
        self.after: dict[str, float] = {}
        self.patches, self.log_scale, self.rows = patches, log_scale, rows
        self.rehearsal = rehearsal_patches(bundle)
        class_index = np.array([self.card.labels.index(label) for label in anchors["label"]])
        # anchors of some classes say nothing about the others: only the logits of these compete
        present, among_present = np.unique(class_index, return_inverse=True)
        self.anchored, self.label = torch.as_tensor(present), torch.as_tensor(among_present)
        held = anchors["held_back"].to_numpy(copy=True)
        self.held, tuned = np.flatnonzero(held), np.flatnonzero(~held)
        #: stated errors of the counts of these by the base model
        self.held_sd: torch.Tensor | None = None
        self.batches = list(_batches(tuned, class_index[tuned], len(self.rehearsal), seed))

    @property
    def moved(self) -> bool:
        """Whether any step did better on the held-back anchors than the base model."""
        return self.after is not self.before

    def steps(self) -> Steps[None]:
        """Tune, and stop where the held-back anchors no longer gain; the best state stays."""
        import torch

        parameters = self.network.tunable()
        yield from self._prepare_steps()
        self.before = self.after = self._score()
        for parameter in parameters:
            parameter.requires_grad_(True)
        optimiser = _Adam(parameters)
        best = [parameter.detach().clone() for parameter in parameters]
        waited = 0
        with pool() as threads:
            for step, batch in enumerate(self.batches, start=1):
                optimiser.step(self._gradients(batch, parameters, threads))
                yield Progress(step, STEPS, _TASK)
                if step % _CHECK_EVERY:
                    continue
                score = self._score()
                if score["loss"] < self.after["loss"]:
                    self.after, waited = score, 0
                    best = [parameter.detach().clone() for parameter in parameters]
                else:
                    waited += 1
                if waited >= _PATIENCE:
                    break
        with torch.no_grad():
            for parameter, value in zip(parameters, best, strict=True):
                parameter.copy_(value)
        self.network.requires_grad_(False)

    def _prepare_steps(self) -> Steps[None]:
        """Run the base model once over all patches that any step will use, and keep its answers."""
        anchors = np.unique(np.concatenate([batch.anchors for batch in self.batches]))
        rehearsed = np.unique(np.concatenate([batch.rehearsed for batch in self.batches]))
        of_anchors = self.rows[anchors]
        self.anchor_examples = yield from _example_steps(
            anchors, self.patches.take(of_anchors), self.log_scale[of_anchors], self.network, self.card
        )
        self.rehearsal_examples = yield from _example_steps(
            rehearsed, self.rehearsal.take(rehearsed), np.zeros(len(rehearsed)), self.network, self.card
        )
        held = self.rows[self.held]
        groups = [held[start : start + _BATCH] for start in range(0, len(held), _BATCH)]
        self.held_input = [_input(self.patches.take(rows), self.log_scale[rows], self.card) for rows in groups]

    def _score(self) -> dict[str, float]:
        """How well the network labels the held-back anchors."""
        import torch
        from torch.nn import functional

        def look(seen: tuple[torch.Tensor, torch.Tensor]) -> Outputs:
            with torch.inference_mode():
                out: Outputs = self.network(*seen)
            return out

        parts = list(in_order(look, self.held_input))
        out = type(parts[0])(*(torch.cat(values) for values in zip(*parts, strict=True)))
        logits, label = self._decision(out)[:, self.anchored], self.label[self.held]
        if self.held_sd is None:
            self.held_sd = out.log_n_sd
        off = self._off(out, label, self.held_sd)
        right = (logits.argmax(dim=1) == label).double().mean()
        return {
            "right": float(right),
            "loss": float(functional.cross_entropy(logits, label) + 0.5 * (off**2).mean()),
            "anchors": float(len(label)),
        }

    def _off(self, out: Outputs, label: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
        """By how much counts miss those of their classes, in units of the error that the base model states."""
        return (self.network.log_sizes[self.anchored][label] - out.log_n) / sd

    def _decision(self, out: Outputs) -> torch.Tensor:
        """(b, classes + 1) log-odds of the classes, brightness and shape together; none of them last."""
        from napari_atomicity.counting.network import decision

        card = self.card
        return decision(out, self.network.log_sizes, card.integral_tau, card.temperature_scaled)

    def _gradients(
        self, batch: _Batch, parameters: Sequence[torch.nn.Parameter], threads: Executor
    ) -> list[torch.Tensor]:
        """Of the loss of one step, summed over the shards of its batch in their order."""
        import torch

        def of_shard(shard: _Batch) -> tuple[torch.Tensor, ...]:
            loss = self._loss(shard, len(batch.anchors), len(batch.rehearsed))
            return torch.autograd.grad(loss, parameters)

        by_shard = list(threads.map(of_shard, batch.shards()))
        return [torch.stack(gradients).sum(dim=0) for gradients in zip(*by_shard, strict=True)]

    def _loss(self, shard: _Batch, anchors: int, rehearsed: int) -> torch.Tensor:
        """What `shard` adds to the loss of a step with so many anchors and rehearsed patches in all."""
        import torch
        from torch.nn import functional

        fresh, known = self.anchor_examples, self.rehearsal_examples
        rows, again = fresh.index_of(shard.anchors), known.index_of(shard.rehearsed)
        x = torch.rot90(fresh.x[rows], shard.turn, dims=(2, 3))
        x = torch.cat([x.flip(3) if shard.mirror else x, known.x[again]])
        out: Outputs = self.network(x, torch.cat([fresh.noise[rows], known.noise[again]]))
        of_anchors, of_rehearsed = _outputs_at(out, slice(len(rows))), _outputs_at(out, slice(len(rows), None))
        label = self.label[shard.anchors]
        loss = functional.cross_entropy(self._decision(of_anchors)[:, self.anchored], label, reduction="sum")
        loss = loss + 0.5 * (self._off(of_anchors, label, _outputs_at(fresh.base, rows).log_n_sd) ** 2).sum()
        loss = (loss + _width(of_anchors, _outputs_at(fresh.base, rows))) / anchors
        base = _outputs_at(known.base, again)
        target, log_chances = self._decision(base).softmax(dim=1), self._decision(of_rehearsed).log_softmax(dim=1)
        forgotten = functional.kl_div(log_chances, target, reduction="sum")
        forgotten = forgotten + (((of_rehearsed.log_n - base.log_n) / base.log_n_sd) ** 2).sum()
        return loss + (forgotten + _width(of_rehearsed, base)) / rehearsed


@dataclass(frozen=True)
class _Batch:
    """What one step learns from: rows of anchors, how they are turned and mirrored, and rows of the rehearsal."""

    anchors: Rows
    turn: int
    mirror: bool
    rehearsed: Rows

    def shards(self) -> list[_Batch]:
        """The batch in parts that can be computed beside one another."""
        anchors, rehearsed = (np.array_split(rows, _SHARDS) for rows in (self.anchors, self.rehearsed))
        return [_Batch(rows, self.turn, self.mirror, again) for rows, again in zip(anchors, rehearsed, strict=True)]


def _batches(rows: Rows, label: Rows, rehearsed: int, seed: int) -> Iterator[_Batch]:
    """The batches of a run, drawn among `rows` of anchors with their `label`, and as many patches to rehearse."""
    rng = np.random.default_rng([seed, 2])
    # classes are drawn alike, however many anchors each has
    odds = (1 / np.bincount(label)[label]).astype(np.float64)
    odds /= odds.sum()
    for _ in range(STEPS):
        chosen = rows[rng.choice(len(rows), min(_ANCHORS_A_STEP, len(rows)), p=odds)]
        turn, mirror = int(rng.integers(4)), bool(rng.integers(2))
        yield _Batch(chosen, turn, mirror, rng.choice(rehearsed, _REHEARSED_A_STEP))


@dataclass(frozen=True)
class _Examples:
    """Some patches, by ascending numbers `rows`: the input of the network, and what the base model says of it."""

    rows: Rows
    x: torch.Tensor
    noise: torch.Tensor
    base: Outputs

    def index_of(self, rows: Rows) -> torch.Tensor:
        """Positions of these rows in the arrays."""
        import torch

        return torch.as_tensor(np.searchsorted(self.rows, rows))


def _example_steps(
    rows: Rows, patches: Patches, log_scale: Floats, network: Network, card: ModelCard
) -> Steps[_Examples]:
    """Examples of patches that go by the numbers `rows`."""
    import torch

    starts = range(0, len(rows), _BATCH)

    def look(start: int) -> _Examples:
        some = np.arange(start, min(start + _BATCH, len(rows)))
        x, noise = _input(patches.take(some), log_scale[some], card)
        with torch.inference_mode():
            return _Examples(rows[some], x, noise, network(x, noise))

    batches = in_order(look, starts)
    looked_at = []
    for _ in starts:
        yield Progress(0, STEPS, _TASK)
        looked_at.append(next(batches))
    x, noise = (torch.cat(values) for values in zip(*((each.x, each.noise) for each in looked_at), strict=True))
    base = [torch.cat(values) for values in zip(*(each.base for each in looked_at), strict=True)]
    return _Examples(rows, x, noise, type(looked_at[0].base)(*base))


def _input(patches: Patches, log_scale: Floats, card: ModelCard) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    picture, noise = in_atoms(patches, log_scale)
    return network_input(picture, noise, len(card.channels), card.lcn_window_nm), torch.from_numpy(noise)


def _outputs_at(out: Outputs, rows: torch.Tensor | slice) -> Outputs:
    return type(out)(*(values[rows] for values in out))


def _width(out: Outputs, base: Outputs) -> torch.Tensor:
    """How far the stated errors of the count have moved, in logarithms; summed squares."""
    return ((out.log_n_sd / base.log_n_sd).log() ** 2).sum()


class _Adam:
    """Adam (Kingma and Ba 2015). PyTorch's own costs more than a second at first use, which a person waits for."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        import torch

        self.parameters = parameters
        self.mean = [torch.zeros_like(parameter) for parameter in parameters]
        self.square = [torch.zeros_like(parameter) for parameter in parameters]
        self.count = 0

    def step(self, gradients: Sequence[torch.Tensor]) -> None:
        """Move every parameter against its gradient."""
        import torch

        self.count += 1
        with torch.no_grad():
            state = zip(self.parameters, gradients, self.mean, self.square, strict=True)
            for parameter, gradient, mean, square in state:
                mean.lerp_(gradient, 0.1)
                square.lerp_(gradient * gradient, 0.001)
                size = (square / (1 - 0.999**self.count)).sqrt_().add_(1e-8)
                parameter.addcdiv_(mean / (1 - 0.9**self.count), size, value=-_LEARNING_RATE)
