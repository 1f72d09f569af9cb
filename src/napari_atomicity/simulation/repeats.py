"""The same simulated field scanned several times: shifted, with another gain, and with noise of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.simulation.canvas import Canvas
from napari_atomicity.simulation.detector import ScanPath, acquire, scanned
from napari_atomicity.simulation.frames import truth_of
from napari_atomicity.simulation.placing import Placing
from napari_atomicity.simulation.spec import FrameSpec
from napari_atomicity.simulation.support import support_signal


@dataclass(frozen=True, eq=False)
class SimulatedRepeats:
    """Repeated frames with their truth.

    Attributes
    ----------
    images
        (t, y, x) float32 counts.
    truth
        Of the first frame; see `SimulatedFrame.truth`.
    shifts_px
        (t, 2) by which what the first frame shows has moved in each.
    gains
        (t,) counts per signal unit over those of the first frame.
    scale_counts_nm2_per_atom
        Integrated intensity of one atom in the first frame.
    pixel_size_nm
        Side of a pixel.
    """

    images: npt.NDArray[np.float32]
    truth: pd.DataFrame
    shifts_px: npt.NDArray[np.float64]
    gains: npt.NDArray[np.float64]
    scale_counts_nm2_per_atom: float
    pixel_size_nm: float


def simulate_repeats(
    spec: FrameSpec, frames: int, seed: int = 0, shift_px: int = 12, gain_sd: float = 0.0, gain_drift: float = 0.0
) -> SimulatedRepeats:
    """Scan one field several times.

    Parameters
    ----------
    spec
        The field and how it is scanned; drift within a frame and flyback are left out.
    frames
        How many.
    seed
        Seed of all that is left to chance.
    shift_px
        Frames lie up to so many whole pixels off the first one.
    gain_sd, gain_drift
        Relative standard deviation of the gain between frames, and its relative change from frame to frame.

    Returns
    -------
    SimulatedRepeats
        The frames and what is true of them.
    """
    rng = np.random.default_rng([seed, 6])
    px, (height, width) = spec.pixel_size_nm, spec.shape
    still = replace(spec.detector, drift=(0.0, 0.0), flyback_nm=0.0)
    rim = shift_px + ScanPath.of(spec.shape, px, still, np.random.default_rng(0)).reach_px + 4
    wide = replace(spec, shape=(height + 2 * rim, width + 2 * rim), detector=replace(still, jitter_nm=0.0))
    signal, covered = support_signal(wide.shape, px, spec.support, spec.probe.fwhm_nm, rng)
    level = float(signal[covered].mean()) if covered.any() else 1.0
    placed = Placing(wide, covered, rng).run()
    canvas = Canvas(signal, wide, ScanPath.of(wide.shape, px, wide.detector, rng), rng)
    for placed_object in placed:
        canvas.add(placed_object)
    shifts = rng.integers(-shift_px, shift_px + 1, (frames, 2))
    shifts[0] = 0
    gains = np.exp(rng.normal(0, gain_sd, frames) + gain_drift * np.arange(frames))
    gains /= gains[0]
    images = []
    for (down, right), gain in zip(shifts.tolist(), gains, strict=True):
        own = np.random.default_rng(rng.integers(2**63))
        path = ScanPath.of(spec.shape, px, still, own)
        top, left = rim - down - path.reach_px, rim - right - path.reach_px
        part = canvas.signal[top : top + height + 2 * path.reach_px, left : left + width + 2 * path.reach_px]
        images.append(acquire(scanned(part, path), level, px, replace(still, gain=still.gain * float(gain)), own))
    truth = truth_of(placed, wide)
    truth[["y_px", "x_px"]] -= rim
    inside = truth["y_px"].between(0, height - 1) & truth["x_px"].between(0, width - 1)
    return SimulatedRepeats(
        np.stack(images), truth[inside].reset_index(drop=True), shifts.astype(float), gains, still.gain, px
    )
