"""Evidence and patches of known truth, and a network that has learnt them: no simulator, no detector."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from napari_atomicity import counting
from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.network import Network, decision
from napari_atomicity.counting.patches import in_atoms, network_input, normalise
from seeds import seeded

SIZES = (19, 30, 41, 55, 70)
#: counts·nm² of an atom of the blobs
GAIN = 100.0
CARD = ModelCard(
    name="synthetic",
    class_sizes=SIZES,
    channels=("raw",),
    lcn_window_nm=1.0,
    diameter_nm={str(n): (np.log(0.31 * n ** (1 / 3)), 0.06) for n in SIZES},
)


_CACHE = Path(os.environ["NAPARI_ATOMICITY_CACHE"])  # where a test puts another in its place, this one stays


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
        features=np.zeros((n, 4), np.float32),
        branch=np.zeros((n, 1, len(SIZES) + 1), np.float32),
        noise=np.full(n, 0.05),
        valid=np.ones(n, dtype=bool),
    )


def seen_log_n(evidence, shape_sd=0.35):
    """ln(atoms) that the shapes of `evidence_of` tell."""
    small, large = np.log(SIZES[0]), np.log(SIZES[-1])
    lead = evidence.shape[:, -1] - evidence.shape[:, 0]
    return (shape_sd**2 * lead + 0.5 * (large**2 - small**2)) / (large - small)


def blobs(n_atoms, seed=0, noise=2.0, gain=GAIN, stretch=1.0):
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
    network = Network(SIZES, ("raw", "lcn"))
    label = torch.as_tensor([SIZES.index(n) for n in n_atoms])
    _teach(network, n_atoms, patches, label)
    network.eval().requires_grad_(False)
    diameters = {str(n): (float(np.log(2.355 * 0.11 * n ** (1 / 3))), 0.03) for n in SIZES}
    card = ModelCard("blobs", SIZES, ("raw", "lcn"), lcn_window_nm=0.8, diameter_nm=diameters, diameter_frame_sd=0.05)
    rehearsal = {
        "raw": patches.raw[:20].astype(np.float16),
        "noise": patches.noise[:20],
        "log_atoms": patches.log_integral[:20] - np.log(GAIN),
        "class_index": label[:20].numpy(),
    }
    return Bundle(card, network, rehearsal)


def _teach(network, n_atoms, patches, label):
    """Some seconds of learning, kept for others until anything that it depends on changes."""
    kept = _CACHE / f"blobs-{_all_that_it_depends_on()}.pt"
    if kept.is_file():
        network.load_state_dict(torch.load(kept, weights_only=True))
        return
    log_scale = np.log(GAIN)
    middle = np.log(SIZES).mean()
    seen = [in_atoms(patches, log_scale), in_atoms(patches, patches.log_integral - middle)]
    x, noise = zip(*((network_input(*one, 2, 0.8), torch.from_numpy(one[1])) for one in seen), strict=True)
    steps, batch = 200, 8
    optimiser = torch.optim.Adam(network.parameters())
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, total_steps=steps)
    for step in range(steps):
        rows = torch.arange(step * batch, step * batch + batch) % 300
        out = network(torch.cat([part[rows] for part in x]), torch.cat([part[rows] for part in noise]))
        verdict, expected = label[rows], torch.log(torch.as_tensor(n_atoms[rows])).float()
        told = decision(out, network.log_sizes, 0.0, 1.0)[:batch]
        loss = torch.nn.functional.cross_entropy(told, verdict)
        loss = loss + torch.nn.functional.cross_entropy(out.alone[batch:].sum(dim=1), verdict)
        z = ((out.log_n[:batch] - expected) / out.log_n_sd[:batch]).clamp(-8, 8)
        loss = loss + 0.5 * (0.5 * z**2 + out.log_n_sd[:batch].log()).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rates.step()
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_suffix(f".{os.getpid()}")
    torch.save(network.state_dict(), part)
    part.replace(kept)


def _all_that_it_depends_on():
    """This file, the program's counting, the libraries and the seed."""
    sources = sorted(Path(counting.__file__).parent.glob("*.py"))
    told = hashlib.sha256(f"{torch.__version__} {np.__version__} {torch.get_num_threads()} {seeded(0)}".encode())
    for path in (Path(__file__), *sources):
        told.update(path.read_bytes())
    return told.hexdigest()[:16]


def looked(bundle, patches, log_scale=None):
    """What a model sees in clusters at a scale, that of the blobs where None."""
    from napari_atomicity.counting.classify import evidence_steps
    from napari_atomicity.counting.looking import looked_steps
    from napari_atomicity.progress import drain

    free = drain(evidence_steps(bundle, patches))
    return drain(looked_steps(bundle, patches, free, np.log(GAIN) if log_scale is None else log_scale))
