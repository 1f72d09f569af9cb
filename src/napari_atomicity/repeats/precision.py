"""How precise intensities and counts are, from what repeated frames say of the same clusters.

Precision is how far repeats agree, not how near they are to the truth: an error that all frames share is not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.errors import InputError

Values = npt.NDArray[np.float64]

#: clusters that were seen at least twice, without which nothing can be said
LEAST_CLUSTERS: Final = 8
#: robust standard deviations beyond which something else than noise happened to a cluster
_OUTLIER: Final = 5.0
_DRAWS: Final = 400
_TURNS: Final = 30


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; nan where it cannot be said."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True, eq=False)
class Precision:
    """What repeats say.

    Attributes
    ----------
    clusters, measurements, outliers
        Clusters seen at least twice, how often in all, and how many of these are left out as outliers.
    intensity, count
        Relative standard deviation of one measurement of one cluster, once what a frame shares is taken off.
    frames
        A row a frame: frame, clusters, gain (its intensities over the mean of all frames), atoms (its counts over the
        mean of all frames), each with its standard error.
    gain_drift, atom_drift
        Relative change of intensities, and of counts, from frame to frame.
    honesty
        Standard deviation of (count - mean of the cluster) over the stated standard deviation: 1 where the stated one
        holds, above 1 where it is too small. Errors that one frame shares are in it, those of all frames are not: below
        1 is no fault.
    kappa
        Agreement of labels of two frames beyond chance (Cohen 1960), mean over pairs of frames.
    by_cluster
        A row a cluster: cluster, frames, y_px, x_px, n_atoms (mean), n_atoms_sd (between frames), stated_sd (mean),
        label (the most frequent), labels (how many different ones).
    """

    clusters: int
    measurements: int
    outliers: int
    intensity: Estimate
    count: Estimate
    frames: pd.DataFrame
    gain_drift: Estimate
    atom_drift: Estimate
    honesty: Estimate
    kappa: Estimate
    by_cluster: pd.DataFrame

    @property
    def sentence(self) -> str:
        """The findings in words."""
        honest = self.honesty
        if not np.isfinite(honest.value):
            verdict = ""
        elif honest.low > 1:
            verdict = f" The stated uncertainty is too small: repeats spread {honest.value:.1f} times as wide."
        elif honest.high < 1:  # no fault: an error that all frames share is not seen in repeats
            verdict = (
                f" Repeats spread {honest.value:.2f} times as wide as the stated uncertainty, which also covers what "
                "all frames share."
            )
        else:
            verdict = " Repeats spread as wide as the stated uncertainty."
        return (
            f"A count repeats within {100 * self.count.value:.1f} % and an intensity within "
            f"{100 * self.intensity.value:.1f} % (one standard deviation, {self.clusters} clusters)."
            f"{verdict}"
        )


def precision_of(measured: pd.DataFrame, seed: int = 0) -> Precision:
    """Precision from measurements of the same clusters in several frames.

    ln(value) = cluster + frame + rest, solved for clusters seen at least twice; intervals from draws of clusters with
    replacement.

    Parameters
    ----------
    measured
        Of `same_clusters`.
    seed
        Of the draws.

    Raises
    ------
    InputError
        Where fewer than `LEAST_CLUSTERS` clusters were seen twice.
    """
    seen = measured.groupby("cluster")["frame"].transform("size") >= 2
    counted = np.isfinite(measured["intensity"]) & (measured["intensity"] > 0)
    rows = measured[seen & counted].reset_index(drop=True)
    rows = rows[rows.groupby("cluster")["frame"].transform("size") >= 2].reset_index(drop=True)
    if rows["cluster"].nunique() < LEAST_CLUSTERS:
        raise InputError(
            f"Only {rows['cluster'].nunique()} clusters were seen in more than one frame; at least {LEAST_CLUSTERS} "
            "are needed. Check that the frames are of one field, and that their clusters were found."
        )
    rng = np.random.default_rng(seed)
    intensity = _Fit.of(rows, np.log(rows["intensity"].to_numpy(dtype=float)))
    atoms = rows["n_atoms"].to_numpy(dtype=float)
    has_count = np.isfinite(atoms) & (atoms > 0)
    counted_rows = rows[has_count].reset_index(drop=True)
    count = _Fit.of(counted_rows, np.log(atoms[has_count])) if has_count.any() else None
    return Precision(
        clusters=int(rows["cluster"].nunique()),
        measurements=len(rows),
        outliers=int((~intensity.kept).sum()),
        intensity=intensity.spread(rng),
        count=_NOTHING if count is None else count.spread(rng),
        frames=_by_frame(rows, intensity, counted_rows, count),
        gain_drift=intensity.drift(rng),
        atom_drift=_NOTHING if count is None else count.drift(rng),
        honesty=_honesty(counted_rows, rng),
        kappa=_kappa(counted_rows, rng),
        by_cluster=_by_cluster(rows),
    )


_NOTHING: Final = Estimate(np.nan, np.nan, np.nan)


@dataclass(frozen=True, eq=False)
class _Fit:
    """ln(value) of each measurement as cluster + frame + rest."""

    cluster: npt.NDArray[np.int64]
    frame: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int64]
    of_frame: Values
    of_frame_se: Values
    rest: Values
    kept: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, rows: pd.DataFrame, values: Values) -> _Fit:
        """Fit, leave outliers out, and fit again."""
        _, cluster = np.unique(rows["cluster"], return_inverse=True)
        numbers, frame = np.unique(rows["frame"], return_inverse=True)
        kept = np.ones(len(values), dtype=bool)
        for _ in range(3):
            effect, rest = _two_way(values, cluster, frame, kept)
            width = 1.4826 * np.median(np.abs(rest[kept] - np.median(rest[kept])))
            now = np.abs(rest) <= _OUTLIER * max(width, 1e-12)
            if (now == kept).all():
                break
            kept = now
        n = np.bincount(frame[kept], minlength=len(numbers))
        error = np.sqrt(np.mean(rest[kept] ** 2)) / np.sqrt(np.maximum(n, 1))
        return cls(cluster, frame, numbers, effect, error, rest, kept)

    def spread(self, rng: np.random.Generator) -> Estimate:
        """Standard deviation of the rest."""
        cluster = self.cluster[self.kept]
        squares = np.bincount(cluster, self.rest[self.kept] ** 2)
        free = np.bincount(cluster) - 1.0
        # the effects of the frames took their part, in proportion
        lost = (len(self.numbers) - 1) / max(free.sum(), 1)
        shown = free > 0

        def sd(chosen: npt.NDArray[np.int64]) -> float:
            return float(np.sqrt(squares[chosen].sum() / max(free[chosen].sum() * (1 - lost), 1e-9)))

        return _drawn(sd, np.flatnonzero(shown), rng)

    def drift(self, rng: np.random.Generator) -> Estimate:
        """Slope of the frames' effects."""
        if len(self.numbers) < 3:
            return _NOTHING
        # what is drawn are frames: their common changes are the noise of a slope
        x, y = self.numbers.astype(float), self.of_frame

        def slope(chosen: npt.NDArray[np.int64]) -> float:
            at = x[chosen] - x[chosen].mean()
            return float(np.sum(at * y[chosen]) / np.sum(at**2)) if at.any() else np.nan

        return _drawn(slope, np.arange(len(x)), rng)


