"""What is known of a sample or microscope before its image is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_atomicity.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: keys in files of fields that are called otherwise here: files of earlier versions stay readable
FILE_KEYS: Final[Mapping[str, str]] = {"intensity_per_atom": "scale", "intensity_per_atom_sd": "scale_sd"}


def file_key(field: str) -> str:
    """What a field is called in files."""
    return FILE_KEYS.get(field, field)


def as_in_file(facts: DataclassInstance) -> dict[str, Any]:
    """The fields of a dataclass under the keys that they have in files."""
    return {file_key(name): value for name, value in asdict(facts).items()}


@dataclass(frozen=True)
class PriorKnowledge:
    """What a person knows about a sample or microscope beforehand.

    Attributes
    ----------
    intensity_per_atom, intensity_per_atom_sd
        Integrated intensity of one atom, counts·nm², and its relative standard deviation; 0 where it is exact.
    deposited
        Sizes (atoms) that were deposited; each must be a class of the model.
    fractions
        Share of each deposited size, in the order of `deposited`, where known; in all 1, or 100 (per cent).
    """

    intensity_per_atom: float | None = None
    intensity_per_atom_sd: float = 0.02
    deposited: tuple[int, ...] = ()
    fractions: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        intensity = self.intensity_per_atom
        if intensity is not None and not 0 < intensity < np.inf:
            raise InputError(f"An intensity of {intensity} counts·nm² per atom is impossible; give a number above 0.")
        if any(size < 1 for size in self.deposited):
            raise InputError("A deposited size must be a positive number of atoms, for example 19,30.")
        if len(set(self.deposited)) < len(self.deposited):
            raise InputError("A deposited size is named twice; name each once, for example 19,30.")
        self._check_fractions()

    def _check_fractions(self) -> None:
        if not self.fractions:
            return
        if len(self.fractions) != len(self.deposited):
            raise InputError("Give a share for each deposited size or for none, for example 19:0.7,55:0.3.")
        total = float(np.sum(self.fractions))
        if min(self.fractions) < 0 or not (abs(total - 1) <= 0.02 or abs(total - 100) <= 2):
            shares = " + ".join(f"{share:g}" for share in self.fractions)
            raise InputError(f"The deposited shares {shares} do not add up to 1 (or to 100 per cent); check them.")

    def check(self, class_sizes: Sequence[int]) -> None:
        """Refuse deposited sizes that are no classes of a model.

        Parameters
        ----------
        class_sizes
            Atoms of each class of the model.

        Raises
        ------
        InputError
            For such a size.
        """
        unknown = sorted(set(self.deposited) - set(class_sizes))
        if unknown:
            raise InputError(
                f"The model does not know clusters of {', '.join(map(str, unknown))} atoms; "
                f"it knows {', '.join(map(str, class_sizes))}."
            )
