"""Very many frames out of a few simulated ones, for the benchmarks of batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame

#: how far a frame may be shifted within the simulated one
_ROOM_PX = 128
#: of a thousand frames so many cannot be read, and so many show nothing
_DAMAGED, _EMPTY = 2, 1


def many_frames(
    folder: Path, n: int, size: int, clusters: int, seed: int, bases: int = 8, sessions: int = 1, faults: bool = False
) -> Path:
    """Frames cut out of `bases` simulated ones, turned, with new noise.

    With several sessions each has a folder and a gain of its own; with `faults` a few files are cut short or empty.
    """
    wide = size + _ROOM_PX
    number = max(4, round(clusters * (wide / 512) ** 2))
    rng = np.random.default_rng(seed)
    frames = [
        simulate_frame(sample_spec("nominal", None, number, shape=(wide, wide), seed=seed + k), seed + k)
        for k in range(min(bases, n))
    ]
    gains = np.exp(rng.uniform(-0.3, 0.3, sessions)) if sessions > 1 else np.ones(1)
    for i in range(n):
        session = i * sessions // n
        own = folder / f"session{session:02}" if sessions > 1 else folder
        own.mkdir(parents=True, exist_ok=True)
        frame = frames[i % len(frames)]
        top, left = rng.integers(0, wide - size, 2)
        part = np.rot90(frame.image[top : top + size, left : left + size], rng.integers(0, 4))
        spread = float(np.std(np.diff(part, axis=0))) / 3
        noisy = part + rng.normal(0, spread, part.shape)
        fault = int(rng.integers(0, 1000)) if faults else 1000
        if _DAMAGED <= fault < _DAMAGED + _EMPTY:
            noisy = np.zeros_like(noisy)
        per_nm = (1 / frame.pixel_size_nm,) * 2
        # sixteen bits, as detectors write them
        counts = np.clip(gains[session] * noisy / 8 + 3500, 0, 65535).astype(np.uint16)
        path = own / f"frame{i:06}.tif"
        tifffile.imwrite(path, counts, imagej=True, resolution=per_nm, metadata={"unit": "nm"})
        if fault < _DAMAGED:
            path.write_bytes(path.read_bytes()[:400])
    return folder
