"""Make the models that come with the package: ``python -m napari_atomicity.training [CONFIG...] [--into FOLDER]``.

With ``--seeds 1 2 3 4 --into out/seeds`` the same configurations are trained again on the same frames, from other first
weights and in another order: how far such models are apart is the error of one training.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from napari_atomicity.progress import Progress, drain
from napari_atomicity.threads import settle
from napari_atomicity.training.config import RunConfig, read_config
from napari_atomicity.training.run import Pace, give_library_steps, run_steps, teach_scales_steps


def main() -> None:
    """Train the committed configurations, or those named; an interrupted call goes on where it was."""
    settle()
    parser = argparse.ArgumentParser(prog="python -m napari_atomicity.training", description=__doc__)
    parser.add_argument("configs", nargs="*", default=["dual", "single", "gold"], metavar="CONFIG")
    parser.add_argument("--work", type=Path, default=Path("out/training"), help="simulated frames and checkpoints")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent.parent / "weights")
    parser.add_argument("--scales", action="store_true", help="only teach the finished models scales anew")
    parser.add_argument(
        "--library", action="store_true", help="only give the finished models library clusters and their map anew"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[], metavar="N", help="one model NAME-N for each")
    chosen = parser.parse_args()
    make = teach_scales_steps if chosen.scales else give_library_steps if chosen.library else run_steps
    for config in _seeded([read_config(name) for name in chosen.configs], chosen.seeds):
        path = drain(make(config, chosen.work, _print, chosen.into), _Printer())
        _print(str(path))


def _seeded(configs: list[RunConfig], seeds: list[int]) -> Iterator[RunConfig]:
    """The configurations, or each of them with every one of the seeds."""
    for config in configs:
        if not seeds:
            yield config
        for seed in seeds:
            training = replace(config.training, seed=seed, name=f"{config.training.name}-{seed}")
            yield replace(config, training=training)


def _print(text: str) -> None:
    print(text, flush=True)


class _Printer:
    """A line every ten seconds, with the time that is left."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        line = self.pace.line(progress)
        if time.monotonic() - self.last > 10:
            self.last = time.monotonic()
            _print(line)


if __name__ == "__main__":
    main()