def _two_way(
    values: Values, cluster: npt.NDArray[np.int64], frame: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_]
) -> tuple[Values, Values]:
    """Effects of the frames (mean 0) and what is left of every value; by turns until both stand still."""
    of_frame = np.zeros(frame.max() + 1)
    n_cluster = np.maximum(np.bincount(cluster[kept], minlength=cluster.max() + 1), 1)
    n_frame = np.maximum(np.bincount(frame[kept], minlength=frame.max() + 1), 1)
    of_cluster = np.zeros(cluster.max() + 1)
    for _ in range(_TURNS):
        left = (values - of_frame[frame])[kept]
        of_cluster = np.bincount(cluster[kept], left, minlength=cluster.max() + 1) / n_cluster
        left = (values - of_cluster[cluster])[kept]
        of_frame = np.bincount(frame[kept], left, minlength=frame.max() + 1) / n_frame
        of_frame -= of_frame.mean()
    left = (values - of_frame[frame])[kept]
    of_cluster = np.bincount(cluster[kept], left, minlength=cluster.max() + 1) / n_cluster
    return of_frame, values - of_cluster[cluster] - of_frame[frame]


def _by_frame(rows: pd.DataFrame, intensity: _Fit, counted: pd.DataFrame, count: _Fit | None) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "frame": intensity.numbers,
            "clusters": rows.groupby("frame").size().reindex(intensity.numbers).to_numpy(),
            "gain": np.exp(intensity.of_frame),
            "gain_se": np.exp(intensity.of_frame) * intensity.of_frame_se,
        }
    )
    atoms = pd.DataFrame({"frame": [], "atoms": [], "atoms_se": []})
    if count is not None:
        effect = np.exp(count.of_frame)
        atoms = pd.DataFrame({"frame": count.numbers, "atoms": effect, "atoms_se": effect * count.of_frame_se})
    return table.merge(atoms, on="frame", how="left")


