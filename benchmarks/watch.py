"""A watch at the microscope: how soon, how fast, how much memory, and whether shares may be watched.

    python benchmarks/watch.py [--fields 12] [--frames 600] [--runs 200] [--images 40] [--seed 0]
    python benchmarks/watch.py --hour [--frames 7200] [--every 300]
    python benchmarks/watch.py --walk 60 [--rename 60]

Latency is from a file being complete in the folder to its numbers, polling included; beside it the time of all cores
together, which other programs do not lengthen. The sustained rate is of 512² images that lie there already, `--frames`
of them, with the growth of the memory over the second half. Coverage is of simulated labels with known shares and
confusions: how often an interval of some class misses the truth at any of the looks, one after each image. Takes about
twenty minutes. `--hour` streams that many images at two a second from another process (7200: 4 GB in TMPDIR) and tells
rate, lag and memory every so many seconds. `--walk` writes that many fields slowly, with a damaged one, kills the watch
and starts it again, takes the folder away for a while, and compares its tables with those of one call; some minutes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

import _machine
import _watch_hour
import _watch_walk
from _options import parsed, parser_for
from _tables import markdown
from napari_atomicity.counting.bundle import load_bundle
from napari_atomicity.live.session import LiveSession
from napari_atomicity.live.shares import ImageCounts, SessionCounts, live_shares
from napari_atomicity.live.sources import FolderSource
from napari_atomicity.live.watching import watch_steps
from napari_atomicity.pipeline import Settings
from napari_atomicity.progress import Milestone
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame

SHARES = {19: 0.1, 30: 0.2, 41: 0.3, 55: 0.25, 70: 0.15}
LABELS = tuple(f"Pt{size}" for size in SHARES)
#: of each class (rows) how many get each label, beside neighbours
KEPT = 0.9
#: by how much the confusion of a whole image may be off, in the logarithm of the chances
IMAGE_SD = 0.5


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--fields", type=int, default=12)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hour", action="store_true", help="stream images at two a second")
    parser.add_argument("--every", type=float, default=300.0, metavar="S", help="tell how far the hour is so often")
    parser.add_argument("--walk", type=int, default=0, metavar="FIELDS", help="a walk over so many fields")
    parser.add_argument("--rename", type=float, default=60.0, metavar="S", help="how long the folder is away")
    options = parsed(parser, fields=2, frames=6, runs=4, images=6)
    options.frames = options.frames or (7200 if options.hour else 600)
    print(_machine.describe())
    if options.hour or options.walk:
        _long(options)
        return
    print("\nFrom a file being complete to its numbers (s)\n")
    print(
        markdown(
            ["median", "longest", "counting alone", "time of all cores"],
            {f"{n}²": _latency(n, options) for n in (512, 1024)},
        )
    )
    print("\nImages one after the other\n")
    columns = ["images/s", "second half", "time of all cores (s an image)", "memory (MB)", "growth (kB an image)"]
    print(markdown(columns, {"512²": _sustained(options)}))
    print(f"\nRuns of {options.images} looks in which an interval missed (%)\n")
    print(markdown(["any class", "a class, mean"], _coverage(options)))


def _long(options: argparse.Namespace) -> None:
    if options.hour:
        print("\nAn hour of images\n", flush=True)
        print(markdown(_watch_hour.COLUMNS, _watch_hour.hour(options, SHARES)))
    if options.walk:
        print("\nA walk\n", flush=True)
        print(markdown(_watch_walk.COLUMNS, _watch_walk.walk(options, SHARES)))


def _images(size: int, n: int, seed: int) -> list[np.ndarray]:
    clusters = round(40 * (size / 512) ** 2)
    spec = sample_spec("nominal", SHARES, clusters, shape=(size, size), seed=seed)
    return [simulate_frame(spec, seed=100 + seed + i).image.astype(np.float32) for i in range(n)]


def _write(path: Path, image: np.ndarray) -> None:
    """Whole from the start, as a file that an instrument moves into the folder."""
    beside = path.with_name(f".{path.name}")
    tifffile.imwrite(beside, image, imagej=True, resolution=(20, 20), metadata={"unit": "nm"})
    beside.rename(path)


def _session(folder: Path) -> LiveSession:
    return LiveSession(folder, Settings(adapt="off"), load_bundle("dual"))


def _latency(size: int, options: argparse.Namespace) -> list[str]:
    images = _images(size, options.fields + 2, options.seed)
    waited, counting, busy = [], [], []
    at = time.process_time()
    with tempfile.TemporaryDirectory() as base:
        folder, out = Path(base) / "in", Path(base) / "out"
        folder.mkdir()
        out.mkdir()
        session = _session(out)
        watching = watch_steps(FolderSource(folder, session.ledger.knows), session)
        complete, sent = 0.0, 0
        for progress in watching:
            newest = progress.result.newest if isinstance(progress, Milestone) else None
            if newest is not None:
                waited.append(time.perf_counter() - complete)
                counting.append(newest.seconds)
                busy.append(time.process_time() - at)
            if newest is not None or not sent:
                if sent == len(images):
                    break
                # not at the moment of a look
                time.sleep(0.05 * (sent % 7))
                _write(folder / f"{sent:03d}.tif", images[sent])
                complete, at, sent = time.perf_counter(), time.process_time(), sent + 1
        watching.close()
    waited = waited[2:] or waited  # the first load libraries
    medians = (np.median(values[2:] or values) for values in (counting, busy))
    return [f"{np.median(waited):.2f}", f"{max(waited):.2f}", *(f"{value:.2f}" for value in medians)]


def _sustained(options: argparse.Namespace) -> list[str]:
    images = _images(512, min(options.frames, 24), options.seed)
    rng = np.random.default_rng(options.seed)
    times, busy, memory = [], [], []
    with tempfile.TemporaryDirectory() as base:
        folder, out = Path(base) / "in", Path(base) / "out"
        folder.mkdir()
        out.mkdir()
        for i in range(options.frames):
            image = images[i % len(images)]
            # each its own noise, or it would be the same image again
            _write(folder / f"{i:05d}.tif", (image + rng.normal(0, 0.02 * image.std(), image.shape)).astype(np.float32))
        session = _session(out)
        for progress in watch_steps(FolderSource(folder, session.ledger.knows), session, once=True):
            if isinstance(progress, Milestone) and progress.result.newest is not None:
                times.append(time.perf_counter())
                busy.append(time.process_time())
                memory.append(1024 * _watch_hour.resident_mb())
    half = len(times) // 2
    rates = [(len(part) - 1) / (part[-1] - part[0]) if len(part) > 1 else np.nan for part in (times[2:], times[half:])]
    growth = np.polyfit(np.arange(half), memory[-half:], 1)[0] if half > 2 else np.nan
    each = (busy[-1] - busy[half]) / max(len(busy) - half - 1, 1)
    return [f"{rates[0]:.2f}", f"{rates[1]:.2f}", f"{each:.2f}", f"{memory[-1] / 1024:.0f}", f"{growth:.0f}"]


# ---------------------------------------------------------------------- coverage


def _coverage(options: argparse.Namespace) -> dict[str, list[str]]:
    rows = {}
    for words, image_sd in (("", 0.0), (", images differ", IMAGE_SD)):
        missed = _missed(options, image_sd)
        for name, of_class in missed.items():
            share = of_class.mean(axis=0)
            rows[name + words] = [f"{100 * of_class.any(axis=1).mean():.1f}", f"{100 * share.mean():.1f}"]
    return rows


def _missed(options: argparse.Namespace, image_sd: float) -> dict[str, np.ndarray]:
    """(runs, classes) whether an interval ever missed, for both kinds."""
    rng = np.random.default_rng(options.seed)
    truth = np.array(list(SHARES.values()))
    always = np.zeros((options.runs, len(truth)), dtype=bool)
    usual = always.copy()
    for run in range(options.runs):
        images = SessionCounts()
        for number in range(options.images):
            images.put(str(number), _labels(rng, truth, 40, image_sd))
            shares = live_shares(images, LABELS)
            always[run] |= (truth < shares.low) | (truth > shares.high)
            usual[run] |= (truth < shares.usual_low) | (truth > shares.usual_high)
    return {"holds at all looks": always, "usual, for one look": usual}


def _labels(rng: np.random.Generator, truth: np.ndarray, n: int, image_sd: float) -> ImageCounts:
    """Labels of the clusters of an image; the model's idea of its confusion is the mean one."""
    k = len(truth)
    away = np.abs(np.subtract.outer(np.arange(k), np.arange(k)))
    mean = np.where(away == 0, KEPT, np.where(away == 1, (1 - KEPT) / 2, 0.0))
    mean /= mean.sum(axis=1, keepdims=True)
    own = mean * np.exp(rng.normal(0, image_sd, k))
    own /= own.sum(axis=1, keepdims=True)
    label = np.array([rng.choice(k, p=own[true]) for true in rng.choice(k, n, p=truth)])
    chances = truth[:, None] * mean
    chances /= chances.sum(axis=0)
    confusion = np.zeros((k + 1, k + 1))
    for one in label:
        confusion[:k, one] += chances[:, one]
    return ImageCounts(np.append(np.bincount(label, minlength=k), 0).astype(float), confusion)


if __name__ == "__main__":
    main()
