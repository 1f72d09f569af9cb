"""Structures that this machine has annealed, kept between runs."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_atomically


def cache_folder() -> Path:
    """Where structures are kept; the environment variable NAPARI_ATOMICITY_CACHE names another folder."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("NAPARI_ATOMICITY_CACHE")
    return (Path(chosen) if chosen else user_cache_path("napari-atomicity", appauthor=False)) / "structures"


def stored(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.float32] | None:
    """What the cache holds, or None where it holds nothing that can be used.

    Parameters
    ----------
    path
        The file.
    shape
        Shape that the positions must have.

    Returns
    -------
    numpy.ndarray or None
        float32 positions in nm.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            atoms = np.asarray(held["positions_nm"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    usable = atoms.shape == shape and atoms.dtype == np.float32 and bool(np.isfinite(atoms).all())
    return atoms if usable else None


def keep(path: Path, atoms: npt.NDArray[np.float32]) -> None:
    """Put structures into the cache; without a cache they are made again next time.

    Parameters
    ----------
    path
        The file; its folder is made.
    atoms
        (m, n_atoms, 3) positions in nm.
    """
    with contextlib.suppress(OSError, InputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda beside: np.savez_compressed(beside, positions_nm=atoms))
