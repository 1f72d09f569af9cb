"""From atoms to the signal on the detector: incoherent HAADF imaging.

Every atom adds a spot of the probe's width at its height. For clusters of this size in any orientation that is not
aligned with the beam the integrated signal is linear in the atom count; atoms stacked along the beam scatter more
than their sum (channelling), which a small enhancement of close pairs imitates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import erf

from napari_atomicity.errors import InputError
from napari_atomicity.simulation.structures import ELEMENTS

Image = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

#: extra signal of an atom with another right above or below it (two aligned Pt atoms scatter 2.46 times one)
ALIGNED_GAIN: Final = 0.23
_ALIGNED_WITHIN_NM: Final = 0.03
#: HAADF signal of an atom grows with this power of its atomic number
Z_EXPONENT: Final = 1.65
_FWHM_TO_SIGMA: Final = 1 / 2.3548


@dataclass(frozen=True)
class Probe:
    """What one atom looks like: the probe with the source's size, at the atom's height.

    Attributes
    ----------
    fwhm_nm
        Full width at half maximum of an atom in focus, nm.
    depth_blur
        Width added (in quadrature) for every nm that an atom lies away from focus, nm per nm.
    focus_nm
        Height that is in focus, nm above the support.
    """

    fwhm_nm: float
    depth_blur: float = 0.0
    focus_nm: float = 0.0

    def __post_init__(self) -> None:
        if not self.fwhm_nm > 0:
            raise InputError(f"A probe of width {self.fwhm_nm} nm images nothing; give a width above zero.")

    @classmethod
    def from_optics(
        cls,
        voltage_kv: float,
        convergence_mrad: float,
        defocus_nm: float = 0.0,
        cs_mm: float = 0.0,
        source_fwhm_nm: float = 0.08,
    ) -> Probe:
        """The probe of a microscope.

        Parameters
        ----------
        voltage_kv
            Acceleration voltage in kV.
        convergence_mrad
            Semi-angle of convergence in mrad.
        defocus_nm
            Height that is in focus, nm above the support (0: the support's surface).
        cs_mm
            Spherical aberration in mm.
        source_fwhm_nm
            Width of the image of the source, nm.
        """
        diffraction = 0.51 * wavelength_nm(voltage_kv) / (convergence_mrad * 1e-3)
        spherical = 0.5 * cs_mm * 1e6 * (convergence_mrad * 1e-3) ** 3
        width = float(np.sqrt(diffraction**2 + spherical**2 + source_fwhm_nm**2))
        return cls(width, depth_blur=1.4 * convergence_mrad * 1e-3, focus_nm=defocus_nm)

    def width_nm(self, height_nm: Floats) -> Floats:
        """Full width at half maximum of atoms at heights above the support, nm."""
        return np.hypot(self.fwhm_nm, self.depth_blur * (np.asarray(height_nm) - self.focus_nm))

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
        return render_atoms(shape, pixel_size_nm, atoms_px[:, :2], weights, self.width_nm(atoms_px[:, 2]))


def wavelength_nm(voltage_kv: float) -> float:
    """Relativistic wavelength of an electron, nm."""
    return float(1.226426 / np.sqrt(voltage_kv * 1e3 * (1 + 0.97847e-6 * voltage_kv * 1e3)))


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
    apart = positions_nm[:, None, :2] - positions_nm[None, :, :2]
    closeness = np.exp(-0.5 * (apart**2).sum(-1) / _ALIGNED_WITHIN_NM**2)
    np.fill_diagonal(closeness, 0)
    lone = (ELEMENTS[element][1] / ELEMENTS["Pt"][1]) ** Z_EXPONENT
    return np.asarray(lone * (1 + ALIGNED_GAIN * np.clip(closeness.sum(axis=1), 0, 2)))


def render_atoms(
    shape: tuple[int, int],
    pixel_size_nm: float,
    centres_px: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    fwhm_nm: npt.NDArray[np.float64],
) -> Image:
    """Signal density of atoms, in atoms per nm².

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
    image = np.zeros(shape[0] * shape[1])
    sigma = fwhm_nm * _FWHM_TO_SIGMA / pixel_size_nm
    half = int(np.ceil(3.6 * sigma.max())) + 1 if len(sigma) else 1
    offsets = np.arange(-half, half + 1)
    for start in range(0, len(weights), 4096):
        part = slice(start, start + 4096)
        rows, gy = _spot(centres_px[part, 0], sigma[part], offsets)
        cols, gx = _spot(centres_px[part, 1], sigma[part], offsets)
        value = (weights[part, None] * gy)[:, :, None] * gx[:, None, :]
        inside = ((rows >= 0) & (rows < shape[0]))[:, :, None] & ((cols >= 0) & (cols < shape[1]))[:, None, :]
        index = np.clip(rows, 0, shape[0] - 1)[:, :, None] * shape[1] + np.clip(cols, 0, shape[1] - 1)[:, None, :]
        image += np.bincount(index.ravel(), (value * inside).ravel(), minlength=image.size)
    return (image.reshape(shape) / pixel_size_nm**2).astype(np.float32)


def _spot(
    centre: npt.NDArray[np.float64], sigma: npt.NDArray[np.float64], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Pixel indices and the share of a Gaussian that each of them collects, along one axis."""
    index = np.floor(centre + 0.5).astype(np.int64)[:, None] + offsets
    edge = (np.concatenate([index - 0.5, index[:, -1:] + 0.5], axis=1) - centre[:, None]) / (
        np.sqrt(2) * sigma[:, None]
    )
    return index, np.diff(0.5 * erf(edge), axis=1)
