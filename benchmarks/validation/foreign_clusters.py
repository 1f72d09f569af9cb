"""Clusters of the foreign lots: imaged one by one with multislice, as no model has ever seen them.

A lot is a microscope of its own and structures of its own, of a potential that no model learns from (effective medium
theory). Every cluster is imaged once with an ideal probe; aberrations, source and focus of a frame are applied to that
image as a transfer function (`foreign_optics`), which a cluster of 1 nm height allows: the depth of focus is larger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from napari_atomicity.simulation.optics import Optics
from napari_atomicity.simulation.structures import library
from validation.multislice import SAMPLING_NM, Annulus, in_lone_atoms, scatter
from validation.multislice_library import ImagedCluster, MultisliceLibrary, load_multislice, save_multislice

#: clusters of each size: classes, sizes between them, and sizes far from all
PER_SIZE: Final = {19: 40, 30: 40, 41: 40, 55: 40, 70: 40, 24: 6, 35: 6, 48: 6, 62: 6, 8: 8, 12: 8, 95: 8, 120: 8}
#: root mean square displacement of an atom along each axis at room temperature, nm
_THERMAL_NM: Final = 0.0075
#: clusters between two writings of the store
_SAVED_EVERY: Final = 20


@dataclass(frozen=True)
class Lot:
    """One foreign lot.

    Attributes
    ----------
    name
        ``choose``, on which choices are made, or ``report``, which is only reported.
    optics, annulus
        Microscope: the probe in focus without aberrations or source, and the detector.
    split
        Set of the library of structures; the two lots share none.
    seed
        Of everything that is drawn.
    """

    name: str
    optics: Optics
    annulus: Annulus = field(default_factory=Annulus)
    split: str = "test"
    seed: int = 0


LOTS: Final = {
    lot.name: lot
    for lot in (
        Lot("choose", Optics(80.0, 25.0, 0.5, source_fwhm_nm=0.0), Annulus(60.0, 150.0), "test", 101),
        Lot("report", Optics(120.0, 22.0, 0.5, source_fwhm_nm=0.0), Annulus(52.0, 125.0), "sample", 202),
    )
}


def make_clusters(lot: Lot, path: Path) -> Iterator[int]:
    """Image the clusters of a lot and keep them in a store; goes on where an earlier run was interrupted.

    Parameters
    ----------
    lot
        The lot.
    path
        The store, an .npz file.

    Yields
    ------
    int
        How many clusters are imaged.

    Raises
    ------
    InputError
        Where abTEM or ASE is not installed.
    """
    made = list(load_multislice(path).clusters) if path.exists() else []
    plan = planned()
    for number in range(len(made), len(plan)):
        n_atoms, flatness = plan[number]
        rng = np.random.default_rng([lot.seed, number])
        atoms = np.asarray(library(lot.split).draw(n_atoms, flatness, rng), dtype=float)
        atoms[:, 2] -= atoms[:, 2].min()
        # one moment of the vibrating cluster: at rest, exactly aligned atoms would interfere too much
        found = scatter(atoms + rng.normal(0, _THERMAL_NM, atoms.shape), lot.optics, lot.annulus)
        image = in_lone_atoms(found, lot.optics, lot.annulus)
        middle = (found.extent_nm - SAMPLING_NM) / 2
        centred = atoms + np.append(found.offset_nm - middle, 0)
        made.append(ImagedCluster(image[None].astype(np.float16), centred.astype(np.float32), flatness))
        if len(made) % _SAVED_EVERY == 0 or len(made) == len(plan):
            path.parent.mkdir(parents=True, exist_ok=True)
            settings = {"optics": asdict(lot.optics), "annulus": asdict(lot.annulus), "lot": lot.name,
                        "thermal_nm": _THERMAL_NM}  # fmt: skip
            save_multislice(MultisliceLibrary(tuple(made), SAMPLING_NM, (lot.optics.defocus_nm,), settings), path)
        yield len(made)


def planned() -> list[tuple[int, float]]:
    """Size and flatness of the clusters of a lot, in an order of which every beginning is a lot of all sizes."""
    places = [(number + 0.5) / count for count in PER_SIZE.values() for number in range(count)]
    sizes = [size for size, count in PER_SIZE.items() for _ in range(count)]
    # flatness runs through its range by steps of the golden ratio, so that a beginning is not all compact
    order = sorted(range(len(sizes)), key=lambda i: (places[i], sizes[i]))
    return [(sizes[i], float((places[i] * PER_SIZE[sizes[i]] * 0.6180339887) % 1.0)) for i in order]
