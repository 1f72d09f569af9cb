"""From atoms to the signal on the detector: incoherent HAADF imaging.

Every atom adds a spot of the probe's width at its height. For clusters of this size in any orientation that is not
aligned with the beam the integrated signal is linear in the atom count; atoms stacked along the beam scatter more
than their sum (channelling), which a small enhancement of close pairs imitates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares
from scipy.special import erf

from napari_atomicity.errors import InputError
from napari_atomicity.simulation.aberrated import SHARP_PX, half_width, through
from napari_atomicity.simulation.optics import Optics
from napari_atomicity.simulation.structures import ELEMENTS

Image = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

#: extra signal of each of two atoms exactly above each other, in units of a lone one (multislice with frozen phonons)
ALIGNED_GAIN: Final = 0.105
#: how exactly: the channelling peak under an atom is narrow, 0.03 nm aside nothing is left of it
_ALIGNED_WITHIN_NM: Final = 0.0125
#: an atom gains from no more than this many others in its column
_COLUMN: Final = 4
#: HAADF signal of an atom grows with this power of its atomic number (multislice, 28 to 79, 60 to 150 mrad: within 4 %)
Z_EXPONENT: Final = 1.5
_FWHM_TO_SIGMA: Final = 1 / 2.3548
#: width of a probe's tail over that of its core
TAIL_WIDTH: Final = 2.5
#: heights above the support at which a probe is fitted, nm
HEIGHTS_NM: Final = (-0.3, 0.8, 1.9)
#: an atom's own response falls with spatial frequency as exp(-reach q) (multislice, 200 and 300 kV, 60 to 150 mrad)
_ATOM_REACH_NM: Final = 0.0095
#: widest Gaussian of a probe in focus, standard deviation, nm
_WIDEST_NM: Final = 0.3
_TILE_PX: Final = 64
#: Gaussians are drawn to this many sigmas
_REACH: Final = 4.0


@dataclass(frozen=True)
class Spot:
    """One of the Gaussians that together make the image of an atom.

    Attributes
    ----------
    sigma_nm
        Its width.
    shares
        Its part of the atom's signal at the heights `HEIGHTS_NM`; may be negative (the dark middle of a ring).
    """

    sigma_nm: float
    shares: tuple[float, float, float]


@dataclass(frozen=True)
class Probe:
    """What one atom looks like: the probe with the source's size, at the atom's height.

    Attributes
    ----------
    fwhm_nm
        Full width at half maximum of an atom in focus, nm.
    depth_blur
        Width added (in quadrature) for every nm that an atom lies away from focus, nm per nm; of a round probe about
        1.4 times the convergence angle in rad.
    focus_nm
        Height that is in focus, nm above the support.
    tail
        Share of the signal in a tail `TAIL_WIDTH` times as wide.
    spots
        Gaussians fitted to the optics; where given, they are the probe and `depth_blur` and `tail` do not count.
    optics
        Of a probe that is not round; where given, its transfer function is the probe and nothing else counts.
    """

    fwhm_nm: float
    depth_blur: float = 0.0
    focus_nm: float = 0.0
    tail: float = 0.0
    spots: tuple[Spot, ...] = ()
    optics: Optics | None = None

    def __post_init__(self) -> None:
        if not self.fwhm_nm > 0:
            raise InputError(f"A probe of width {self.fwhm_nm} nm images nothing; give a width above zero.")
        if not 0 <= self.tail < 1:
            raise InputError(f"A tail cannot hold {self.tail} of the signal; give a share from 0 to below 1.")

    @classmethod
    def of(cls, optics: Optics) -> Probe:
        """The probe of a microscope, by wave optics: diffraction rings, tails, source and an atom's own size.

        A round one is three Gaussians, fitted to the transfer function (`Optics.transfer`) at the heights of a cluster.
        """
        if optics.is_round:
            return _fitted(optics)
        return cls(half_width(optics, 0.0), focus_nm=optics.defocus_nm, optics=optics)

    def components(self, heights_nm: Floats) -> tuple[Floats, Floats]:
        """Gaussians of atoms at heights above the support: (n, c) sigmas in nm and (n, c) shares of the signal."""
        heights = np.asarray(heights_nm, dtype=float)
        if self.spots:
            between = _parabolas(np.clip(heights, HEIGHTS_NM[0], HEIGHTS_NM[-1]))
            sigma = np.broadcast_to([spot.sigma_nm for spot in self.spots], (len(heights), len(self.spots)))
            return np.asarray(sigma), between @ np.array([spot.shares for spot in self.spots]).T
        core = np.hypot(self.fwhm_nm, self.depth_blur * (heights - self.focus_nm)) * _FWHM_TO_SIGMA
        if not self.tail:
            return core[:, None], np.ones((len(heights), 1))
        sigma = np.column_stack([core, TAIL_WIDTH * core])
        return sigma, np.broadcast_to([1 - self.tail, self.tail], sigma.shape)

    def render(self, shape: tuple[int, int], pixel_size_nm: float, atoms_px: Floats, weights: Floats) -> Image:
        """Signal density of atoms in units of lone platinum atoms per nm².

        Parameters
        ----------
        shape
            Height and width in pixels.
        pixel_size_nm
            Side of a pixel in nm.
        atoms_px
            (n, 3) atoms: y and x in pixels, height above the support in nm.
        weights
            (n,) signal of each atom in units of a lone platinum atom (`atom_weights`).

        Returns
        -------
        (y, x) float32.
        """
        if self.optics is not None:
            return self._through_optics(shape, pixel_size_nm, atoms_px, weights)
        sigma, share = self.components(atoms_px[:, 2])
        return _render(shape, pixel_size_nm, atoms_px[:, :2], weights[:, None] * share, sigma)

    def _through_optics(self, shape: tuple[int, int], pixel_size_nm: float, atoms_px: Floats, weights: Floats) -> Image:
        assert self.optics is not None
        between = _parabolas(np.clip(atoms_px[:, 2], HEIGHTS_NM[0], HEIGHTS_NM[-1]))
        sigma = np.full((len(weights), 1), SHARP_PX * pixel_size_nm)
        sharp = [
            _render(shape, pixel_size_nm, atoms_px[:, :2], (weights * share)[:, None], sigma) for share in between.T
        ]
        return through(self.optics, HEIGHTS_NM, np.stack(sharp), pixel_size_nm, _ATOM_REACH_NM)


def _parabolas(heights_nm: Floats) -> Floats:
    """(n, 3) Lagrange weights of the three `HEIGHTS_NM`."""
    low, middle, high = HEIGHTS_NM
    return np.column_stack(
        [
            (heights_nm - middle) * (heights_nm - high) / ((low - middle) * (low - high)),
            (heights_nm - low) * (heights_nm - high) / ((middle - low) * (middle - high)),
            (heights_nm - low) * (heights_nm - middle) / ((high - low) * (high - middle)),
        ]
    )


@lru_cache(maxsize=256)
def _fitted(optics: Optics) -> Probe:
    """Gaussians fitted to the transfer of the optics at three heights: common widths, shares by height.

    The fit is made among spatial frequencies, where an atom's image is the product of the probe's transfer, the
    source's and the atom's own; by Parseval it is a least-squares fit of the image itself.
    """
    q = np.linspace(0.2, min(2 * optics.cutoff, 1.6 / max(optics.source_fwhm_nm, 0.04)), 40)
    aim = optics.transfer(q, np.array(HEIGHTS_NM)) * np.exp(-_ATOM_REACH_NM * q)
    importance = np.sqrt(q + 0.5)

    def shares(log_sigma: Floats) -> tuple[Floats, Floats]:
        """Shares that add up to one, (c, 3), and what the fit leaves."""
        waves = np.exp(-2 * (np.pi * np.exp(log_sigma)[:, None] * q) ** 2)
        apart = ((waves[:-1] - waves[-1]) * importance).T
        rest = ((aim - waves[-1]) * importance).T
        ridge = 1e-2 * np.eye(len(log_sigma) - 1)
        free = np.linalg.lstsq(np.vstack([apart, ridge]), np.vstack([rest, np.zeros((len(ridge), 3))]), rcond=None)[0]
        return np.vstack([free, 1 - free.sum(axis=0)]), (apart @ free - rest).ravel()

    narrow = np.hypot(0.51 / optics.cutoff, optics.source_fwhm_nm) * _FWHM_TO_SIGMA
    spread = max(abs(optics.defocus_nm - h) for h in HEIGHTS_NM) * optics.convergence_mrad * 1e-3
    start = np.log(narrow + 0.4 * spread) + np.array([0.0, 0.4, 0.8])

    # without an upper bound a Gaussian runs away to where it is nothing but background
    bounds = np.log(0.5 * narrow), np.log(max(_WIDEST_NM, 3 * narrow) + spread)

    def misfit(log_sigma: Floats) -> Floats:
        return shares(log_sigma)[1]

    log_widths = np.asarray(least_squares(misfit, start, bounds=bounds, max_nfev=25).x)
    table = shares(log_widths)[0]
    spots = tuple(
        Spot(float(sigma), (float(s[0]), float(s[1]), float(s[2])))
        for sigma, s in zip(np.exp(log_widths), table, strict=True)
    )
    return Probe(_half_width(spots), focus_nm=optics.defocus_nm, spots=spots)


def _half_width(spots: tuple[Spot, ...]) -> float:
    """Full width at half maximum of an atom on the support, nm."""
    r = np.linspace(0, 1.5, 1500)
    share = _parabolas(np.zeros(1))[0]
    density = sum(
        float(share @ spot.shares) / spot.sigma_nm**2 * np.exp(-0.5 * (r / spot.sigma_nm) ** 2) for spot in spots
    )
    profile = np.asarray(density)
    return float(2 * r[np.flatnonzero(profile >= profile.max() / 2)[-1]])


def atom_weights(positions_nm: Floats, element: str = "Pt") -> Floats:
    """Signal of each atom of one cluster in units of a lone platinum atom.

    Parameters
    ----------
    positions_nm
        (n, 3) positions in nm; the beam runs along z.
    element
        Chemical symbol, one of `structures.ELEMENTS`.

    Returns
    -------
    (n,) weights.
    """
    lone = (ELEMENTS[element][1] / ELEMENTS["Pt"][1]) ** Z_EXPONENT
    x, y = positions_nm[:, 0], positions_nm[:, 1]
    square = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2
    first, second = np.nonzero(square < (4 * _ALIGNED_WITHIN_NM) ** 2)
    closeness = np.exp(-0.5 * square[first, second] / _ALIGNED_WITHIN_NM**2)
    above = np.bincount(first, closeness, len(x)) - 1  # without itself
    return np.asarray(lone * (1 + ALIGNED_GAIN * np.minimum(above, _COLUMN)))


def render_atoms(
    shape: tuple[int, int], pixel_size_nm: float, centres_px: Floats, weights: Floats, fwhm_nm: Floats
) -> Image:
    """Signal density of atoms that are Gaussian spots, in atoms per nm².

    Parameters
    ----------
    shape
        Height and width in pixels.
    pixel_size_nm
        Side of a pixel in nm.
    centres_px
        (n, 2) atom centres y, x in pixels.
    weights
        (n,) signal of each atom in units of a lone atom.
    fwhm_nm
        (n,) width of each atom's spot (probe, source size and defocus at its depth), nm.

    Returns
    -------
    (y, x) float32; its sum times the pixel area is the sum of the weights, but for what falls outside.
    """
    return _render(shape, pixel_size_nm, centres_px, weights[:, None], fwhm_nm[:, None] * _FWHM_TO_SIGMA)


def _render(shape: tuple[int, int], pixel_size_nm: float, centres_px: Floats, amounts: Floats, sigma: Floats) -> Image:
    """Sum of round Gaussians, (n, c) `amounts` of (n, c) widths `sigma` in nm, integrated over each pixel.

    Gaussians separate into rows and columns, so the atoms of a tile are one matrix product.
    """
    image = np.zeros(shape)
    inside = (centres_px > -0.5 - 8 / pixel_size_nm).all(axis=1) & (
        centres_px < np.array(shape) + 8 / pixel_size_nm
    ).all(axis=1)
    tile = np.floor(centres_px[inside] / _TILE_PX).astype(np.int64)
    order = np.lexsort(tile.T)
    borders = np.flatnonzero(np.any(np.diff(tile[order], axis=0), axis=1)) + 1
    for group in np.split(np.flatnonzero(inside)[order], borders):
        if not len(group):
            continue
        places, width = centres_px[group], sigma[group] / pixel_size_nm
        reach = _REACH * width.max() + 1
        low = np.clip(np.floor(places.min(axis=0) - reach), 0, shape).astype(int)
        high = np.clip(np.ceil(places.max(axis=0) + reach) + 1, 0, shape).astype(int)
        if (high <= low).any():
            continue
        rows = _pixel_shares(places[:, 0], width, low[0], high[0]) * amounts[group].reshape(-1, 1)
        columns = _pixel_shares(places[:, 1], width, low[1], high[1])
        window = image[low[0] : high[0], low[1] : high[1]]
        # BLAS keeps products of this size on one thread: more threads cost more than they do here
        step = max(1, 250_000 // window.size)
        for start in range(0, len(rows), step):
            window += rows[start : start + step].T @ columns[start : start + step]
    return (image / pixel_size_nm**2).astype(np.float32)


def _pixel_shares(centre: Floats, sigma: Floats, low: int, high: int) -> Floats:
    """(n * c, high - low) share of each Gaussian that the pixels from `low` to `high` collect, along one axis."""
    edges = np.arange(low, high + 1) - 0.5
    scale = 1 / (np.sqrt(2) * sigma)
    inside = erf((edges - centre[:, None, None]) * scale[:, :, None])
    return np.asarray(0.5 * np.diff(inside, axis=-1).reshape(-1, high - low))
