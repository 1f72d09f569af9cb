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
_FIELDS: Final = {key: name for name, key in FILE_KEYS.items()}


def file_key(field: str) -> str:
    """What a field is called in files."""
    return FILE_KEYS.get(field, field)


def as_in_file(facts: DataclassInstance) -> dict[str, Any]:
    """The fields of a dataclass under the keys that they have in files."""
    return {file_key(name): value for name, value in asdict(facts).items()}


def from_file(content: Mapping[str, Any]) -> dict[str, Any]:
    """Fields by their names, from what a file holds under its keys."""
    return {_FIELDS.get(key, key): value for key, value in content.items()}


@dataclass(frozen=True)
class PriorKnowledge:
    """What a person knows about a sample or microscope beforehand.

    Attributes
    ----------
    intensity_per_atom, intensity_per_atom_sd
        Integrated intensity of one atom, counts·nm², and its relative standard deviation.
    deposited
        Sizes (atoms) that were deposited; each must be a class of the model.
    fractions
        Share of each deposited size, in the order of `deposited`, where known.
    """

    intensity_per_atom: float | None = None
    intensity_per_atom_sd: float = 0.02
    deposited: tuple[int, ...] = ()
    fractions: tuple[float, ...] = ()

    def check(self, class_sizes: Sequence[int]) -> None:
        """Refuse what cannot be used with a model.

        Parameters
        ----------
        class_sizes
            Atoms of each class of the model.

        Raises
        ------
        InputError
            For a scale that is not above 0, a deposited size that is no class of the model, or fractions that do not
            go with the deposited sizes.
        """
        if self.intensity_per_atom is not None and not 0 < self.intensity_per_atom < np.inf:
            raise InputError(
                f"The scale {self.intensity_per_atom} counts·nm² per atom is impossible; give a number above zero."
            )
        unknown = sorted(set(self.deposited) - set(class_sizes))
        if unknown:
            raise InputError(
                f"The model does not know clusters of {', '.join(map(str, unknown))} atoms; "
                f"it knows {', '.join(map(str, class_sizes))}."
            )
        if self.fractions and (len(self.fractions) != len(self.deposited) or min(self.fractions) < 0):
            raise InputError("Give one fraction, not negative, for each deposited size.")
