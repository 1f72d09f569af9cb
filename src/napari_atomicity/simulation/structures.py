"""Libraries of atomic structures of size-selected clusters on a support.

Three families describe the same metal in different ways, so that a model can be tested on structures of a kind it was
never trained on: ``gupta`` and ``emt`` are annealed with a many-body potential on an attractive support (`annealing`),
``block`` is cut out of a close-packed block (`blocks`). In each, shapes run from compact over domes to flat rafts, as
soft-landed clusters do (Henninen et al. 2020; Lambie et al. 2019), so that the diameters of neighbouring classes
overlap. Those of platinum that the recipes, the samples and the benchmarks draw from come with the package
(`shipped`); others are made when first asked for, and differ between kinds of processors.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps, drain
from napari_atomicity.simulation.blocks import covered_nm2, make_structure, rotation
from napari_atomicity.simulation.cache import cache_folder, keep, stored
from napari_atomicity.simulation.metals import ELEMENTS, EMT
from napari_atomicity.simulation.shipped import StoredStructures, StructureSet, set_of, shipped
from napari_atomicity.threads import WORKERS

__all__ = ["ELEMENTS", "FAMILIES", "SPLITS", "StructureLibrary", "library", "make_structure", "prepare_steps"]

Positions = npt.NDArray[np.float64]

#: seeds of the generators: libraries that are made independently of one another
SPLITS: Final[dict[str, int]] = {"train": 11, "validation": 22, "test": 33, "sample": 44}
#: descriptions of the metal
FAMILIES: Final = ("gupta", "emt", "block")
#: what a split is made of: the test potential is never trained on
_SPLIT_FAMILIES: Final = {
    "train": ("gupta", "block"),
    "validation": ("gupta", "block"),
    "test": ("emt",),
    "sample": ("emt",),
}
#: counted up whenever the same seed makes other structures; part of the names in the cache
RECIPE: Final = 5
#: clusters of each size
PER_SIZE: Final = 240
#: clusters made together: their pair tensors stay in the processor's cache
_BATCH: Final = 24


@dataclass
class StructureLibrary:
    """Clusters made once and drawn from again; libraries of different seeds are made independently.

    Clusters of a size are taken from `stock`, or made when first asked for (with progress: `make_steps`) and kept in
    the user's cache folder. They are in the order of their flatness: number 0 covers the least of the support.

    Attributes
    ----------
    seed
        Seed of the library.
    per_size
        Distinct clusters of each size, shared evenly by the families.
    element
        Chemical symbol, one of `ELEMENTS`.
    families
        Some of `FAMILIES`.
    stock
        The set of structures that comes with the package and holds these families, if there is one.

    Raises
    ------
    InputError
        For an unknown metal or family, or a metal that a family does not know.
    """

    seed: int
    per_size: int = PER_SIZE
    element: str = "Pt"
    families: tuple[str, ...] = ("gupta", "block")
    stock: StructureSet | None = None
    _made: dict[int, StoredStructures] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.element not in ELEMENTS:
            raise InputError(f"There is no metal {self.element!r} in the library; choose one of {', '.join(ELEMENTS)}.")
        of_metal = families_of(self.element)
        if not self.families or not set(self.families) <= set(of_metal):
            wrong = ", ".join(sorted(set(self.families) - set(of_metal))) or "none"
            raise InputError(
                f"{self.element} has no structures of the family {wrong}; choose from {', '.join(of_metal)}."
            )

    def draw(self, n_atoms: int, flatness: float, rng: np.random.Generator, spread: float = 0.16) -> Positions:
        """A cluster of `n_atoms` turned about the beam and tilted a little; compact ones may have rolled over.

        Parameters
        ----------
        n_atoms
            Number of atoms.
        flatness
            Where in the order of the library to look, 0 the most compact to 1 the flattest.
        rng
            Source of chance.
        spread
            Standard deviation of the place about that.

        Returns
        -------
        (n_atoms, 3) positions in nm, centred in x and y, z counted upwards from the support.
        """
        place = np.clip(flatness + rng.normal(0, spread), 0, 1) * (self.per_size - 1)
        atoms = self.get(n_atoms, round(float(place)))
        turn, tilt = rng.uniform(0, 2 * np.pi), rng.normal(0, np.radians(4), 2)
        rolled = rng.random() < 0.4
        if rolled and np.ptp(atoms[:, 2]) > 0.75 * np.sqrt(np.ptp(atoms[:, 0]) * np.ptp(atoms[:, 1])):
            atoms = atoms @ rotation(rng).T
            atoms[:, 2] -= atoms[:, 2].min()
        atoms = atoms @ _axis_rotation(turn).T
        atoms[:, :2] += atoms[:, 2:] * np.tan(tilt)
        if rng.random() < 0.5:
            atoms[:, 0] *= -1
        atoms[:, :2] -= atoms[:, :2].mean(axis=0)
        return atoms

    def get(self, n_atoms: int, index: int) -> Positions:
        """One cluster; the same for everybody who asks.

        Parameters
        ----------
        n_atoms
            Number of atoms.
        index
            Number of the cluster in the order of flatness, from 0 and below `per_size`.

        Returns
        -------
        numpy.ndarray
            (n_atoms, 3) positions in nm, centred in x and y, z counted upwards from the lowest atom.
        """
        return np.asarray(self.clusters(n_atoms).positions_nm[index], dtype=np.float64)

    def clusters(self, n_atoms: int) -> StoredStructures:
        """All clusters of a size."""
        if n_atoms not in self._made:
            drain(self.make_steps([n_atoms]))
        return self._made[n_atoms]

    def origin(self, sizes: Iterable[int]) -> dict[str, Any]:
        """Where clusters of these sizes come from: what came with the package, and what this machine has annealed."""
        annealed = sorted(n for n in sizes if self._from_stock(n) is None)
        stock = {} if self.stock is None else {"shipped": shipped().stamp}
        return stock | ({"annealed_here": annealed, "recipe": RECIPE} if annealed else {})

    def make_steps(self, sizes: Iterable[int]) -> Steps[None]:
        """Make or read all clusters of some sizes, so that drawing them takes no time afterwards.

        Parameters
        ----------
        sizes
            Numbers of atoms.

        Raises
        ------
        InputError
            For a size below one atom.
        """
        missing = [n for n in sizes if n not in self._made]
        if missing and min(missing) < 1:
            raise InputError(f"A cluster of {min(missing)} atoms does not exist; give a number of atoms above zero.")
        at_hand = {n: shipped_ones for n in missing if (shipped_ones := self._from_stock(n)) is not None}
        self._made |= at_hand
        missing = [n for n in missing if n not in at_hand]
        jobs = [(n, family) for n in missing for family in self.families]
        batches = -(-self.per_size // (len(self.families) * _BATCH))
        for number, n in enumerate(missing):
            by_family = []
            for index, (family, count) in enumerate(zip(self.families, self._shares(), strict=True)):
                batches_before = (number * len(self.families) + index) * batches
                what = f"Annealing {self.element}{n}" if family != "block" else f"Cutting {self.element}{n}"
                steps = _family_steps(self.seed, family, self.element, n, count)
                clusters = yield from _as_part(steps, batches_before, len(jobs) * batches, what)
                by_family.append(clusters)
            joined = np.concatenate(by_family)
            order = np.argsort([covered_nm2(atoms, ELEMENTS[self.element][0]) for atoms in joined], kind="stable")
            self._made[n] = StoredStructures(joined[order], np.repeat(self.families, self._shares())[order])

    def _from_stock(self, n_atoms: int) -> StoredStructures | None:
        return None if self.stock is None else shipped().clusters(self.stock, self.families, n_atoms)

    def _shares(self) -> list[int]:
        """Clusters of each family, together `per_size`."""
        k = len(self.families)
        return [self.per_size // k + (i < self.per_size % k) for i in range(k)]


def families_of(element: str) -> tuple[str, ...]:
    """The families that know a metal."""
    return FAMILIES if element in EMT else ("gupta", "block")


@lru_cache(maxsize=8)
def library(split: str = "train", element: str = "Pt", families: tuple[str, ...] | None = None) -> StructureLibrary:
    """The library of structures of a split.

    Parameters
    ----------
    split
        A key of `SPLITS`.
    element
        Chemical symbol, one of `ELEMENTS`.
    families
        Some of `FAMILIES`; by default those of the split: test and sample come from a potential that train and
        validation do not know, where the metal has one. Of those that come with the package, a family alone has its
        share of the clusters.

    Returns
    -------
    StructureLibrary
        The same object for the same arguments.

    Raises
    ------
    InputError
        For an unknown split, metal or family.
    """
    if split not in SPLITS:
        raise InputError(f"There is no library {split!r}; choose one of {', '.join(SPLITS)}.")
    if families is None:
        of_metal = families_of(element)
        families = tuple(f for f in _SPLIT_FAMILIES[split] if f in of_metal) or ("gupta",)
    stock = set_of(split, element, families)
    per_size = PER_SIZE if stock is None else stock.count * len(families) // len(stock.families)
    return StructureLibrary(SPLITS[split], per_size, element, families, stock)


def prepare_steps(split: str, element: str, sizes: Iterable[int]) -> Steps[None]:
    """Make the structures of a split that are not at hand yet, with progress: the first time takes a while.

    Parameters
    ----------
    split
        A key of `SPLITS`.
    element
        Chemical symbol, one of `ELEMENTS`.
    sizes
        Numbers of atoms.

    Raises
    ------
    InputError
        For an unknown split or metal, or a size below one atom.
    """
    yield from library(split, element).make_steps(sizes)


def _as_part(
    steps: Steps[npt.NDArray[np.float32]], before: int, total: int, what: str
) -> Steps[npt.NDArray[np.float32]]:
    """`steps`, whose progress goes on from `before` within a longer work of `total`."""
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            clusters: npt.NDArray[np.float32] = end.value
            return clusters
        yield Progress(before + progress.done, total, what)


def _family_steps(seed: int, family: str, element: str, n_atoms: int, count: int) -> Steps[npt.NDArray[np.float32]]:
    """(count, n_atoms, 3) clusters of one family, from the cache or made now."""
    path = cache_folder() / f"v{RECIPE}-{family}-{element}{n_atoms}-seed{seed}-{count}.npz"
    cached = stored(path, (count, n_atoms, 3))
    if cached is not None:
        return cached
    order = np.random.default_rng([seed, n_atoms, _code(family)]).permutation(count)
    strata = [order[i : i + _BATCH] for i in range(0, count, _BATCH)]
    clusters = np.empty((count, n_atoms, 3), dtype=np.float32)
    with _one_thread_each(), ThreadPoolExecutor(WORKERS) as pool:
        jobs = [
            pool.submit(_batch, seed, family, element, n_atoms, count, i, places) for i, places in enumerate(strata)
        ]
        try:
            for i, (job, places) in enumerate(zip(jobs, strata, strict=True)):
                clusters[places] = job.result()
                yield Progress(i + 1, len(strata), "Making structures")
        finally:
            pool.shutdown(cancel_futures=True)
    keep(path, clusters)
    return clusters


def _batch(
    seed: int, family: str, element: str, n_atoms: int, count: int, number: int, places: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Batch `number` of a family: clusters whose flatness is spread evenly over all `count` of them."""
    from napari_atomicity.simulation.annealing import anneal, is_one_cluster, resting

    rng = np.random.default_rng([seed, n_atoms, _code(family), number])
    flatness = (places + rng.random(len(places))) / count
    # frames look mostly into the middle of the order, so the ends are compact and flat throughout
    flatness = np.clip(1.3 * flatness - 0.08, 0, 1)
    if family != "block":
        return anneal(n_atoms, flatness, family, element, rng)
    clusters = []
    for flat in flatness:
        while True:
            elongation = float(np.exp(abs(rng.normal(0, 0.16))))
            atoms = resting(make_structure(n_atoms, rng, float(flat) ** 0.7, elongation, element))
            if is_one_cluster(atoms, ELEMENTS[element][0]):
                break
        clusters.append(atoms)
    return np.asarray(clusters, dtype=np.float32)


def _code(family: str) -> int:
    return FAMILIES.index(family)


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Batches run beside one another; each on one thread, so that a result does not depend on their number."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _axis_rotation(angle: float) -> Positions:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
