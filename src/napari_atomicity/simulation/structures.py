"""Atomic structures of size-selected clusters on a support.

A cluster is cut out of a close-packed, differently oriented or disordered block of atoms by an ellipsoid whose
height runs from a single layer (a raft) over domes to a sphere, and is then relaxed as soft spheres resting on the
support. This gives the spread of outlines that soft-landed clusters show (Henninen et al. 2020; Lambie et al. 2019),
so that the diameters of neighbouring classes overlap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError

Positions = npt.NDArray[np.float64]

#: nearest-neighbour distance in the bulk metal, nm, and atomic number
ELEMENTS: Final[dict[str, tuple[float, int]]] = {
    "Pt": (0.2775, 78),
    "Au": (0.2884, 79),
    "Pd": (0.2751, 46),
    "Ag": (0.2889, 47),
    "Cu": (0.2556, 29),
    "Ni": (0.2492, 28),
    "Ir": (0.2715, 77),
    "Rh": (0.2690, 45),
}
#: libraries of structures that never share a cluster: seeds of their generators
SPLITS: Final[dict[str, int]] = {"train": 11, "validation": 22, "test": 33, "sample": 44}


def make_structure(
    n_atoms: int, rng: np.random.Generator, flatness: float = 0.5, elongation: float = 1.1, element: str = "Pt"
) -> Positions:
    """One cluster of exactly `n_atoms`, resting on the support.

    Parameters
    ----------
    n_atoms
        Number of atoms.
    rng
        Source of chance; the same state gives the same cluster.
    flatness
        0 for a sphere, 1 for a raft of one layer.
    elongation
        Length over width seen along the beam.
    element
        Chemical symbol, one of `ELEMENTS`.

    Returns
    -------
    (n_atoms, 3) positions x, y, z in nm, centred in x and y, z counted upwards from the support.
    """
    if element not in ELEMENTS:
        raise InputError(f"There is no metal {element!r} in the library; choose one of {', '.join(ELEMENTS)}.")
    if n_atoms < 1:
        raise InputError(f"A cluster of {n_atoms} atoms does not exist; give a number of atoms above zero.")
    spacing = ELEMENTS[element][0]
    # a thin slice through a tilted block would be full of holes: rafts lie on their close-packed plane
    block = _block(n_atoms, spacing, rng, tilted=rng.random() < 0.5 * (1 - flatness))
    sphere_radius = (3 * n_atoms * spacing**3 / np.sqrt(2) / (4 * np.pi)) ** (1 / 3)
    height = 2 * sphere_radius * (1 - flatness) + 0.35 * spacing
    # what a flat cluster loses in height it gains in width
    width = np.sqrt((2 * sphere_radius) ** 3 / max(height, 0.9 * spacing))
    centre = height / 2 * rng.uniform(0, 1) * (1 - flatness)
    scaled = block.copy()
    scaled[:, 0] /= width / 2 * np.sqrt(elongation)
    scaled[:, 1] /= width / 2 / np.sqrt(elongation)
    scaled[:, 2] = (scaled[:, 2] - centre) / max(height - centre, 0.3 * spacing)
    rough = 1 + _outline(np.arctan2(block[:, 1], block[:, 0]), rng)
    metric = np.sum(scaled**2, axis=1) * rough + rng.normal(0, 0.06, len(block))
    chosen = block[np.argsort(metric)[:n_atoms]]
    disorder = spacing * (rng.uniform(0.01, 0.06) if rng.random() < 0.5 else rng.uniform(0.06, 0.3))
    chosen = _relaxed(chosen + rng.normal(0, disorder, chosen.shape), spacing)
    chosen[:, :2] -= chosen[:, :2].mean(axis=0)
    return chosen


def _block(n_atoms: int, spacing: float, rng: np.random.Generator, tilted: bool) -> Positions:
    """Close-packed atoms above z = 0, their close-packed plane on the support or turned any way."""
    reach = int(np.ceil(1.2 * np.sqrt(n_atoms))) + 3
    grid = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    plane = grid @ np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])
    n_layers = int(np.ceil(2.2 * n_atoms ** (1 / 3))) + 2
    step, layers, register = np.array([0.5, 0.5 / np.sqrt(3)]), [], 0
    for layer in range(n_layers):
        layers.append(np.column_stack([plane + register * step, np.full(len(plane), layer * np.sqrt(2 / 3))]))
        register += 1 if rng.random() < 0.75 else -1  # stacking faults make hcp and twinned stretches
    block = np.vstack(layers) * spacing
    if tilted:
        block[:, 2] -= block[:, 2].mean()
        block = block @ _rotation(rng).T
        block[:, 2] -= rng.uniform(-0.5, 0.5) * spacing
        block = block[block[:, 2] >= 0]
    block[:, :2] += rng.uniform(-0.5, 0.5, 2) * spacing
    return np.asarray(block)


def _rotation(rng: np.random.Generator) -> Positions:
    """A rotation drawn evenly from all orientations."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    if np.linalg.det(q) < 0:
        q[:, 0] *= -1
    return np.asarray(q)


