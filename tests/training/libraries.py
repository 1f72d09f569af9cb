"""Labelled blobs, as the simulator and the detector would deliver them, in no time."""

import numpy as np

from counting.synthetic import SIZES, blobs
from napari_atomicity.counting.patches import normalise
from napari_atomicity.training.library import Library
from seeds import seeded


def blob_library(n, seed, sizes=(*SIZES, 10, 120), scale=7.0):
    """Labelled blobs in frames of fifty."""
    n_atoms = np.random.default_rng(seeded(seed)).choice(sizes, n)
    windows, diameter, intensity = blobs(n_atoms, seed=seed, gain=1.0, noise=0.3)
    patches = normalise(windows, diameter, intensity)
    return Library(
        raw=patches.raw.astype(np.float16),
        noise=patches.noise,
        log_integral=patches.log_integral + np.log(scale),
        diameter_nm=diameter,
        flag=np.full(n, "ok"),
        n_atoms=n_atoms,
        whole=np.ones(n, dtype=bool),
        log_scale=np.full(n, np.log(scale)),
        frame=np.arange(n) // 50,
        condition=np.where(np.arange(n) // 50 % 2, "even", "odd"),
    )
