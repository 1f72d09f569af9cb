"""Make the models that come with the package: ``python -m napari_atomicity.training [--frames N] [--into FOLDER]``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from napari_atomicity.counting.bundle import save_bundle
from napari_atomicity.progress import Progress, drain
from napari_atomicity.training.evaluate import scored_steps
from napari_atomicity.training.library import Library, Recipe, simulate_library_steps
from napari_atomicity.training.loop import TrainingConfig, train_steps

#: frames for validation and for the scores, relative to those for training
_SHARES = {"train": 1.0, "validation": 0.17, "test": 0.28}


def main() -> None:
    """Simulate the libraries (or take those cached in --cache), then train, score and save each model."""
    parser = argparse.ArgumentParser(prog="python -m napari_atomicity.training", description=__doc__)
    parser.add_argument("--frames", type=int, default=560, help="simulated frames to train on")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--models", nargs="+", default=["dual", "single"], choices=["dual", "single"])
    parser.add_argument("--cache", type=Path, default=Path("out/library"))
    parser.add_argument("--into", type=Path, default=Path(__file__).parent.parent / "weights")
    chosen = parser.parse_args()

    import torch

    torch.set_num_threads(2)
    recipe = Recipe()
    parts = {split: _library(chosen.cache, recipe, split, chosen.frames) for split in _SHARES}
    for name in chosen.models:
        channels = ("raw", "lcn") if name == "dual" else ("raw",)
        config = TrainingConfig(name=name, channels=channels, recipe=recipe, epochs=chosen.epochs)
        bundle = drain(train_steps(config, parts["train"], parts["validation"]), _Printer())
        bundle = drain(scored_steps(bundle, parts["test"]))
        path = save_bundle(bundle, chosen.into / name)
        print(path, bundle.card.metrics["pooled"])


def _library(cache: Path, recipe: Recipe, split: str, frames: int) -> Library:
    n = max(round(frames * _SHARES[split]), len(recipe.conditions))
    path = cache / f"{split}-{n}-{recipe.sha256[:8]}.npz"
    if not path.exists():
        drain(simulate_library_steps(recipe, split, n), _Printer()).save(path)
    return Library.load(path)


class _Printer:
    """A line every ten seconds, with the time that is left."""

    def __init__(self) -> None:
        self.start = self.last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self.last > 10 and progress.done:
            self.last = now
            left = (now - self.start) / progress.done * (progress.total - progress.done)
            print(f"{progress.what}: {progress.done} of {progress.total}, {left / 60:.1f} min left", flush=True)


if __name__ == "__main__":
    main()