def _honesty(rows: pd.DataFrame, rng: np.random.Generator) -> Estimate:
    sd = rows["n_atoms_sd"].to_numpy(dtype=float)
    rows = rows[np.isfinite(sd) & (sd > 0)]
    rows = rows[rows.groupby("cluster")["frame"].transform("size") >= 2]
    if rows.empty:
        return _NOTHING
    _, cluster = np.unique(rows["cluster"], return_inverse=True)
    n = np.bincount(cluster)
    atoms, sd = rows["n_atoms"].to_numpy(dtype=float), rows["n_atoms_sd"].to_numpy(dtype=float)
    off = atoms - (np.bincount(cluster, atoms) / n)[cluster]
    squares = np.bincount(cluster, (off / sd) ** 2)

    def ratio(chosen: npt.NDArray[np.int64]) -> float:
        return float(np.sqrt(squares[chosen].sum() / (n[chosen] - 1).sum()))

    return _drawn(ratio, np.arange(len(n)), rng)


def _kappa(rows: pd.DataFrame, rng: np.random.Generator) -> Estimate:
    labels = rows[rows["label"] != ""].pivot_table(index="cluster", columns="frame", values="label", aggfunc="first")
    codes = labels.apply(lambda column: column.map({name: i for i, name in enumerate(sorted(set(rows["label"])))}))
    values = codes.to_numpy(dtype=float)

    def mean_kappa(chosen: npt.NDArray[np.int64]) -> float:
        pairs = [cohen_kappa(values[chosen, i], values[chosen, j]) for i, j in combinations(range(values.shape[1]), 2)]
        finite = [kappa for kappa in pairs if np.isfinite(kappa)]
        return float(np.mean(finite)) if finite else np.nan

    return _drawn(mean_kappa, np.arange(len(values)), rng, draws=100)


def cohen_kappa(one: Values, other: Values) -> float:
    """Agreement of two series of labels beyond chance (Cohen 1960).

    Parameters
    ----------
    one, other
        (n,) numbers of labels; nan where one of the two has none.

    Returns
    -------
    1 for full agreement, 0 for that of chance; nan where chance alone gives full agreement or nothing is common.
    """
    both = np.isfinite(one) & np.isfinite(other)
    if not both.any():
        return float("nan")
    _, codes = np.unique(np.concatenate([one[both], other[both]]), return_inverse=True)
    a, b = codes[: both.sum()], codes[both.sum() :]
    kinds = int(codes.max()) + 1
    agreed = float(np.mean(a == b))
    chance = float(np.dot(np.bincount(a, minlength=kinds), np.bincount(b, minlength=kinds)) / len(a) ** 2)
    return (agreed - chance) / (1 - chance) if chance < 1 else float("nan")


def _by_cluster(rows: pd.DataFrame) -> pd.DataFrame:
    grouped = rows.groupby("cluster")
    table = grouped.agg(
        frames=("frame", "size"),
        y_px=("y_px", "mean"),
        x_px=("x_px", "mean"),
        n_atoms=("n_atoms", "mean"),
        n_atoms_sd=("n_atoms", "std"),
        stated_sd=("n_atoms_sd", "mean"),
        label=("label", lambda values: values.mode().iloc[0]),
        labels=("label", "nunique"),
    )
    return table.reset_index()


def _drawn(
    statistic: Callable[[npt.NDArray[np.int64]], float],
    units: npt.NDArray[np.int64],
    rng: np.random.Generator,
    draws: int = _DRAWS,
) -> Estimate:
    """A statistic of units, and its 95 % interval by the bootstrap (Efron 1979)."""
    if not len(units):
        return _NOTHING
    value = statistic(units)
    drawn: Any = [statistic(rng.choice(units, len(units))) for _ in range(draws)]
    finite = np.array([each for each in drawn if np.isfinite(each)])
    if not len(finite):
        return Estimate(value, np.nan, np.nan)
    low, high = (float(each) for each in np.quantile(finite, [0.025, 0.975]))
    return Estimate(value, low, high)
