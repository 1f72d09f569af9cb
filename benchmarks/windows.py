"""One channel or two, and how wide the window of the second: the same short training, then self-calibration.

    python benchmarks/windows.py [--frames 160] [--epochs 4] [--scales 320] [--seeds 2]

Every model learns from the same simulated frames with the same number of steps, learns scales from the same frames, and
calibrates the frames of `benchmarks/adaptation.py` (structures of a potential never trained on) by itself.
Takes hours: four trainings of some minutes each, and 140 frames a seed to simulate and to calibrate four times.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from _adaptation_sets import WHERE, analysed, balanced_accuracy, of_kind, rows_of, samples
from _machine import describe
from _options import parsed, parser_for
from _tables import markdown, median_and_range
from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.progress import drain
from napari_atomicity.training.library import Recipe, simulate_library_steps
from napari_atomicity.training.loop import train
from napari_atomicity.training.scales import taught_scales_steps
from napari_atomicity.training.settings import TrainingConfig

MODELS = {
    "raw alone": (("raw",), 0.8),
    "raw and LCN, 0.4 nm": (("raw", "lcn"), 0.4),
    "raw and LCN, 0.8 nm": (("raw", "lcn"), 0.8),
    "raw and LCN, 1.6 nm": (("raw", "lcn"), 1.6),
}


def trained(name: str, options: argparse.Namespace) -> Bundle:
    """A model of `MODELS` at the common effort."""
    channels, window = MODELS[name]
    config = replace(TrainingConfig(), channels=channels, lcn_window_nm=window, epochs=options.epochs)
    cache = options.cache / "library"
    parts = [
        drain(simulate_library_steps(Recipe(), split, n, 2, cache))
        for split, n in (
            ("train", options.frames),
            ("validation", math.ceil(options.frames / 4)),
            ("scales", options.scales),
        )
    ]
    return drain(taught_scales_steps(train(config, *parts[:2]), parts[2]))


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--frames", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--scales", type=int, default=320)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--multislice", type=Path, help="store of clusters imaged by multislice")
    parser.add_argument("--cache", type=Path, default=Path("out/training"), help="folder of the training's frames")
    parser.add_argument("--tested", type=Path, default=Path("out/adaptation"), help="folder of the frames to score on")
    parser.add_argument("--conditions", nargs="+", default=WHERE, choices=WHERE, metavar="CONDITION")
    options = parsed(parser, frames=16, epochs=1, scales=16, seeds=1, conditions=("nominal",))
    print(describe())
    lines = {}
    for name in MODELS:
        start = time.perf_counter()
        bundle = trained(name, options)
        seconds = time.perf_counter() - start
        seeds = [
            analysed(samples(seed, False, options.multislice, options.tested, options.conditions), bundle, tune=False)
            for seed in range(options.seeds)
        ]
        cells = [
            median_and_range([balanced_accuracy(rows_of(of_kind(frames, kind)), method) for frames in seeds])
            for kind, method in (("mixed", "known"), ("mixed", "off"), ("mixed", "calibrated"), ("session", "session"))
        ]
        pure = [np.mean([frame.is_right("alone") for frame in of_kind(frames, "pure")]) for frames in seeds]
        lines[name] = [*cells, median_and_range(pure), f"{seconds:.0f}"]
        print(name, lines[name], flush=True)
    columns = ["scale known", "off", "calibrated alone", "session", "pure alone right", "training / s"]
    print("\n" + markdown(columns, lines))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
