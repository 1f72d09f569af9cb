"""The structures of platinum that come with the package: frames drawn from them are the same on every machine.

Annealing is chaotic, so that another processor makes other clusters from the same seed. What the recipes, the samples
and the benchmarks draw from was therefore annealed once and is kept here, in ``platinum.npz``: positions in whole
steps of `STEP_NM` (int16), an array for each set of structures and size, in the order of flatness. ``platinum.json``
says which version this is, how it was made, and the hash of the positions. ``tools/make_structures.py`` makes a new
version.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_atomically, write_text
from napari_atomicity.kinds import Count, Entry, Positive, Sha256
from napari_atomicity.schema import Door, json_of, read_bytes
from napari_atomicity.simulation.annealing import resting

__all__ = [
    "ELEMENT",
    "FOLDER",
    "SETS",
    "SIZES",
    "STEP_NM",
    "Shipped",
    "StoredStructures",
    "StructureSet",
    "set_of",
    "shipped",
]

ELEMENT: Final = "Pt"
#: atoms of the clusters: the five classes, and sizes between and beyond them
SIZES: Final = (8, 12, 19, 24, 30, 35, 41, 48, 55, 62, 70, 95, 120)
#: a fiftieth of what an atom trembles by at room temperature; int16 then reaches over more than six nanometres
STEP_NM: Final = 1e-4
#: where the files lie
FOLDER: Final = Path(__file__).parent
_POSITIONS, _ABOUT = "platinum.npz", "platinum.json"
_MEND: Final = "install napari-atomicity again"


class _About(Entry):
    """What is relied on; the rest is for people."""

    version: Count
    sha256: Sha256
    step_nm: Positive


_DOOR: Final = Door(_About)


class StoredStructures(NamedTuple):
    """Clusters of one size in the order of flatness: (m, n_atoms, 3) in nm, and the family of each."""

    positions_nm: npt.NDArray[np.float32]
    family: npt.NDArray[np.str_]


@dataclass(frozen=True)
class StructureSet:
    """Clusters that were made together, `count` of each size, shared evenly by the families."""

    split: str
    families: tuple[str, ...]
    count: int = 240

    def key(self, n_atoms: int) -> str:
        """Name of the positions of one size in the file."""
        return f"{self.split}-{'+'.join(self.families)}-{n_atoms}"


#: the second one of test tells what other structures cost from what another potential costs
SETS: Final = (
    StructureSet("train", ("gupta", "block")),
    StructureSet("validation", ("gupta", "block")),
    StructureSet("test", ("emt",)),
    StructureSet("test", ("gupta", "block")),
    StructureSet("sample", ("emt",)),
)


def set_of(split: str, element: str, families: tuple[str, ...]) -> StructureSet | None:
    """The set that holds these families of a split.

    Parameters
    ----------
    split
        A key of `structures.SPLITS`.
    element
        Chemical symbol.
    families
        Some of `structures.FAMILIES`.

    Returns
    -------
    StructureSet or None
        None where they are annealed on this machine.
    """
    holding = (s for s in SETS if element == ELEMENT and s.split == split and set(families) <= set(s.families))
    return next(holding, None)


@dataclass(frozen=True, eq=False)
class Shipped:
    """What the two files hold: the description, and steps and families of the clusters by `StructureSet.key`."""

    about: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]

    def clusters(self, of: StructureSet, families: tuple[str, ...], n_atoms: int) -> StoredStructures | None:
        """The clusters of some families of a set, resting on the support and centred.

        Parameters
        ----------
        of
            One of `SETS`.
        families
            Some of its families.
        n_atoms
            Atoms of the clusters.

        Returns
        -------
        StoredStructures or None
            None for a size that is not here.
        """
        steps = self.arrays.get(of.key(n_atoms))
        if steps is None:
            return None
        family = self.arrays[f"{of.key(n_atoms)}-family"]
        chosen = np.isin(family, families)
        # sums of whole numbers are exact, so that these are the same digits everywhere
        return StoredStructures(
            (resting(steps[chosen].astype(np.float64)) * self.step_nm).astype(np.float32), family[chosen]
        )

    @property
    def step_nm(self) -> float:
        """Step of the positions."""
        return float(self.about["step_nm"])

    @property
    def stamp(self) -> dict[str, Any]:
        """Version and hash, for what is made from these structures."""
        return {"version": self.about["version"], "sha256": self.about["sha256"]}


@lru_cache(maxsize=2)
def shipped(folder: Path = FOLDER) -> Shipped:
    """What comes with the package, its hash checked.

    Raises
    ------
    InputError
        Where a file is missing, damaged, or not the one that was described.
    """
    try:
        about = json_of(read_bytes(folder / _ABOUT), _ABOUT)
        with np.load(io.BytesIO((folder / _POSITIONS).read_bytes()), allow_pickle=False) as stored:
            arrays = {name: np.asarray(stored[name]) for name in stored.files}
        described = _DOOR.check(about, _ABOUT).sha256
    except (InputError, OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"The structures that come along ({folder / _POSITIONS}) cannot be read; {_MEND}.") from error
    if _digest(arrays) != described:
        raise InputError(f"{folder / _POSITIONS} does not hold the structures that {_ABOUT} describes; {_MEND}.")
    return Shipped(about, arrays)


def write(folder: Path, made: Mapping[str, StoredStructures], about: Mapping[str, Any]) -> None:
    """Write clusters, and beside them `about` with the hash of the positions.

    Parameters
    ----------
    folder
        Where the two files go.
    made
        Clusters by `StructureSet.key`.
    about
        How they were made, JSON-serialisable.

    Raises
    ------
    InputError
        For a cluster that is too large for the steps.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    for key, clusters in made.items():
        steps = np.rint(np.asarray(clusters.positions_nm, dtype=np.float64) / STEP_NM)
        if np.abs(steps).max() > np.iinfo(np.int16).max:
            raise InputError(f"A cluster of {key} is wider than whole numbers of 16 bits reach; make the step larger.")
        arrays[key], arrays[f"{key}-family"] = steps.astype("<i2"), np.asarray(clusters.family, dtype="<U5")
    write_atomically(folder / _POSITIONS, lambda beside: np.savez_compressed(beside, allow_pickle=False, **arrays))
    text = json.dumps({**about, "step_nm": STEP_NM, "sha256": _digest(arrays)}, indent=1, ensure_ascii=False)
    write_text(folder / _ABOUT, text + "\n")


def _digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Hash of names, shapes and values; not of how they are packed, which differs between versions of zlib."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
