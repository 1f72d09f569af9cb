"""One channel or two, and how wide the window of the second: the same short training, then self-calibration.

    python benchmarks/windows.py [--frames 160] [--epochs 4] [--scales 320] [--seeds 2]

Every model learns from the same simulated frames with the same number of steps, learns scales from the same frames, and
calibrates the frames of `benchmarks/adaptation.py` (structures of a potential never trained on) by itself.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from _machine import describe
from adaptation import _is_right, _median, _of, _rows, _table, analysed, balanced_accuracy, samples
from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.progress import drain
from napari_atomicity.training.library import Recipe, simulate_library_steps
from napari_atomicity.training.loop import TrainingConfig, train
from napari_atomicity.training.scales import taught_scales_steps

MODELS = {
    "raw alone": (("raw",), 0.8),
    "raw and LCN, 0.4 nm": (("raw", "lcn"), 0.4),
    "raw and LCN, 0.8 nm": (("raw", "lcn"), 0.8),
    "raw and LCN, 1.6 nm": (("raw", "lcn"), 1.6),
}


def trained(name: str, chosen: argparse.Namespace) -> Bundle:
    """A model of `MODELS` at the common effort."""
    channels, window = MODELS[name]
    config = replace(TrainingConfig(), channels=channels, lcn_window_nm=window, epochs=chosen.epochs)
    cache = chosen.cache / "library"
    parts = [
        drain(simulate_library_steps(Recipe(), split, n, 2, cache))
        for split, n in (
            ("train", chosen.frames),
            ("validation", math.ceil(chosen.frames / 4)),
            ("scales", chosen.scales),
        )
    ]
    return drain(taught_scales_steps(train(config, *parts[:2]), parts[2]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--scales", type=int, default=320)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--multislice", type=Path, help="store of clusters imaged by multislice")
    parser.add_argument("--cache", type=Path, default=Path("out/training"), help="folder of the training's frames")
    parser.add_argument("--tested", type=Path, default=Path("out/adaptation"), help="folder of the frames to score on")
    chosen = parser.parse_args()
    print(describe())
    lines = {}
    for name in MODELS:
        start = time.perf_counter()
        bundle = trained(name, chosen)
        seconds = time.perf_counter() - start
        lots = [
            analysed(samples(seed, False, chosen.multislice, chosen.tested), bundle, tune=False)
            for seed in range(chosen.seeds)
        ]
        cells = [
            _median([balanced_accuracy(_rows(_of(lot, kind)), method) for lot in lots])
            for kind, method in (("mixed", "known"), ("mixed", "off"), ("mixed", "calibrated"), ("session", "session"))
        ]
        pure = [np.mean([_is_right(frame, "alone") for frame in _of(lot, "pure")]) for lot in lots]
        lines[name] = [*cells, _median(pure), f"{seconds:.0f}"]
        print(name, lines[name], flush=True)
    columns = ["scale known", "off", "calibrated alone", "session", "pure alone right", "training / s"]
    print("\n" + _table(columns, lines))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
