"""From the centre to the contour: how far out the network finds its evidence, by class and channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.counting.patches import NM_PER_PX, PATCH_PX
from napari_atomicity.insight.attribution import Attribution

#: edges of the rings, in nm and in radii of the cluster
EDGES_NM: Final = np.arange(0.0, 1.51, 0.1)
EDGES_RADII: Final = np.arange(0.0, 2.01, 0.2)
#: what counts as centre and as contour, in radii
_CENTRE: Final = (0.0, 0.5)
_CONTOUR: Final = (0.75, 1.25)
#: evidence beyond this many radii is not the cluster's own: neighbours, satellites
_REACH: Final = 2.0
_DRAWS: Final = 400
_SEED: Final = 7


@dataclass(frozen=True, eq=False)
class RadialProfiles:
    """Radial profiles of a set of clusters.

    Attributes
    ----------
    table
        One row a class, channel, unit (``nm`` or ``radii``) and ring: label, channel, unit, radius (middle of the
        ring), mean, low, high, clusters. Density of the attribution in the ring over that within two radii: 1 is as
        dense as on average, whatever the size of the cluster and the strength of the evidence. `low` and `high` are
        the 95 % interval of the mean (bootstrap over clusters).
    summary
        One row a class and channel: label, channel, clusters, centre and contour (density within half a radius, and
        between 0.75 and 1.25 radii), lead (contour less centre over their sum: -1 all centre, 1 all contour) with low
        and high, and the share of clusters without any evidence.
    resolution_nm
        Detail of the maps; a Pt19 has a radius of two such cells.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    resolution_nm: float


def radial_profiles(
    attribution: Attribution, diameter_nm: npt.NDArray[np.float64], labels: npt.NDArray[np.object_]
) -> RadialProfiles:
    """Mean radial profile of the attribution by class and channel.

    Parameters
    ----------
    attribution
        Heat maps of n clusters.
    diameter_nm
        (n,) measured diameters; a cluster without one takes no part.
    labels
        (n,) classes to average over; empty for a cluster that takes no part.

    Returns
    -------
    RadialProfiles
        Profiles with their intervals (percentile bootstrap over clusters, Efron & Tibshirani 1993).
    """
    radius = np.asarray(diameter_nm, dtype=np.float64) / 2
    usable = np.isfinite(radius) & (radius > 0) & (attribution.target >= 0) & (labels != "")
    tables, summaries = [], []
    for channel, name in enumerate(attribution.channel_names):
        drawn = usable & ~attribution.empty[:, channel]
        in_nm = np.full((len(radius), len(EDGES_NM) - 1), np.nan)
        in_radii = np.full((len(radius), len(EDGES_RADII) - 1), np.nan)
        ends = np.full((len(radius), 2), np.nan)
        for row in np.flatnonzero(drawn):
            in_nm[row], in_radii[row], ends[row] = _densities_of(attribution.maps[row, channel], radius[row])
        for label in _in_order(labels[usable]):
            of_class = drawn & (labels == label)
            tables.append(_table_rows(label, name, "nm", EDGES_NM, in_nm[of_class]))
            tables.append(_table_rows(label, name, "radii", EDGES_RADII, in_radii[of_class]))
            summaries.append(_summary(label, name, ends[of_class], int((usable & (labels == label)).sum())))
    columns = ["label", "channel", "unit", "radius", "mean", "low", "high", "clusters"]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    return RadialProfiles(table, pd.DataFrame(summaries, columns=_SUMMARY), attribution.resolution_nm)


_SUMMARY: Final = ["label", "channel", "clusters", "centre", "contour", "lead", "low", "high", "without_evidence"]


