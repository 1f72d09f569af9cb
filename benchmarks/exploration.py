"""What matters in the network: the same short training with one thing changed at a time.

    python benchmarks/exploration.py [--frames 160] [--epochs 4] [--only NAME ...] [--seeds 1]

Trained on simulated frames of the training structures, scored on frames of other structures. *Shape*: balanced accuracy
from the scale-free patch alone. *With scale*: the corrected integral and its stated error joined with the shape, the
frame's scale given. *Integral*: standard deviation of ln(corrected integral) about the truth, in percent. Takes about
an hour and a half: thirteen trainings of some minutes each.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from _machine import describe
from _options import parsed, parser_for
from napari_atomicity.counting import network as networks
from napari_atomicity.counting.network import Network, Outputs
from napari_atomicity.counting.patches import network_input
from napari_atomicity.progress import drain
from napari_atomicity.training.library import Library, Recipe, simulate_library_steps

SIZES = (19, 30, 41, 55, 70)
Input = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Variant:
    """One thing changed; the defaults are what the package ships.

    `field_px` is the side of the patch that is kept (the rest is set to 0), `bin` averages pixels, `calibrated` gives
    the network atoms per nm² (possible only where the scale is known) in place of a patch divided by its own integral.
    """

    channels: int = 2
    lcn_window_nm: float = 0.8
    norm: str = "batch"
    loss: str = "cross-entropy"
    field_px: int = 64
    bin: int = 1
    calibrated: bool = False
    width: float = 1.0
    standardised: bool = False


VARIANTS = {
    "as shipped": Variant(),
    "raw channel alone": Variant(channels=1),
    "LCN window 0.4 nm": Variant(lcn_window_nm=0.4),
    "LCN window 1.6 nm": Variant(lcn_window_nm=1.6),
    "group normalisation": Variant(norm="group"),
    "no normalisation": Variant(norm="none"),
    "ordinal targets": Variant(loss="ordinal"),
    "patch of 2.4 nm": Variant(field_px=48),
    "patch of 1.6 nm": Variant(field_px=32),
    "0.1 nm a pixel": Variant(bin=2),
    "patch to zero mean and unit deviation": Variant(standardised=True),
    "calibrated input, scale known": Variant(calibrated=True),
    "widths x 1.4": Variant(width=1.4),
}


def build(variant: Variant) -> Network:
    widths = networks._WIDTHS
    try:
        networks._WIDTHS = tuple(int(8 * round(w * variant.width / 8)) for w in widths)  # type: ignore[misc]
        made = Network(len(SIZES), variant.channels)
    finally:
        networks._WIDTHS = widths  # type: ignore[misc]
    if variant.norm != "batch":
        _renormalise(made, variant.norm)
    return made.to(memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


def _renormalise(module: nn.Module, norm: str) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            n = child.num_features
            setattr(module, name, nn.GroupNorm(8, n) if norm == "group" else nn.Identity())
        else:
            _renormalise(child, norm)


class Data:
    """A library as tensors, turned and mirrored at every visit."""

    def __init__(self, library: Library, variant: Variant) -> None:
        self.library, self.variant = library, variant
        self.index = torch.tensor(library.class_index(SIZES))
        self.outside = torch.tensor(library.is_outside(SIZES), dtype=torch.float32)
        self.counts = library.n_atoms > 0
        log_n = np.log(np.maximum(library.n_atoms, 1))
        shift = np.where(self.counts, log_n + library.log_scale - library.log_integral, 0.0)
        self.known = torch.tensor(self.counts & (np.abs(shift) < 0.7), dtype=torch.float32)
        self.shift, self.log_n = torch.tensor(shift, dtype=torch.float32), torch.tensor(log_n, dtype=torch.float32)

    def batch(self, rows: np.ndarray, rng: np.random.Generator | None = None) -> torch.Tensor:
        variant, patches = self.variant, self.library.take(rows).patches
        raw = patches.raw
        if variant.calibrated:
            atoms = np.exp(patches.log_integral - self.library.log_scale[rows])[:, None, None] / 40
            raw = (raw * atoms).astype(np.float32)
        if rng is not None:
            raw = np.rot90(raw, rng.integers(4), axes=(1, 2))
            raw = np.ascontiguousarray(raw[:, :, ::-1] if rng.random() < 0.5 else raw)
        cut = (64 - variant.field_px) // 2
        if cut:
            raw = np.pad(raw[:, cut:-cut, cut:-cut], ((0, 0), (cut, cut), (cut, cut)))
        x = network_input(replace(patches, raw=raw), variant.channels, variant.lcn_window_nm)
        if variant.standardised:
            x = (x - x.mean(dim=(2, 3), keepdim=True)) / (x.std(dim=(2, 3), keepdim=True) + 1e-3)
        if variant.bin > 1:
            x = functional.avg_pool2d(x, variant.bin)
        return x.contiguous(memory_format=torch.channels_last)


def loss_of(out: Outputs, data: Data, rows: np.ndarray, kind: str) -> torch.Tensor:
    index, known = data.index[rows], data.known[rows]
    if kind == "ordinal":
        near = torch.exp(-0.5 * ((torch.arange(len(SIZES))[None] - index[:, None]) / 0.5) ** 2)
        target = near / near.sum(dim=1, keepdim=True)
        per_row = -(target * torch.log_softmax(out.shape_logits, dim=1)).sum(dim=1)
        loss = per_row[index >= 0].mean()
    else:
        loss = functional.cross_entropy(out.shape_logits, index, ignore_index=-1)
    for value, mean, sd in (
        (data.shift[rows], out.log_integral_shift, out.log_integral_sd),
        (data.log_n[rows], out.log_n, out.log_n_sd),
    ):
        z = ((value - mean) / sd).clamp(-8, 8)
        loss = loss + 0.3 * ((0.5 * z**2 + torch.log(sd)) * known).sum() / known.sum().clamp(min=1)
    return loss + 0.5 * functional.binary_cross_entropy_with_logits(out.outside_logit, data.outside[rows])


def trained(variant: Variant, library: Library, epochs: int, seed: int, batch: int = 128) -> Network:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    made, data = build(variant), Data(library, variant)
    steps = epochs * (len(library) // batch)
    optimiser = torch.optim.AdamW(made.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.2)
    made.train()
    for _ in range(epochs):
        order = rng.permutation(len(library))
        for start in range(len(library) // batch):
            rows = np.sort(order[start * batch : (start + 1) * batch])
            loss = loss_of(made(data.batch(rows, rng)), data, rows, variant.loss)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(made.parameters(), 5.0)
            optimiser.step()
            schedule.step()
    return made.eval()


def score(made: Network, variant: Variant, library: Library) -> dict[str, float]:
    data, parts = Data(library, variant), []
    with torch.inference_mode():
        for start in range(0, len(library), 256):
            rows = np.arange(start, min(start + 256, len(library)))
            out = made(data.batch(rows))
            parts.append((out.shape_logits, out.log_integral_shift, out.log_integral_sd))
    logits, shift, sd = (torch.cat(values).double().numpy() for values in zip(*parts, strict=True))
    member = ((data.index >= 0).numpy()) & (library.flag == "ok")
    truth = data.index.numpy()[member]
    logits = (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))[member]
    log_n = (library.log_integral + shift - library.log_scale)[member]
    error = np.hypot(sd[member], 0.02)
    joint = logits - 0.5 * ((log_n[:, None] - np.log(SIZES)) / error[:, None]) ** 2
    residual = log_n - np.log(np.array(SIZES)[truth])
    return {
        "shape": _recall(logits.argmax(axis=1), truth),
        "surprise": float(-logits[np.arange(len(truth)), truth].mean()),
        "with scale": _recall(joint.argmax(axis=1), truth),
        "integral / %": 100 * float(1.48 * np.median(np.abs(residual - np.median(residual)))),
        "parameters / 1000": sum(p.numel() for p in made.parameters()) / 1000,
    }


def _recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([(found[truth == k] == k).mean() for k in np.unique(truth)]))


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--frames", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--cache", type=Path, default=Path("out/exploration"))
    options = parsed(parser, frames=8, epochs=1, only=["as shipped", "raw channel alone"])
    torch.set_num_threads(2)
    print(describe())
    parts = {}
    for split, n in (("train", options.frames), ("validation", math.ceil(options.frames / 4))):
        path = options.cache / f"{split}-{n}.npz"
        if not path.exists():
            drain(simulate_library_steps(Recipe(), split, n)).save(path)
        parts[split] = Library.load(path)
    print(f"{len(parts['train'])} clusters to train on, {len(parts['validation'])} to score on", flush=True)
    rows = {}
    for name in options.only:
        start = time.perf_counter()
        found = [
            score(trained(VARIANTS[name], parts["train"], options.epochs, seed), VARIANTS[name], parts["validation"])
            for seed in range(options.seeds)
        ]
        rows[name] = {**pd.DataFrame(found).mean().to_dict(), "seconds": (time.perf_counter() - start) / options.seeds}
        values = " | ".join(f"{value:.3f}" for value in rows[name].values())
        if len(rows) == 1:
            print(f"\n| variant | {' | '.join(rows[name])} |\n{'|---' * (len(rows[name]) + 1)}|")
        print(f"| {name} | {values} |", flush=True)


if __name__ == "__main__":
    main()
