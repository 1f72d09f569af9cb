"""Small simulated fields of one session, as files."""

from __future__ import annotations

import numpy as np
import pytest

from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from seeds import seeded

PIXEL_NM = 0.05


@pytest.fixture(scope="session")
def fields() -> list[np.ndarray]:
    """Five fields of about fifteen clusters, taken under the same settings."""
    shape = (320, 320)
    spec = sample_spec("clean", {19: 0.5, 55: 0.5}, n_clusters=15, shape=shape, seed=seeded(5), pixel_size_nm=PIXEL_NM)
    return [simulate_frame(spec, seed=seeded(40 + i)).image.astype(np.float32) for i in range(5)]
