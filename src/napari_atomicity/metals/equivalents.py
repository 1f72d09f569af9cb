"""Atoms of one metal counted in units of another: equivalents, and what they are in atoms of the metal itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.metals.composition import Composition
from napari_atomicity.metals.elements import atomic_number
from napari_atomicity.metals.exponent import Exponent

Floats = npt.NDArray[np.float64]


def unit_name(element: str) -> str:
    """What counts in units of an element are called: ``Pt-equivalents``."""
    return f"{element}-equivalents"


@dataclass(frozen=True)
class Conversion:
    """From equivalents of one element to atoms of a metal or of an alloy of known composition.

    Attributes
    ----------
    reference
        Chemical symbol of the element whose atoms are the unit.
    composition
        What the clusters are made of.
    exponent
        Power of the atomic number.
    """

    reference: str
    composition: Composition
    exponent: Exponent = field(default_factory=Exponent)

    @property
    def changes(self) -> bool:
        """Whether the metal is another one than that of the unit."""
        return self.composition != Composition.of_one(self.reference)

    @property
    def factor(self) -> float:
        """Equivalents of a mean atom."""
        return self._factor(self.exponent.value)

    @property
    def factor_range(self) -> tuple[float, float]:
        """The same at both ends of the range of the exponent, the lower one first."""
        ends = sorted((self._factor(self.exponent.low), self._factor(self.exponent.high)))
        return ends[0], ends[1]

    @property
    def factor_sd(self) -> float:
        """Standard deviation of `factor`, from the range of the exponent and the errors of the composition."""
        low, high = self.factor_range
        host = self.exponent.signal(self.composition.host, self.reference)
        by_part = [
            (self.exponent.signal(part.element, self.reference) - host) * part.sd for part in self.composition.guests
        ]
        return math.hypot((high - low) / math.sqrt(12), *by_part)

    def atoms(self, equivalents: Floats, sd: Floats) -> tuple[Floats, Floats]:
        """Atoms in all, and their standard deviations, which hold the errors of exponent and composition.

        Parameters
        ----------
        equivalents, sd
            (n,) in units of the reference, and their standard deviations.
        """
        atoms = np.asarray(equivalents, dtype=np.float64) / self.factor
        relative = np.asarray(sd, dtype=np.float64) / np.maximum(equivalents, np.finfo(float).tiny)
        return atoms, atoms * np.hypot(relative, self.factor_sd / self.factor)

    def equivalents(self, atoms: Floats) -> Floats:
        """Equivalents of numbers of atoms."""
        return np.asarray(atoms, dtype=np.float64) * self.factor

    def _factor(self, exponent: float) -> float:
        unit = atomic_number(self.reference)
        return float(
            sum(part.fraction * (atomic_number(part.element) / unit) ** exponent for part in self.composition.parts)
        )

    @property
    def words(self) -> str:
        """``1 Au atom = 1.02 Pt-equivalents (1.019 to 1.022), Z^n with n = 1.6 (1.46 to 1.7)``."""
        low, high = (f"{end:.3g}" for end in self.factor_range)
        span = f" ({low} to {high})" if low != high else ""
        atom = (
            f"1 {self.composition.host} atom" if not self.composition.guests else f"1 atom of {self.composition.words}"
        )
        return f"{atom} = {self.factor:.3g} {unit_name(self.reference)}{span}, Z^n with {self.exponent.words}"

    def as_dict(self) -> dict[str, Any]:
        """All of it, JSON-serialisable."""
        return {
            "unit": unit_name(self.reference),
            "composition": {
                part.element: {"fraction": part.fraction, "sd": part.sd} for part in self.composition.parts
            },
            "exponent": {"value": self.exponent.value, "low": self.exponent.low, "high": self.exponent.high},
            "factor": self.factor,
            "factor_range": list(self.factor_range),
            "factor_sd": self.factor_sd,
        }
