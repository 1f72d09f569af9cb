"""Clusters annealed on an attractive support, many of one size at once.

Every cluster gets its own support (depth, reach and lateral disorder of an attractive wall, as amorphous carbon has)
and its own history: a droplet or a piece of crystal, flat or compact, is heated, cooled over a random length of time,
quenched to a minimum and, for some, improved by basin hopping. Weak supports leave compact shapes, strong ones pull
them into domes and rafts of one or two layers; short anneals stay disordered, long ones order. That is the range of
what is seen of soft-landed clusters (Henninen et al., Angew. Chem. 59, 839 (2020): a dozen Pt atoms on carbon are flat
and amorphous; Lambie et al. 2019: larger ones show fcc early).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.simulation.blocks import close_packed, covered_nm2
from napari_atomicity.simulation.metals import ELEMENTS, GUPTA
from napari_atomicity.simulation.potentials import Potential, potential, stiffness, surface_energy

if TYPE_CHECKING:
    from torch import Tensor

Positions = npt.NDArray[np.float64]

#: deepest attraction of the support per touching atom, over what a film needs to wet it (1.6 eV for Pt in `Gupta`)
_DEEPEST: Final = 2.0
#: hottest start over the cohesive energy (about 2000 K for Pt; small clusters are liquid from half of that)
_HOTTEST: Final = 0.030
_DYNAMICS_STEPS: Final = 420
_QUENCH_STEPS: Final = 150
_HOPS: Final = 3
#: nearer than this, in bulk distances, two atoms lie on top of one another; nearer than the other they are bound
CLOSEST, BOUND = 0.8, 1.3
#: a cluster fills at least this part of its convex outline
LEAST_SOLID: Final = 0.78

_Evaluate = Callable[["Tensor"], tuple["Tensor", "Tensor"]]


def anneal(
    n_atoms: int, attraction: npt.NDArray[np.float64], family: str, element: str, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """One annealed cluster for each support.

    Parameters
    ----------
    n_atoms
        Atoms of each cluster.
    attraction
        (m,) 0 for a support that does not attract to 1 for one that wets.
    family, element
        Description of the metal (``gupta``, ``emt``) and the metal.
    rng
        Source of chance.

    Returns
    -------
    (m, n_atoms, 3) positions in nm, centred in x and y, z counted upwards from the lowest atom. Each is one
    connected cluster without overlaps.
    """
    clusters = np.zeros((len(attraction), n_atoms, 3), dtype=np.float32)
    missing = np.arange(len(attraction))
    metal, spacing = potential(family, element), ELEMENTS[element][0]
    while len(missing):  # what fell apart is made anew
        batch = _ClusterBatch(metal, element, attraction[missing], rng)
        atoms = resting(batch.run(n_atoms))
        whole = np.array([is_one_cluster(a, spacing) for a in atoms])
        clusters[missing[whole]] = atoms[whole]
        missing = missing[~whole]
    return clusters


def resting(atoms: Positions) -> Positions:
    """Clusters (..., n, 3) moved so that the lowest atom has z = 0 and x and y are centred."""
    atoms = atoms.copy()
    atoms[..., :2] -= atoms[..., :2].mean(axis=-2, keepdims=True)
    atoms[..., 2] -= atoms[..., 2].min(axis=-1, keepdims=True)
    return atoms


def is_one_cluster(atoms: Positions, spacing: float) -> bool:
    """Whether all atoms hang together, none on top of another.

    Branched and coiled rafts, which a weakly binding potential leaves on a strong support, are no clusters either.

    Parameters
    ----------
    atoms
        (n, 3) positions in nm.
    spacing
        Nearest-neighbour distance in the bulk, nm.

    Returns
    -------
    bool
        False also where a position is not finite.
    """
    from scipy.sparse.csgraph import connected_components

    if not np.isfinite(atoms).all():
        return False
    distance = np.linalg.norm(atoms[:, None] - atoms[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    if len(atoms) > 1 and distance.min() < CLOSEST * spacing:
        return False
    return int(connected_components(distance < BOUND * spacing)[0]) == 1 and solidity(atoms, spacing) > LEAST_SOLID


def solidity(atoms: Positions, spacing: float) -> float:
    """Area that the atoms hide from the beam over the area of its convex outline.

    Parameters
    ----------
    atoms
        (n, 3) positions in nm.
    spacing
        Nearest-neighbour distance in the bulk, nm.

    Returns
    -------
    float
        1 for a cluster that fills its outline.
    """
    from scipy.spatial import ConvexHull

    rim = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    disc = spacing / 2 * np.stack([np.cos(rim), np.sin(rim)], axis=1)
    outline = ConvexHull((atoms[:, None, :2] + disc).reshape(-1, 2))
    return covered_nm2(atoms, spacing) / float(outline.volume)


@dataclass(frozen=True, eq=False)
class _Support:
    """Attractive walls, one a cluster: a Morse well whose depth varies sideways as on amorphous carbon."""

    depth: Tensor  # (batch, 1) eV an atom
    steepness: Tensor  # (batch, 1) 1/nm
    waves: Tensor  # (batch, k, 2) 1/nm
    phases: Tensor  # (batch, 1, k)
    strength: Tensor  # (batch, 1, k) relative

    @classmethod
    def draw(cls, depth: npt.NDArray[np.float64], spacing: float, rng: np.random.Generator) -> _Support:
        """Walls of the given depths in eV, everything else at random."""
        import torch

        m, k = len(depth), 6
        length = spacing * rng.uniform(1.2, 4.5, (m, k))
        angle = rng.uniform(0, 2 * np.pi, (m, k))
        waves = (2 * np.pi / length)[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        strength = rng.uniform(0, 0.35, (m, 1, 1)) * rng.normal(0, (2 / k) ** 0.5, (m, 1, k))
        fields = (
            depth[:, None],
            rng.uniform(2.5, 5.0, (m, 1)) / spacing,
            waves,
            rng.uniform(0, 2 * np.pi, (m, 1, k)),
            strength,
        )
        return cls(*(torch.as_tensor(f, dtype=torch.float32) for f in fields))

    def take(self, rows: Tensor) -> _Support:
        return _Support(self.depth[rows], self.steepness[rows], self.waves[rows], self.phases[rows],
                        self.strength[rows])  # fmt: skip

    def evaluate(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Energy (batch,) in eV and forces (batch, n, 3) of the walls."""
        import torch

        z = positions[..., 2]
        decay = (-self.steepness * z).clamp(max=6).exp()
        angle = positions[..., :2] @ self.waves.transpose(1, 2) + self.phases
        depth = self.depth * (1 + (self.strength * angle.cos()).sum(-1)).clamp(min=0)
        well = decay * (decay - 2)
        upwards = depth * self.steepness * 2 * decay * (decay - 1)
        sideways = (self.depth * well)[..., None] * ((self.strength * angle.sin()) @ self.waves)
        return (depth * well).sum(-1), torch.cat([sideways, upwards[..., None]], dim=-1)


