"""From atoms to the signal on the detector: incoherent HAADF imaging.

Every atom adds a Gaussian spot of the probe's width. For clusters of this size in any orientation that is not
aligned with the beam the integrated signal is linear in the atom count; atoms stacked along the beam scatter more
than their sum (channelling), which a small enhancement of close pairs imitates.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import erf

Image = npt.NDArray[np.float32]

#: extra signal of an atom with another right above or below it (two aligned Pt atoms scatter 2.46 times one)
ALIGNED_GAIN = 0.23
_ALIGNED_WITHIN_NM = 0.03
_FWHM_TO_SIGMA = 1 / 2.3548


def atom_weights(positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Signal of each atom of one cluster in units of a lone atom.

    Parameters
    ----------
    positions
        (n, 3) positions in nm; the beam runs along z.
    """
    apart = positions[:, None, :2] - positions[None, :, :2]
    closeness = np.exp(-0.5 * (apart**2).sum(-1) / _ALIGNED_WITHIN_NM**2)
    np.fill_diagonal(closeness, 0)
    return np.asarray(1 + ALIGNED_GAIN * np.clip(closeness.sum(axis=1), 0, 2))


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
