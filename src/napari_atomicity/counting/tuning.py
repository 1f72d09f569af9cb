"""Tuning a copy of a network to anchors, with a rehearsal of what it has learnt before."""

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
from napari_atomicity.counting.patches import Patches, network_input
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.threads import in_order, pool

if TYPE_CHECKING:
    import torch

    from napari_atomicity.counting.network import Network, Outputs

Rows = npt.NDArray[np.int64]

STEPS: Final = 90
_CHECK_EVERY: Final = 6
_PATIENCE: Final = 5
_ANCHORS_A_STEP: Final = 24
_REHEARSED_A_STEP: Final = 8
#: parts of a step that are computed beside one another; their number is fixed, and so is every sum over them
_SHARDS: Final = 4
_LEARNING_RATE: Final = 4e-3
_BATCH: Final = 32
_WHAT: Final = "Fine-tuning"


class Tuning:
    """One run: a copy of the network, the anchors' patches, and the base model's word on those that are looked at.

    Parameters
    ----------
    patches, rows
        Of all clusters, and which of them are the anchors.

    Attributes
    ----------
    network
        The copy; after `steps` in the state that did best on the anchors that were held back.
    before, after
        right (share of these with the anchor's label, by shape alone), loss and anchors (their number), by the base
        model and by the best state.
    """

    def __init__(self, bundle: Bundle, patches: Patches, rows: Rows, anchors: pd.DataFrame, seed: int) -> None:
        import torch

        self.card = bundle.card
        self.network: Network = copy.deepcopy(bundle.network).eval()
        self.before: dict[str, float] = {}
        self.after: dict[str, float] = {}
        self.patches, self.rows, self.rehearsal = patches, rows, _rehearsal(bundle)
        label = np.array([self.card.labels.index(one) for one in anchors["label"]])
        # anchors of some classes say nothing about the others: only the logits of these compete
        present, place = np.unique(label, return_inverse=True)
        self.anchored, self.label = torch.as_tensor(present), torch.as_tensor(place)
        held = anchors["held_back"].to_numpy(copy=True)
        self.held, tuned = np.flatnonzero(held), np.flatnonzero(~held)
        self.draws = list(_drawn(tuned, label[tuned], len(self.rehearsal), seed))

    @property
    def moved(self) -> bool:
        """Whether any step did better on the held-back anchors than the base model."""
        return self.after is not self.before

    def steps(self) -> Steps[None]:
        """Tune."""
        import torch

        parameters = self.network.tunable()
        yield from self._look_steps()
        self.before = self.after = self._score()
        for parameter in parameters:
            parameter.requires_grad_(True)
        optimiser = _Adam(parameters)
        best = [parameter.detach().clone() for parameter in parameters]
        waited = 0
        with pool() as threads:
            for step, draw in enumerate(self.draws, start=1):
                optimiser.step(self._gradients(draw, parameters, threads))
                yield Progress(step, STEPS, _WHAT)
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

    def _look_steps(self) -> Steps[None]:
        """Look once at everything that a step will look at, with the model as it still is."""
        anchors = np.concatenate([draw.anchors for draw in self.draws])
        rehearsed = np.concatenate([draw.rehearsed for draw in self.draws])
        every = np.arange(len(self.rehearsal))
        self.seen = yield from _seen_steps(self.patches, self.rows, anchors, self.network, self.card)
        self.seen_before = yield from _seen_steps(self.rehearsal, every, rehearsed, self.network, self.card)
        held = self.rows[self.held]
        lots = [held[start : start + _BATCH] for start in range(0, len(held), _BATCH)]
        self.held_x = [_input(self.patches.take(lot), self.card) for lot in lots]

    def _score(self) -> dict[str, float]:
        import torch
        from torch.nn import functional

        def look(x: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode():
                return self.network(x).shape_logits[:, self.anchored] / self.card.temperature  # type: ignore[no-any-return]

        logits, label = torch.cat(list(in_order(look, self.held_x))), self.label[self.held]
        right = (logits.argmax(dim=1) == label).double().mean()
        return {
            "right": float(right),
            "loss": float(functional.cross_entropy(logits, label)),
            "anchors": float(len(label)),
        }

    def _gradients(
        self, draw: _Draw, parameters: Sequence[torch.nn.Parameter], threads: Executor
    ) -> list[torch.Tensor]:
        """Of the loss of one step, summed over its parts in their order."""
        import torch

        def part(shard: _Draw) -> tuple[torch.Tensor, ...]:
            loss = self._loss(shard, len(draw.anchors), len(draw.rehearsed))
            return torch.autograd.grad(loss, parameters)

        parts = list(threads.map(part, draw.shards()))
        return [torch.stack(each).sum(dim=0) for each in zip(*parts, strict=True)]

    def _loss(self, draw: _Draw, anchors: int, rehearsed: int) -> torch.Tensor:
        """What `draw` adds to the loss of a step of so many anchors and rehearsed patches in all."""
        import torch
        from torch.nn import functional

        rows, again = self.seen.places(draw.anchors), self.seen_before.places(draw.rehearsed)
        x = torch.rot90(self.seen.x[rows], draw.turn, dims=(2, 3))
        x = torch.cat([x.flip(3) if draw.mirror else x, self.seen_before.x[again]])
        out: Outputs = self.network(x)
        new, old = (_of(out, slice(len(rows))), _of(out, slice(len(rows), None)))
        logits = new.shape_logits[:, self.anchored] / self.card.temperature
        loss = functional.cross_entropy(logits, self.label[draw.anchors], reduction="sum")
        loss = (loss + _drift(new, _of(self.seen.base, rows))) / anchors
        base = _of(self.seen_before.base, again)
        wanted = (base.shape_logits / self.card.temperature).softmax(dim=1)
        said = (old.shape_logits / self.card.temperature).log_softmax(dim=1)
        return loss + (functional.kl_div(said, wanted, reduction="sum") + _drift(old, base)) / rehearsed


@dataclass(frozen=True)
class _Draw:
    """What one step learns from: rows of anchors, how they are turned, and rows of the rehearsal."""

    anchors: Rows
    turn: int
    mirror: bool
    rehearsed: Rows

    def shards(self) -> list[_Draw]:
        """The same in parts."""
        parts = (np.array_split(rows, _SHARDS) for rows in (self.anchors, self.rehearsed))
        return [_Draw(some, self.turn, self.mirror, others) for some, others in zip(*parts, strict=True)]


def _drawn(rows: Rows, label: Rows, rehearsed: int, seed: int) -> Iterator[_Draw]:
    """The steps of a run, among `rows` of anchors with their `label`."""
    rng = np.random.default_rng([seed, 2])
    # classes are drawn alike, however many anchors each has
    odds = (1 / np.bincount(label)[label]).astype(np.float64)
    odds /= odds.sum()
    for _ in range(STEPS):
        chosen = rows[rng.choice(len(rows), min(_ANCHORS_A_STEP, len(rows)), p=odds)]
        turn, mirror = int(rng.integers(4)), bool(rng.integers(2))
        yield _Draw(chosen, turn, mirror, rng.choice(rehearsed, _REHEARSED_A_STEP))


@dataclass(frozen=True)
class _Seen:
    """Some rows of patches, ascending: what the network is fed, and what the base model says of it."""

    rows: Rows
    x: torch.Tensor
    base: Outputs

    def places(self, rows: Rows) -> torch.Tensor:
        """Where these lie among the rows."""
        import torch

        return torch.as_tensor(np.searchsorted(self.rows, rows))


def _seen_steps(patches: Patches, where: Rows, rows: Rows, network: Network, card: ModelCard) -> Steps[_Seen]:
    """`rows` of those patches that lie at `where` among all."""
    import torch

    rows = np.unique(rows)
    starts = range(0, len(rows), _BATCH)

    def look(start: int) -> tuple[torch.Tensor, Outputs]:
        x = _input(patches.take(where[rows[start : start + _BATCH]]), card)
        with torch.inference_mode():
            return x, network(x)

    found = in_order(look, starts)
    parts = []
    for _ in starts:
        yield Progress(0, STEPS, _WHAT)
        parts.append(next(found))
    base = [torch.cat(each) for each in zip(*(out for _, out in parts), strict=True)]
    return _Seen(rows, torch.cat([x for x, _ in parts]), type(parts[0][1])(*base))


def _input(patches: Patches, card: ModelCard) -> torch.Tensor:
    return network_input(patches, len(card.channels), card.lcn_window_nm)


def _rehearsal(bundle: Bundle) -> Patches:
    raw = bundle.rehearsal["raw"].astype(np.float32)
    noise = bundle.rehearsal["noise"].astype(np.float32)
    return Patches(raw, np.zeros(len(raw)), noise, np.ones(len(raw), dtype=bool))


def _of(out: Outputs, rows: torch.Tensor | slice) -> Outputs:
    return type(out)(*(values[rows] for values in out))


def _drift(out: Outputs, base: Outputs) -> torch.Tensor:
    """How far the words on integral, count and outsiders have moved, in units of their own error; summed."""
    shift = (out.log_integral_shift - base.log_integral_shift) / base.log_integral_sd
    count = (out.log_n - base.log_n) / base.log_n_sd
    outside = out.outside_logit - base.outside_logit
    width = (out.log_integral_sd / base.log_integral_sd).log()
    return (shift**2 + count**2 + 0.1 * outside**2 + width**2).sum()


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
            moved = zip(self.parameters, gradients, self.mean, self.square, strict=True)
            for parameter, gradient, mean, square in moved:
                mean.lerp_(gradient, 0.1)
                square.lerp_(gradient * gradient, 0.001)
                size = (square / (1 - 0.999**self.count)).sqrt_().add_(1e-8)
                parameter.addcdiv_(mean / (1 - 0.9**self.count), size, value=-_LEARNING_RATE)