def _outline(angle: Positions, rng: np.random.Generator) -> Positions:
    """Smooth irregularity of the outline: low angular harmonics."""
    total = np.zeros_like(angle)
    for order in (2, 3, 4, 5):
        total += rng.normal(0, 0.13 / np.sqrt(order)) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    return total


def _relaxed(atoms: Positions, spacing: float, steps: int = 60) -> Positions:
    """Soft spheres that push overlaps apart while a weak pull keeps the cluster together on the support."""
    atoms = atoms.copy()
    for step in range(steps):
        apart = atoms[:, None] - atoms[None]
        distance = np.sqrt((apart**2).sum(-1)) + 1e-9
        np.fill_diagonal(distance, np.inf)
        push = 0.25 * np.clip(0.97 * spacing - distance, 0, None) / distance
        atoms += (push[..., None] * apart).sum(axis=1)
        if step < steps - 15:
            atoms[:, :2] -= 0.006 * (atoms[:, :2] - atoms[:, :2].mean(axis=0))
        np.clip(atoms[:, 2], 0, None, out=atoms[:, 2])
    return atoms


@dataclass
class StructureLibrary:
    """Clusters made once and drawn from again; two libraries of different seeds share no cluster.

    Attributes
    ----------
    seed
        Seed of the library.
    per_size
        Distinct clusters of each size.
    """

    seed: int
    per_size: int = 240
    element: str = "Pt"
    _made: dict[tuple[int, int], Positions] = field(default_factory=dict, repr=False)

    def draw(self, n_atoms: int, flatness: float, rng: np.random.Generator) -> Positions:
        """A cluster of `n_atoms` whose flatness is near `flatness`, turned about the beam and tilted a little."""
        # the flatness of cluster i of the library grows with i, so a frame's flatness picks a neighbourhood
        place = np.clip(flatness + rng.normal(0, 0.16), 0, 1) * (self.per_size - 1)
        index = round(float(place))
        atoms = self.get(n_atoms, index)
        turn, tilt = rng.uniform(0, 2 * np.pi), rng.normal(0, np.radians(4), 2)
        atoms = atoms @ _axis_rotation(turn).T
        atoms = atoms.copy()
        atoms[:, :2] += atoms[:, 2:] * np.tan(tilt)
        if rng.random() < 0.5:
            atoms[:, 0] *= -1
        atoms[:, :2] -= atoms[:, :2].mean(axis=0)
        return atoms

    def get(self, n_atoms: int, index: int) -> Positions:
        """Cluster `index` of `n_atoms` atoms; the same for everybody who asks."""
        key = (n_atoms, index)
        if key not in self._made:
            rng = np.random.default_rng([self.seed, n_atoms, index])
            flatness = index / max(self.per_size - 1, 1)
            elongation = float(np.exp(abs(rng.normal(0, 0.16))))
            self._made[key] = make_structure(n_atoms, rng, flatness, elongation, self.element)
        return self._made[key]


def _axis_rotation(angle: float) -> Positions:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


@lru_cache(maxsize=8)
def library(split: str = "train", element: str = "Pt") -> StructureLibrary:
    """The library of structures of a `split`: train, validation, test or sample."""
    if split not in SPLITS:
        raise InputError(f"There is no library {split!r}; choose one of {', '.join(SPLITS)}.")
    return StructureLibrary(SPLITS[split], element=element)
