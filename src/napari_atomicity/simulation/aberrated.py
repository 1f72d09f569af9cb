"""Probes that are not round: astigmatism, coma and threefold astigmatism, as transfer functions in two dimensions.

A round probe is a sum of Gaussians (`imaging`), which separates into rows and columns and is quick. A probe with
lopsided aberrations is not; what atoms send to the detector is drawn as sharp as pixels allow and goes through the
transfer function of the optics, at the three heights that a cluster spans.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_atomicity.simulation.optics import Optics

Floats = npt.NDArray[np.float64]
Waves = npt.NDArray[np.complex64]

#: side of the field on which a probe is computed, nm, and its points: sharp enough for the widest aperture's overlap
_FIELD_NM: Final = 8.0
_POINTS: Final = 512
#: foci that stand for the spread of energies, in standard deviations, and their weights (Gauss and Hermite)
_FOCI: Final = ((-(3**0.5), 1 / 6), (0.0, 2 / 3), (3**0.5, 1 / 6))
#: room for the tails of a probe around a window, nm
_ROOM_NM: Final = 1.2
#: windows are widened to a multiple of this, so that few transfer functions have to be kept
_STEP_PX: Final = 24
#: standard deviation, in pixels, of the spot that an atom is drawn as before its transfer, which takes it off again
SHARP_PX: Final = 0.5


@lru_cache(maxsize=32)
def probe_image(optics: Optics, height_nm: float) -> Floats:
    """Intensity of the probe where it meets a plane above the support, its size of source included.

    Parameters
    ----------
    optics
        Of the microscope.
    height_nm
        Height of the plane above the support, nm.

    Returns
    -------
    (512, 512) share of the intensity in squares of 8 / 512 nm, its centre of mass in the middle; their sum is 1.
    """
    frequency = fft.fftfreq(_POINTS, _FIELD_NM / _POINTS)
    ky, kx = frequency[:, None], frequency[None, :]
    k = np.hypot(ky, kx)
    # a soft edge of one cell: a hard one would make the probe depend on how the circle meets the grid
    aperture = np.clip((optics.cutoff - k) * _FIELD_NM + 0.5, 0.0, 1.0)
    lopsided = optics.lopsided_phase(ky, kx)
    image = np.zeros((_POINTS, _POINTS))
    for focus, weight in _FOCI if optics.focal_spread_nm else ((0.0, 1.0),):
        phase = optics.phase(k, height_nm - focus * optics.focal_spread_nm) + lopsided
        image += weight * np.abs(fft.ifft2(aperture * np.exp(-1j * phase))) ** 2
    image /= image.sum()
    # coma moves an image as a whole, which nobody sees
    angle = 2 * np.pi * np.arange(_POINTS) / _POINTS
    middle = [
        np.angle((image.sum(axis=1 - axis) * np.exp(1j * angle)).sum()) * _FIELD_NM / 2 / np.pi for axis in (0, 1)
    ]
    shift = np.exp(2j * np.pi * (ky * middle[0] + kx * middle[1])) * optics.source_transfer(k)
    return np.asarray(fft.fftshift(fft.ifft2(fft.fft2(image) * shift).real))


def half_width(optics: Optics, height_nm: float) -> float:
    """How wide a probe is that need not be round.

    Parameters
    ----------
    optics, height_nm
        As in `probe_image`.

    Returns
    -------
    Diameter in nm of the circle as large as the area in which the probe has half of its peak or more.
    """
    image = probe_image(optics, height_nm)
    area = float((image >= image.max() / 2).sum()) * (_FIELD_NM / _POINTS) ** 2
    return float(2 * np.sqrt(area / np.pi))


@lru_cache(maxsize=48)
def _transfer(
    optics: Optics, heights_nm: tuple[float, ...], side_px: int, pixel_size_nm: float, reach_nm: float
) -> Waves:
    """(heights, side, side // 2 + 1) transfer of optics and an atom's own size, at the frequencies of a window."""
    fy = fft.fftfreq(side_px, pixel_size_nm)[:, None]
    fx = fft.rfftfreq(side_px, pixel_size_nm)[None]
    q = np.hypot(fy, fx)
    own = np.exp(-reach_nm * q + 2 * (np.pi * SHARP_PX * pixel_size_nm) ** 2 * q**2)
    places = np.stack(np.broadcast_arrays(fy, fx)) * _FIELD_NM + _POINTS / 2
    rows = []
    for height in heights_nm:
        of_probe = fft.fftshift(fft.fft2(fft.ifftshift(probe_image(optics, height))))
        sampled = ndimage.map_coordinates(of_probe.real, places, order=1) + 1j * ndimage.map_coordinates(
            of_probe.imag, places, order=1
        )
        rows.append(sampled * own)
    return np.stack(rows).astype(np.complex64)


def through(
    optics: Optics,
    heights_nm: tuple[float, ...],
    sharp: npt.NDArray[np.float32],
    pixel_size_nm: float,
    reach_nm: float,
) -> npt.NDArray[np.float32]:
    """Pictures of atoms at some heights, each through the transfer function at its height, in one.

    Parameters
    ----------
    optics
        Of the microscope.
    heights_nm
        Height above the support of each picture, nm.
    sharp
        (heights, y, x) signal density of atoms as Gaussian spots of `SHARP_PX`.
    pixel_size_nm
        Side of a pixel, nm.
    reach_nm
        An atom's own response falls with spatial frequency q as exp(-reach q).

    Returns
    -------
    (y, x) signal density, in the units of `sharp`; what falls outside is lost.
    """
    room = int(np.ceil(_ROOM_NM / pixel_size_nm))
    height, width = sharp.shape[1:]
    side = -(-(max(height, width) + 2 * room) // _STEP_PX) * _STEP_PX
    padded = np.zeros((len(sharp), side, side), dtype=np.float32)
    padded[:, room : room + height, room : room + width] = sharp
    waves = (fft.rfft2(padded) * _transfer(optics, heights_nm, side, pixel_size_nm, reach_nm)).sum(axis=0)
    seen = fft.irfft2(waves, (side, side))
    return np.asarray(seen[room : room + height, room : room + width], dtype=np.float32)
