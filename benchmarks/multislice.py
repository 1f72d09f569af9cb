"""The fast image model beside multislice, its speed, and a store of multislice images to evaluate models on.

    python benchmarks/multislice.py --library FILE.npz [--per-size 10] [--minutes 35]    # make a store
    python benchmarks/multislice.py --compare FILE.npz     # the fast model beside the images of a store
    python benchmarks/multislice.py --settings             # other microscopes, detectors, frozen phonons
    python benchmarks/multislice.py --aligned              # what atoms above each other add
    python benchmarks/multislice.py --elements             # one atom of each metal
    python benchmarks/multislice.py --speed                # patches a second

Without an option it only names the machine. A store of ten clusters a size takes half an hour, frozen phonons ten
minutes, the other tables some minutes, and `--speed`, which `--quick` chooses, seconds.

Multislice needs abTEM and ASE: pip install napari-atomicity[validate]
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from _machine import describe
from _options import parsed, parser_for
from napari_atomicity.simulation.imaging import Probe, atom_weights
from napari_atomicity.simulation.optics import Optics
from napari_atomicity.simulation.structures import ELEMENTS, library
from validation.multislice import SAMPLING_NM, Annulus, in_lone_atoms, lone_atom, scatter
from validation.multislice_library import (
    ImagedCluster,
    MultisliceLibrary,
    load_multislice,
    paste,
    save_multislice,
)

Floats = npt.NDArray[np.float64]

SIZES = (19, 30, 41, 55, 70)
#: heights in focus of the stored images: the middle of a cluster, and further away on either side
STORED_FOCI_NM = (0.5, 5.5, -8.5)
#: root mean square displacement of an atom along each axis at room temperature (Pt, Debye-Waller factor 0.36 Å² and
#: somewhat more at a surface)
THERMAL_NM = 0.0075


def cluster(n_atoms: int, flatness: float, rng: np.random.Generator) -> Floats:
    """A cluster of the test library (a potential that no model was trained on), on the support at height 0."""
    atoms = library("test").draw(n_atoms, flatness, rng)
    atoms[:, 2] -= atoms[:, 2].min()
    return np.asarray(atoms, dtype=float)


def make_library(path: Path, per_size: int, minutes: float) -> None:
    """Image clusters one size after another and save after each round, until done or out of time; a file goes on."""
    optics, annulus = Optics(), Annulus()
    settings = {
        "optics": asdict(optics),
        "annulus": asdict(annulus),
        "thermal_nm": THERMAL_NM,
        "structures": f"test library, {', '.join(library('test').families)}",
    }
    made = list(load_multislice(path).clusters) if path.exists() else []
    rng, start, before = np.random.default_rng([20, len(made)]), time.monotonic(), len(made) // len(SIZES)
    for number in range(before, per_size):
        flatness = (number + 0.5) / per_size
        for n_atoms in SIZES:
            atoms = cluster(n_atoms, flatness, rng)
            # one moment of the vibrating cluster: at rest, exactly aligned atoms would interfere too much
            found = scatter(atoms + rng.normal(0, THERMAL_NM, atoms.shape), optics, annulus)
            images = [in_lone_atoms(found, replace(optics, defocus_nm=z), annulus) for z in STORED_FOCI_NM]
            middle = (found.extent_nm - SAMPLING_NM) / 2
            centred = atoms + np.append(found.offset_nm - middle, 0)
            made.append(ImagedCluster(np.stack(images).astype(np.float16), centred.astype(np.float32), flatness))
        path.parent.mkdir(parents=True, exist_ok=True)
        save_multislice(MultisliceLibrary(tuple(made), SAMPLING_NM, STORED_FOCI_NM, settings), path)
        used = (time.monotonic() - start) / 60
        print(f"{len(made)} clusters in {used:.1f} min -> {path}", flush=True)
        if used + used / (number + 1 - before) > minutes:
            break


def compared(judge: Floats, fast: Floats) -> tuple[float, float, float]:
    """Ratio of the integrals, correlation and root mean square difference over the maximum, at 0.05 nm a pixel."""
    judge, fast = binned(judge), binned(fast)
    return (
        float(fast.sum() / judge.sum()),
        float(np.corrcoef(judge.ravel(), fast.ravel())[0, 1]),
        float(np.sqrt(np.mean((judge - fast) ** 2)) / judge.max()),
    )


def binned(image: Floats) -> Floats:
    """Two pixels by two made one: from 0.025 to 0.05 nm."""
    y, x = (side // 2 * 2 for side in image.shape)
    return np.asarray(image[:y, :x].astype(float).reshape(y // 2, 2, x // 2, 2).mean(axis=(1, 3)))


def fast_image(atoms: Floats, shape: tuple[int, int], origin_px: Floats, optics: Optics) -> Floats:
    """The fast model of the same cluster on the same grid."""
    probe = Probe.of(optics)
    places = np.column_stack([origin_px + atoms[:, [1, 0]] / SAMPLING_NM, atoms[:, 2]])
    return np.asarray(probe.render(shape, SAMPLING_NM, places, atom_weights(atoms)), dtype=float)


def compare(path: Path) -> None:
    """Tables by size and focus over all clusters of a store."""
    store = load_multislice(path)
    optics = Optics(**store.settings["optics"])
    rows = []
    for imaged in store.clusters:
        atoms = imaged.positions_nm.astype(float)
        for focus, image in zip(store.defocus_nm, imaged.images.astype(float), strict=True):
            origin = (np.array(image.shape) - 1) / 2
            fast = fast_image(atoms, image.shape, origin, replace(optics, defocus_nm=focus))
            lone_atoms = float(image.sum()) * SAMPLING_NM**2
            rows.append((len(atoms), focus, lone_atoms, atom_weights(atoms).sum(), *compared(image, fast)))
    table = pd.DataFrame(rows, columns=["atoms", "focus", "judge", "weights", "ratio", "correlation", "rms"])
    print(f"\n{len(store.clusters)} clusters of {path}: {store.settings}")
    for key in ("atoms", "focus"):
        print(
            f"\n| {key} | clusters | multislice per atom | fast / multislice | correlation, mean (lowest) | rms / max |"
        )
        print("|---|---|---|---|---|---|")
        for value, part in table.groupby(key):
            per_atom, ratio, alike = part.judge / part.atoms, part.ratio, part.correlation
            print(
                f"| {value:g} | {len(part) // (len(store.defocus_nm) if key == 'atoms' else 1)} "
                f"| {per_atom.mean():.4f} ± {per_atom.std():.4f} | {ratio.mean():.4f} ({ratio.min():.3f} to "
                f"{ratio.max():.3f}) | {alike.mean():.4f} ({alike.min():.4f}) | {part.rms.mean():.4f} |"
            )
    first = table[table.focus == store.defocus_nm[0]]
    for name in ("judge", "weights"):
        exponent = np.polyfit(np.log(first.atoms), np.log(first[name]), 1)[0]
        spread = (first[name] / first.atoms).groupby(first.atoms).std().mean()
        print(f"{name}: exponent of intensity against atoms {exponent:.4f}, scatter between structures {spread:.2%}")


def other_settings() -> None:
    """One cluster under other microscopes and detectors, at rest and averaged over frozen phonons."""
    atoms, usual, at_focus = cluster(19, 0.4, np.random.default_rng(5)), Annulus(), Optics(defocus_nm=0.5)
    cases = [
        ("200 kV, 22 mrad, 60-150 mrad, at rest", at_focus, usual, 0),
        ("the same, 6 frozen phonons", at_focus, usual, 6),
        ("outer angle 200 mrad", at_focus, replace(usual, outer_mrad=200), 0),
        ("inner angle 80 mrad", at_focus, replace(usual, inner_mrad=80), 0),
        ("slices half as thick", at_focus, replace(usual, slice_nm=0.1), 0),
        ("Cs 5 µm", replace(at_focus, cs_mm=0.005), usual, 0),
        ("300 kV, 21 mrad", replace(at_focus, voltage_kv=300, convergence_mrad=21), usual, 0),
        ("80 kV, 25 mrad", replace(at_focus, voltage_kv=80, convergence_mrad=25), usual, 0),
    ]
    print("\n| a Pt19 | multislice per atom | fast / multislice | correlation | rms / max |\n|---|---|---|---|---|")
    for name, optics, annulus, phonons in cases:
        rng = np.random.default_rng(1)
        shaken = [rng.normal(0, THERMAL_NM, atoms.shape) for _ in range(phonons)] or [np.zeros_like(atoms)]
        still = scatter(atoms, optics, annulus)
        judge = np.zeros_like(in_lone_atoms(still, optics, annulus), dtype=float)
        for shift in shaken:
            moved = atoms + shift
            middle = (np.ptp(moved, axis=0) / 2 + moved.min(axis=0))[:2]
            origin = (np.ptp(atoms, axis=0) / 2 + atoms.min(axis=0))[:2]
            found = scatter(moved, optics, annulus)
            drawn = in_lone_atoms(found, optics, annulus)
            paste(judge, SAMPLING_NM, _middle(judge) + (middle - origin)[::-1] / SAMPLING_NM, drawn, SAMPLING_NM)
        judge /= len(shaken)
        fast = fast_image(atoms, judge.shape, still.offset_nm[::-1] / SAMPLING_NM, optics)
        ratio, correlation, rms = compared(judge, fast)
        per_atom = judge.sum() * SAMPLING_NM**2 / len(atoms)
        print(f"| {name} | {per_atom:.4f} | {ratio:.4f} | {correlation:.4f} | {rms:.4f} |", flush=True)


def _middle(image: Floats) -> Floats:
    return np.asarray((np.array(image.shape) - 1) / 2)


def aligned(phonons: int = 60) -> None:
    """Signal that two platinum atoms, one above the other, add to the sum of both, by how exactly they are aligned."""
    optics, annulus = Optics(), Annulus(slice_nm=0.0925, margin_nm=0.8)
    print("\n| sideways / nm | at rest | frozen phonons | fast model |\n|---|---|---|---|")
    for aside in (0.0, 0.015, 0.03, 0.05):
        pair = np.array([[0, 0, 0], [aside, 0, 0.2775]])
        rng, unit = np.random.default_rng(3), lone_atom(optics, annulus).integral()
        extra = [
            scatter(pair + rng.normal(0, THERMAL_NM, pair.shape), optics, annulus).integral() / unit - 2
            for _ in range(phonons)
        ]
        rest = scatter(pair, optics, annulus).integral() / unit - 2
        error = np.std(extra) / np.sqrt(len(extra))
        fast = atom_weights(pair).sum() - 2
        print(f"| {aside:.3f} | {rest:+.3f} | {np.mean(extra):+.3f} ± {error:.3f} | {fast:+.3f} |", flush=True)


def elements() -> None:
    """Signal of one atom of each metal against platinum."""
    optics, annulus = Optics(), Annulus(margin_nm=1.5)
    unit = scatter(np.zeros((1, 3)), optics, annulus, "Pt").integral()
    print("\n| metal | multislice | fast model |\n|---|---|---|")
    for element in ELEMENTS:
        judge = scatter(np.zeros((1, 3)), optics, annulus, element).integral() / unit
        print(f"| {element} | {judge:.3f} | {atom_weights(np.zeros((1, 3)), element)[0]:.3f} |", flush=True)


def speed(patches: int = 500) -> None:
    """Patches of 64 x 64 at 0.05 nm with 45 atoms, weights and rendering, on one thread."""
    rng = np.random.default_rng(0)
    clusters = [cluster(45, float(f), rng) for f in rng.uniform(0, 1, 40)]
    print("\n| probe | patches a second, one thread |\n|---|---|")
    for name, probe in (("Gaussian", Probe(0.15, 0.03)), ("fitted to the optics", Probe.of(Optics(200, 22)))):
        start = time.perf_counter()
        for number in range(patches):
            atoms = clusters[number % len(clusters)]
            places = np.column_stack([32 + atoms[:, [1, 0]] / 0.05, atoms[:, 2]])
            probe.render((64, 64), 0.05, places, atom_weights(atoms))
        print(f"| {name} | {patches / (time.perf_counter() - start):.0f} |")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--library", type=Path, help="write a store of multislice images")
    parser.add_argument("--per-size", type=int, default=10, help="clusters of each size in the store")
    parser.add_argument("--minutes", type=float, default=35.0, help="time for the store; what is made is kept")
    parser.add_argument("--compare", type=Path, help="compare the fast model with the images of a store")
    parser.add_argument("--settings", action="store_true", help="other microscopes, detectors, frozen phonons")
    parser.add_argument("--aligned", action="store_true", help="what atoms above each other add")
    parser.add_argument("--elements", action="store_true", help="one atom of each metal")
    parser.add_argument("--speed", action="store_true", help="patches a second")
    options = parsed(parser, speed=True)
    print(describe("abtem", "ase"))
    if options.library:
        make_library(options.library, options.per_size, options.minutes)
    if options.compare:
        compare(options.compare)
    if options.settings:
        other_settings()
    if options.aligned:
        aligned()
    if options.elements:
        elements()
    if options.speed:
        speed()


if __name__ == "__main__":
    main()
