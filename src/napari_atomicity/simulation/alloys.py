"""Clusters of two metals: some atoms of a cluster of one metal are exchanged, and scatter less or more than the others.

The structures stay those of the first metal. For the integrated intensity that is enough: it is the sum over the atoms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.metals import atomic_number


@dataclass(frozen=True)
class Alloy:
    """The second metal of the clusters of a frame.

    Attributes
    ----------
    element
        Chemical symbol.
    fraction
        Mean atomic fraction of it.
    spread
        Standard deviation of the fraction between clusters.
    exponent
        Power of the atomic number with which the signal of its atoms grows.

    Raises
    ------
    InputError
        For what is no element or no fraction.
    """

    element: str
    fraction: float
    spread: float = 0.0
    exponent: float = 1.6

    def __post_init__(self) -> None:
        atomic_number(self.element)
        if not (0 <= self.fraction <= 1 and 0 <= self.spread <= 0.5):
            raise InputError(
                f"A fraction of {self.fraction:g} ± {self.spread:g} of {self.element} is impossible; give 0 to 1."
            )

    def draw(self, n_atoms: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
        """Which atoms of a cluster are of the second metal.

        Parameters
        ----------
        n_atoms
            Of the cluster, in all.
        rng
            Source of chance.
        """
        fraction = float(np.clip(rng.normal(self.fraction, self.spread), 0, 1))
        return rng.permutation(n_atoms) < round(fraction * n_atoms)

    def relative_signal(self, host: str) -> float:
        """Signal of one of its atoms in units of one of the first metal."""
        return float((atomic_number(self.element) / atomic_number(host)) ** self.exponent)
