"""Size and composition of clusters of two metals, from one total intensity and what else is known of them.

One intensity cannot separate size from composition: for every fraction of the guest there is a number of atoms that
explains it as well. These pairs are the ridge. A second measurement, of another detector or of the fraction itself,
says where on the ridge a cluster lies, as far as it can.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

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
#: ln(atoms) further than this many standard deviations from every class is none of them
_FAR: Final = 3.0


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
    rows = []
    for at in range(len(equivalents)):
        known = None if fraction is None else (float(fraction[0][at]), float(fraction[1][at]))
        beside = None if second is None else (float(second.equivalents[at]), float(second.sd[at]), second.exponent)
        rows.append(_one(float(equivalents[at]), float(sd[at]), pair, known, beside))
    table = pd.DataFrame(rows, columns=list(_NUMBERS))
    table.insert(0, "equivalents", equivalents)
    table.insert(1, "equivalents_sd", sd)
    table["settled"] = table["fraction_sd"] <= SETTLED
    table.loc[~table["settled"], [name for name in _NUMBERS if name != "settled"]] = np.nan
    return table


_NUMBERS: Final = (
    "n_atoms", "n_atoms_sd", "fraction", "fraction_sd", "n_host", "n_host_sd", "n_guest", "n_guest_sd",
)  # fmt: skip


def _one(
    count: float,
    sd: float,
    pair: Pair,
    known: tuple[float, float] | None,
    beside: tuple[float, float, Exponent] | None,
) -> dict[str, float]:
    """Means and standard deviations over all fractions and exponents, weighted by how well they explain a cluster."""
    if not (np.isfinite([count, sd]).all() and count > 0 and sd > 0):
        return dict.fromkeys(_NUMBERS, np.nan)
    x = FRACTIONS[:, None, None]
    signal = pair.signal(x, pair.exponents[None, :, None])
    weight = np.ones((len(FRACTIONS), _EXPONENTS, 1))
    atoms, precision = count / signal, (signal / sd) ** 2
    if known is not None and np.isfinite(known).all():
        weight = weight * np.exp(-0.5 * ((x - known[0]) / max(known[1], 1e-3)) ** 2)
    if beside is not None and np.isfinite(beside[:2]).all() and beside[0] > 0 and beside[1] > 0:
        other = Pair(pair.host, pair.guest, pair.reference, beside[2])
        signal_2 = other.signal(x, other.exponents[None, None, :])
        precision_2 = (signal_2 / beside[1]) ** 2
        both = (precision * atoms + precision_2 * beside[0] / signal_2) / (precision + precision_2)
        misfit = ((count - both * signal) / sd) ** 2 + ((beside[0] - both * signal_2) / beside[1]) ** 2
        # all numbers of atoms alike beforehand: what is left of them after both counts is the width of their product
        weight = weight * np.exp(-0.5 * (misfit - misfit.min())) / np.sqrt(precision + precision_2)
        atoms, precision = both, precision + precision_2
    weight = np.broadcast_to(weight, np.broadcast_shapes(weight.shape, atoms.shape))
    if not weight.sum() > 0:
        return dict.fromkeys(_NUMBERS, np.nan)
    weight = weight / weight.sum()
    x = np.broadcast_to(x, weight.shape)
    return _moments(weight, np.broadcast_to(atoms, weight.shape), 1 / np.broadcast_to(precision, weight.shape), x)


def _moments(weight: Floats, atoms: Floats, variance: Floats, fraction: Floats) -> dict[str, float]:
    values: dict[str, tuple[Floats, Any]] = {"n_atoms": (atoms, 1.0), "n_host": (atoms * (1 - fraction), 1 - fraction)}
    values |= {"n_guest": (atoms * fraction, fraction), "fraction": (fraction, 0.0)}
    found: dict[str, float] = {}
    for name, (value, part) in values.items():
        mean = float((weight * value).sum())
        spread = float((weight * ((value - mean) ** 2 + np.square(part) * variance)).sum())
        found |= {name: mean, f"{name}_sd": spread**0.5}
    return found


def likeliest_sizes(n_atoms: Floats, sd: Floats, element: str, sizes: tuple[int, ...]) -> pd.DataFrame:
    """The class that counts with their errors speak for, all classes alike beforehand.

    Parameters
    ----------
    n_atoms, sd
        (n,) atoms in all, and their standard deviations; nan where they are open.
    element
        What stands before the number in a label.
    sizes
        Atoms of each class.

    Returns
    -------
    pandas.DataFrame
        One row a count: label, confidence; empty and nan where the count is open, ``other`` far from every class.
    """
    relative = np.maximum(np.asarray(sd) / np.maximum(n_atoms, np.finfo(float).tiny), 1e-6)
    away = (np.log(np.maximum(n_atoms, np.finfo(float).tiny))[:, None] - np.log(sizes)) / relative[:, None]
    chance = np.exp(-0.5 * (away**2 - np.nan_to_num((away**2).min(axis=1, keepdims=True))))
    chance /= chance.sum(axis=1, keepdims=True)
    best = np.nan_to_num(chance).argmax(axis=1)
    labels: list[Any] = []
    for row, at in enumerate(best):
        known = np.isfinite(away[row]).all()
        near = known and abs(away[row, at]) <= _FAR
        labels.append(f"{element}{sizes[at]}" if near else "other" if known else "")
    confidence = chance[np.arange(len(best)), best]
    return pd.DataFrame(
        {"label": labels, "confidence": np.where([bool(label) for label in labels], confidence, np.nan)}
    )
