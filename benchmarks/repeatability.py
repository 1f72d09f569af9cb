"""Precision found from repeated frames, beside the one that is known, under several conditions.

    python benchmarks/repeatability.py [--frames 8] [--size 768] [--clusters 90] [--model NAME|PATH] [--seed 0]

Each stack shows one simulated field with a shift, a gain (5 % apart) and noise of its own in every frame; its model has
seen neither. Known: intensities over their true gain, matched by true shifts. Takes about five minutes.
"""

from __future__ import annotations

import argparse

import numpy as np

import _machine
from _options import parsed, parser_for
from _tables import markdown
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import Settings, analyse, repeatability_steps
from napari_atomicity.pipeline.repeatability import Repeatability
from napari_atomicity.progress import drain
from napari_atomicity.repeats import Alignment, precision_of, same_clusters
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.repeats import SimulatedRepeats, simulate_repeats

CONDITIONS = ("nominal", "clean", "defocus", "low_dose", "thick_support", "scan_noise")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--clusters", type=int, default=90)
    parser.add_argument("--model", default="dual")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--conditions", nargs="+", default=CONDITIONS, choices=CONDITIONS, metavar="CONDITION")
    options = parsed(parser, frames=3, size=400, clusters=30, conditions=("nominal",))
    print(_machine.describe())
    print(f"{options.frames} frames of {options.size}² simulated pixels a condition, {options.clusters} clusters\n")
    columns = [
        "shift off (px)", "intensity: found", "known", "count: found", "true error of a count", "spread over stated",
        "kappa",
    ]  # fmt: skip
    print(markdown(columns, {condition: _line(condition, options) for condition in options.conditions}))


def _line(condition: str, options: argparse.Namespace) -> list[str]:
    spec = sample_spec(condition, None, options.clusters, shape=(options.size,) * 2, seed=options.seed)
    repeats = simulate_repeats(spec, options.frames, options.seed, gain_sd=0.05)
    micrograph = Micrograph(repeats.images, repeats.pixel_size_nm, name=condition)
    state = analyse(micrograph, Settings(model=options.model, adapt="auto"))
    found = drain(repeatability_steps([state]))
    frames = state.table.rows["frame"].to_numpy()
    tables = [state.table.take(frames == frame) for frame in range(options.frames)]
    true_places = Alignment(repeats.shifts_px, (), (0, 0), 0.0)
    known = same_clusters(tables, true_places, repeats.pixel_size_nm)
    known["intensity"] /= repeats.gains[known["frame"]]
    precision = found.precision
    off = np.abs(found.alignment.shifts_px - repeats.shifts_px)
    return [
        f"{np.nanmax(off):.2f}",
        f"{100 * precision.intensity.value:.1f} %",
        f"{100 * precision_of(known).intensity.value:.1f} %",
        f"{100 * precision.count.value:.1f} %",
        f"{100 * _true_error(found, repeats):.1f} %",
        str(precision.honesty),
        f"{precision.kappa.value:.2f}",
    ]


def _true_error(found: Repeatability, repeats: SimulatedRepeats) -> float:
    """Root mean square of ln(count over true number of atoms) of single measurements: precision and bias together."""
    truth = repeats.truth[repeats.truth["kind"] == "cluster"]
    measured = found.measured.dropna(subset=["n_atoms"])
    away = np.hypot(
        measured["y_px"].to_numpy()[:, None] - truth["y_px"].to_numpy(),
        measured["x_px"].to_numpy()[:, None] - truth["x_px"].to_numpy(),
    )
    near = away.min(axis=1) * repeats.pixel_size_nm < 0.3
    atoms = truth["n_atoms"].to_numpy()[away.argmin(axis=1)]
    log = np.log(measured["n_atoms"].to_numpy() / atoms)[near]
    return float(np.sqrt(np.mean(log[np.abs(log) < 0.7] ** 2)))


if __name__ == "__main__":
    main()
