"""Run the programs that print the numbers of the paper, one after another.

About a day. With ``--quick`` some minutes, once the clusters of another maker are imaged, which takes most of an hour.

python paper/numbers_of_paper.py [--quick] [-o DIR]

What each prints is kept in DIR. The first needs abTEM (the extra `validate`) to image the clusters of another maker; it
is left out where they are imaged already.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).resolve().parent.parent
#: what is run, and which numbers it prints
RUNS: Final = (
    (["benchmarks/foreign.py", "--make"], "clusters of another maker, imaged"),
    (["benchmarks/foreign.py"], "another maker's frames: all rows, ratios, frames of one size"),
    (["-m", "napari_atomicity.cli", "models", "show", "dual"], "our own frames: the card of the model"),
    (["benchmarks/ratios.py"], "ratios and their intervals"),
)
#: what the first of them makes
IMAGED: Final = (TOP / "out" / "foreign" / "choose.npz", TOP / "out" / "foreign" / "report.npz")


def main(arguments: list[str] | None = None) -> int:
    """Run them; the exit code of the first that fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small selection: shows that it runs")
    parser.add_argument("-o", "--output", type=Path, default=TOP / "out" / "paper", metavar="DIR")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    for number, (call, what) in enumerate(RUNS, start=1):
        if "--make" in call and all(lot.is_file() for lot in IMAGED):
            print(f"{what}: there already", flush=True)
            continue
        quick = ["--quick"] if options.quick and call[0].endswith(".py") else []
        target = options.output / f"{number}.txt"
        print(f"{what}: {target}", flush=True)
        with target.open("w", encoding="utf-8") as stream:
            code = subprocess.run([sys.executable, *call, *quick], cwd=TOP, stdout=stream, check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
