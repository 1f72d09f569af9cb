"""Teaching a model which scale goes with which frame, on simulated frames of every kind of sample."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.counting.classify import evidence_steps
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.scale_likelihood import frame_view
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.training.library import Library

if TYPE_CHECKING:
    import torch

    from napari_atomicity.counting.scale_network import ScaleNetwork

#: with fewer frames there is too little to learn what frames share; the likelihood alone does better then
LEAST_FRAMES: Final = 200
_HELD_BACK: Final = 0.12
#: samples drawn from each frame, besides the frame as it is
_DRAWN: Final = 2
_EPOCHS: Final = 10
_BATCH: Final = 16
_LEARNING_RATE: Final = 4e-3
#: standard deviation of ln(scale) within which an answer is right
_TOLERANCE: Final = 0.025
#: structures of the laboratory are not those of the simulation: the posterior is widened beyond what frames of the
#: same simulation ask for, by the least that made all wrong answers doubtful on frames of another potential
_MODESTY: Final = 1.25
_LEAST_CLUSTERS: Final = 4


class _Frame:
    """One sample: what the network sees, and the answer."""

    def __init__(self, evidence: Evidence, log_scale: float) -> None:
        import torch

        self.view, grid, _ = frame_view(evidence)
        middle = float(np.median(evidence.log_integral))
        self.offset = torch.as_tensor(grid - middle, dtype=torch.float32)
        distance = (grid - log_scale) / _TOLERANCE
        self.answer = torch.softmax(torch.as_tensor(-0.5 * distance**2, dtype=torch.float32), dim=0)


def taught_scales_steps(bundle: Bundle, frames: Library, seed: int = 0) -> Steps[Bundle]:
    """The bundle with a scale network learnt from frames of known scale.

    Parameters
    ----------
    bundle
        A trained model; a scale network that it has is replaced.
    frames
        Clusters of frames whose scale is known, none of them of structures that the bundle's network learnt from.
    seed
        Of the samples that are drawn and of the optimisation; the same seed gives the same network.

    Returns
    -------
    Bundle
        As it was where there are fewer than `LEAST_FRAMES` frames.
    """
    if len(np.unique(frames.frame)) < LEAST_FRAMES:
        return bundle
    plain = replace(bundle, scale_network=None)
    evidence = yield from evidence_steps(plain, frames.patches)
    samples = yield from _samples_steps(evidence, frames, seed)
    held_back = [sample for frame, sample in samples if _is_held_back(frame)]
    network = yield from _trained_steps([sample for frame, sample in samples if not _is_held_back(frame)], seed)
    network.temperature.fill_(_MODESTY * _temperature(network, held_back))
    network.eval().requires_grad_(False)
    return replace(bundle, scale_network=network)


def _is_held_back(frame: int) -> bool:
    return bool(np.random.default_rng([frame, 3]).random() < _HELD_BACK)


def _samples_steps(evidence: Evidence, frames: Library, seed: int) -> Steps[list[tuple[int, _Frame]]]:
    rng = np.random.default_rng([seed, 4])
    sizes = evidence.card.class_sizes
    index = frames.class_index(sizes)
    measured = _measured_scales(frames, index)
    samples: list[tuple[int, _Frame]] = []
    numbers = np.unique(frames.frame)
    for looked_at, number in enumerate(numbers):
        yield Progress(looked_at, len(numbers), "Looking at frames of known scale")
        rows = np.flatnonzero((frames.frame == number) & (frames.flag == "ok"))
        choices = [rows, *(_other_sample(rows, index[rows], len(sizes), rng) for _ in range(_DRAWN))]
        samples += [
            (int(number), _Frame(evidence.take(chosen), measured[int(number)]))
            for chosen in choices
            if len(chosen) >= _LEAST_CLUSTERS and (index[chosen] >= 0).sum() >= _LEAST_CLUSTERS - 1
        ]
    return samples


def _measured_scales(frames: Library, index: npt.NDArray[np.int64]) -> dict[int, float]:
    """Logarithm of intensity over atoms of each frame as its own clusters measure it, by number of the frame.

    Where a frame holds too few for that, the whole intensity of an atom less what measurements usually miss of it.
    """
    member = (index >= 0) & (frames.flag == "ok")
    missed = float(np.median((frames.log_scale + np.log(np.maximum(frames.n_atoms, 1)) - frames.log_integral)[member]))
    scales = {}
    for number in np.unique(frames.frame):
        rows = np.flatnonzero((frames.frame == number) & member)
        own = frames.log_integral[rows] - np.log(frames.n_atoms[rows])
        whole = float(frames.log_scale[frames.frame == number][0])
        scales[int(number)] = float(np.median(own)) if len(rows) >= _LEAST_CLUSTERS else whole - missed
    return scales


def _other_sample(
    rows: npt.NDArray[np.int64], index: npt.NDArray[np.int64], classes: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Some of a frame's clusters, as another sample in the same picture: one, two or all classes in random shares."""
    present = np.unique(index[index >= 0])
    if not len(present):
        return rows[:0]
    kind = rng.random()
    classes_drawn = rng.permutation(present)[: 1 if kind < 0.35 else 2 if kind < 0.6 else classes]
    share = rng.dirichlet(np.ones(len(classes_drawn)))
    count = np.array([(index == k).sum() for k in classes_drawn])
    number = np.maximum(np.round(share * (count / share).min() * rng.uniform(0.4, 1.0)), 1).astype(int)
    taken = [rng.permutation(rows[index == k])[:n] for k, n in zip(classes_drawn, number, strict=True)]
    strangers = rows[index < 0]
    outsiders_share = rng.choice([0.0, 0.5, 1.0]) * number.sum() / max(int(count.sum()), 1)
    return np.sort(np.concatenate([*taken, strangers[rng.random(len(strangers)) < outsiders_share]]))


