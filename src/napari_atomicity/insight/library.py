"""The simulated clusters of known class that a model carries along: what "looks like" is measured against."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.patches import Patches
from napari_atomicity.errors import InputError
from napari_atomicity.progress import drain

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle


@dataclass(frozen=True, eq=False)
class LibraryClusters:
    """Library clusters of one model.

    Attributes
    ----------
    patches
        (m) patches, as the network sees them.
    class_index
        (m,) index of the class of each.
    labels
        (m,) its label, for example ``Pt19``.
    features
        (m, f) last hidden layer of the model's network, adapted or not.
    """

    patches: Patches
    class_index: npt.NDArray[np.int64]
    labels: Sequence[str]
    features: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.class_index)

    def nearest(
        self, features: npt.NDArray[np.float32], n: int = 3
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Rows (k, n) of the library clusters nearest to `features` (k, f), nearest first, and their distances.

        A cluster without features (nan) gets rows of -1 and distances of nan.
        """
        from scipy.spatial import cKDTree

        n = min(n, len(self))
        known = np.isfinite(features).all(axis=1)
        rows = np.full((len(features), n), -1, dtype=np.int64)
        distance = np.full((len(features), n), np.nan)
        if known.any():
            found, near = cKDTree(self.features).query(features[known], k=np.arange(1, n + 1))
            rows[known], distance[known] = near, found
        return rows, distance


_KNOWN: weakref.WeakKeyDictionary[Bundle, LibraryClusters] = weakref.WeakKeyDictionary()


def library_of(bundle: Bundle) -> LibraryClusters:
    """The library clusters that `bundle` carries, with their features in its network; kept as long as the bundle.

    Raises
    ------
    InputError
        For a model that carries none.
    """
    known = _KNOWN.get(bundle)
    if known is None:
        known = _KNOWN[bundle] = _looked_up(bundle)
    return known


def _looked_up(bundle: Bundle) -> LibraryClusters:
    from napari_atomicity.counting.classify import evidence_steps

    if not {"raw", "noise", "class_index"} <= set(bundle.rehearsal):
        raise InputError(
            f"The model {bundle.card.name!r} carries no library clusters to compare with; "
            "train it again with this version."
        )
    raw = np.asarray(bundle.rehearsal["raw"], dtype=np.float32)
    noise = np.asarray(bundle.rehearsal["noise"], dtype=np.float32)
    patches = Patches(raw, np.zeros(len(raw)), noise, np.ones(len(raw), dtype=bool))
    index = np.asarray(bundle.rehearsal["class_index"], dtype=np.int64)
    features = drain(evidence_steps(bundle, patches)).features
    return LibraryClusters(patches, index, [bundle.card.labels[i] for i in index], features)
