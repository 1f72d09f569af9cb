"""The electron probe: what the lens makes of the source, in focus and away from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Optics:
    """Settings of the microscope that shape its probe.

    Attributes
    ----------
    voltage_kv
        Acceleration voltage, kV.
    convergence_mrad
        Semi-angle of convergence, mrad.
    defocus_nm
        Height of the plane in (paraxial) focus, nm above the support; the beam comes from above.
    cs_mm
        Spherical aberration, mm.
    focal_spread_nm
        Standard deviation of the focus by the spread of energies, nm.
    source_fwhm_nm
        Width of the image of the source, nm.
    astigmatism_nm, coma_nm, threefold_nm
        What is lopsided, each as real and imaginary part: twofold astigmatism A1 (half the distance of the two line
        foci), axial coma B2 and threefold astigmatism A2; real ones lie along x.
    """

    voltage_kv: float = 200.0
    convergence_mrad: float = 22.0
    defocus_nm: float = 0.0
    cs_mm: float = 0.0
    focal_spread_nm: float = 0.0
    source_fwhm_nm: float = 0.08
    astigmatism_nm: tuple[float, float] = (0.0, 0.0)
    coma_nm: tuple[float, float] = (0.0, 0.0)
    threefold_nm: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not 10 <= self.voltage_kv <= 2000:
            raise InputError(f"{self.voltage_kv:g} kV is no voltage of a microscope; give it in kV, e.g. 200.")
        if not 1 <= self.convergence_mrad <= 60:
            raise InputError(
                f"A convergence semi-angle of {self.convergence_mrad:g} mrad is out of range; give 1 to 60 mrad."
            )
        if self.source_fwhm_nm < 0 or self.focal_spread_nm < 0:
            raise InputError("Source size and focal spread cannot be negative; give 0 to leave them out.")

    @property
    def wavelength_nm(self) -> float:
        """Relativistic wavelength of the electrons, nm."""
        volts = self.voltage_kv * 1e3
        return float(1.226426 / np.sqrt(volts * (1 + 0.978476e-6 * volts)))

    @property
    def cutoff(self) -> float:
        """Radius of the aperture in the diffraction plane, 1/nm."""
        return self.convergence_mrad * 1e-3 / self.wavelength_nm

    def phase(self, k: Floats, height_nm: float) -> Floats:
        """Aberration phase of the probe at a height above the support; the wave is exp(-i phase).

        Parameters
        ----------
        k
            Spatial frequencies, 1/nm.
        height_nm
            Height above the support, nm.

        Returns
        -------
        Phase in radians, shaped like `k`.
        """
        focus = self.defocus_nm - height_nm
        square = self.wavelength_nm * k**2
        return np.asarray(np.pi * square * focus + 0.5 * np.pi * self.cs_mm * 1e6 * self.wavelength_nm * square**2)

    @property
    def is_round(self) -> bool:
        """Whether nothing about the probe is lopsided."""
        return not any((*self.astigmatism_nm, *self.coma_nm, *self.threefold_nm))

    def lopsided_phase(self, ky: Floats, kx: Floats) -> Floats:
        """The part of the aberration phase that is not round, by the usual expansion (Uhlemann and Haider 1998).

        Parameters
        ----------
        ky, kx
            Spatial frequencies, 1/nm.

        Returns
        -------
        Phase in radians, shaped like ``ky + kx``.
        """
        angle = self.wavelength_nm * (kx + 1j * ky)
        astigmatism, coma, threefold = (
            complex(*pair) for pair in (self.astigmatism_nm, self.coma_nm, self.threefold_nm)
        )
        path = (
            0.5 * astigmatism * np.conj(angle) ** 2
            + coma * angle * np.conj(angle) ** 2
            + threefold * np.conj(angle) ** 3 / 3
        )
        return np.asarray(2 * np.pi / self.wavelength_nm * path.real)

    def source_transfer(self, q: Floats) -> Floats:
        """What the size of the source leaves of the frequencies `q` (1/nm) of an image."""
        return np.asarray(np.exp(-2 * (np.pi * q * self.source_fwhm_nm / 2.3548) ** 2))

    def transfer(self, q: Floats, heights_nm: Floats, nodes: int = 24) -> Floats:
        """Incoherent transfer function of the probe with its source: 1 at q = 0.

        The overlap of two apertures shifted by q (Kirkland, Advanced Computing in Electron Microscopy, ch. 3); the
        focal spread enters in closed form.

        Parameters
        ----------
        q
            (m,) spatial frequencies of the image, 1/nm.
        heights_nm
            (h,) heights above the support, nm.
        nodes
            Points of the quadrature along each side of the overlap.

        Returns
        -------
        (h, m) transfer, real: of the round part of the probe.
        """
        node, weight = np.polynomial.legendre.leggauss(nodes)
        half = q[:, None, None] / 2
        reach = np.clip(self.cutoff - half, 0, None)
        kx = reach * node[None, :, None]
        top = np.sqrt(np.clip(self.cutoff**2 - (np.abs(kx) + half) ** 2, 0, None))
        ky = top * (node[None, None, :] + 1) / 2  # the overlap is symmetric in ky
        area = reach * top * weight[None, :, None] * weight[None, None, :]
        before, after = np.hypot(kx - half, ky), np.hypot(kx + half, ky)
        blur = np.exp(-0.5 * (np.pi * self.wavelength_nm * self.focal_spread_nm * (after**2 - before**2)) ** 2)
        total = np.pi * self.cutoff**2
        rows = [
            (area * blur * np.cos(self.phase(after, h) - self.phase(before, h))).sum(axis=(1, 2)) / total
            for h in heights_nm
        ]
        return np.asarray(np.stack(rows) * self.source_transfer(q))