def _trained_steps(samples: list[_Frame], seed: int) -> Steps[ScaleNetwork]:
    import torch

    from napari_atomicity.counting.scale_network import ScaleNetwork

    clusters = torch.cat([sample.view.clusters for sample in samples])
    torch.manual_seed(seed)
    network = ScaleNetwork(samples[0].view.shares.shape[1] - 1, clusters.shape[1])
    network.train()
    batches = len(samples) // _BATCH
    total = len(network.each) * _EPOCHS * batches
    steps_done = 0
    for number, member in enumerate(network.each):
        rng = np.random.default_rng([seed, 5, number])
        member.mean.copy_(clusters.mean(dim=0))
        member.spread.copy_(clusters.std(dim=0) + 1e-3)
        optimiser = torch.optim.AdamW(member.parameters(), lr=_LEARNING_RATE, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=_EPOCHS * batches)
        for _ in range(_EPOCHS):
            order = rng.permutation(len(samples))
            for b in range(batches):
                chosen = [samples[i] for i in order[b * _BATCH : (b + 1) * _BATCH]]
                loss = torch.stack([_surprise(member(drawn.view, drawn.offset), drawn) for drawn in chosen]).mean()
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(member.parameters(), 2.0)
                optimiser.step()
                schedule.step()
                steps_done += 1
                yield Progress(steps_done, total, "Learning scales")
    return network.eval()


def _surprise(logits: torch.Tensor, sample: _Frame) -> torch.Tensor:
    return -(sample.answer * logits.log_softmax(dim=0)).sum()


def _temperature(network: ScaleNetwork, samples: list[_Frame]) -> float:
    """What the logits must be divided by to be as sure as they are right on frames that were held back."""
    import torch
    from scipy.optimize import minimize_scalar

    if not samples:
        return 1.0
    with torch.inference_mode():
        answers = [(network(sample.view, sample.offset), sample) for sample in samples]

    def surprise(temperature: float) -> float:
        return float(np.mean([float(_surprise(logits / temperature, sample)) for logits, sample in answers]))

    return float(minimize_scalar(surprise, bounds=(0.7, 3.0), method="bounded").x)
