"""Rate, memory and scaling of a batch: many images into one dataset.

    python benchmarks/batch.py [--images 200] [--sizes 512 1024] [--workers 1 2] [--clusters 40] [--seed 0]

Frames are cut out of simulated ones, turned and given new noise. Each line is a batch of its own, without fine-tuning;
`overhead` is what the workers do beside the analysis: starting, planning and writing. The load of the machine is
printed: other programs on the same cores make every rate smaller, and the seconds of CPU a little larger.
`--memory 2000` measures that many images with one worker and prints its memory on the way.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import tifffile

import _machine
from _options import parsed, parser_for
from _tables import markdown
from napari_atomicity.dataset.batch import Batch, batch_steps
from napari_atomicity.dataset.engine import LocalProcesses
from napari_atomicity.pipeline import Settings
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--clusters", type=int, default=40, help="on 512 x 512 pixels")
    parser.add_argument("--session-by", default="none")
    parser.add_argument("--memory", type=int, default=0, metavar="IMAGES")
    parser.add_argument("--seed", type=int, default=0)
    options = parsed(parser, images=4, sizes=[192], workers=[1], clusters=20)
    print(_machine.describe("dask", "pyarrow"))
    columns = ["images a second", "of one worker", "CPU (s an image)", "analysis alone (s an image)", "overhead",
               "memory of a worker (MiB)", "dataset (kB an image)", "load"]  # fmt: skip
    lines: dict[str, list[str]] = {}
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            images = many_frames(Path(folder) / "images", options.images, size, options.clusters, options.seed)
            one: float | None = None
            for workers in options.workers:
                rate, cells = measured(images, Path(folder), workers, options.session_by)
                one = one or rate
                lines[f"{size}² with {workers}"] = [f"{rate:.2f}", f"{rate / one:.2f}", *cells]
    print(markdown(columns, lines, "images"))
    if options.memory:
        _memory(options)


def many_frames(folder: Path, n: int, size: int, clusters: int, seed: int, bases: int = 8) -> Path:
    """Frames cut out of a few simulated ones, turned, with new noise."""
    wide = size + 128
    number = max(4, round(clusters * (wide / 512) ** 2))
    rng = np.random.default_rng(seed)
    frames = [
        simulate_frame(sample_spec("nominal", None, number, shape=(wide, wide), seed=seed + k), seed + k)
        for k in range(min(bases, n))
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        frame = frames[i % len(frames)]
        top, left = rng.integers(0, wide - size, 2)
        part = np.rot90(frame.image[top : top + size, left : left + size], rng.integers(0, 4))
        spread = float(np.std(np.diff(part, axis=0))) / 3
        noisy = part + rng.normal(0, spread, part.shape)
        per_nm = (1 / frame.pixel_size_nm,) * 2
        # sixteen bits, as detectors write them
        counts = np.clip(noisy / 6 + 3500, 0, 65535).astype(np.uint16)
        tifffile.imwrite(folder / f"frame{i:06}.tif", counts, imagej=True, resolution=per_nm, metadata={"unit": "nm"})
    return folder


class Watch(threading.Thread):
    """Memory of the processes below this one, every half second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: list[tuple[float, float]] = []
        #: seconds that each process has computed
        self.computed: dict[int, float] = {}
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.5):
            sizes = [0.0]
            for child in psutil.Process().children(recursive=True):
                try:
                    sizes.append(child.memory_info().rss / 2**20)
                    times = child.cpu_times()
                    self.computed[child.pid] = times.user + times.system
                except psutil.Error:
                    continue
            self.seen.append((time.monotonic(), max(sizes)))


def measured(images: Path, folder: Path, workers: int, session_by: str) -> tuple[float, list[str]]:
    """Rate of a batch, and the other cells of its line."""
    output = folder / "out"
    shutil.rmtree(output, ignore_errors=True)
    watch = Watch()
    watch.start()
    start = time.monotonic()
    batch = Batch([images], output, Settings(adapt="off"), session_by=session_by)
    result = drain(batch_steps(batch, engine=LocalProcesses(workers)))
    passed = time.monotonic() - start
    watch.ended.set()
    tally = result.tally
    analysis = tally.seconds / tally.images
    overhead = 1 - tally.seconds / (workers * passed)
    on_disk = sum(path.stat().st_size for path in output.rglob("*") if path.is_file()) / tally.images / 1e3
    memory = max(size for _, size in watch.seen)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    cpu = sum(watch.computed.values()) / tally.images
    cells = [
        f"{cpu:.3f}",
        f"{analysis:.3f}",
        f"{100 * overhead:.0f} %",
        f"{memory:.0f}",
        f"{on_disk:.0f}",
        f"{load:.1f}",
    ]
    return tally.images / passed, cells


def _memory(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        images = many_frames(Path(folder) / "images", options.memory, options.sizes[0], options.clusters, options.seed)
        watch = Watch()
        watch.start()
        batch = Batch([images], Path(folder) / "out", Settings(adapt="off"), session_by=options.session_by)
        drain(batch_steps(batch, engine=LocalProcesses(1)))
        watch.ended.set()
    tenths = np.array_split(np.array([size for _, size in watch.seen]), 10)
    print(f"\nMemory of one worker over {options.memory} images, the median of each tenth (MiB):")
    print(", ".join(f"{np.median(part):.0f}" for part in tenths))


if __name__ == "__main__":
    main()