def _densities_of(
    heat: npt.NDArray[np.float32], radius_nm: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], tuple[float, float]]:
    """Density in rings of nm and of radii, and at centre and contour, over the mean density within two radii."""
    distance = _DISTANCE_NM
    mean = float(heat[distance < _REACH * radius_nm].mean())
    if mean <= 0:
        nothing = np.nan
        return np.full(len(EDGES_NM) - 1, nothing), np.full(len(EDGES_RADII) - 1, nothing), (nothing, nothing)
    ends = tuple(
        float(heat[(distance >= low * radius_nm) & (distance < high * radius_nm)].mean()) / mean
        for low, high in (_CENTRE, _CONTOUR)
    )
    return (
        _rings(heat, distance, EDGES_NM) / mean,
        _rings(heat, distance / radius_nm, EDGES_RADII) / mean,
        (ends[0], ends[1]),
    )


def _rings(
    heat: npt.NDArray[np.float32], distance: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Mean of `heat` in each ring; nan in a ring that no pixel lies in."""
    ring = np.digitize(distance.ravel(), edges) - 1
    inside = ring < len(edges) - 1
    pixels = np.bincount(ring[inside], minlength=len(edges) - 1)
    total = np.bincount(ring[inside], heat.ravel()[inside], minlength=len(edges) - 1)
    return np.where(pixels > 0, total / np.maximum(pixels, 1), np.nan)


def _table_rows(
    label: str, channel: str, unit: str, edges: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> pd.DataFrame:
    profiles = values[~np.isnan(values).all(axis=1)]
    mean, low, high = _mean_and_interval(profiles)
    middle = 0.5 * (edges[:-1] + edges[1:])
    shared: dict[str, Any] = {"label": label, "channel": channel, "unit": unit, "clusters": len(profiles)}
    return pd.DataFrame({"radius": middle, "mean": mean, "low": low, "high": high}).assign(**shared)[
        ["label", "channel", "unit", "radius", "mean", "low", "high", "clusters"]
    ]


def _summary(label: str, channel: str, ends: npt.NDArray[np.float64], asked_for: int) -> dict[str, Any]:
    densities = ends[np.isfinite(ends).all(axis=1)]
    total = densities.sum(axis=1)
    lead = (densities[:, 1] - densities[:, 0])[total > 0] / total[total > 0]
    mean, low, high = (float(statistic[0]) for statistic in _mean_and_interval(lead[:, None]))
    centre, contour = densities.mean(axis=0) if len(densities) else (np.nan, np.nan)
    without = 1 - len(ends) / asked_for if asked_for else np.nan
    values = (label, channel, len(lead), float(centre), float(contour), mean, low, high, without)
    return dict(zip(_SUMMARY, values, strict=True))


def _mean_and_interval(
    values: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean over rows and the 95 % interval of that mean, by bootstrap; nan for fewer than two rows."""
    columns = values.shape[1]
    if not len(values):
        nothing = np.full(columns, np.nan)
        return nothing, nothing, nothing
    filled = np.nan_to_num(values)
    finite = np.isfinite(values).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=0) / finite.sum(axis=0)
        if len(values) < 2:
            return mean, np.full(columns, np.nan), np.full(columns, np.nan)
        # weights of a bootstrap: how often each row was drawn
        drawn = np.random.default_rng(_SEED).multinomial(len(values), np.full(len(values), 1 / len(values)), _DRAWS)
        means = (drawn @ filled) / (drawn @ finite)
    enough = finite.sum(axis=0) > 1
    low, high = np.full(columns, np.nan), np.full(columns, np.nan)
    low[enough], high[enough] = np.nanpercentile(means[:, enough], [2.5, 97.5], axis=0)
    return mean, low, high


def _in_order(labels: npt.NDArray[np.object_]) -> list[str]:
    """Each label once, by number of atoms."""
    return sorted(set(map(str, labels)), key=lambda label: (int("".join(filter(str.isdigit, label)) or 0), label))


def _distances() -> npt.NDArray[np.float64]:
    y, x = np.indices((PATCH_PX, PATCH_PX)) - (PATCH_PX - 1) / 2
    return np.asarray(np.hypot(y, x) * NM_PER_PX)


_DISTANCE_NM: Final = _distances()
