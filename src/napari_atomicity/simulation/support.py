"""The carbon that clusters lie on: films and flakes, their thickness and grain, edges to vacuum, and the collars of
hydrocarbons that gather around clusters.

Signals are densities in units of lone Pt atoms per nm². The spectrum of real supports falls as a power of about −2.8
above a knee at one over 1 to 6 nm; the strength within 0.4 to 2 nm, about the size of a cluster, decides how well the
background below a cluster is known: 1.5 atoms per nm² were measured on thin carbon, 4 to 5 on thick nitrogen-doped
carbon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

Image = npt.NDArray[np.float32]

#: signal of one nanometre of amorphous carbon, in Pt atoms per nm² (5 nm equal about 6 atoms per nm²)
CARBON_PER_NM: Final = 1.2
#: the lengths between which `Support.structure` is given, nm
STRUCTURE_BAND_NM: Final = (0.4, 2.0)
_FALL: Final = 2.8
_FWHM_TO_SIGMA: Final = 1 / 2.3548


@dataclass(frozen=True)
class Support:
    """The carbon film.

    Attributes
    ----------
    thickness_nm
        Mean thickness.
    structure
        Standard deviation of the support on scales of 0.4 to 2 nm, atoms per nm².
    coarseness_nm
        Length above which the structure grows no further.
    speckle
        Standard deviation of the grain of amorphous carbon at the size of the probe, relative to the level.
    gradient
        Relative change of thickness across the field.
    flakes
        Number of steps in thickness, each the edge of a flake or a fold that adds a tenth to a half.
    vacuum
        Share of the field without support, cut off by an edge.
    lattice
        Amplitude of lattice fringes relative to the level, in patches of the support, before the probe blurs them.
    lattice_nm
        Spacing of the fringes, nm.
    """

    thickness_nm: float = 5.0
    structure: float = 1.2
    coarseness_nm: float = 2.0
    speckle: float = 0.05
    gradient: float = 0.3
    flakes: int = 0
    vacuum: float = 0.0
    lattice: float = 0.0
    lattice_nm: float = 0.34

    @property
    def level(self) -> float:
        """Mean signal of the support, atoms per nm²."""
        return self.thickness_nm * CARBON_PER_NM


def support_signal(
    shape: tuple[int, int], pixel_size_nm: float, support: Support, fwhm_nm: float, rng: np.random.Generator
) -> tuple[Image, npt.NDArray[np.bool_]]:
    """Signal density of the support, and where there is any.

    Parameters
    ----------
    shape
        Height and width in pixels.
    pixel_size_nm
        Side of a pixel in nm.
    support
        The support.
    fwhm_nm
        Width of the probe, which blurs the grain.
    rng
        Source of chance.

    Returns
    -------
    signal
        (y, x) float32, atoms per nm².
    covered
        (y, x) bool, False over vacuum.
    """
    y = np.linspace(-0.5, 0.5, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-0.5, 0.5, shape[1], dtype=np.float32)[None]

    def ramp() -> Image:
        angle = rng.uniform(0, 2 * np.pi)
        return np.asarray(x * np.cos(angle) + y * np.sin(angle), dtype=np.float32)

    along = ramp()
    relative = 1 + support.gradient * along
    for _ in range(support.flakes):
        edge = ramp() + rng.uniform(0.3, 1.5) * _waves(shape, rng)
        width = rng.uniform(0.5, 5.0) / pixel_size_nm / max(shape)
        step = (edge - np.quantile(edge[::8, ::8], rng.uniform(0.15, 0.85))) / width
        relative += rng.uniform(0.1, 0.5) * np.clip(step + 0.5, 0, 1)
    relative /= relative.mean()
    if support.level > 0:
        # structure cannot take away more than there is
        structure = min(support.structure, 0.4 * support.level) / support.level
        relative *= 1 + _texture(shape, pixel_size_nm, support, structure, fwhm_nm, rng)
        if support.lattice > 0:
            relative *= 1 + _fringes(shape, pixel_size_nm, support, fwhm_nm, rng)
    film = support.level * np.clip(relative, 0, None)
    covered = np.ones(shape, dtype=bool)
    if support.vacuum > 0:
        wavy = along + _waves(shape, rng)
        border = float(np.quantile(wavy[::4, ::4], support.vacuum))
        covered = wavy > border
        film *= np.clip((wavy - border) * max(shape) * pixel_size_nm / rng.uniform(0.5, 8.0), 0, 1) ** 0.7
    return film.astype(np.float32), covered


def _waves(shape: tuple[int, int], rng: np.random.Generator) -> Image:
    """A smooth random height, about 0.06 in size, that bends edges."""
    coarse = ndimage.gaussian_filter(rng.standard_normal((24, 24), dtype=np.float32), 1.2)
    coarse *= 0.06 / coarse.std()
    zoomed = ndimage.zoom(coarse, (shape[0] / 23.9, shape[1] / 23.9), order=1)
    return np.asarray(ndimage.uniform_filter(zoomed[: shape[0], : shape[1]], max(shape) // 32), dtype=np.float32)


def _texture(
    shape: tuple[int, int],
    pixel_size_nm: float,
    support: Support,
    structure: float,
    fwhm_nm: float,
    rng: np.random.Generator,
) -> Image:
    """Random structure and speckle, relative to the level, made in one inverse Fourier transform."""
    size = tuple(fft.next_fast_len(n, real=True) for n in shape)
    fy = fft.fftfreq(size[0], pixel_size_nm).astype(np.float32)[:, None]
    fx = fft.rfftfreq(size[1], pixel_size_nm).astype(np.float32)[None]
    square = fy**2 + fx**2
    blur = np.exp(-((2 * np.pi * fwhm_nm * _FWHM_TO_SIGMA) ** 2) * square)
    power = (1 + square * support.coarseness_nm**2) ** (-_FALL / 2)
    low, high = 1 / STRUCTURE_BAND_NM[1] ** 2, 1 / STRUCTURE_BAND_NM[0] ** 2
    band = float(power[(square > low) & (square < high)].sum(dtype=np.float64))
    power *= structure**2 / max(band, 1e-12)
    power += support.speckle**2 / max(float(blur.sum(dtype=np.float64)), 1e-12)
    power *= blur
    power[0, 0] = 0
    # half of the plane stands for the whole of it
    amplitude = np.sqrt(power / 4) * float(size[0] * size[1])
    noise = rng.standard_normal((2, *power.shape), dtype=np.float32)
    spectrum = amplitude * (noise[0] + 1j * noise[1])
    field = fft.irfft2(spectrum.astype(np.complex64), size, overwrite_x=True)
    return np.asarray(field[: shape[0], : shape[1]], dtype=np.float32)


def _fringes(
    shape: tuple[int, int], pixel_size_nm: float, support: Support, fwhm_nm: float, rng: np.random.Generator
) -> Image:
    """Lattice fringes of crystalline patches, relative to the level: one or three directions, bent a little."""
    y = (np.arange(shape[0], dtype=np.float32) * pixel_size_nm)[:, None]
    x = (np.arange(shape[1], dtype=np.float32) * pixel_size_nm)[None]
    blur = float(np.exp(-2 * (np.pi * fwhm_nm * _FWHM_TO_SIGMA / support.lattice_nm) ** 2))
    fringes = np.zeros(shape, dtype=np.float32)
    for _ in range(int(rng.integers(1, 4))):
        wavy = _waves(shape, rng) + _waves(shape, rng)
        patch = np.clip(4 * (wavy / 0.085 - rng.uniform(-0.8, 1.0)), 0, 1)
        bent = 0.5 * support.lattice_nm * _waves(shape, rng) / 0.06
        first, directions = rng.uniform(0, np.pi), 1 if rng.random() < 0.5 else 3
        for angle in first + np.arange(directions) * np.pi / 3:
            along = x * np.cos(angle) + y * np.sin(angle) + bent
            fringes += patch * np.cos(2 * np.pi / support.lattice_nm * along + rng.uniform(0, 2 * np.pi)) / directions
    return np.asarray(support.lattice * blur * fringes, dtype=np.float32)


def collar(
    shape: tuple[int, int],
    centre_px: npt.NDArray[np.float64],
    radius_nm: float,
    height: float,
    pixel_size_nm: float,
    rng: np.random.Generator,
) -> Image:
    """Hydrocarbons piled up at the rim of a cluster, lopsided, thinning outwards.

    Parameters
    ----------
    shape
        Height and width of the window in pixels.
    centre_px
        Centre of the cluster y, x in pixels of the window.
    radius_nm
        Radius of the cluster.
    height
        Height of the pile at the rim, atoms per nm².
    pixel_size_nm
        Side of a pixel in nm.
    rng
        Source of chance.

    Returns
    -------
    numpy.ndarray
        (y, x) float32 signal density, atoms per nm².
    """
    y = ((np.arange(shape[0]) - centre_px[0]) * pixel_size_nm).astype(np.float32)[:, None]
    x = ((np.arange(shape[1]) - centre_px[1]) * pixel_size_nm).astype(np.float32)[None]
    distance, angle = np.hypot(y, x), np.arctan2(y, x)
    inner, outer = rng.uniform(0.15, 0.3), rng.uniform(0.25, 0.6)
    beyond = distance - radius_nm
    profile = np.exp(-0.5 * (beyond / np.where(beyond < 0, inner, outer)) ** 2)
    lopsided = np.ones(shape, dtype=np.float32)
    for order in (1, 2, 3):
        lopsided += rng.normal(0, 0.5) * np.cos(order * (angle - rng.uniform(0, 2 * np.pi)))
    return np.asarray(height * profile * np.clip(lopsided, 0, None), dtype=np.float32)
