"""The fast image model beside multislice, its speed, and a store of multislice images to evaluate models on.

    python benchmarks/multislice.py                      # the tables of docs/multislice.md
    python benchmarks/multislice.py --speed              # patches a second
    python benchmarks/multislice.py --library FILE.npz [--per-size 10] [--minutes 35]

Multislice needs abTEM and ASE: pip install napari-atomicity[validate]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from _machine import describe
from napari_atomicity.simulation.multislice import SAMPLING_NM, Annulus, in_lone_atoms, scatter
from napari_atomicity.simulation.multislice_library import ImagedCluster, MultisliceLibrary, save_multislice
from napari_atomicity.simulation.optics import Optics
from napari_atomicity.simulation.structures import library

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
    """Image clusters one size after another and save after each round, until done or out of time."""
    optics, annulus = Optics(), Annulus()
    settings = {
        "optics": asdict(optics),
        "annulus": asdict(annulus),
        "thermal_nm": THERMAL_NM,
        "structures": f"test library, {', '.join(library('test').families)}",
    }
    rng, made, start = np.random.default_rng(20), [], time.monotonic()
    for number in range(per_size):
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
        if used + used / (number + 1) > minutes:
            break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, help="write a store of multislice images")
    parser.add_argument("--per-size", type=int, default=10, help="clusters of each size in the store")
    parser.add_argument("--minutes", type=float, default=35.0, help="time for the store; what is made is kept")
    chosen = parser.parse_args()
    print(describe("abtem", "ase"))
    if chosen.library:
        make_library(chosen.library, chosen.per_size, chosen.minutes)


if __name__ == "__main__":
    main()
