"""Scan and detector: where the probe really was, and what was counted there.

Measured on real micrographs: pixel noise times pixel size 0.14 to 0.27 atoms per nm (6 to 10 atoms per nm² at 0.029 nm
a pixel), its variance growing with the signal as that of a few hundred detected electrons an atom does; offset from
line to line up to 0.25 of it; correlation of neighbours along the scan 0.05 to 0.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import signal as filters

Image = npt.NDArray[np.float32]
Line = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Detector:
    """Scanning, counting and digitising.

    Attributes
    ----------
    dose
        Detected electrons for each Pt atom; the variance of an integrated signal of n atoms is n / dose.
    readout
        Readout noise, as the signal in atoms per nm² whose shot noise it equals.
    correlation
        Correlation of the noise of neighbouring pixels along the scan.
    afterglow, afterglow_px
        Share of the signal that a slow scintillator gives back late, and how many pixels late on average.
    line_offset, hum
        Standard deviation of the offset between scan lines, and of the hum of the mains, relative to the pixel noise.
    line_memory
        Correlation of the offsets of neighbouring lines.
    jitter_nm
        Standard deviation of the displacement of a scan line, along and across.
    drift
        Displacement of the specimen during the frame, relative to the height of the field: along and across the lines.
    flyback_nm
        Displacement at the beginning of a line, before the scan coils have settled.
    gain_drift, flicker
        Relative change of the beam current over the frame; its relative standard deviation along a line, seen as
        streaks.
    gain, black
        Counts per signal unit and counts without signal.
    full_scale
        Counts at which the detector saturates; 0 for never.
    """

    dose: float = 400.0
    readout: float = 1.0
    correlation: float = 0.15
    afterglow: float = 0.0
    afterglow_px: float = 3.0
    line_offset: float = 0.08
    hum: float = 0.0
    line_memory: float = 0.3
    jitter_nm: float = 0.006
    drift: tuple[float, float] = (0.0, 0.0)
    flyback_nm: float = 0.0
    gain_drift: float = 0.0
    flicker: float = 0.0
    gain: float = 1000.0
    black: float = 500.0
    full_scale: float = 0.0


#: distance along a line over which the flyback's displacement dies away, nm
_SETTLES_NM: Final = 0.8


@dataclass(frozen=True)
class ScanPath:
    """Where the probe was: pixel (r, c) shows the specimen at (r + dy[r], c + dx[r] + late[c]), in pixels.

    `steady_y` and `steady_x` are the parts of dy and dx without jitter.
    """

    dy: Line
    dx: Line
    late: Line
    steady_y: Line
    steady_x: Line

    @classmethod
    def of(cls, shape: tuple[int, int], pixel_size_nm: float, detector: Detector, rng: np.random.Generator) -> ScanPath:
        """The path that a detector's scan takes over a field.

        Parameters
        ----------
        shape
            Height and width of the image in pixels.
        pixel_size_nm
            Side of a pixel in nm.
        detector
            Drift, jitter and flyback.
        rng
            Source of chance.

        Returns
        -------
        ScanPath
            Displacements in pixels.
        """
        run = np.arange(shape[0], dtype=np.float64) - (shape[0] - 1) / 2
        steady_x, steady_y = detector.drift[0] * run, detector.drift[1] * run
        sigma = detector.jitter_nm / pixel_size_nm
        # the field of the mains and vibrations shift lines along them and, less, across
        jitter = rng.normal(0, 1, (2, shape[0])) * np.array([[0.5 * sigma], [sigma]])
        late = detector.flyback_nm / pixel_size_nm * np.exp(-np.arange(shape[1]) * pixel_size_nm / _SETTLES_NM)
        return cls(steady_y + jitter[0], steady_x + jitter[1], late, steady_y, steady_x)

    @property
    def reach_px(self) -> int:
        """Largest displacement, rounded up."""
        if not (self.dy.any() or self.dx.any() or self.late.any()):
            return 0
        return int(np.ceil(max(np.abs(self.dy).max(), np.abs(self.dx).max() + np.abs(self.late).max()))) + 1

    def specimen(self, y: float, x: float) -> tuple[float, float]:
        """Where in the specimen a pixel was meant to look, jitter left out.

        Parameters
        ----------
        y, x
            Pixel of the image.

        Returns
        -------
        tuple
            y and x in the specimen, in pixels.
        """
        row, column = np.arange(len(self.dy)), np.arange(len(self.late))
        shift_y, shift_x = np.interp(y, row, self.steady_y), np.interp(y, row, self.steady_x)
        return float(y + shift_y), float(x + shift_x + np.interp(x, column, self.late))


def scanned(canvas: Image, path: ScanPath) -> Image:
    """What the probe saw on its path.

    Parameters
    ----------
    canvas
        (y, x) signal of the specimen, wider than the image by ``path.reach_px`` on every side.
    path
        The scan.

    Returns
    -------
    numpy.ndarray
        (y, x) float32, interpolated linearly at the places of the probe.
    """
    margin = path.reach_px
    if not margin:
        return canvas
    height, width = len(path.dy), len(path.late)
    at = np.arange(height) + margin + path.dy
    low = np.clip(np.floor(at).astype(np.int64), 0, len(canvas) - 2)
    share = np.clip(at - low, 0, 1).astype(np.float32)[:, None]
    rows = (1 - share) * canvas[low] + share * canvas[low + 1]
    column = np.arange(width)[None] + margin + path.dx[:, None] + path.late[None]
    left = np.floor(column).astype(np.int32)
    fraction = (column - left).astype(np.float32)
    np.clip(left, 0, canvas.shape[1] - 2, out=left)
    flat = left + (np.arange(height, dtype=np.int32) * canvas.shape[1])[:, None]
    values = rows.ravel()
    before = values[flat]
    return np.asarray(before + fraction * (values[flat + 1] - before), dtype=np.float32)


def moved(image: Image, dy: Line, dx: Line) -> Image:
    """An image whose row r is read at (r + dy[r], c + dx[r]); as wide as it was.

    Parameters
    ----------
    image
        (y, x) signal.
    dy, dx
        (y,) displacement of each row, in pixels.

    Returns
    -------
    numpy.ndarray
        (y, x) float32; 0 comes in from outside.
    """
    path = ScanPath(dy, dx, np.zeros(image.shape[1]), dy, dx)
    margin = path.reach_px
    return scanned(np.pad(image, margin), path) if margin else image


def acquire(
    signal: Image, support_level: float, pixel_size_nm: float, detector: Detector, rng: np.random.Generator
) -> Image:
    """Counts that the detector stores for a signal.

    Parameters
    ----------
    signal
        (y, x) signal density in atoms per nm² as the probe met it.
    support_level
        Mean signal of the support, at which the pixel noise is taken for the faults that are relative to it.
    pixel_size_nm
        Side of a pixel in nm.
    detector
        The detector and the scan.
    rng
        Source of chance.

    Returns
    -------
    numpy.ndarray
        (y, x) float32 counts.
    """
    height, width = signal.shape
    signal = _with_afterglow(signal * _beam_current(signal.shape, detector, rng), detector)
    per_electron = np.float32(1 / (np.sqrt(detector.dose) * pixel_size_nm))
    # white noise averaged with its neighbour keeps the wanted standard deviation
    mix = _mixing(detector.correlation)
    white = rng.standard_normal((height, width + 1), dtype=np.float32)
    noise = (white[:, 1:] + np.float32(mix) * white[:, :-1]) / np.float32(np.sqrt(1 + mix**2))
    noisy = signal + per_electron * np.sqrt(np.clip(signal, 0, None) + np.float32(detector.readout)) * noise
    pixel_noise = float(per_electron) * np.sqrt(support_level + detector.readout)
    noisy += np.float32(pixel_noise * detector.line_offset) * _line_noise(height, detector.line_memory, rng)[:, None]
    if detector.hum:
        noisy += np.float32(pixel_noise * detector.hum) * _hum(signal.shape, rng)
    counts = np.float32(detector.black) + np.float32(detector.gain) * noisy
    if detector.full_scale > 0:
        counts = np.minimum(counts, np.float32(detector.full_scale))
    return np.asarray(counts, dtype=np.float32)


#: pixels over which the beam current remembers
_FLICKER_PX: Final = (20.0, 300.0)


def _beam_current(shape: tuple[int, ...], detector: Detector, rng: np.random.Generator) -> Image:
    """Beam current during the frame relative to its mean: a slow drift and a flicker that runs on from line to line."""
    height, width = shape
    current = 1 + detector.gain_drift * np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    if detector.flicker:
        memory = np.exp(-1 / rng.uniform(*_FLICKER_PX))
        white = rng.standard_normal(height * width, dtype=np.float32) * np.float32(np.sqrt(1 - memory**2))
        run = filters.lfilter(np.ones(1, np.float32), np.array([1, -memory], np.float32), white).reshape(height, width)
        return np.asarray(current * (1 + np.float32(detector.flicker) * run), dtype=np.float32)
    return np.asarray(current, dtype=np.float32)


def _hum(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    """A wave of unit variance along the lines whose phase wanders from line to line: slanting, broken stripes."""
    turn = 2 * np.pi * (np.arange(shape[1]) / rng.uniform(6, 60) + rng.random())
    lines = 2 * np.pi * np.cumsum(rng.uniform(-0.2, 0.2) + rng.normal(0, 0.25, shape[0]))
    # sin(a + b) from the sines of lines and columns
    rows, cols = np.exp(1j * lines), np.exp(1j * turn)
    return np.asarray(np.sqrt(2) * (np.outer(rows.real, cols.imag) + np.outer(rows.imag, cols.real)), dtype=np.float32)


def _with_afterglow(signal: Image, detector: Detector) -> Image:
    """Part of every pixel's signal arrives with the pixels after it."""
    if detector.afterglow <= 0:
        return signal
    keep = np.exp(-1 / max(detector.afterglow_px, 1e-3))
    start = signal[:, :1] * keep
    late, _ = filters.lfilter([1 - keep], [1, -keep], signal, axis=1, zi=start)
    return np.asarray((1 - detector.afterglow) * signal + detector.afterglow * late, dtype=np.float32)


def _line_noise(n: int, memory: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Offsets of unit variance, each remembering the one before."""
    white = rng.standard_normal(n)
    white[1:] *= np.sqrt(1 - memory**2)
    return np.asarray(filters.lfilter([1], [1, -memory], white), dtype=np.float32)


def _mixing(correlation: float) -> float:
    """Weight of the previous pixel that gives the wanted correlation of neighbours: c = m / (1 + m²)."""
    c = min(correlation, 0.499)
    return 0.0 if c <= 0 else float((1 - np.sqrt(1 - 4 * c * c)) / (2 * c))