class _ClusterBatch:
    """Clusters of one size that share their steps, each with its own support and history."""

    def __init__(
        self, metal: Potential, element: str, attraction: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> None:
        self.metal, self.rng, self.attraction = metal, rng, attraction
        self.spacing = ELEMENTS[element][0]
        self.cohesion = GUPTA[element].cohesive_ev
        wetting = 2 * surface_energy(metal, element)
        self.support = _Support.draw(_DEEPEST * wetting * attraction, self.spacing, rng)
        self.time_step = 0.4 / stiffness(metal, element) ** 0.5

    def run(self, n_atoms: int) -> Positions:
        """Start, anneal, quench, hop: (batch, n, 3)."""
        import torch

        with torch.inference_mode():
            ordered = self.rng.random(len(self.attraction)) < 0.4
            start = [self._start(n_atoms, a, o) for a, o in zip(self.attraction, ordered, strict=True)]
            atoms = torch.as_tensor(np.stack(start), dtype=torch.float32)
            atoms, _ = self._quenched(atoms, self.support, 40)
            atoms = self._dynamics(atoms, ordered)
            atoms, energy = self._quenched(atoms, self.support, _QUENCH_STEPS)
            atoms = self._hopped(atoms, energy)
            return atoms.double().numpy()

    def _start(self, n_atoms: int, attraction: float, ordered: bool) -> Positions:
        """A droplet or a piece of crystal, flatter where the support attracts."""
        rng, d = self.rng, self.spacing
        flat = float(np.clip(attraction + rng.normal(0, 0.2), 0, 1))
        radius = d * (3 * n_atoms / (4 * np.pi * np.sqrt(2))) ** (1 / 3)
        height = max(2 * radius * (1 - flat), d)
        width = np.sqrt((2 * radius) ** 3 / height) * rng.uniform(0.8, 1.15, 2)
        half = np.array([*width, height]) / 2
        if ordered:
            grid = close_packed(n_atoms, d, rng, turned=bool(rng.random() < 0.6 * (1 - flat)))
        else:
            direction = rng.normal(size=(n_atoms, 3))
            direction /= np.linalg.norm(direction, axis=1, keepdims=True)
            return np.asarray(half * (direction * rng.random((n_atoms, 1)) ** (1 / 3) + [0, 0, 1]))
        inside = (((grid - [0, 0, half[2]]) / half) ** 2).sum(axis=1)
        chosen = grid[np.argsort(inside, kind="stable")[:n_atoms]]
        return np.asarray(chosen + rng.normal(0, 0.02 * d, chosen.shape))

    def _evaluate(self, support: _Support) -> _Evaluate:
        def evaluate(atoms: Tensor) -> tuple[Tensor, Tensor]:
            energy, force = self.metal.evaluate(atoms)
            wall_energy, wall_force = support.evaluate(atoms)
            return energy.sum(-1) + wall_energy, force + wall_force

        return evaluate

    def _dynamics(self, atoms: Tensor, ordered: npt.NDArray[np.bool_]) -> Tensor:
        """Langevin dynamics of unit masses (splitting BAOAB: Leimkuhler & Matthews, 2013) down a cooling curve."""
        import torch

        m, dt = len(atoms), self.time_step
        # crystals are mostly heated below their melting, droplets above
        hottest = _HOTTEST * np.where(ordered, self.rng.uniform(0.15, 0.8, m), self.rng.uniform(0.5, 1, m))
        start = self.rng.uniform(0, 0.85, m)  # late cooling is a fast quench
        keep = float(np.exp(-dt * 0.05 / self.time_step))
        evaluate = self._evaluate(self.support)
        speed, force = torch.zeros_like(atoms), evaluate(atoms)[1]
        for step in range(_DYNAMICS_STEPS):
            cooled = np.clip((step / _DYNAMICS_STEPS - start) / (1 - start), 0, 1)
            heat = self.cohesion * hottest * (1 - 0.9 * cooled)
            kick = np.sqrt((1 - keep**2) * heat)[:, None, None] * self.rng.standard_normal(atoms.shape, np.float32)
            speed += force * (dt / 2)
            atoms = atoms + speed * (dt / 2)
            speed = speed * keep + torch.as_tensor(kick, dtype=torch.float32)
            atoms = atoms + (speed * (dt / 2)).clamp_(-0.1 * self.spacing, 0.1 * self.spacing)
            force = evaluate(atoms)[1]
            speed += force * (dt / 2)
        return atoms

    def _quenched(self, atoms: Tensor, support: _Support, steps: int) -> tuple[Tensor, Tensor]:
        """Nearest minimum by FIRE (Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006)), each at its own pace."""
        import torch

        longest = 0.08 * self.spacing
        evaluate = self._evaluate(support)
        speed = torch.zeros_like(atoms)
        pace = torch.full((len(atoms), 1, 1), 0.5 * self.time_step)
        mixing, downhill = torch.full_like(pace, 0.1), torch.zeros_like(pace)
        for _ in range(steps):
            force = evaluate(atoms)[1]
            power = (force * speed).sum((1, 2), keepdim=True)
            downwards = power > 0
            downhill = torch.where(downwards, downhill + 1, 0)
            faster = downhill > 5
            quicker, slower = (pace * 1.1).clamp(max=3 * self.time_step), pace * 0.5
            pace = torch.where(faster, quicker, torch.where(downwards, pace, slower))
            mixing = torch.where(faster, mixing * 0.99, torch.where(downwards, mixing, 0.1))
            along = force * (_norm(speed) / _norm(force).clamp(min=1e-12))
            speed = torch.where(downwards, speed * (1 - mixing) + along * mixing, 0) + force * pace
            move = speed * pace
            atoms = atoms + move * (longest / _farthest(move)).clamp(max=1)
        return atoms, evaluate(atoms)[0]

    def _hopped(self, atoms: Tensor, energy: Tensor) -> Tensor:
        """Basin hopping (Wales & Doye, J. Phys. Chem. A 101, 5111 (1997)) of a third of the clusters."""
        import torch

        rows = torch.as_tensor(np.flatnonzero(self.rng.random(len(atoms)) < 0.35))
        support = self.support.take(rows)
        for _ in range(_HOPS if len(rows) else 0):
            shake = self.rng.uniform(-1, 1, (len(rows), *atoms.shape[1:])) * 0.36 * self.spacing
            tried, new = self._quenched(atoms[rows] + torch.as_tensor(shake, dtype=torch.float32), support, 80)
            chance = torch.as_tensor(self.rng.random(len(rows)), dtype=torch.float32)
            better = ((energy[rows] - new) / (0.02 * self.cohesion)).exp() > chance
            atoms[rows[better]], energy[rows[better]] = tried[better], new[better]
        return atoms


def _norm(vectors: Tensor) -> Tensor:
    return vectors.square().sum((1, 2), keepdim=True).sqrt()


def _farthest(moves: Tensor) -> Tensor:
    """(batch, 1, 1) longest move of an atom."""
    return moves.square().sum(-1, keepdim=True).amax(1, keepdim=True).sqrt().clamp(min=1e-12)
