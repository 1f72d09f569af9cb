"""A fixed map of a model's library in two dimensions, and where the clusters of an image lie on it."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.insight.fitting import NEIGHBOURS, fitted_steps
from napari_atomicity.insight.library import LibraryClusters, library_of
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle

#: farther from every library cluster than this part of the library clusters from the one nearest to them
_USUAL: Final = 0.95
#: neighbours whose labels are compared
_PURITY_NEIGHBOURS: Final = 10
_ROWS_AT_ONCE: Final = 2000
_NEAR_ZERO: Final = 1e-9


@dataclass(frozen=True, eq=False)
class Placed:
    """Where clusters lie on the map; rows as given.

    Attributes
    ----------
    xy
        (n, 2) float32 place; nan for a cluster without features.
    nearest
        (n,) row of the library cluster nearest in the features, -1 without features.
    distance
        (n,) distance from it, between standardised features.
    outlier
        (n,) farther from every library cluster than 19 in 20 of these are from the one nearest to them: its place on
        the map says little.
    """

    xy: npt.NDArray[np.float32]
    nearest: npt.NDArray[np.int64]
    distance: npt.NDArray[np.float64]
    outlier: npt.NDArray[np.bool_]

    def take(self, rows: npt.NDArray[Any]) -> Placed:
        """Some of the rows (indices or mask)."""
        return Placed(self.xy[rows], self.nearest[rows], self.distance[rows], self.outlier[rows])


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """The library of a model on its map.

    Attributes
    ----------
    library
        With the features of the network that is looked through: as shipped, or adapted.
    xy
        (m, 2) float32 place of each library cluster; the same before and after an adaptation.
    """

    library: LibraryClusters
    xy: npt.NDArray[np.float32]

    @cached_property
    def reach(self) -> float:
        """Distance from the nearest library cluster beyond which a cluster is an outlier."""
        return float(np.quantile(self.library.own_distance, _USUAL))

    def place(self, features: npt.NDArray[np.float32]) -> Placed:
        """Put clusters on the map; each for itself, so neither order nor company matter.

        A cluster lies in the weighted mean of its 15 nearest library clusters, where UMAP starts to place a new point
        (McInnes, Healy & Melville, arXiv:1802.03426, and `UMAP.transform`). Weights are the odds μ/(1-μ) of UMAP's
        fuzzy membership μ = exp(-d/σ), Σμ = log2(15): for far neighbours that is μ itself, and a cluster with the
        features of a library cluster lies on it. UMAP's random descent from there is left out: the place is the same
        in every run and on every machine.

        Parameters
        ----------
        features
            (n, f) features of the clusters; nan for one that has none.

        Returns
        -------
        Placed
            One row a cluster.
        """
        n = len(features)
        xy = np.full((n, 2), np.nan, dtype=np.float32)
        nearest = np.full(n, -1, dtype=np.int64)
        distance = np.full(n, np.nan)
        for start in range(0, n, _ROWS_AT_ONCE):
            block = slice(start, start + _ROWS_AT_ONCE)
            rows, far = self.library.nearest(features[block], NEIGHBOURS)
            weights = _weights(far)
            xy[block] = np.einsum("nk,nkd->nd", weights, self.xy[rows].astype(np.float64))
            nearest[block], distance[block] = rows[:, 0], far[:, 0]
        return Placed(xy, nearest, distance, np.nan_to_num(distance) > self.reach)


def feature_map_steps(bundle: Bundle) -> Steps[FeatureMap]:
    """The map of a model, adapted or not: the one that it carries, or one that is made once and kept.

    Making it takes half a minute in a process of its own and needs umap-learn; the places are kept in the cache folder
    of the user.

    Raises
    ------
    InputError
        For a model without library clusters, or where umap-learn is wanted and missing.
    """
    yield Progress(0, 1, "Looking at the library")
    library = library_of(bundle)
    if "map" in bundle.library:
        return FeatureMap(library, np.asarray(bundle.library["map"], dtype=np.float32))
    shipped = bundle if bundle.shipped is None else replace(bundle, network=bundle.shipped, shipped=None)
    path = _cache_path(shipped, library)
    xy = _stored_map(path, len(library))
    if xy is None:
        xy = yield from fitted_map_steps(shipped)
        _store_map(path, xy)
    return FeatureMap(library, xy)


def fitted_map_steps(bundle: Bundle, seed: int = 0) -> Steps[npt.NDArray[np.float32]]:
    """Places of the library clusters of a model, by UMAP of their features; turned so that atoms grow along x.

    UMAP (McInnes, Healy & Melville, arXiv:1802.03426) does not learn from the classes: that they come to lie apart is
    the network's work.

    Parameters
    ----------
    bundle
        A model with library clusters.
    seed
        Of UMAP's descent.

    Returns
    -------
    numpy.ndarray
        (m, 2) float32 places.

    Raises
    ------
    InputError
        For a model without library clusters, or where umap-learn is missing.
    """
    library = library_of(bundle)
    xy = yield from fitted_steps(library.standardised(library.features), seed)
    return _turned(xy, np.log(bundle.card.class_sizes)[library.class_index])


def purity(points: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """Mean share of the ten nearest neighbours of a cluster that have the same label as it.

    Parameters
    ----------
    points
        (n, f) features or places; rows with nan are left out.
    labels
        (n,) label of each.

    Returns
    -------
    float
        0 to 1; nan for one label or none.
    """
    from scipy.spatial import cKDTree

    rows = np.flatnonzero(np.isfinite(points).all(axis=1))
    if len(np.unique(labels[rows])) < 2:
        return float("nan")
    k = min(_PURITY_NEIGHBOURS, len(rows) - 1)
    near = cKDTree(points[rows]).query(points[rows], k=k + 1)[1]
    # not always is a point its own first neighbour: another may lie on it
    same = (labels[rows][near] == labels[rows][:, None]).sum(axis=1) - 1
    return float((same / k).mean())


def _weights(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n, k) weights of the neighbours at these distances, nearest first; each row sums to 1."""
    strength = np.exp(-distance / _bandwidth(distance)[:, None])
    odds = strength / np.maximum(1 - strength, _NEAR_ZERO)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _bandwidth(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n,) σ with Σ exp(-d/σ) = log2(k) over the k neighbours of each row: UMAP's smooth distance, by bisection."""
    target = np.log2(distance.shape[1])
    mean = np.maximum(distance.mean(axis=1), _NEAR_ZERO)
    low, high = np.full(len(distance), -12.0), np.full(len(distance), 12.0)  # of ln(σ / mean)
    for _ in range(48):
        middle = (low + high) / 2
        total = np.exp(-distance / (mean * np.exp(middle))[:, None]).sum(axis=1)
        low, high = np.where(total < target, middle, low), np.where(total < target, high, middle)
    return np.asarray(mean * np.exp((low + high) / 2))


