"""Where the clusters of a simulated frame lie: alone, touching, merged, with detached atoms around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from napari_atomicity.simulation.structures import StructureLibrary, library

if TYPE_CHECKING:
    from napari_atomicity.simulation.spec import FrameSpec

Floats = npt.NDArray[np.float64]

#: free space between the outlines of clusters that do not touch, nm
_APART_NM: Final = 0.75
#: atoms of two merged clusters come no nearer to one another than this, nm
_NEAREST_NM: Final = 0.24


@dataclass(frozen=True, eq=False)
class PlacedCluster:
    """One object of a frame.

    Attributes
    ----------
    kind
        ``cluster``, ``dimer``, ``touching`` or ``satellite``.
    atoms
        (n, 3) positions x, y, z in nm from `centre_px`.
    centre_px
        (2,) y, x in the image.
    radius_nm
        Largest lateral reach of the atoms.
    group
        The same for the two of a touching pair, and for a cluster and its satellites.
    guests
        (n,) which atoms are of the second metal of an alloy; None where there is none.
    """

    kind: str
    atoms: Floats
    centre_px: Floats
    radius_nm: float
    group: int
    guests: npt.NDArray[np.bool_] | None = None


class Placing:
    """Puts clusters at random places of the film, none nearer to another than they may be.

    Parameters
    ----------
    spec
        What the frame is to hold.
    covered
        (y, x) bool, where there is a support.
    rng
        Source of chance.
    """

    def __init__(self, spec: FrameSpec, covered: npt.NDArray[np.bool_], rng: np.random.Generator) -> None:
        self.spec, self.covered, self.rng = spec, covered, rng
        self.library = structures_of(spec)
        self.sizes = list(spec.fractions)
        share = np.array([spec.fractions[size] for size in self.sizes], dtype=float)
        self.share = share / share.sum()
        self.taken = np.empty((0, 3))  # y px, x px, radius nm
        self.group = 0
        # chance of its own: without a second metal nothing else is drawn otherwise
        self.chemistry = rng.spawn(1)[0] if spec.alloy is not None else rng

    def run(self) -> list[PlacedCluster]:
        """Place as many clusters as are wanted or as there is room for, and atoms around them."""
        placed: list[PlacedCluster] = []
        clusters = 0
        while clusters < self.spec.n_clusters:
            new = self._place(self._next())
            if not new:
                break
            clusters += len(new)
            placed += new
            for cluster in new:
                if cluster.kind != "touching":
                    placed += self._satellites(cluster)
        return placed

    def _next(self) -> list[tuple[str, Floats, Floats]]:
        """Kind, atoms and place (x, y nm) of what comes next: a cluster, two merged ones, or a touching pair."""
        kind, spec = self.rng.random(), self.spec
        if kind < spec.dimers:
            return [("dimer", self._dimer(), np.zeros(2))]
        if kind < spec.dimers + spec.touching / (2 - spec.touching):
            return self._pair()
        return [("cluster", self._cluster(), np.zeros(2))]

    def _cluster(self) -> Floats:
        size = int(self.rng.choice(self.sizes, p=self.share))
        return self.library.draw(size, self.spec.flatness, self.rng, self.spec.flatness_spread)

    def _dimer(self) -> Floats:
        """Two clusters that have merged, side by side or one partly on top of the other: no class any more."""
        first, second = self._cluster(), self._cluster()
        angle = self.rng.uniform(0, 2 * np.pi)
        direction = np.array([np.cos(angle), np.sin(angle)])
        contact = (first[:, :2] @ direction).max() - (second[:, :2] @ direction).min()
        second[:, :2] += direction * (contact * self.rng.uniform(0.3, 1.0) + 0.1)
        # the second one climbs until no atom sits in another
        while cdist(first, second).min() < _NEAREST_NM:
            second[:, 2] += 0.04
        merged = np.vstack([first, second])
        merged[:, :2] -= merged[:, :2].mean(axis=0)
        return merged

    def _pair(self) -> list[tuple[str, Floats, Floats]]:
        """Two clusters side by side, their outlines in contact or nearly so."""
        first, second = self._cluster(), self._cluster()
        angle = self.rng.uniform(0, 2 * np.pi)
        direction = np.array([np.cos(angle), np.sin(angle)])
        reach = (first[:, :2] @ direction).max() - (second[:, :2] @ direction).min()
        return [
            ("touching", first, np.zeros(2)),
            ("touching", second, direction * (reach + self.rng.uniform(0.25, 0.5))),
        ]

    def _place(self, members: list[tuple[str, Floats, Floats]]) -> list[PlacedCluster]:
        """The parts at a free place, or nothing where none was found."""
        height, width = self.spec.shape
        radii = [radius(atoms) for _, atoms, _ in members]
        for _ in range(200):
            at = np.array([self.rng.uniform(0, height - 1), self.rng.uniform(0, width - 1)])
            centres = [at + offset[::-1] / self.spec.pixel_size_nm for _, _, offset in members]
            if all(self._free(c, r) for c, r in zip(centres, radii, strict=True)):
                break
        else:
            return []
        self.group += 1
        self.taken = np.vstack([self.taken, *([[*c, r] for c, r in zip(centres, radii, strict=True)])])
        return [
            PlacedCluster(k, a, c, r, self.group, self._guests(len(a)))
            for (k, a, _), c, r in zip(members, centres, radii, strict=True)
        ]

    def _guests(self, n_atoms: int) -> npt.NDArray[np.bool_] | None:
        return None if self.spec.alloy is None else self.spec.alloy.draw(n_atoms, self.chemistry)

    def _free(self, centre: Floats, reach_nm: float) -> bool:
        if not self._supported(centre):
            return False
        gap = np.hypot(*(self.taken[:, :2] - centre).T) * self.spec.pixel_size_nm
        return bool(np.all(gap > self.taken[:, 2] + reach_nm + _APART_NM))

    def _supported(self, centre: Floats) -> bool:
        y, x = np.round(centre).astype(int)
        return bool(0 <= y < self.spec.shape[0] and 0 <= x < self.spec.shape[1] and self.covered[y, x])

    def _satellites(self, cluster: PlacedCluster) -> list[PlacedCluster]:
        """Detached atoms, the more the nearer to the rim."""
        around = []
        for _ in range(self.rng.poisson(self.spec.satellites)):
            angle = self.rng.uniform(0, 2 * np.pi)
            distance = cluster.radius_nm + 0.2 + self.rng.exponential(0.6)
            at = cluster.centre_px + distance / self.spec.pixel_size_nm * np.array([np.sin(angle), np.cos(angle)])
            if self._supported(at):
                around.append(PlacedCluster("satellite", np.zeros((1, 3)), at, 0.1, cluster.group))
        return around


def structures_of(spec: FrameSpec) -> StructureLibrary:
    """The library that a frame's clusters are drawn from."""
    return library(spec.split, spec.element, spec.families)


def radius(atoms: Floats) -> float:
    """Largest lateral reach of a cluster plus half an atom, nm."""
    return float(np.hypot(atoms[:, 0], atoms[:, 1]).max() + 0.1)
