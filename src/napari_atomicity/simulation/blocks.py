"""Clusters cut out of a close-packed block: the family that knows no forces.

A cluster is cut out of a close-packed, differently oriented or disordered block of atoms by an ellipsoid whose
height runs from a single layer (a raft) over domes to a sphere, and is then relaxed as soft spheres resting on the
support.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.simulation.metals import ELEMENTS

Positions = npt.NDArray[np.float64]


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
    numpy.ndarray
        (n_atoms, 3) positions x, y, z in nm, centred in x and y, z counted upwards from the support.

    Raises
    ------
    InputError
        For an unknown metal, or less than one atom.
    """
    if element not in ELEMENTS:
        raise InputError(f"There is no metal {element!r} in the library; choose one of {', '.join(ELEMENTS)}.")
    if n_atoms < 1:
        raise InputError(f"A cluster of {n_atoms} atoms does not exist; give a number of atoms above zero.")
    spacing = ELEMENTS[element][0]
    # a thin slice through a tilted block would be full of holes: rafts lie on their close-packed plane
    block = close_packed(n_atoms, spacing, rng, turned=rng.random() < 0.5 * (1 - flatness))
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


def close_packed(n_atoms: int, spacing: float, rng: np.random.Generator, turned: bool) -> Positions:
    """A block of close-packed atoms above z = 0, larger than a cluster of `n_atoms` in every direction.

    Parameters
    ----------
    n_atoms
        Atoms of the cluster that is to be cut out.
    spacing
        Distance of neighbours, nm.
    rng
        Source of chance: stacking, turn and offset.
    turned
        Whether the block is turned any way; its close-packed plane lies on the support otherwise.

    Returns
    -------
    numpy.ndarray
        (m, 3) positions in nm.
    """
    reach = int(np.ceil(1.2 * np.sqrt(n_atoms))) + 3
    grid = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    plane = grid @ np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])
    n_layers = int(np.ceil(2.2 * n_atoms ** (1 / 3))) + 2
    step, layers, register = np.array([0.5, 0.5 / np.sqrt(3)]), [], 0
    for layer in range(n_layers):
        layers.append(np.column_stack([plane + register * step, np.full(len(plane), layer * np.sqrt(2 / 3))]))
        register += 1 if rng.random() < 0.75 else -1  # stacking faults make hcp and twinned stretches
    block = np.vstack(layers) * spacing
    if turned:
        block[:, 2] -= block[:, 2].mean()
        block = block @ rotation(rng).T
        block[:, 2] -= rng.uniform(-0.5, 0.5) * spacing
        block = block[block[:, 2] >= 0]
    block[:, :2] += rng.uniform(-0.5, 0.5, 2) * spacing
    return np.asarray(block)


def rotation(rng: np.random.Generator) -> Positions:
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
    from scipy.spatial.distance import cdist

    atoms = atoms.copy()
    for step in range(steps):
        distance = cdist(atoms, atoms) + 1e-9
        np.fill_diagonal(distance, np.inf)
        push = 0.25 * np.clip(0.97 * spacing - distance, 0, None) / distance
        atoms += push.sum(axis=1, keepdims=True) * atoms - push @ atoms
        if step < steps - 15:
            atoms[:, :2] -= 0.006 * (atoms[:, :2] - atoms[:, :2].mean(axis=0))
        np.clip(atoms[:, 2], 0, None, out=atoms[:, 2])
    return atoms


def covered_nm2(atoms: npt.NDArray[np.floating], spacing: float) -> float:
    """Area of the support that the atoms hide from the beam, each a disc as wide as the bulk `spacing`.

    Parameters
    ----------
    atoms
        (n, 3) positions in nm.
    spacing
        Nearest-neighbour distance in the bulk, nm.

    Returns
    -------
    float
        Area in nm².
    """
    radius, px = spacing / 2, 0.04
    low = atoms[:, :2].min(axis=0) - radius
    span = np.ceil((atoms[:, :2].max(axis=0) + radius - low) / px).astype(int)
    x, y = (low[i] + px * (np.arange(span[i]) + 0.5) for i in (0, 1))
    near_x, near_y = (x[:, None] - atoms[:, 0]) ** 2, (y[:, None] - atoms[:, 1]) ** 2
    hidden = (near_x[:, None, :] + near_y[None] < radius**2).any(axis=-1)
    return float(hidden.sum() * px**2)
