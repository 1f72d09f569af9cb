"""Evidence and patches of known truth, and a network that has learnt them: no simulator, no detector."""

from functools import lru_cache

import numpy as np
import torch

from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.network import Network
from napari_atomicity.counting.patches import network_input, normalise
from seeds import seeded

SIZES = (19, 30, 41, 55, 70)
CARD = ModelCard(
    name="synthetic",
    class_sizes=SIZES,
    channels=("raw",),
    lcn_window_nm=1.0,
    diameter_nm={str(n): (np.log(0.31 * n ** (1 / 3)), 0.06) for n in SIZES},
)


def evidence_of(n_atoms, scale, shape_sd=0.35, integral_sd=0.06, seed=0, bias=0.0):
    """Clusters of `n_atoms` whose shape tells ln(atoms) to `shape_sd` and whose integral to `integral_sd`."""
    rng = np.random.default_rng(seeded(seed))
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
        noise=np.full(n, 0.05),
        valid=np.ones(n, dtype=bool),
    )


def blobs(n_atoms, seed=0, noise=2.0, gain=100.0, stretch=1.0):
    """Windows of 64 × 64 with a round cluster each, whose width grows with its atoms; diameters; integrals."""
    rng = np.random.default_rng(seeded(seed))
    n_atoms = np.asarray(n_atoms)
    y, x = (np.indices((64, 64)) - 31.5) * 0.05
    sigma = stretch * 0.11 * n_atoms ** (1 / 3) * np.exp(rng.normal(0, 0.03, len(n_atoms)))
    shape = np.exp(-0.5 * (y**2 + x**2) / sigma[:, None, None] ** 2) / (2 * np.pi * sigma[:, None, None] ** 2)
    windows = gain * n_atoms[:, None, None] * shape + 400 + rng.normal(0, noise, (len(n_atoms), 64, 64))
    return windows.astype(np.float32), 2.355 * sigma, gain * n_atoms.astype(float)


@lru_cache(maxsize=1)
def sized_blobs():
    """Atoms of 300 clusters, their patches, their diameters."""
    n_atoms = np.random.default_rng(seeded(5)).choice(SIZES, 300)
    windows, diameter, intensity = blobs(n_atoms)
    return n_atoms, normalise(windows, diameter, intensity), diameter


@lru_cache(maxsize=1)
def trained_bundle():
    """A small network that has learnt the blobs: tests need one that looks at its input."""
    n_atoms, patches, _ = sized_blobs()
    torch.manual_seed(seeded(0))
    network = Network(5, 2)
    x = network_input(patches, 2, 0.8)
    label = torch.as_tensor([SIZES.index(n) for n in n_atoms])
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    # nine in ten right whatever the seed; after half of the steps it is a third to four fifths
    for step in range(80):
        rows = torch.arange(step * 48, step * 48 + 48) % 300
        out = network(x[rows])
        loss = torch.nn.functional.cross_entropy(out.shape_logits, label[rows])
        loss = loss + (out.log_integral_shift**2).mean() + (out.outside_logit + 3).pow(2).mean() * 0.1
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval().requires_grad_(False)
    diameters = {str(n): (float(np.log(2.355 * 0.11 * n ** (1 / 3))), 0.03) for n in SIZES}
    card = ModelCard("blobs", SIZES, ("raw", "lcn"), lcn_window_nm=0.8, diameter_nm=diameters, diameter_frame_sd=0.05)
    rehearsal = {
        "raw": patches.raw[:20].astype(np.float16),
        "noise": patches.noise[:20],
        "class_index": label[:20].numpy(),
    }
    return Bundle(card, network, rehearsal)
