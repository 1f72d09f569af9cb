"""Seconds that `analyse` of the sample takes, by the wall and of the processor, alone and beside busy loops.

    python benchmarks/beside_a_busy_loop.py [--loops 2] [--rounds 2] [--image FILE] [--against SRC...]

`--against` names the `src` folder of another version; versions and conditions take turns, so that what else the machine
does meets all of them alike. The image is the mixed sample, simulated. Takes two minutes on an idle machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import _machine
from _options import parsed, parser_for

HERE = Path(__file__).parents[1]
# what the tests or a shell have set is not what a person has
SETTINGS = ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "KMP_BLOCKTIME")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--loops", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--image", type=Path, default=HERE / "sample_data" / "sample_mixed.tif")
    parser.add_argument("--against", type=Path, nargs="*", default=[], metavar="SRC")
    options = parsed(parser, rounds=1)
    sources = [HERE / "src", *options.against]
    found: dict[tuple[Path, int], list[tuple[float, float]]] = {}
    for _ in range(options.rounds):
        for loops in (0, options.loops):
            for source in sources:
                with busy(loops):
                    found.setdefault((source, loops), []).append(seconds(source, options.image))
    print(_machine.describe())
    print(f"analyse {options.image.name}, adaptation included; median of {options.rounds}, in alternation\n")
    print("| version | busy loops beside it | wall / s | processor / s |\n|---|---|---|---|")
    for (source, loops), times in found.items():
        name = "this one" if source == sources[0] else str(source)
        wall, processor = (median(each) for each in zip(*times, strict=True))
        print(f"| {name} | {loops} | {wall:.1f} | {processor:.1f} |")


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """So many processes that never rest."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def seconds(source: Path, image: Path) -> tuple[float, float]:
    """By the wall and of the processor, of one call from its start."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    environment["PYTHONPATH"] = str(source)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "napari_atomicity.cli", "analyse", str(image), "-o", folder]
        start, before = time.perf_counter(), os.times()
        subprocess.run(command, check=True, env=environment, capture_output=True)
        wall, after = time.perf_counter() - start, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used


if __name__ == "__main__":
    main()
