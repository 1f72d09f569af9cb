"""What the microscope and the support add to the signal: carbon, electrons, scan and detector.

Ranges follow real micrographs: relative pixel noise 0.08 to 0.40, line-to-line offset up to 0.25 of it, correlation
of neighbours along the scan 0.05 to 0.4, support thickness varying several-fold over a field, edges to vacuum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Image = npt.NDArray[np.float32]

#: signal of one nanometre of amorphous carbon, in Pt atoms per nm² (5 nm equal about 6 atoms per nm²)
CARBON_PER_NM = 1.2


@dataclass(frozen=True)
class Support:
    """The carbon film.

    Attributes
    ----------
    thickness_nm
        Mean thickness.
    gradient
        Relative change of thickness across the field.
    roughness
        Relative standard deviation of the thickness on scales of 2 to 10 nm.
    speckle
        Relative standard deviation of the grain of amorphous carbon, at about the probe's size.
    vacuum
        Share of the field without support, cut off by an edge.
    """

    thickness_nm: float = 4.0
    gradient: float = 0.3
    roughness: float = 0.05
    speckle: float = 0.06
    vacuum: float = 0.0


@dataclass(frozen=True)
class Detector:
    """Counting, scanning and digitising.

    Attributes
    ----------
    noise
        Standard deviation of a pixel relative to the signal of the mean support (shot noise).
    correlation
        Correlation of neighbouring pixels along the scan.
    line_offset
        Standard deviation of the offset between scan lines, relative to the pixel noise.
    jitter_nm
        Standard deviation of the displacement of scan lines along the line.
    gain, black
        Counts per signal unit and counts without signal.
    full_scale
        Counts at which the detector saturates; 0 for never.
    """

    noise: float = 0.15
    correlation: float = 0.15
    line_offset: float = 0.08
    jitter_nm: float = 0.01
    gain: float = 1000.0
    black: float = 500.0
    full_scale: float = 0.0


def support_signal(
    shape: tuple[int, int], pixel_size_nm: float, support: Support, rng: np.random.Generator
) -> tuple[Image, npt.NDArray[np.bool_]]:
    """Signal density of the film in Pt atoms per nm², and where there is film at all."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    along = ((x / width - 0.5) * np.cos(angle) + (y / height - 0.5) * np.sin(angle)).astype(np.float32)
    rough = sum(
        weight * _smooth_noise(shape, length / pixel_size_nm, rng)
        for weight, length in ((0.75, 8.0), (0.55, 3.0), (0.35, 1.2))
    )
    grain = _smooth_noise(shape, 0.11 / pixel_size_nm, rng)
    film = support.thickness_nm * CARBON_PER_NM * (1 + support.gradient * along + support.roughness * rough)
    film *= 1 + support.speckle * grain
    covered = np.ones(shape, dtype=bool)
    if support.vacuum > 0:
        wavy = along + 0.05 * _smooth_noise(shape, 6.0 / pixel_size_nm, rng)
        edge = np.quantile(wavy, support.vacuum)
        covered = wavy > edge
        film *= np.clip((wavy - edge) / 0.004, 0, 1)
    return np.clip(film, 0, None).astype(np.float32), covered


def _smooth_noise(shape: tuple[int, int], sigma_px: float, rng: np.random.Generator) -> Image:
    """Gaussian noise of unit variance and a given correlation length, made on a coarser grid where it is long."""
    step = max(1, int(sigma_px / 2.5))
    coarse = tuple(int(np.ceil(n / step)) + 6 for n in shape)
    noise = ndimage.gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), sigma_px / step, mode="wrap")
    noise /= noise.std() + 1e-12
    if step > 1:
        origin = rng.uniform(0, 2, 2)
        grid = [origin[axis] + np.arange(n, dtype=np.float32) / step for axis, n in enumerate(shape)]
        return np.asarray(ndimage.map_coordinates(noise, np.meshgrid(*grid, indexing="ij"), order=1), dtype=np.float32)
    return np.asarray(noise[: shape[0], : shape[1]], dtype=np.float32)


def acquire(
    signal: Image, support_level: float, pixel_size_nm: float, detector: Detector, rng: np.random.Generator
) -> Image:
    """Counts that the detector stores for a signal.

    Parameters
    ----------
    signal
        (y, x) signal density in atoms per nm².
    support_level
        Mean signal of the support: the level to which `Detector.noise` refers.
    pixel_size_nm
        Side of a pixel in nm.
    detector
        The detector and the scan.
    rng
        Source of chance.
    """
    signal = _scanned(signal, pixel_size_nm, detector, rng)
    # a white noise that is averaged with its neighbour keeps the wanted standard deviation
    mix = _mixing(detector.correlation)
    white = rng.standard_normal((signal.shape[0], signal.shape[1] + 1), dtype=np.float32)
    noise = (white[:, 1:] + mix * white[:, :-1]) / np.sqrt(1 + mix**2)
    level = max(support_level, 0.5)
    noisy = signal + detector.noise * np.sqrt(np.clip(signal, 0.02 * level, None) * level) * noise
    offsets = rng.standard_normal((signal.shape[0], 1), dtype=np.float32)
    noisy += detector.line_offset * detector.noise * level * offsets
    counts = detector.black + detector.gain * noisy
    if detector.full_scale > 0:
        counts = np.minimum(counts, detector.full_scale)
    return np.asarray(counts, dtype=np.float32)


def _mixing(correlation: float) -> float:
    """Weight of the previous pixel that gives the wanted correlation of neighbours: c = m / (1 + m²)."""
    c = min(correlation, 0.499)
    return 0.0 if c <= 0 else float((1 - np.sqrt(1 - 4 * c * c)) / (2 * c))


def _scanned(signal: Image, pixel_size_nm: float, detector: Detector, rng: np.random.Generator) -> Image:
    """Lines displaced by jitter; linear interpolation keeps the integral."""
    if detector.jitter_nm <= 0:
        return signal
    shift = rng.normal(0, detector.jitter_nm / pixel_size_nm, signal.shape[0])
    whole = np.floor(shift).astype(int)
    part = (shift - whole).astype(np.float32)[:, None]
    columns = np.arange(signal.shape[1])[None] - whole[:, None]
    rows = np.arange(signal.shape[0])[:, None]
    last = signal.shape[1] - 1
    left = signal[rows, np.clip(columns, 0, last)]
    return np.asarray((1 - part) * left + part * signal[rows, np.clip(columns - 1, 0, last)])
