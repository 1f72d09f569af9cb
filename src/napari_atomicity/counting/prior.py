"""What is known of a sample or microscope before its image is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_atomicity.errors import InputError


@dataclass(frozen=True)
class PriorKnowledge:
    """What a person knows about a sample or microscope beforehand.

    Attributes
    ----------
    scale, scale_sd
        Integrated intensity of one atom, counts·nm², and its relative standard deviation.
    deposited
        Sizes (atoms) that were deposited; each must be a class of the model.
    fractions
        Share of each deposited size, in the order of `deposited`, where known.
    """

    scale: float | None = None
    scale_sd: float = 0.02
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
        if self.scale is not None and not 0 < self.scale < np.inf:
            raise InputError(f"The scale {self.scale} counts·nm² per atom is impossible; give a number above zero.")
        unknown = sorted(set(self.deposited) - set(class_sizes))
        if unknown:
            raise InputError(
                f"The model does not know clusters of {', '.join(map(str, unknown))} atoms; "
                f"it knows {', '.join(map(str, class_sizes))}."
            )
        if self.fractions and (len(self.fractions) != len(self.deposited) or min(self.fractions) < 0):
            raise InputError("Give one fraction, not negative, for each deposited size.")
