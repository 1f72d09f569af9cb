"""An hour at the microscope: images of 512² at two a second, into a folder that is watched."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from napari_atomicity.counting.bundle import load_bundle
from napari_atomicity.live.session import LiveSession
from napari_atomicity.live.sources import FolderSource
from napari_atomicity.live.watching import watch_steps
from napari_atomicity.pipeline import Settings
from napari_atomicity.progress import Milestone
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame

#: images a second, simulated images that the others are made from, and pixels along a side
RATE = 2.0
BASES = 8
SIDE = 512
COLUMNS = [
    "images",
    "images a second",
    "greatest lag (s)",
    "memory at the start (MB)",
    "at the end",
    "slope (MB an hour)",
    "ledger (MB)",
]


def hour(options: argparse.Namespace, shares: dict[int, float]) -> dict[str, list[str]]:
    """A line of the table; what it has come to is printed on the way."""
    with tempfile.TemporaryDirectory() as base:
        folder, out = Path(base) / "in", Path(base) / "out"
        folder.mkdir()
        out.mkdir()
        if shutil.disk_usage(base).free < 1.5 * options.frames * 2 * SIDE**2:
            raise SystemExit(f"{base} has too little room for {options.frames} images; set TMPDIR to another folder.")
        writer = multiprocessing.get_context("spawn").Process(
            target=stream, args=(folder, options.frames, options.seed, shares), daemon=True
        )
        writer.start()
        try:
            return {f"{SIDE}² at {RATE:g} a second": _watched(folder, out, options)}
        finally:
            writer.kill()


def _watched(folder: Path, out: Path, options: argparse.Namespace) -> list[str]:
    session = LiveSession(out, Settings(adapt="off"), load_bundle("dual"))
    seen: list[tuple[float, float, float]] = []  # when it was counted, its lag, memory
    told = 0.0
    watching = watch_steps(FolderSource(folder, session.ledger.knows), session)
    for progress in watching:
        newest = progress.result.newest if isinstance(progress, Milestone) else None
        if newest is None or newest.again:
            continue
        now = time.time()
        seen.append((now, now - newest.seen.taken, resident_mb()))
        if now - (told or seen[0][0]) >= options.every or not told:
            told = now
            _tell(seen, out)
        if len(seen) == options.frames:
            break
    watching.close()
    times, lags, memory = np.array(seen).T
    hours = (times - times[0]) / 3600
    late = slice(len(seen) // 2, None)
    slope = np.polyfit(hours[late], memory[late], 1)[0] if len(seen) > 8 else np.nan
    rate = (len(seen) - 1) / max(times[-1] - times[0], 1e-9)
    start = memory[min(20, len(memory) - 1)]
    return [
        *(str(len(seen)), f"{rate:.2f}", f"{lags.max():.1f}", f"{start:.0f}", f"{memory[-1]:.0f}"),
        *(f"{slope:.0f}", f"{_ledger_mb(out):.1f}"),
    ]


def _tell(seen: list[tuple[float, float, float]], out: Path) -> None:
    latest = seen[-int(60 * RATE) :]
    rate = (len(latest) - 1) / (latest[-1][0] - latest[0][0]) if len(latest) > 1 else 0.0
    lag = max(one[1] for one in latest)
    print(
        f"{(seen[-1][0] - seen[0][0]) / 60:5.1f} min: {len(seen)} images, {rate:.2f} a second, lag up to {lag:.1f} s, "
        f"{seen[-1][2]:.0f} MB, ledger {_ledger_mb(out):.1f} MB",
        flush=True,
    )


def _ledger_mb(out: Path) -> float:
    return (out / "watch.jsonl").stat().st_size / 2**20


def resident_mb() -> float:
    """Memory of this process, where the system tells it."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def stream(folder: Path, n: int, seed: int, shares: dict[int, float]) -> None:
    """Write images at their rate, each turned and with noise of its own; in a process of its own, as an instrument is.

    Parameters
    ----------
    folder
        Where to.
    n
        How many.
    seed
        Of the random numbers.
    shares
        Of the sizes.
    """
    spec = sample_spec("nominal", shares, 40, shape=(SIDE, SIDE), seed=seed)
    frames = [simulate_frame(spec, seed + i) for i in range(min(BASES, n))]
    per_nm = (1 / frames[0].pixel_size_nm,) * 2
    rng = np.random.default_rng(seed)
    start = time.monotonic()
    for i in range(n):
        image = np.rot90(frames[i % len(frames)].image, i // len(frames))
        image = image + rng.normal(0, float(np.std(np.diff(image, axis=0))) / 3, image.shape)
        time.sleep(max(0.0, start + i / RATE - time.monotonic()))
        draft = folder / f".field_{i:05d}.tif"
        counts = np.clip(image.round(), 0, 2**16 - 1).astype(np.uint16)  # as detectors write them
        tifffile.imwrite(draft, counts, imagej=True, resolution=per_nm, metadata={"unit": "nm"})
        draft.rename(folder / f"field_{i:05d}.tif")
