"""Evidence of known truth, without network or image."""

import numpy as np

from napari_atomicity.counting.bundle import Card
from napari_atomicity.counting.classify import Evidence

SIZES = (19, 30, 41, 55, 70)
CARD = Card(
    name="synthetic",
    class_sizes=SIZES,
    channels=("raw",),
    lcn_window_nm=1.0,
    diameter_nm={str(n): (np.log(0.31 * n ** (1 / 3)), 0.06) for n in SIZES},
)


def evidence_of(n_atoms, scale, shape_sd=0.35, integral_sd=0.06, seed=0, bias=0.0):
    """Clusters of `n_atoms` whose shape tells ln(atoms) to `shape_sd` and whose integral to `integral_sd`."""
    rng = np.random.default_rng(seed)
    n_atoms = np.asarray(n_atoms, dtype=float)
    n = len(n_atoms)
    seen = np.log(n_atoms) + bias + rng.normal(0, shape_sd, n)
    shape = -0.5 * ((seen[:, None] - np.log(SIZES)) / shape_sd) ** 2
    shape -= np.logaddexp.reduce(shape, axis=1, keepdims=True)
    sd = np.full(n, max(integral_sd, 1e-3))
    return Evidence(
        card=CARD,
        shape=shape,
        outside=np.full(n, -3.0),
        log_integral=np.log(n_atoms * scale) + rng.normal(0, integral_sd, n),
        log_integral_sd=sd,
        log_n=seen,
        log_n_sd=np.full(n, shape_sd),
        features=np.zeros((n, 4), np.float32),
        branch=np.zeros((n, 1, len(SIZES)), np.float32),
        valid=np.ones(n, dtype=bool),
    )
