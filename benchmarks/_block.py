"""One large frame of very many clusters."""

from __future__ import annotations

import numpy as np

from napari_atomicity.micrograph import Micrograph
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame

_TILE = 1024


def block_of_frames(size: int, clusters: int) -> Micrograph:
    """(size, size) pixels in which about that many clusters are found: small frames side by side, quickly made."""
    across = size // _TILE
    each = round(1.35 * clusters / across**2)  # not all are found
    frames = [
        simulate_frame(sample_spec("nominal", None, each, shape=(_TILE, _TILE), seed=seed), seed) for seed in range(4)
    ]
    places = np.random.default_rng(0).integers(len(frames), size=(across, across))
    image = np.block([[frames[k].image for k in row] for row in places])
    return Micrograph(image, frames[0].pixel_size_nm, name="frame")
