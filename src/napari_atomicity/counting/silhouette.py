"""How well labelled groups of points are separated."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

#: points that take part; more add time but no knowledge
_MOST: Final = 400


def silhouette(points: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """Mean silhouette (Rousseeuw 1987): 1 where each label is a group of its own, 0 where labels overlap.

    Parameters
    ----------
    points
        (n, features). Rows with nan are left out; of many points, 400 evenly over the labels take part.
    labels
        (n,) of any kind. A point that is alone with its label counts as 0.

    Returns
    -------
    Between -1 and 1; nan for fewer than two labels, or where every point is alone with its label.
    """
    rows = np.flatnonzero(np.isfinite(points).all(axis=1))
    rows = rows[np.argsort(labels[rows], kind="stable")]
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST)).astype(np.int64))]
    names, group, count = np.unique(labels[rows], return_inverse=True, return_counts=True)
    if len(names) < 2 or count.max() < 2:
        return float("nan")
    total = _distances(points[rows].astype(np.float64)) @ np.eye(len(names))[group]
    own = np.arange(len(rows)), group
    within = total[own] / np.maximum(count[group] - 1, 1)
    others = total / count
    others[own] = np.inf
    nearest = others.min(axis=1)
    widest = np.maximum(np.maximum(within, nearest), np.finfo(float).tiny)
    return float(np.where(count[group] > 1, (nearest - within) / widest, 0.0).mean())


def _distances(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(points, points))
