"""Size and composition of clusters of two metals, from one total intensity and what else is known of them.

One intensity cannot separate size from composition: for every fraction of the guest there is a number of atoms that
explains it as well. These pairs are the ridge. A second measurement, of another detector or of the fraction itself,
says where on the ridge a cluster lies, as far as it can.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.errors import InputError
from napari_atomicity.metals.elements import atomic_number
from napari_atomicity.metals.exponent import Exponent

Floats = npt.NDArray[np.float64]

#: fractions of the guest that are looked at
FRACTIONS: Final = np.linspace(0.0, 1.0, 201)
#: exponents that stand for the range
_EXPONENTS: Final = 9
#: standard deviations within which 95 % lie
WITHIN: Final = 1.96
#: a fraction that is known worse than this leaves size and composition open; nothing known at all is 0.29
SETTLED: Final = 0.15
#: step of the fractions that are looked at; what is known better is known as well as this
_FINEST: Final = 0.005
#: clusters that are reckoned together
_AT_ONCE: Final = 32


@dataclass(frozen=True)
class Pair:
    """Two metals whose atoms share a cluster, and the unit in which it was counted.

    Attributes
    ----------
    host, guest
        Chemical symbols.
    reference
        Chemical symbol of the element whose atoms are the unit.
    exponent
        Power of the atomic number of the detector.

    Raises
    ------
    InputError
        For unknown elements, or one metal twice.
    """

    host: str
    guest: str
    reference: str
    exponent: Exponent = field(default_factory=Exponent)

    def __post_init__(self) -> None:
        for symbol in (self.host, self.guest, self.reference):
            atomic_number(symbol)
        if self.host == self.guest:
            raise InputError(f"An alloy has two metals; {self.host} is named for both.")

    def signal(self, fraction: Floats, exponent: float | Floats | None = None) -> Floats:
        """Equivalents of a mean atom at fractions of the guest.

        Parameters
        ----------
        fraction
            Atomic fractions of the guest.
        exponent
            Of the atomic number; the one that is reckoned with where None.
        """
        n = self.exponent.value if exponent is None else exponent
        unit = atomic_number(self.reference)
        host, guest = ((atomic_number(metal) / unit) ** n for metal in (self.host, self.guest))
        return np.asarray(host + (guest - host) * fraction)

    @property
    def exponents(self) -> Floats:
        """(e,) exponents evenly spread over the range."""
        low, high = self.exponent.low, self.exponent.high
        return low + (high - low) * (np.arange(_EXPONENTS) + 0.5) / _EXPONENTS


def ridge(equivalents: float, sd: float, pair: Pair) -> pd.DataFrame:
    """All pairs of size and composition that explain one intensity equally well.

    Parameters
    ----------
    equivalents, sd
        The count in units of the reference, and its standard deviation.
    pair
        The two metals.

    Returns
    -------
    pandas.DataFrame
        One row a fraction of the guest: fraction, n_atoms, low, high (of 95 %), n_host, n_guest. Each row is as good as
        any other.
    """
    signal = pair.signal(FRACTIONS)
    sd_signal = pair.signal(FRACTIONS[:, None], pair.exponents[None]).std(axis=1)
    atoms = equivalents / signal
    half = WITHIN * atoms * np.hypot(sd / max(equivalents, np.finfo(float).tiny), sd_signal / signal)
    return pd.DataFrame(
        {
            "fraction": FRACTIONS,
            "n_atoms": atoms,
            "low": np.maximum(atoms - half, 0.0),
            "high": atoms + half,
            "n_host": atoms * (1 - FRACTIONS),
            "n_guest": atoms * FRACTIONS,
        }
    )


def covered(equivalents: Floats, sd: Floats, pair: Pair, n_host: Floats, n_guest: Floats) -> npt.NDArray[np.bool_]:
    """Whether pairs of atoms lie on the ridges of clusters, within 95 %.

    Parameters
    ----------
    equivalents, sd
        (n,) counts in units of the reference, and their standard deviations.
    pair
        The two metals.
    n_host, n_guest
        (n,) atoms of each.
    """
    total = np.asarray(n_host, dtype=np.float64) + n_guest
    fraction = n_guest / np.maximum(total, 1)
    signal = pair.signal(fraction)
    error = pair.signal(fraction[:, None], pair.exponents[None]).std(axis=1) / signal
    relative = np.hypot(np.asarray(sd) / np.maximum(equivalents, np.finfo(float).tiny), error)
    half = WITHIN * relative * equivalents
    return np.asarray(np.abs(equivalents - total * signal) <= half)


@dataclass(frozen=True, eq=False)
class Second:
    """The count of the same clusters by a second detector, in equivalents of the same element.

    Attributes
    ----------
    equivalents, sd
        (n,) counts, and their standard deviations.
    exponent
        Power of the atomic number of that detector.
    """

    equivalents: Floats
    sd: Floats
    exponent: Exponent

    def part(self, rows: slice) -> Second:
        """Some of the clusters."""
        return Second(self.equivalents[rows], self.sd[rows], self.exponent)


def size_and_composition(
    equivalents: Floats,
    sd: Floats,
    pair: Pair,
    fraction: tuple[Floats, Floats] | None = None,
    second: Second | None = None,
) -> pd.DataFrame:
    """Where on their ridges clusters lie, by what else was measured of them.

    Parameters
    ----------
    equivalents, sd
        (n,) counts in units of the reference, and their standard deviations.
    pair
        The two metals.
    fraction
        (n,) measured atomic fractions of the guest and their standard deviations; nan where it was not measured.
    second
        The count by a second detector.

    Returns
    -------
    pandas.DataFrame
        One row a cluster: equivalents, equivalents_sd, n_atoms, n_atoms_sd, fraction, fraction_sd, n_host, n_host_sd,
        n_guest, n_guest_sd, settled. Where not `settled`, size and composition stay open, and the numbers are nan but
        for the equivalents.
    """
    equivalents, sd = (np.asarray(values, dtype=np.float64) for values in (equivalents, sd))
    parts = [
        _some(equivalents[rows], sd[rows], pair, _part(fraction, rows), second and second.part(rows))
        for start in range(0, len(equivalents), _AT_ONCE)
        for rows in [slice(start, start + _AT_ONCE)]
    ]
    empty = {name: np.empty(0) for name in _NUMBERS}
    table = pd.DataFrame({name: np.concatenate([part[name] for part in (parts or [empty])]) for name in _NUMBERS})
    table.insert(0, "equivalents", equivalents)
    table.insert(1, "equivalents_sd", sd)
    table["settled"] = table["fraction_sd"] <= SETTLED
    table.loc[~table["settled"], list(_NUMBERS)] = np.nan
    return table


_NUMBERS: Final = (
    "n_atoms", "n_atoms_sd", "fraction", "fraction_sd", "n_host", "n_host_sd", "n_guest", "n_guest_sd",
)  # fmt: skip


def _part(fraction: tuple[Floats, Floats] | None, rows: slice) -> tuple[Floats, Floats] | None:
    return None if fraction is None else (np.asarray(fraction[0])[rows], np.asarray(fraction[1])[rows])


def _some(
    count: Floats, sd: Floats, pair: Pair, known: tuple[Floats, Floats] | None, beside: Second | None
) -> dict[str, Floats]:
    """Means and standard deviations over all fractions and exponents, weighted by how well they explain a cluster.

    The axes are clusters, fractions, exponents, and exponents of the second detector.
    """
    valid = np.isfinite(count) & np.isfinite(sd) & (count > 0) & (sd > 0)
    x = FRACTIONS[None, :, None, None]
    signal = pair.signal(x, pair.exponents[None, None, :, None])
    at, at_sd = (np.where(valid, values, 1.0)[:, None, None, None] for values in (count, sd))
    log_weight = np.zeros(1)
    atoms, precision = at / signal, (signal / at_sd) ** 2
    if known is not None:
        measured = np.isfinite(known[0]) & np.isfinite(known[1])
        centre, width = (np.where(measured, values, 1.0)[:, None, None, None] for values in known)
        away = ((x - centre) / np.maximum(width, _FINEST)) ** 2
        log_weight = log_weight - 0.5 * np.where(measured[:, None, None, None], away, 0.0)
    if beside is not None:
        other = Pair(pair.host, pair.guest, pair.reference, beside.exponent)
        seen = np.isfinite(beside.equivalents) & np.isfinite(beside.sd) & (beside.equivalents > 0) & (beside.sd > 0)
        other_at = np.where(seen, beside.equivalents, 1.0)[:, None, None, None]
        # what was not seen is known infinitely badly
        other_sd = np.where(seen, beside.sd, np.inf)[:, None, None, None]
        signal_2 = other.signal(x, other.exponents[None, None, None, :])
        precision_2 = (signal_2 / other_sd) ** 2
        both = (precision * atoms + signal_2 * other_at / other_sd**2) / (precision + precision_2)
        misfit = ((at - both * signal) / at_sd) ** 2 + ((other_at - both * signal_2) / other_sd) ** 2
        # all numbers of atoms alike beforehand: what is left of them after both counts is the width of their product
        log_weight = log_weight - 0.5 * misfit - 0.5 * np.log(precision + precision_2)
        atoms, precision = both, precision + precision_2
    shape = np.broadcast_shapes(log_weight.shape, atoms.shape, precision.shape)
    log_weight = np.broadcast_to(log_weight, shape)
    weight = np.exp(log_weight - log_weight.max(axis=(1, 2, 3), keepdims=True))
    weight /= weight.sum(axis=(1, 2, 3), keepdims=True)
    return _moments(weight, atoms, 1 / precision, x, valid)


def _moments(
    weight: Floats, atoms: Floats, variance: Floats, x: Floats, valid: npt.NDArray[np.bool_]
) -> dict[str, Floats]:
    """Means and standard deviations; `variance` is that of the atoms at one fraction and exponent."""
    none, whole = np.zeros((1, 1, 1, 1)), np.ones((1, 1, 1, 1))
    of = {
        "n_atoms": (atoms, whole),
        "n_host": (atoms * (1 - x), 1 - x),
        "n_guest": (atoms * x, x),
        "fraction": (x, none),
    }
    found: dict[str, Floats] = {}
    for name, (value, part) in of.items():
        mean = (weight * value).sum(axis=(1, 2, 3))
        spread = (value - mean[:, None, None, None]) ** 2 + part**2 * variance
        found[name] = np.where(valid, mean, np.nan)
        found[f"{name}_sd"] = np.where(valid, np.sqrt((weight * spread).sum(axis=(1, 2, 3))), np.nan)
    return found
