"""A simulated movie with its truth: clusters that walk, change shape, merge, split, lose atoms, come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.simulation.canvas import Canvas
from napari_atomicity.simulation.detector import ScanPath, acquire, scanned
from napari_atomicity.simulation.frames import truth_of
from napari_atomicity.simulation.placing import PlacedCluster, Placing
from napari_atomicity.simulation.play import Play, Story, Walker
from napari_atomicity.simulation.spec import FrameSpec
from napari_atomicity.simulation.support import support_signal

Floats = npt.NDArray[np.float64]
__all__ = ["SimulatedMovie", "Story", "simulate_movie"]


@dataclass(frozen=True, eq=False)
class SimulatedMovie:
    """A movie with its truth.

    Attributes
    ----------
    images
        (t, y, x) float32 counts.
    truth
        A row a cluster and frame: frame, object, y_px, x_px (in that frame), n_atoms, inside (whole in the field).
    events
        A row each: frame (the first in which it is seen), kind (merge, split, loss, arrival), objects and partners
        (lists of those before and after), atoms_before, atoms_after.
    shifts_px
        (t, 2) by which the field has moved in each frame.
    scale_counts_nm2_per_atom
        Integrated intensity of one atom.
    pixel_size_nm
        Side of a pixel.
    """

    images: npt.NDArray[np.float32]
    truth: pd.DataFrame
    events: pd.DataFrame
    shifts_px: Floats
    scale_counts_nm2_per_atom: float
    pixel_size_nm: float


def simulate_movie(spec: FrameSpec, frames: int, story: Story | None = None, seed: int = 0) -> SimulatedMovie:
    """Make a movie.

    Parameters
    ----------
    spec
        The field and how it is scanned; drift within a frame and flyback are left out.
    frames
        How many.
    story
        What happens; the usual where None.
    seed
        Seed of all that is left to chance.

    Returns
    -------
    SimulatedMovie
        The frames and what is true of them.
    """
    story = story or Story()
    rng = np.random.default_rng([seed, 7])
    px, (height, width) = spec.pixel_size_nm, spec.shape
    shifts = np.rint(np.arange(frames)[:, None] * np.asarray(story.drift_nm) / px)
    still = replace(spec.detector, drift=(0.0, 0.0), flyback_nm=0.0)
    rim = int(np.abs(shifts).max()) + ScanPath.of(spec.shape, px, still, np.random.default_rng(0)).reach_px + 4
    wide = replace(
        spec, shape=(height + 2 * rim, width + 2 * rim), detector=replace(still, jitter_nm=0.0), satellites=0.0,
        dimers=0.0, touching=0.0,
    )  # fmt: skip
    signal, covered = support_signal(wide.shape, px, spec.support, spec.probe.fwhm_nm, rng)
    level = float(signal[covered].mean()) if covered.any() else 1.0
    play = Play(wide, Placing(wide, covered, rng).run(), story, frames, rng)
    images, truths = [], []
    for frame in range(frames):
        if frame:
            play.advance(frame)
        placed = play.placed()
        canvas = Canvas(signal.copy(), wide, ScanPath.of(wide.shape, px, wide.detector, rng), rng)
        for one in placed:
            canvas.add(one)
        own = np.random.default_rng(rng.integers(2**63))
        path = ScanPath.of(spec.shape, px, still, own)
        top, left = (rim - int(shift) - path.reach_px for shift in shifts[frame])
        part = canvas.signal[top : top + height + 2 * path.reach_px, left : left + width + 2 * path.reach_px]
        images.append(_spoiled(acquire(scanned(part, path), level, px, still, own), frame, story))
        truths.append(_truth(placed, play.walkers, wide, frame, rim - shifts[frame], spec.shape))
    return SimulatedMovie(
        np.stack(images), pd.concat(truths, ignore_index=True), play.told, shifts, still.gain, px
    )  # fmt: skip


def _spoiled(image: npt.NDArray[np.float32], frame: int, story: Story) -> npt.NDArray[np.float32]:
    """A frame that was not scanned, or only half of it."""
    if frame in story.blank:
        return np.zeros_like(image)
    if frame in story.half:
        image = image.copy()
        image[len(image) // 2 :] = 0
    return image


def _truth(
    placed: Sequence[PlacedCluster],
    walkers: Sequence[Walker],
    wide: FrameSpec,
    frame: int,
    off_px: Floats,
    shape: tuple[int, int],
) -> pd.DataFrame:
    table = truth_of(placed, wide)
    y, x = table["y_px"] - off_px[0], table["x_px"] - off_px[1]
    margin = (table["diameter_nm"] / 2 + 0.25) / wide.pixel_size_nm
    whole = (y > margin) & (x > margin) & (y < shape[0] - 1 - margin) & (x < shape[1] - 1 - margin)
    return pd.DataFrame(
        {"frame": frame, "object": [one.number for one in walkers], "y_px": y, "x_px": x, "n_atoms": table["n_atoms"],
         "inside": whole}
    )  # fmt: skip
