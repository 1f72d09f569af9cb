"""Detection on simulated frames with truth: ours, untouched, beside four common detectors tuned by hand.

    python benchmarks/detection.py            accuracy and speed, as quoted in the docs
    python benchmarks/detection.py --tune     how the thresholds of the other detectors were chosen
    python benchmarks/detection.py --many     seconds and memory for 1,000, 3,000 and 10,000 clusters in one frame

The frames that are scored come from structures and seeds that were used neither to write the detector nor to tune the
others. Scored: clusters that the border does not cut, within 0.5 nm, one to one; what is found within 1.2 nm of the
border counts neither way. Takes about ten minutes, most of it for the other detectors.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from skimage.feature import blob_dog, blob_log, peak_local_max

from _machine import describe
from _options import parsed, parser_for
from napari_atomicity.detection import detect
from napari_atomicity.simulation.conditions import CONDITIONS, sample_spec
from napari_atomicity.simulation.frames import SimulatedFrame, simulate_frame

#: radius in nm of the clusters that the other detectors are told to look for
SMALL_NM, LARGE_NM = 0.35, 1.1
Places = np.ndarray


def ours(image: np.ndarray, pixel_nm: float) -> Places:
    found = detect(image, pixel_nm).clusters
    inner = found.flag != "border"
    return np.column_stack([found.y_px, found.x_px])[inner]


def _scaled(image: np.ndarray) -> np.ndarray:
    """Support at 0, bright clusters near 1: without this no threshold would serve two frames."""
    low, high = np.percentile(image, (50, 99.9))
    return (image - low) / (high - low)


def by_log(image: np.ndarray, pixel_nm: float, threshold: float) -> Places:
    sigma = np.array([SMALL_NM, LARGE_NM]) / np.sqrt(2) / pixel_nm
    return blob_log(_scaled(image), sigma[0], sigma[1], num_sigma=5, threshold=threshold, overlap=0.5)[:, :2]


def by_dog(image: np.ndarray, pixel_nm: float, threshold: float) -> Places:
    sigma = np.array([SMALL_NM, LARGE_NM]) / np.sqrt(2) / pixel_nm
    return blob_dog(_scaled(image), sigma[0], sigma[1], threshold=threshold, overlap=0.5)[:, :2]


def by_trackpy(image: np.ndarray, pixel_nm: float, threshold: float) -> Places:
    import trackpy

    diameter = int(1.2 / pixel_nm) | 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trackpy.quiet()
        found = trackpy.locate(_scaled(image), diameter, minmass=0, preprocess=True, engine="auto")
    if not len(found):
        return np.empty((0, 2))
    found = found[found.mass * pixel_nm**2 > threshold]
    return found[["y", "x"]].to_numpy()


def by_difference(image: np.ndarray, pixel_nm: float, threshold: float) -> Places:
    scaled = _scaled(image)
    blobs = gaussian_filter(scaled, 0.28 / pixel_nm) - gaussian_filter(scaled, 0.75 / pixel_nm)
    return peak_local_max(blobs, min_distance=max(1, int(0.45 / pixel_nm)), threshold_abs=threshold).astype(float)


@dataclass(frozen=True)
class Other:
    name: str
    find: Callable[[np.ndarray, float, float], Places]
    #: chosen by --tune
    threshold: float
    tried: tuple[float, ...]


OTHERS = (
    Other("skimage blob_log", by_log, 0.10, (0.05, 0.07, 0.10, 0.14, 0.20)),
    Other("skimage blob_dog", by_dog, 0.10, (0.05, 0.07, 0.10, 0.14, 0.20)),
    Other("trackpy.locate", by_trackpy, 0.06, (0.03, 0.06, 0.1, 0.15, 0.25)),
    Other("difference of Gaussians + peak_local_max", by_difference, 0.11, (0.04, 0.06, 0.08, 0.11, 0.15)),
)


@dataclass
class Score:
    hit: int = 0
    missed: int = 0
    false: int = 0
    squares: float = 0.0
    pairs: int = 0
    pairs_split: int = 0

    def add(self, places: Places, frame: SimulatedFrame) -> None:
        pixel = frame.pixel_size_nm
        truth = frame.truth[frame.truth.kind != "satellite"].reset_index(drop=True)
        inner = ~truth.on_edge.to_numpy()
        distance = cdist(truth[["y_px", "x_px"]], places) * pixel
        rows, cols = linear_sum_assignment(np.where(distance < 0.5, distance, 1e3))
        near = distance[rows, cols] < 0.5
        rows, cols = rows[near], cols[near]
        found = np.zeros(len(truth), dtype=bool)
        found[rows] = True
        # what a detector finds of a cluster that the border cuts is neither right nor wrong
        margin = 1.2 / pixel
        size = np.array(frame.image.shape)
        left = np.setdiff1d(np.arange(len(places)), cols)
        at_border = np.any((places[left] < margin) | (places[left] > size - 1 - margin), axis=1)
        self.hit += int((found & inner).sum())
        self.missed += int((~found & inner).sum())
        self.false += int((~at_border).sum())
        self.squares += float((distance[rows, cols][inner[rows]] ** 2).sum())
        touching = truth[(truth.kind == "touching") & inner]
        for members in touching.groupby("group").indices.values():
            if len(members) == 2:
                self.pairs += 1
                self.pairs_split += int(found[touching.index[members]].all())

    @property
    def f1(self) -> float:
        return 2 * self.hit / max(2 * self.hit + self.missed + self.false, 1)

    @property
    def rmse(self) -> float:
        return float(np.sqrt(self.squares / max(self.hit, 1)))


def frames(per_condition: int, split: str, first_seed: int) -> list[SimulatedFrame]:
    made = []
    for number, condition in enumerate(CONDITIONS):
        for k in range(per_condition):
            seed = first_seed + 100 * number + k
            spec = sample_spec(condition, n_clusters=80, shape=(1024, 1024), seed=seed, split=split, touching=0.2)
            made.append(simulate_frame(spec, seed))
    return made


def tune() -> None:
    scored = frames(2, "validation", 5000)
    for other in OTHERS:
        for threshold in other.tried:
            score = Score()
            for frame in scored:
                score.add(other.find(frame.image, frame.pixel_size_nm, threshold), frame)
            print(f"{other.name:42s} threshold {threshold:5.2f}  F1 {score.f1:.4f}", flush=True)


def accuracy(per_condition: int) -> None:
    scored = frames(per_condition, "test", 9000)
    total = sum(len(f.truth[f.truth.kind != "satellite"]) for f in scored)
    print(f"\nAccuracy: {len(scored)} simulated frames of 1024 x 1024, all conditions pooled, {total} clusters")
    print(
        "| detector | F1 | missed | false | centre RMSE / nm | touching pairs found as two |\n|---|---|---|---|---|---|"
    )
    by_condition: dict[str, Score] = {}
    for name, find in _detectors():
        score = Score()
        for frame in scored:
            places = find(frame.image, frame.pixel_size_nm)
            score.add(places, frame)
            if name == "napari-atomicity":
                by_condition.setdefault(frame.spec.condition, Score()).add(places, frame)
        print(
            f"| {name} | {score.f1:.4f} | {score.missed} | {score.false} | {score.rmse:.3f} "
            f"| {score.pairs_split} of {score.pairs} ({score.pairs_split / max(score.pairs, 1):.3f}) |",
            flush=True,
        )
    print("\nnapari-atomicity by condition\n| condition | F1 | centre RMSE / nm | pairs as two |\n|---|---|---|---|")
    for condition, score in by_condition.items():
        print(f"| {condition} | {score.f1:.4f} | {score.rmse:.3f} | {score.pairs_split} of {score.pairs} |")


def speed(repeats: int) -> None:
    spec = sample_spec(
        "nominal", n_clusters=300, shape=(2048, 2048), seed=77, split="test", touching=0.1, pixel_size_nm=0.05
    )
    frame = simulate_frame(spec, 77)
    print(
        f"\nSpeed: one frame of 2048 x 2048 with {spec.n_clusters} clusters at 0.05 nm per pixel, median of {repeats}"
    )
    print("| detector | seconds |\n|---|---|")
    for name, find in _detectors():
        taken = []
        for _ in range(repeats):
            start = time.perf_counter()
            find(frame.image, frame.pixel_size_nm)
            taken.append(time.perf_counter() - start)
        what = " (detection and measurement)" if name == "napari-atomicity" else " (places only)"
        print(f"| {name}{what} | {np.median(taken):.3f} |", flush=True)


def many() -> None:
    """Frames of many clusters, tiled from one; each in a process of its own, since memory is read at its highest."""
    print(
        "\nFinding and cutting many clusters: one frame of 512 x 512 repeated; seconds of processor time, of the clock"
    )
    print("| frame | clusters | finding and measuring / s | cutting / s | highest memory of the process / MB |")
    print("|---|---|---|---|---|", flush=True)
    for tiles in (5, 9, 16):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            print(alone.submit(_many_clusters, tiles).result(), flush=True)


def _many_clusters(tiles: int) -> str:
    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.counting.patches import extract_patches

    spec = sample_spec("nominal", n_clusters=40, shape=(512, 512), seed=5, split="test", pixel_size_nm=0.04)
    tile = simulate_frame(spec, 5).image
    image = np.tile(tile, (tiles, tiles))
    start = time.process_time(), time.perf_counter()
    found = detect(image, spec.pixel_size_nm).clusters
    half = time.process_time(), time.perf_counter()
    columns = ("y_px", "x_px", "diameter_nm", "intensity")
    table = ClusterTable.from_columns({name: getattr(found, name) for name in columns})
    patches = extract_patches(image, table, spec.pixel_size_nm)
    end = time.process_time(), time.perf_counter()
    finding, cutting = (f"{b[0] - a[0]:.1f}, {b[1] - a[1]:.1f}" for a, b in ((start, half), (half, end)))
    memory = f"{_highest_memory():.0f}, of it {(image.nbytes + patches.raw.nbytes) / 1e6:.0f} frame and patches"
    side = image.shape[0]
    return f"| {side} x {side} | {len(table)} | {finding} | {cutting} | {memory} |"


def _highest_memory() -> float:
    """Of this process, MB; nan where the system does not say."""
    try:
        import resource
    except ImportError:
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _detectors() -> list[tuple[str, Callable[[np.ndarray, float], Places]]]:
    others = [(o.name, lambda image, pixel, o=o: o.find(image, pixel, o.threshold)) for o in OTHERS]
    return [("napari-atomicity", ours), *others]


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--tune", action="store_true", help="try thresholds for the other detectors")
    parser.add_argument("--many", action="store_true", help="seconds and memory for many clusters in one frame")
    parser.add_argument("--frames", type=int, default=3, help="frames a condition")
    parser.add_argument("--repeats", type=int, default=5, help="times that each detector is timed")
    options = parsed(parser, frames=1, repeats=1)
    print(describe("scikit-image", "scipy", "trackpy"))
    if options.tune:
        tune()
        return
    if options.many:
        many()
        return
    speed(options.repeats)
    accuracy(options.frames)
    if not options.quick:
        many()


if __name__ == "__main__":
    main()
