"""Rate, memory and scaling of a batch: many images into one dataset.

    python benchmarks/batch.py [--images 200] [--sizes 512 1024] [--workers 1 2] [--clusters 40] [--seed 0]
    python benchmarks/batch.py --ten-thousand [--images 10000] [--sizes 256] [--folder FOLDER]

Frames are cut out of simulated ones, turned and given new noise. Each line is a batch of its own, without fine-tuning;
`overhead` is what the workers do beside the analysis: starting, planning and writing, and the second table says where
it lies. The load of the machine is printed: other programs on the same cores make every rate smaller, and the seconds
of CPU a little larger. `--memory 2000` measures that many images with one worker and prints its memory on the way.

`--ten-thousand` counts a set of sessions with two workers, once undisturbed and once by a command that is killed twice
with SIGKILL at random moments, with all of its processes, and resumed; then it compares the two datasets file by file.
It takes about an hour on two free cores, and 2 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import _machine
import _ten_thousand
from _many_frames import many_frames
from _options import parsed, parser_for
from _tables import markdown
from _watched import Watch
from napari_atomicity.dataset.batch import Batch, Result, batch_steps
from napari_atomicity.pipeline import Settings
from napari_atomicity.progress import drain

_COLUMNS = ["images a second", "of one worker", "CPU (s an image)", "analysis alone (s an image)", "overhead",
            "memory of a worker (MiB)", "dataset (kB an image)", "load"]  # fmt: skip
_STAGES = ["planning", "workers start or wait", "loading the model", "analysis", "writing parts", "tables", "overview"]


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--images", type=int, help="200, or 10000")
    parser.add_argument("--sizes", type=int, nargs="+", help="512 and 1024, or 256")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--clusters", type=int, default=40, help="on 512 x 512 pixels")
    parser.add_argument("--session-by", default="none")
    parser.add_argument("--memory", type=int, default=0, metavar="IMAGES")
    parser.add_argument("--ten-thousand", action="store_true", help="a large set, killed twice and resumed")
    parser.add_argument("--folder", type=Path, help="where the large set and its datasets are kept; nowhere")
    parser.add_argument("--seed", type=int, default=0)
    options = parsed(parser, images=4, sizes=[192], workers=[1], clusters=20)
    print(_machine.describe("dask", "pyarrow"))
    if options.ten_thousand:
        _ten_thousand.run(options.images or 10_000, (options.sizes or [256])[0], options.seed, options.folder)
        return
    _rates(options)
    if options.memory:
        _memory(options)


def _rates(options: argparse.Namespace) -> None:
    lines: dict[str, list[str]] = {}
    stages: dict[str, list[str]] = {}
    for size in options.sizes or [512, 1024]:
        with tempfile.TemporaryDirectory() as folder:
            n = options.images or 200
            images = many_frames(Path(folder) / "images", n, size, options.clusters, options.seed)
            one: float | None = None
            for workers in options.workers:
                result, rate, cells = _measured(images, Path(folder), workers, options.session_by)
                one = one or rate
                lines[f"{size}² with {workers}"] = [f"{rate:.2f}", f"{rate / one:.2f}", *cells]
                stages[f"{size}² with {workers}"] = stage_cells(result, workers)
    print(markdown(_COLUMNS, lines, "images"))
    print("\nSeconds of the workers together, by stage\n")
    print(markdown(_STAGES, stages, "images"))


def stage_cells(result: Result, workers: int) -> list[str]:
    """Seconds of all workers together in each of `_STAGES`."""
    tally, clock = result.tally, result.seconds
    waiting = workers * clock["measuring"] - tally.loading - tally.seconds - tally.writing
    values = [
        workers * clock["planning"],
        waiting,
        tally.loading,
        tally.seconds,
        tally.writing,
        workers * clock["tables"],
        workers * clock["overview"],
    ]
    return [f"{value:.1f}" for value in values]


def _measured(images: Path, folder: Path, workers: int, session_by: str) -> tuple[Result, float, list[str]]:
    """A batch, its rate, and the other cells of its line."""
    output = folder / "out"
    shutil.rmtree(output, ignore_errors=True)
    watch = Watch()
    start = time.monotonic()
    batch = Batch([images], output, Settings(adapt="off"), workers=workers, session_by=session_by)
    result = drain(batch_steps(batch))
    passed = time.monotonic() - start
    watch.end()
    tally = result.tally
    on_disk = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    cells = [
        f"{sum(watch.computed.values()) / tally.images:.3f}",
        f"{tally.seconds / tally.images:.3f}",
        f"{100 * (1 - tally.seconds / (workers * passed)):.0f} %",
        f"{watch.memory:.0f}",
        f"{on_disk / tally.images / 1e3:.0f}",
        f"{load:.1f}",
    ]
    return result, tally.images / passed, cells


def _memory(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        size = (options.sizes or [512])[0]
        images = many_frames(Path(folder) / "images", options.memory, size, options.clusters, options.seed)
        watch = Watch()
        drain(batch_steps(Batch([images], Path(folder) / "out", Settings(adapt="off"), workers=1,
                                session_by=options.session_by)))  # fmt: skip
        watch.end()
    print(f"\nMemory of one worker over {options.memory} images, the median of each tenth (MiB):")
    print(", ".join(f"{size:.0f}" for size in watch.over_time()))


if __name__ == "__main__":
    main()
