"""What a microscope with aberrations leaves of an image that an ideal probe has made: transfer functions in two
dimensions, from Krivanek's aberration coefficients, the spread of focus and the source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_atomicity.simulation.optics import Optics

Floats = npt.NDArray[np.float64]
Waves = npt.NDArray[np.complex128]


@dataclass(frozen=True)
class Aberrations:
    """Departure from the ideal probe.

    Attributes
    ----------
    defocus_nm
        C1, nm.
    astigmatism_nm, coma_nm, threefold_nm
        A1, B2 and A2 as complex numbers: size in nm and direction.
    spherical_um
        C3, µm.
    focal_spread_nm
        Standard deviation of the focus, nm.
    source_fwhm_nm
        Width of the image of the source, nm.
    tail
        Share of the source that is spread five times as far.
    """

    defocus_nm: float = 0.0
    astigmatism_nm: complex = 0.0
    coma_nm: complex = 0.0
    threefold_nm: complex = 0.0
    spherical_um: float = 0.0
    focal_spread_nm: float = 0.0
    source_fwhm_nm: float = 0.0
    tail: float = 0.0

    def phase(self, k: Waves, wavelength_nm: float, focus_nm: float = 0.0) -> Floats:
        """Phase in radians at complex spatial frequencies `k` = kx + i ky (1/nm), `focus_nm` away from the focus."""
        angle = wavelength_nm * k
        back = angle.conj()
        square = np.abs(angle) ** 2
        path = 0.5 * (self.defocus_nm + focus_nm) * square + 0.25 * self.spherical_um * 1e3 * square**2
        path = path + np.real(0.5 * self.astigmatism_nm * back**2)
        path = path + np.real(self.coma_nm * angle * back**2 + self.threefold_nm * back**3 / 3)
        return np.asarray(2 * np.pi / wavelength_nm * path)


def transfer(optics: Optics, aberrations: Aberrations, shape: tuple[int, int], sampling_nm: float) -> Floats:
    """Transfer from the image of an ideal probe to that of the aberrated one.

    Parameters
    ----------
    optics
        Voltage and aperture.
    aberrations
        Of the frame.
    shape
        (y, x) pixels of the image that it is for.
    sampling_nm
        Side of a pixel, nm.

    Returns
    -------
    numpy.ndarray
        (y, x // 2 + 1) complex, as `scipy.fft.rfft2` orders frequencies.
    """
    fy, fx = np.fft.fftfreq(shape[0], sampling_nm), np.fft.rfftfreq(shape[1], sampling_nm)
    # the overlap of two shifted apertures varies slowly: a small grid of frequencies is enough
    n, reach = 128, 2.05 * optics.cutoff
    extent = n / (2 * reach)
    ideal = _overlap(optics, Aberrations(), n, extent)
    spread = aberrations.focal_spread_nm * np.array([-1.5, -0.5, 0.5, 1.5])
    weight = np.exp(-0.5 * np.array([1.5, 0.5, 0.5, 1.5]) ** 2)
    foci = zip(spread, weight / weight.sum(), strict=True) if aberrations.focal_spread_nm else [(0.0, 1.0)]
    found = sum(w * _overlap(optics, aberrations, n, extent, f) for f, w in foci)
    ratio = found * ideal.conj() / (np.abs(ideal) ** 2 + 1e-4)
    ratio /= ratio[0, 0]
    order = np.fft.fftshift(ratio)
    y = np.clip(fy * extent + n // 2, 0, n - 1)
    x = np.clip(fx * extent + n // 2, 0, n - 1)
    square = fy[:, None] ** 2 + fx[None] ** 2
    sigma = aberrations.source_fwhm_nm / 2.3548
    source = (1 - aberrations.tail) * np.exp(-2 * (np.pi * sigma) ** 2 * square)
    source += aberrations.tail * np.exp(-2 * (5 * np.pi * sigma) ** 2 * square)
    return np.asarray(_between(order, y, x) * source * (square < (2 * optics.cutoff) ** 2))


def _overlap(optics: Optics, aberrations: Aberrations, n: int, extent_nm: float, focus_nm: float = 0.0) -> Waves:
    """(n, n) transfer of the probe itself, 1 / extent apart, the centre first."""
    side = np.fft.fftfreq(2 * n, extent_nm / (2 * n))
    k = side[None] + 1j * side[:, None]
    pupil = np.exp(-1j * aberrations.phase(k, optics.wavelength_nm, focus_nm)) * (np.abs(k) <= optics.cutoff)
    probe = np.abs(np.fft.ifft2(pupil)) ** 2
    whole = np.fft.fft2(probe)
    half = np.r_[0 : n // 2, 2 * n - n // 2 : 2 * n]
    return np.asarray(whole[np.ix_(half, half)] / whole[0, 0].real)


def _between(table: Waves, y: Floats, x: Floats) -> Waves:
    """Bilinear values of a table at rows `y` and columns `x`."""
    top, left = np.minimum(y.astype(int), len(table) - 2), np.minimum(x.astype(int), table.shape[1] - 2)
    down, right = (y - top)[:, None], (x - left)[None]
    rows = (1 - down) * table[top] + down * table[top + 1]
    return np.asarray((1 - right) * rows[:, left] + right * rows[:, left + 1])
