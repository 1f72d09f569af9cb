"""What one atom is worth, from single atoms in the same image.

Their integrated intensities are a mixture at k · s, k = 1 … 4, with one relative width, of which only what is brighter
than the limit of detection at its place is seen. On real images one atom scatters by 35 %, and lighter
atoms and pairs lie among them: what comes out is a hint with a wide error, never a truth. Bumps of the support just
above the limit are a part of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.references import ScaleReference
from napari_atomicity.errors import InputError

Floats = npt.NDArray[np.float64]

MOST: Final = 4
LEAST_ATOMS: Final = 15
#: part of the single atoms that must be brighter than the limit of detection
_SEEN: Final = 0.6
#: relative width that one atom can have
_WIDTHS: Final = (0.05, 0.6)
#: bumps of the support and noise: how fast they become fewer above the limit, as part of it; how many there may be
_FALL: Final = 0.25
_MOST_BUMPS: Final = 0.4
#: relative error that stays however many atoms there are: what the features are is not known
FLOOR_SD: Final = 0.25
_PSEUDO: Final = 0.5


@dataclass(frozen=True, eq=False)
class SingleAtoms:
    """Single atoms of an image.

    Attributes
    ----------
    intensity
        (n,) integrated intensities, counts·nm².
    one, one_sd
        Intensity of one atom, and its relative standard deviation by statistics alone.
    width
        Relative standard deviation of the intensities of features of as many atoms.
    shares
        Part of the features that are one, two … atoms, in all 1.
    bumps
        Part of what was seen that is no atom: noise, and the support.
    limit
        (n,) intensity below which a feature at the place of each is missed.
    seen
        Part of the single atoms at these places that are brighter than that.
    """

    intensity: Floats
    one: float
    one_sd: float
    width: float
    shares: tuple[float, ...]
    bumps: float
    limit: Floats
    seen: float

    @property
    def reference(self) -> ScaleReference:
        """As a way to the intensity of one atom."""
        sd = float(np.hypot(self.one_sd, FLOOR_SD))
        return ScaleReference("atoms", self.one, sd, basis=self.sentence)

    @property
    def sentence(self) -> str:
        """What they are."""
        several = ", ".join(f"{100 * share:.0f} % of {k}" for k, share in enumerate(self.shares, 1))
        return f"{len(self.intensity)} features ({several} atoms), one atom scatters by {100 * self.width:.0f} %"

    def density(self, intensity: Floats) -> Floats:
        """Expected density of the intensities that are seen."""
        values, shares = np.asarray(intensity, dtype=np.float64), np.array(self.shares)
        parts, _ = _parts(values, self.one, self.width, values, len(shares))
        _, seen = _parts(self.limit, self.one, self.width, self.limit, len(shares))
        above = values[:, None] >= self.limit
        atoms = parts @ shares * (above / np.maximum(seen @ shares, 1e-12)).mean(axis=1)
        return np.asarray(
            (1 - self.bumps) * atoms + self.bumps * (above * _bumps(values[:, None], self.limit)).mean(axis=1)
        )


def fit_single_atoms(intensity: Floats, limit: Floats) -> SingleAtoms:
    """Fit the mixture, with as many components as the integrated completed likelihood chooses (Biernacki et al. 2000).

    Parameters
    ----------
    intensity
        (n,) integrated intensities of features as narrow as an atom, counts·nm², above `limit`.
    limit
        (n,) intensity below which a feature at the same place is missed.

    Raises
    ------
    InputError
        Where there are too few, or single atoms are lost in noise.
    """
    values = np.asarray(intensity, dtype=np.float64)
    rows = np.isfinite(values) & (values >= limit) & (values > 0)
    values, limit = values[rows], np.asarray(limit, dtype=np.float64)[rows]
    if len(values) < LEAST_ATOMS:
        raise InputError(
            f"{len(values)} single atoms stand out of the noise; at least {LEAST_ATOMS} are needed to tell what one is "
            "worth."
        )
    fits = [_fit(values, limit, k) for k in range(1, MOST + 1)]
    # components that nobody would see explain anything: only fits whose single atoms are seen take part
    sensible = [fit for fit in fits if _is_sensible(fit[1], values, limit)]
    best = min((fit for fit in sensible), key=lambda fit: fit[0], default=None)
    if best is None or best[0] > fits[0][0]:
        raise InputError(
            "Single atoms are lost in the noise of this image: about half of them or more would be missed, and what is "
            "left is brighter than one atom. They cannot say what one is worth."
        )
    at = best[1]
    one, width, bumps, shares = float(np.exp(at[0])), float(np.exp(at[1])), _bump_share(at), _shares(at[3:])
    seen = float(_parts(values, one, width, limit, 1)[1].mean())
    sd = _sd(values, limit, at)
    return SingleAtoms(values, one, sd, width, tuple(float(share) for share in shares), bumps, limit, seen)


def _parts(values: Floats, one: float, width: float, limit: Floats, k: int) -> tuple[Floats, Floats]:
    """(n, k) density of every component, and part of it above the limit."""
    from scipy.special import ndtr

    mean = one * np.arange(1, k + 1)
    sd = width * mean
    z = (values[:, None] - mean) / sd
    return np.exp(-0.5 * z**2) / (sd * np.sqrt(2 * np.pi)), np.asarray(ndtr((mean - limit[:, None]) / sd))


def _is_sensible(at: Floats, values: Floats, limit: Floats) -> bool:
    """Whether most single atoms of a fit would be seen, and what is seen are atoms."""
    one, width = float(np.exp(at[0])), float(np.exp(at[1]))
    seen = float(_parts(values, one, width, limit, 1)[1].mean())
    return seen >= _SEEN and width <= 0.95 * _WIDTHS[1] and _bump_share(at) <= _MOST_BUMPS


def _bumps(values: Floats, limit: Floats) -> Floats:
    """Density of what is no atom, above the limit."""
    reach = _FALL * limit
    return np.asarray(np.exp(-np.maximum(values - limit, 0.0) / reach) / reach)


def _fit(values: Floats, limit: Floats, k: int) -> tuple[float, Floats]:
    """Criterion (the less the better) and best fit with k components: ln s, ln width, log-odds of bumps and shares."""
    from scipy.optimize import minimize

    low, high = np.log(_WIDTHS)
    middle = float(np.log(np.median(values)))
    best: tuple[float, Floats] | None = None
    for start in np.linspace(middle - np.log(k) - 0.25, middle + 0.2, 3 if k > 1 else 1):
        first = np.concatenate([[start, np.log(0.25), -3.0], np.linspace(0, -1.5, k)[1:]])
        bounds = [(middle - 2.5, middle + 1), (low, high), (-7.0, 3.0), *[(-6.0, 3.0)] * (k - 1)]
        found = minimize(_cost, first, args=(values, limit, k), method="L-BFGS-B", bounds=bounds)
        if best is None or found.fun < best[0]:
            best = float(found.fun), found.x
    assert best is not None
    cost, at = best
    chance = _joint(at, values, limit, k)
    chance /= np.maximum(chance.sum(axis=1, keepdims=True), 1e-300)
    entropy = -float((chance * np.log(np.maximum(chance, 1e-300))).sum())
    return 2 * cost + (k + 2) * float(np.log(len(values))) + 2 * entropy, at


def _shares(odds: Floats) -> Floats:
    """Shares of the components from the logarithms of their odds; the first is the measure of the others."""
    parts = np.exp(np.concatenate([[0.0], odds]))
    return np.asarray(parts / parts.sum())


def _bump_share(at: Floats) -> float:
    """Part of what is seen that is no atom."""
    return float(1 / (1 + np.exp(-at[2])))


def _joint(at: Floats, values: Floats, limit: Floats, k: int) -> Floats:
    """(n, 1 + k) density of bumps and of one to k atoms at what is seen, in all that of the mixture."""
    shares, bumps = _shares(at[3:]), _bump_share(at)
    parts, seen = _parts(values, float(np.exp(at[0])), float(np.exp(at[1])), limit, k)
    atoms = (1 - bumps) * parts * shares / np.maximum(seen @ shares, 1e-12)[:, None]
    return np.column_stack([bumps * _bumps(values, limit), atoms])


def _cost(at: Floats, values: Floats, limit: Floats, k: int) -> float:
    """Negative log-likelihood of what is seen, and a slight wish for shares that do not vanish."""
    density = _joint(at, values, limit, k).sum(axis=1)
    wish = _PSEUDO * np.log(_shares(at[3:])).sum() + np.log1p(-_bump_share(at))
    return float(-np.log(np.maximum(density, 1e-300)).sum() - wish)


def _sd(values: Floats, limit: Floats, at: Floats) -> float:
    """Standard deviation of ln s, from the curvature of the likelihood."""
    k = len(at) - 2
    step = 0.02
    curvature = np.empty((len(at), len(at)))
    for i in range(len(at)):
        for j in range(len(at)):
            total = 0.0
            for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                moved = at.copy()
                moved[i] += a * step
                moved[j] += b * step
                total += a * b * _cost(moved, values, limit, k)
            curvature[i, j] = total / (4 * step**2)
    spread = np.linalg.pinv(curvature, hermitian=True)[0, 0]
    return float(np.sqrt(spread)) if np.isfinite(spread) and spread > 0 else FLOOR_SD
