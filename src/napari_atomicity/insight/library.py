"""The simulated clusters of known class that a model carries along: what "looks like" is measured against."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.patches import Patches
from napari_atomicity.errors import InputError
from napari_atomicity.progress import drain

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle

#: a feature that hardly varies over the library must not decide what is near: its spread counts as this part of the
#: root mean square of all
_LEAST_SPREAD: Final = 0.5


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
        (m, f) features that decide, of the model's network, adapted or not.
    """

    patches: Patches
    class_index: npt.NDArray[np.int64]
    labels: Sequence[str]
    features: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.class_index)

    @cached_property
    def _scale(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        features = self.features.astype(np.float64)
        spread = features.std(axis=0)
        least = _LEAST_SPREAD * np.sqrt(np.mean(spread[spread > 0] ** 2)) if spread.any() else 1.0
        return features.mean(axis=0), np.maximum(spread, least)

    def standardised(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """`features` (k, f) less the mean of the library and divided by its spread, feature by feature.

        All distances between features are taken here. nan stays nan.
        """
        mean, spread = self._scale
        return np.asarray((features - mean) / spread)

    @cached_property
    def own_distance(self) -> npt.NDArray[np.float64]:
        """(m,) distance of each library cluster from the one nearest to it: how far apart like clusters lie."""
        from scipy.spatial import cKDTree

        features = self.standardised(self.features)
        return np.asarray(cKDTree(features).query(features, k=2)[0])[:, 1]

    def nearest(
        self, features: npt.NDArray[np.float32], n: int = 3
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The library clusters nearest to some clusters.

        Parameters
        ----------
        features
            (k, f) features of the clusters; nan for one that has none.
        n
            How many of the library for each; fewer where the library holds fewer.

        Returns
        -------
        rows
            (k, n) rows of the library clusters, nearest first; -1 for a cluster without features.
        distance
            (k, n) distances between standardised features; nan for a cluster without features.
        """
        from scipy.spatial.distance import cdist

        n = min(n, len(self))
        has_features = np.isfinite(features).all(axis=1)
        rows = np.full((len(features), n), -1, dtype=np.int64)
        distance = np.full((len(features), n), np.nan)
        if has_features.any():
            apart = cdist(self.standardised(features[has_features]), self.standardised(self.features))
            near = np.argsort(apart, axis=1, kind="stable")[:, :n]
            rows[has_features], distance[has_features] = near, np.take_along_axis(apart, near, axis=1)
        return rows, distance


_KNOWN: weakref.WeakKeyDictionary[Bundle, LibraryClusters] = weakref.WeakKeyDictionary()


def library_of(bundle: Bundle) -> LibraryClusters:
    """The library clusters that `bundle` carries, with their features in its network; kept as long as the bundle.

    Raises
    ------
    InputError
        For a model that carries none.
    """
    clusters = _KNOWN.get(bundle)
    if clusters is None:
        clusters = _KNOWN[bundle] = _clusters_of(bundle)
    return clusters


def _clusters_of(bundle: Bundle) -> LibraryClusters:
    from napari_atomicity.counting.classify import evidence_steps, look_steps
    from napari_atomicity.counting.library_patches import library_patches

    patches, index = library_patches(bundle)
    if not len(patches):
        raise InputError(
            f"The model {bundle.card.name!r} carries no library clusters to compare with; "
            "train it again with this version."
        )
    # one atom is one count in them
    nothing = np.zeros(len(patches))
    free = drain(evidence_steps(bundle, patches))
    features = drain(look_steps(bundle, patches, free, nothing, nothing)).features
    return LibraryClusters(patches, index, [bundle.card.labels[i] for i in index], features)
