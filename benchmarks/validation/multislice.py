"""Images by multislice with abTEM's atoms: what the fast model is checked against, and frames to evaluate on.

The beams of the aperture are sent through the cluster one by one (the scattering matrix of PRISM, Ophus 2017, without
its interpolation). What a detector makes of any two of them, ``gram = sum over the detector of S_b conj(S_b')``, holds
the image for every focus and aberration: no probe is scanned, and a through-focus series costs as much as one image.

abTEM (GPL-3) and ASE are optional: ``pip install napari-atomicity[validate]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.linalg import blas

from napari_atomicity.errors import InputError
from napari_atomicity.simulation.optics import Optics

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]
Waves = npt.NDArray[np.complex64]

#: nm per pixel of multislice images
SAMPLING_NM: Final = 0.025
#: products of two waves are free of aliasing within this part of the spectrum
_BAND: Final = 2 / 3
#: grid of the transmission functions, finer than that of the waves
_OVERSAMPLING: Final = 4


@dataclass(frozen=True)
class Annulus:
    """The annulus that collects, and how finely the multislice is done.

    Attributes
    ----------
    inner_mrad, outer_mrad
        Angles of the annulus, mrad.
    slice_nm
        Thickness of a slice, nm.
    margin_nm
        Empty width around the cluster, nm (half of it on each side).
    """

    inner_mrad: float = 60.0
    outer_mrad: float = 150.0
    slice_nm: float = 0.2
    margin_nm: float = 1.0


@dataclass(frozen=True, eq=False)
class Scattering:
    """What the detector collects of every pair of beams of the aperture.

    Attributes
    ----------
    gram
        (beams, beams) complex: sum over the detector of one scattered beam times the conjugate of another.
    beams
        (beams, 2) their numbers along x and y, in units of 1 / extent.
    extent_nm
        Side of the periodic cell.
    top_nm
        Height above the support at which the beams enter.
    offset_nm
        (2,) place of the cluster's origin in the cell, x and y.
    optics
        Voltage and aperture that it was made for; focus, aberrations and source are free.
    """

    gram: Waves
    beams: npt.NDArray[np.int64]
    extent_nm: float
    top_nm: float
    offset_nm: Floats
    optics: Optics

    def integral(self) -> float:
        """Collected fraction of the beam integrated over the scan, nm²; no focus or aberration changes it."""
        return float(np.real(np.trace(self.gram)) / len(self.beams) * self.extent_nm**2)

    def image(self, optics: Optics | None = None) -> Floats:
        """Collected fraction of the beam at every place of the probe, (y, x), `SAMPLING_NM` apart."""
        optics = optics or self.optics
        k = np.hypot(*self.beams.T) / self.extent_nm
        wave = np.exp(-1j * optics.phase(k, self.top_nm)) / np.sqrt(len(k))
        pairs = self.gram * wave[:, None] * wave[None, :].conj()
        if optics.focal_spread_nm:
            drift = np.pi * optics.wavelength_nm * optics.focal_spread_nm * k**2
            pairs = pairs * np.exp(-0.5 * (drift[:, None] - drift[None, :]) ** 2)
        n = round(self.extent_nm / SAMPLING_NM)
        apart = self.beams[None, :, :] - self.beams[:, None, :]
        pairs = pairs * optics.source_transfer(np.hypot(apart[..., 0], apart[..., 1]) / self.extent_nm)
        place = ((apart[..., 1] % n) * n + apart[..., 0] % n).ravel()
        spectrum = np.bincount(place, pairs.real.ravel(), n * n) + 1j * np.bincount(place, pairs.imag.ravel(), n * n)
        return np.asarray(np.fft.ifft2(spectrum.reshape(n, n)).real * n * n)


def scatter(positions_nm: Floats, optics: Optics, annulus: Annulus | None = None, element: str = "Pt") -> Scattering:
    """Send the beams of the aperture through a cluster.

    Parameters
    ----------
    positions_nm
        (n, 3) atoms x, y, z in nm; the beam comes from above (large z).
    optics
        Voltage and convergence angle are used here; the rest can be chosen afterwards.
    annulus
        Annulus and fineness.
    element
        Chemical symbol.
    """
    annulus = annulus or Annulus()
    atoms = np.asarray(positions_nm, dtype=float)
    middle = (atoms.max(axis=0) + atoms.min(axis=0)) / 2
    extent = float((atoms.max(axis=0) - atoms.min(axis=0))[:2].max()) + annulus.margin_nm
    extent = np.ceil(extent / SAMPLING_NM) * SAMPLING_NM
    n = _grid(extent * annulus.outer_mrad * 1e-3 / optics.wavelength_nm)
    top = float(atoms[:, 2].max()) + annulus.slice_nm / 2
    offset = extent / 2 - middle[:2]
    placed = np.column_stack([atoms[:, :2] + offset, top - atoms[:, 2]])
    transmissions = _transmissions(placed, extent, n, optics, annulus, element)
    order = np.fft.fftfreq(n, 1 / n).round().astype(np.int64)
    radius = np.hypot(order[:, None], order[None, :]) / extent * optics.wavelength_nm * 1e3
    beams = order[np.argwhere(radius <= optics.convergence_mrad)]
    pixel = optics.wavelength_nm / extent * 1e3
    # a pixel that an edge of the annulus crosses counts in part; else the signal would depend on the cell
    share = np.clip((radius - annulus.inner_mrad) / pixel + 0.5, 0, 1) * np.clip(
        (annulus.outer_mrad - radius) / pixel + 0.5, 0, 1
    )
    collected = share > 0
    amplitude = np.sqrt(share[collected]).astype(np.float32)
    kept = np.empty((len(beams), len(amplitude)), dtype=np.complex64)
    start = 0
    for waves in _propagate(transmissions, beams, _propagator(order, extent, optics, annulus)):
        kept[start : start + len(waves)] = waves[:, collected] * amplitude
        start += len(waves)
    # the product of a matrix with its own conjugate: BLAS makes one triangle
    half = blas.cherk(1.0, kept.T, trans=2, lower=1)
    gram = np.tril(half) + np.tril(half, -1).conj().T
    return Scattering(gram.conj(), beams, extent, top, offset, optics)


def _grid(outer: float) -> int:
    """Pixels of the cell, of which the inner two thirds of the spectrum, free of aliasing, reach the annulus."""
    return int(fft.next_fast_len(int(np.ceil(3.03 * outer))))


def _transmissions(
    placed_nm: Floats, extent_nm: float, n: int, optics: Optics, annulus: Annulus, element: str
) -> Waves:
    """(slices, n, n) what each slice does to a wave, made on a finer grid: the core of an atom is sharp.

    The atoms are placed by their Fourier phases: abTEM's own grids share an atom out among four pixels, which takes
    up to a tenth of its high-angle scattering, depending on where between the pixels it lies.
    """
    fine = _OVERSAMPLING * n
    k = np.fft.fftfreq(fine, extent_nm / fine)
    factor, sigma = form_factor(element, optics.voltage_kv)
    square = k[:, None] ** 2 + k[None, :] ** 2
    potential = factor(square / 100) * (fine / (extent_nm * 10)) ** 2
    slices = (placed_nm[:, 2] // annulus.slice_nm).astype(int)
    order = np.fft.fftfreq(n, 1 / n).round().astype(int)
    limit = np.hypot(order[:, None], order[None, :]) <= _BAND * n / 2
    made = np.empty((slices.max() + 1, n, n), dtype=np.complex64)
    for index, transmission in enumerate(made):
        x, y = (np.exp(-2j * np.pi * k[:, None] * placed_nm[slices == index, axis]) for axis in (0, 1))
        projected = fft.ifft2(potential * (x @ y.T), workers=2).real
        spectrum = fft.fft2(np.exp(1j * sigma * projected), workers=2)[np.ix_(order, order)]
        transmission[:] = fft.ifft2(spectrum * limit) / _OVERSAMPLING**2
    return made


def form_factor(element: str, voltage_kv: float, potential: str = "lobato") -> tuple[Callable[[Floats], Floats], float]:
    """Projected potential of an atom, V Å² as a function of k² in 1/Å², and the interaction constant.

    Parameters
    ----------
    element
        Chemical symbol.
    voltage_kv
        Acceleration voltage.
    potential
        ``lobato`` or ``kirkland``: whose form factors.
    """
    try:
        from abtem.core.energy import energy2sigma
        from abtem.parametrizations import KirklandParametrization, LobatoParametrization
    except ImportError:
        raise InputError(
            "Multislice needs abTEM and ASE; install them with: pip install napari-atomicity[validate]"
        ) from None
    made = KirklandParametrization() if potential == "kirkland" else LobatoParametrization()
    return made.projected_scattering_factor(element), float(energy2sigma(voltage_kv * 1e3))


def _propagator(order: npt.NDArray[np.int64], extent_nm: float, optics: Optics, annulus: Annulus) -> Waves:
    square = order[:, None] ** 2 + order[None, :] ** 2
    free = np.exp(-1j * np.pi * optics.wavelength_nm * annulus.slice_nm * square / extent_nm**2)
    return np.asarray(free * (square <= (_BAND * len(order) / 2) ** 2), dtype=np.complex64)


def _propagate(
    transmissions: Waves, beams: npt.NDArray[np.int64], propagator: Waves, batch: int = 16
) -> Iterator[Waves]:
    """Diffraction patterns of the beams behind the last slice, a batch at a time."""
    n = propagator.shape[0]
    first = fft.fft2(transmissions[0])
    for start in range(0, len(beams), batch):
        # a plane wave behind the first slice is that slice's spectrum, shifted
        waves = np.stack([np.roll(first, beam, axis=(0, 1)) for beam in beams[start : start + batch]])
        for transmission in transmissions[1:]:
            waves *= propagator
            waves = fft.ifft2(waves, overwrite_x=True)
            waves *= transmission
            waves = fft.fft2(waves, overwrite_x=True)
        waves /= n * n
        yield waves


@lru_cache(maxsize=32)
def lone_atom(optics: Optics, annulus: Annulus, element: str = "Pt") -> Scattering:
    """One atom on the support: the unit of all images."""
    return scatter(np.zeros((1, 3)), optics, replace(annulus, margin_nm=2.0), element)


def multislice_image(
    positions_nm: Floats, optics: Optics, annulus: Annulus | None = None, element: str = "Pt"
) -> tuple[Image, Floats]:
    """Signal density of a cluster in units of lone platinum atoms per nm².

    Parameters
    ----------
    positions_nm
        (n, 3) atoms x, y, z in nm, heights counted from the support; the beam comes from above.
    optics
        The probe.
    annulus
        Annulus and fineness.
    element
        Chemical symbol.

    Returns
    -------
    image
        (y, x) float32, `SAMPLING_NM` a pixel; its sum times the pixel area is the signal in lone atoms.
    origin_px
        (2,) y and x of the cluster's origin (x = y = 0) in the image.

    Raises
    ------
    InputError
        Where abTEM or ASE is not installed.
    """
    annulus = annulus or Annulus()
    found = scatter(positions_nm, optics, annulus, element)
    return in_lone_atoms(found, optics, annulus), found.offset_nm[::-1] / SAMPLING_NM


def in_lone_atoms(found: Scattering, optics: Optics, annulus: Annulus) -> Image:
    """The image of a scattering in lone platinum atoms per nm²."""
    aperture = Optics(optics.voltage_kv, optics.convergence_mrad)
    return (found.image(optics) / lone_atom(aperture, annulus).integral()).astype(np.float32)
