"""Independent ways to what one atom is worth: how far each is off, and whether its stated error holds.

    python benchmarks/consistency.py [--detectors 60] [--frames 3] [--size 768] [--clusters 50] [--model NAME|PATH]
    python benchmarks/consistency.py --real FOLDER     # single atoms on experimental micrographs

Detectors: uneven, tilted, elliptic, noisy, with what the electrons of an atom really meet known. Frames: each condition
with detached atoms, a detector scan of its own and deposited sizes; true is the median of the
measured intensity over the true number of atoms, which is what a scale means. Takes about five minutes.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import spatial

import _machine
from _options import parsed, parser_for
from _tables import markdown
from napari_atomicity.counting.cross_sections import Annulus, collected, cross_section
from napari_atomicity.counting.detector_area import find_active_area
from napari_atomicity.counting.detector_scan import response
from napari_atomicity.counting.references import compare_scales
from napari_atomicity.counting.single_atoms import fit_single_atoms
from napari_atomicity.detection.single_atoms import find_atoms
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import ImageState, Settings, analyse, consistency_steps, detector_steps
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.detector_scans import DetectorShape, SimulatedDetectorScan, simulate_detector_scan
from napari_atomicity.simulation.frames import SimulatedFrame, simulate_frame

CONDITIONS = ("nominal", "clean", "defocus", "low_dose", "thick_support", "scan_noise")
ANNULUS = Annulus(200, 22, 60, 200)
WAYS = ("clusters", "deposited", "detector", "atoms")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--detectors", type=int, default=60)
    parser.add_argument("--frames", type=int, default=3, help="a condition")
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--clusters", type=int, default=50)
    parser.add_argument("--model", default="dual")
    parser.add_argument("--conditions", nargs="+", default=CONDITIONS, choices=CONDITIONS, metavar="CONDITION")
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="of experimental micrographs with labelled atoms")
    options = parsed(parser, detectors=4, frames=1, size=400, clusters=20, conditions=("nominal",))
    print(_machine.describe())
    if options.real is not None:
        print(markdown(["labelled", "found", "of these labelled", "scatter", "limit over median", "says"],
                       dict(real_lines(options.real))))  # fmt: skip
        return
    print(f"{options.detectors} simulated detectors\n")
    print(markdown(["off, rms", "largest", "stated, mean", "within 2 sd"], detector_lines(options.detectors)))
    print(f"\n{options.frames} frames of {options.size}² pixels a condition, {options.clusters} clusters\n")
    frame_lines(options)


def true_height(scan: SimulatedDetectorScan, inner: float) -> float:
    """Counts of the whole beam, every place with the electrons of an atom that arrive there."""
    edges = np.linspace(ANNULUS.inner_mrad, ANNULUS.outer_mrad, 81)
    flux = collected("Pt", ANNULUS, edges)
    ring = np.digitize(scan.radius * ANNULUS.inner_mrad / inner, edges) - 1
    means = [scan.response[(ring == i) & scan.active].mean() if ((ring == i) & scan.active).any() else 0.0
             for i in range(80)]  # fmt: skip
    seen = np.array([((ring == i) & scan.active).any() for i in range(80)])
    return float((flux * means)[seen].sum() / flux[seen].sum())


def measured_scale(frame: SimulatedFrame, state: ImageState) -> float:
    """Median of intensity over true number of atoms: what a scale means."""
    truth = frame.truth[frame.truth["kind"] == "cluster"]
    rows = state.table.rows[state.table.sizeable]
    tree = spatial.cKDTree(truth[["y_px", "x_px"]].to_numpy())
    away, nearest = tree.query(rows[["y_px", "x_px"]].to_numpy())
    near = np.asarray(away) * frame.pixel_size_nm < 0.3
    atoms = truth["n_atoms"].to_numpy()[np.asarray(nearest)]
    return float(np.median((rows["intensity"].to_numpy() / atoms)[near]))


def detector_lines(n: int) -> dict[str, list[str]]:
    """Even and uneven detectors, with and without the weighting by flux."""
    lines: dict[str, list[str]] = {}
    for name, spread in (("even", 0.0), ("uneven", 0.5)):
        rng = np.random.default_rng(1)
        off: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        for seed in range(n):
            middle, outer, inner = rng.uniform(0.42, 0.58, 2), rng.uniform(0.15, 0.4), rng.uniform(0.25, 0.35)
            tilt, rings, dead = *rng.uniform(-spread, spread, 2), 0.1 * (rng.random() < spread)
            squeeze, turn = rng.uniform(0.75, 1), rng.uniform(0, 3)
            shape = DetectorShape((middle[0], middle[1]), outer, inner, squeeze, turn, tilt, rings, dead)
            scan = simulate_detector_scan(9000.0, shape, noise=rng.uniform(0.01, 0.2), seed=seed)
            area = find_active_area(scan.image)
            for weighted in off:
                seen = response(scan.image, area, ANNULUS, weighted=weighted)
                off[weighted].append((np.log(seen.height / true_height(scan, shape.inner)), seen.height_sd))
        for weighted, pairs in off.items():
            error, sd = np.array(pairs).T
            cells = [f"{100 * np.sqrt((error**2).mean()):.1f} %", f"{100 * np.abs(error).max():.1f} %",
                     f"{100 * sd.mean():.1f} %", f"{100 * (np.abs(error) < 2 * sd).mean():.0f} %"]  # fmt: skip
            lines[f"{name}, {'weighted' if weighted else 'plain mean'}"] = cells
    return lines


def frame_lines(options: argparse.Namespace) -> None:
    """Every way on simulated frames."""
    off: dict[str, dict[str, list[tuple[float, float]]]] = {}
    chances: list[float] = []
    for condition in options.conditions:
        off[condition] = {way: [] for way in WAYS}
        for seed in range(options.frames):
            spec = sample_spec(condition, None, options.clusters, shape=(options.size,) * 2, seed=seed)
            frame = simulate_frame(replace(spec, satellites=1.5), seed)
            micrograph = Micrograph(frame.image, frame.pixel_size_nm, name=condition)
            state = analyse(micrograph, Settings(model=options.model, adapt="off"))
            known = replace(state.settings_in_force, deposited=(19, 30, 41, 55, 70))
            height = frame.scale_counts_nm2_per_atom / cross_section("Pt", ANNULUS)[0]
            scan = simulate_detector_scan(height, DetectorShape(tilt=0.4, rings=-0.3, squeeze=0.9), seed=seed)
            # the frame was taken with what the electrons of an atom meet
            ratio = height / true_height(scan, 0.3)
            detector = drain(detector_steps(Micrograph(scan.image), ANNULUS, current_ratio=ratio))
            found = drain(consistency_steps(replace(state, settings=known), detector=detector)).found
            true = measured_scale(frame, state)
            for one in found.references:
                off[condition][one.origin].append((np.log(one.value / true), one.relative_sd))
            independent = [one for one in found.references if one.origin != "deposited"]
            chances.append(compare_scales(independent).p)
    lines = {}
    for condition, ways in off.items():
        lines[condition] = [_cell(pairs, options.frames) for pairs in ways.values()]
    everything = {way: [pair for ways in off.values() for pair in ways[way]] for way in WAYS}
    lines["all"] = [_cell(pairs, options.frames * len(off)) for pairs in everything.values()]
    lines["spread over stated"] = [_honesty(pairs) for pairs in everything.values()]
    print(markdown(["own clusters", "deposited", "detector scan", "single atoms"], lines))
    print(f"\nclusters, detector and atoms: χ² less probable than 5 % in {sum(p < 0.05 for p in chances)} "
          f"of {len(chances)} frames")  # fmt: skip


def _cell(pairs: list[tuple[float, float]], frames: int) -> str:
    if not pairs:
        return "refused"
    error = np.array(pairs)[:, 0]
    told = f"{100 * error.mean():+.0f} ± {100 * error.std():.0f} %"
    return told if len(pairs) == frames else f"{told} ({frames - len(pairs)} refused)"


def _honesty(pairs: list[tuple[float, float]]) -> str:
    if not pairs:
        return "-"
    error, sd = np.array(pairs).T
    return f"{np.sqrt(np.mean((error / sd) ** 2)):.2f}"


def real_lines(folder: Path) -> list[tuple[str, list[str]]]:
    """Micrographs of single atoms with the labels of their authors."""
    from napari_atomicity.io import read

    lines = []
    for path in sorted(folder.glob("hpai_*_HAADF_*.tif")):
        with (folder / f"hpai_{path.name.split('_')[1]}_Results.csv").open() as labels:
            places = np.array([[float(value) for value in row[-2:]] for row in list(csv.reader(labels))[1:]])
        micrograph = read(path)
        size = micrograph.calibrated_pixel_size_nm
        atoms = find_atoms(micrograph.frame(0), size)
        there = np.column_stack([atoms.x_px, atoms.y_px])
        near = np.asarray(spatial.cKDTree(there).query(places)[0]) * size < 0.15
        try:
            says = fit_single_atoms(atoms.intensity, atoms.limit).sentence
        except InputError as error:
            says = str(error)
        middle = np.median(atoms.intensity)
        low, high = np.quantile(atoms.intensity, (0.159, 0.841))
        lines.append((path.name.split("_")[1], [
            str(len(places)), str(len(there)), str(int(near.sum())), f"{100 * (high - low) / 2 / middle:.0f} %",
            f"{np.median(atoms.limit) / middle:.2f}", says,
        ]))  # fmt: skip
    return lines


if __name__ == "__main__":
    main()
