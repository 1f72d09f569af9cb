"""Patches of a count that was brought back: cut out of the image again where they are wanted."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import patches_steps
from napari_atomicity.progress import drain

if TYPE_CHECKING:
    from napari_atomicity.counting.patches import Patches


def patches_again(micrograph: Micrograph, table: ClusterTable) -> Patches:
    """Patches, which are large and follow from the image: cut out at first use, equal to the bit.

    Parameters
    ----------
    micrograph
        The image; it must be calibrated.
    table
        Its clusters.
    """
    from napari_atomicity.counting.patches import Patches

    class Again(Patches):
        """Patches that are not cut out yet."""

        def __init__(self) -> None:
            """Nothing is done."""

        @cached_property
        def _cut(self) -> Patches:
            return drain(patches_steps(micrograph, table))

        def __len__(self) -> int:
            return len(table)

        @property
        def raw(self) -> npt.NDArray[np.float32]:
            return self._cut.raw

        @property
        def log_integral(self) -> npt.NDArray[np.float64]:
            return self._cut.log_integral

        @property
        def noise(self) -> npt.NDArray[np.float32]:
            return self._cut.noise

        @property
        def valid(self) -> npt.NDArray[np.bool_]:
            return self._cut.valid

        def take(self, rows: npt.NDArray[Any]) -> Patches:
            """The patches of some `rows` (indices or mask)."""
            return self._cut.take(rows)

    return Again()