def _turned(xy: npt.NDArray[np.float64], log_n: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The same map, centred, with the number of atoms growing along x and the upper side fixed."""
    xy = xy - xy.mean(axis=0)
    along = xy.T @ (log_n - log_n.mean())
    length = float(np.hypot(*along))
    if length > _NEAR_ZERO:
        cos, sin = along / length
        xy = xy @ np.array([[cos, -sin], [sin, cos]])
    if (xy[:, 1] ** 3).sum() < 0:
        xy[:, 1] *= -1
    return xy.astype(np.float32)


# ---------------------------------------------------------------------- kept between runs


def _cache_path(bundle: Bundle, library: LibraryClusters) -> Path:
    from platformdirs import user_cache_path

    from napari_atomicity.counting.bundle import weights_sha256

    chosen = os.environ.get("NAPARI_ATOMICITY_CACHE")
    folder = Path(chosen) if chosen else user_cache_path("napari-atomicity", appauthor=False)
    seen = library.patches.raw.tobytes() + library.patches.log_integral.tobytes()
    digest = hashlib.sha256(weights_sha256(bundle).encode() + seen)
    return folder / "maps" / f"{digest.hexdigest()[:32]}.npy"


def _stored_map(path: Path, n: int) -> npt.NDArray[np.float32] | None:
    try:
        xy = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None  # not there, or damaged: made again
    usable = xy.shape == (n, 2) and xy.dtype == np.float32 and bool(np.isfinite(xy).all())
    return xy if usable else None


def _store_map(path: Path, xy: npt.NDArray[np.float32]) -> None:
    from napari_atomicity.io.atomic import write_atomically

    with contextlib.suppress(OSError, InputError):  # without a cache it is made again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda beside: np.save(beside, xy))
