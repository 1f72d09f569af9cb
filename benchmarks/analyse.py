"""Seconds a frame that the command `analyse` takes on a batch of 1024 × 1024 frames, files written included.

    python benchmarks/analyse.py [--frames 10] [--clusters 100] [--adapt off|auto|diameter] [--model NAME|PATH]

Simulated frames of random conditions. Takes about a minute without adaptation.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _machine
from _options import parsed, parser_for
from napari_atomicity import cli


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--clusters", type=int, default=100)
    parser.add_argument("--adapt", default="off")
    parser.add_argument("--model", default="dual")
    options = parsed(parser, frames=2, clusters=30)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(options.frames):
            call("simulate", "-o", folder, "--seed", seed, "--clusters", options.clusters, "--condition", "random")
        images = sorted(folder.glob("*.tif"))
        model = ("--adapt", options.adapt, "--model", options.model)
        warm = seconds("analyse", images[0], "-o", folder / "warm", *model)
        batch = seconds("analyse", *images, "-o", folder / "out", *model)
        stages = stage_means(folder / "out")
        most = [memory_mib("analyse", *some, "-o", folder / "again", *model) for some in (images[:1], images)]
    print(_machine.describe())
    print(f"{options.frames} frames of 1024 × 1024, {options.clusters} clusters each, --adapt {options.adapt}\n")
    print("| stage | seconds a frame |\n|---|---|")
    for stage, mean in stages.items():
        print(f"| {stage} | {mean:.2f} |")
    print(f"| reading, hash, table, report, figure | {batch / len(images) - sum(stages.values()):.2f} |")
    print(f"| **whole batch** (target 1.00 without adaptation) | **{batch / len(images):.2f}** |")
    print(f"| first frame alone, libraries loading | {warm:.2f} |")
    if None not in most:
        print(f"\nMost memory: {most[0]:.0f} MiB for one frame, {most[1]:.0f} MiB for all {len(images)}")


def call(*arguments: object) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        code = cli.main([str(argument) for argument in arguments])
    if code:
        raise SystemExit(f"{arguments[0]} ended with exit code {code}")


def seconds(*arguments: object) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def memory_mib(*arguments: object) -> float | None:
    """Most memory of a process that runs this call, the largest of all so far; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    command = [sys.executable, "-m", "napari_atomicity.cli", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def stage_means(folder: Path) -> dict[str, float]:
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.report.json")]
    stages = reports[0]["timings"]
    return {stage: sum(report["timings"].get(stage, 0.0) for report in reports) / len(reports) for stage in stages}


if __name__ == "__main__":
    main()
