"""Labelled patches: simulated frames sent through the real detector, matched to their truth."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.patches import Patches
from napari_atomicity.io.atomic import write_atomically
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    from napari_atomicity.detection.measure import Measurement
    from napari_atomicity.simulation.structures import StructureLibrary

#: a detection this near to a true centre is that cluster
MATCH_NM: Final = 0.5
#: a size further than this from every class, in ln(atoms), is none of them
OUTSIDE_BEYOND: Final = 0.2
#: condition of clusters that come from a laboratory and not from the simulator
LABORATORY: Final = "laboratory"
#: frames to learn scales from hold this many times the recipe's clusters
_CROWDS: Final = (0.25, 0.6, 1.0, 1.3)
#: frames a file of the cache; what an interruption costs at most
_CHUNK: Final = 16
#: fewer frames than this a process do not repay its start
_WORTH_A_PROCESS: Final = 4
_FIRST_SEED: Final = {"train": 0, "validation": 10_000_000, "test": 20_000_000, "scales": 30_000_000}
#: frames to learn scales from are of structures that the network itself has not learnt from
_STRUCTURES: Final = {"scales": "validation"}


@dataclass(frozen=True)
class Recipe:
    """How a library of labelled patches is made.

    Attributes
    ----------
    class_sizes, element
        What the model will tell apart.
    other_sizes
        Sizes that are no class: some lie between classes (for the continuous count), some far from all.
    other_share, dimers, touching
        Mean share of the clusters of such a size, merged with a second one, or touching a second one.
    conditions
        Names of the simulator's conditions, taken in turn; ``random`` mixes them all.
    clusters
        Clusters a frame.
    families
        Kinds of structures to draw from, by the simulator's names; all where None.
    """

    class_sizes: tuple[int, ...] = (19, 30, 41, 55, 70)
    element: str = "Pt"
    other_sizes: tuple[int, ...] = (8, 12, 24, 35, 48, 62, 95, 120)
    other_share: float = 0.12
    dimers: float = 0.08
    touching: float = 0.04
    conditions: tuple[str, ...] = (
        "clean", "nominal", "low_dose", "defocus", "thick_support", "other_gain", "scan_noise", "coarse_pixels",
        "random", "random", "random", "random",
    )  # fmt: skip
    clusters: int = 100
    families: tuple[str, ...] | None = None

    @property
    def sha256(self) -> str:
        """Hash of the recipe, for the model card."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Library:
    """Labelled patches; one row a detected cluster.

    Attributes
    ----------
    raw, noise, log_integral
        As in `Patches`; `raw` as float16.
    diameter_nm, flag
        What the detector measured.
    n_atoms
        (n,) true atoms (of both for a dimer); 0 where nothing is there.
    whole
        (n,) the row is one cluster of `n_atoms`, alone or touching; not a dimer, satellite or nothing.
    log_scale
        (n,) ln of the frame's counts·nm² per atom.
    frame, condition
        (n,) index of the frame and name of its condition.
    """

    raw: npt.NDArray[np.float16]
    noise: npt.NDArray[np.float32]
    log_integral: npt.NDArray[np.float64]
    diameter_nm: npt.NDArray[np.float64]
    flag: npt.NDArray[np.str_]
    n_atoms: npt.NDArray[np.int64]
    whole: npt.NDArray[np.bool_]
    log_scale: npt.NDArray[np.float64]
    frame: npt.NDArray[np.int64]
    condition: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.n_atoms)

    def take(self, rows: npt.NDArray[Any]) -> Library:
        """Some of the rows (indices or mask)."""
        return Library(*(getattr(self, f.name)[rows] for f in fields(self)))

    @property
    def patches(self) -> Patches:
        """All rows as the network's input."""
        return Patches(self.raw.astype(np.float32), self.log_integral, self.noise, np.ones(len(self), dtype=bool))

    def class_index(self, class_sizes: tuple[int, ...]) -> npt.NDArray[np.int64]:
        """(n,) index of the true class, -1 where the row is none of the classes."""
        index = np.full(len(self), -1)
        for i, size in enumerate(class_sizes):
            index[self.whole & (self.n_atoms == size)] = i
        return index

    def is_outside(self, class_sizes: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """(n,) the row is far from every class, or no single cluster at all."""
        log_n = np.log(np.maximum(self.n_atoms, 1))
        far = np.abs(log_n[:, None] - np.log(class_sizes)).min(axis=1) > OUTSIDE_BEYOND
        return np.asarray(~self.whole | far)

    @classmethod
    def join(cls, parts: list[Library]) -> Library:
        """The rows of several libraries."""
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))

    def save(self, path: Path) -> None:
        """Write an npz file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda part: np.savez(part, **{f.name: getattr(self, f.name) for f in fields(self)}))

    @classmethod
    def load(cls, path: Path) -> Library:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(**{f.name: stored[f.name] for f in fields(cls)})


def simulate_library_steps(
    recipe: Recipe, split: str, n_frames: int, workers: int = 2, cache: Path | None = None
) -> Steps[Library]:
    """Simulate frames of the structures of `split` (train, validation, test) and label what is detected in them.

    The split ``scales`` has the structures of validation in frames of every kind of sample, from one pure class with a
    few clusters to all of them: to learn from which scale goes with which frame.

    Parameters
    ----------
    recipe, split
        What to simulate; frame i of a recipe and split is the same one in every library.
    n_frames
        Number of frames.
    workers
        Processes that simulate.
    cache
        Folder for the frames made so far: what is there of this recipe is not made again. They lie in a folder named
        by the hash of the recipe and of the code that makes frames, so that a changed simulator starts a new one.

    Returns
    -------
    Library
        The labelled clusters of all frames, in the order of the frames.
    """
    chunks = [range(start, min(start + _CHUNK, n_frames)) for start in range(0, n_frames, _CHUNK)]
    folder = None if cache is None else cache / f"{split}-{library_key(recipe, split)}"
    cached = {} if folder is None else {chunk.start: _cached(folder, chunk) for chunk in chunks}
    by_chunk = {start: made for start, made in cached.items() if made is not None}
    missing = [index for chunk in chunks if chunk.start not in by_chunk for index in chunk]
    if missing:
        yield from _structures(recipe, split).make_steps((*recipe.class_sizes, *recipe.other_sizes))
    frames: list[Library] = []
    for made in _frames(recipe, split, missing, workers):
        frames.append(made)
        if missing[len(frames) - 1] == n_frames - 1 or missing[len(frames) - 1] % _CHUNK == _CHUNK - 1:
            start = missing[len(frames) - 1] // _CHUNK * _CHUNK
            chunk = range(start, missing[len(frames) - 1] + 1)
            by_chunk[start] = Library.join(frames[-len(chunk) :])
            if folder is not None:
                by_chunk[start].save(_chunk_path(folder, chunk))
        yield Progress(n_frames - len(missing) + len(frames), n_frames, f"Simulating the {split} library")
    return Library.join([by_chunk[chunk.start] for chunk in chunks])


def _structures(recipe: Recipe, split: str) -> StructureLibrary:
    from napari_atomicity.simulation.structures import library

    return library(_STRUCTURES.get(split, split), recipe.element, recipe.families)


def origin(recipe: Recipe, split: str) -> dict[str, Any]:
    """Which structures the frames of a recipe show: what came with the package, and what this machine annealed.

    Parameters
    ----------
    recipe
        The recipe.
    split
        As in `simulate_library_steps`.

    Returns
    -------
    dict
        JSON-serialisable, for the model card.
    """
    return _structures(recipe, split).origin((*recipe.class_sizes, *recipe.other_sizes))


def library_key(recipe: Recipe, split: str) -> str:
    """Hash of the recipe and of the code that turns it into labelled patches, for the name of the cache.

    Parameters
    ----------
    recipe
        The recipe.
    split
        As in `simulate_library_steps`.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    package = Path(__file__).parent.parent
    sources = [*(package / "simulation").rglob("*.py"), *(package / "detection").rglob("*.py")]
    sources += [package / "counting" / "patches.py", Path(__file__)]
    digest = hashlib.sha256(f"{recipe.sha256} {json.dumps(origin(recipe, split))}".encode())
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _chunk_path(folder: Path, chunk: range) -> Path:
    return folder / f"{chunk.start:05}-{chunk.stop - 1:05}.npz"


def _cached(folder: Path, chunk: range) -> Library | None:
    try:
        return Library.load(_chunk_path(folder, chunk))
    except (OSError, ValueError, KeyError, BadZipFile):
        return None  # not there, or damaged: made again


def _frames(recipe: Recipe, split: str, indices: list[int], workers: int) -> Iterator[Library]:
    workers = min(workers, len(indices) // _WORTH_A_PROCESS)
    if workers < 2:
        yield from (labelled_frame(recipe, split, index) for index in indices)
        return
    n = len(indices)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_leave_ctrl_c_to_the_parent) as pool:
        yield from pool.map(labelled_frame, [recipe] * n, [split] * n, indices, chunksize=2)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def labelled_frame(recipe: Recipe, split: str, index: int) -> Library:
    """One simulated frame, detected, cut out and matched to its truth.

    Parameters
    ----------
    recipe
        What to simulate.
    split
        As in `simulate_library_steps`.
    index
        Number of the frame; decides its seed and its condition.

    Returns
    -------
    Library
        One row a detected cluster.
    """
    from napari_atomicity.simulation.conditions import sample_spec
    from napari_atomicity.simulation.frames import simulate_frame

    seed = _FIRST_SEED[split] + index
    rng = np.random.default_rng([seed, 99])
    spec = sample_spec(
        condition=recipe.conditions[index % len(recipe.conditions)],
        fractions=_sample(recipe, rng) if split == "scales" else _fractions(recipe, rng),
        n_clusters=int(recipe.clusters * rng.choice(_CROWDS)) if split == "scales" else recipe.clusters,
        seed=seed,
        split=_STRUCTURES.get(split, split),
        element=recipe.element,
        dimers=float(rng.uniform(0, 2 * recipe.dimers)),
        touching=float(rng.uniform(0, 2 * recipe.touching)),
        families=recipe.families,
    )
    frame = simulate_frame(spec, seed)
    return label_image(frame.image, frame.pixel_size_nm, frame.truth, frame.scale_counts_nm2_per_atom, index,
                       spec.condition)  # fmt: skip


def _sample(recipe: Recipe, rng: np.random.Generator) -> dict[int, float]:
    """Shares of a sample of any kind: all classes, some, or one; with more, few or no clusters that are none."""
    k = len(recipe.class_sizes)
    kind = rng.random()
    if kind < 0.3:
        shares = np.eye(k)[rng.integers(k)]
    else:
        shares = rng.dirichlet(np.full(k, 5.0 if kind < 0.6 else rng.choice([0.3, 1.5])))
    strange = float(rng.choice([0.0, 0.03, 0.12])) if recipe.other_sizes else 0.0
    others = rng.permutation(np.asarray(recipe.other_sizes, dtype=np.int64))[:3]
    inside = {int(size): float(share * (1 - strange)) for size, share in zip(recipe.class_sizes, shares, strict=True)}
    held = {size: share for size, share in inside.items() if share > 1e-3}
    return held | ({int(size): strange / len(others) for size in others} if strange else {})


def label_image(
    image: npt.NDArray[np.float32],
    pixel_size_nm: float,
    truth: Any,
    scale: float,
    frame: int,
    condition: str,
    measured: Measurement | None = None,
) -> Library:
    """Label the clusters of an image by its truth.

    Parameters
    ----------
    image
        (y, x) counts.
    pixel_size_nm
        Side of a pixel in nm.
    truth
        Data frame with y_px, x_px, n_atoms and kind, one row an object; see `SimulatedFrame.truth`.
    scale
        Counts·nm² per atom.
    frame
        Index of the frame.
    condition
        Name of its condition.
    measured
        Clusters that the detector measured in it; it is run here where None.

    Returns
    -------
    Library
        One row a found cluster with a whole patch; what the border cuts or is saturated is left out.
    """
    from scipy.spatial import cKDTree

    from napari_atomicity.counting.patches import NM_PER_PX, PATCH_PX, normalise
    from napari_atomicity.detection import detect
    from napari_atomicity.detection.windows import extract_windows

    measured = detect(image, pixel_size_nm).clusters if measured is None else measured
    n = len(measured.y_px)
    windows = extract_windows(image, measured.y_px, measured.x_px, pixel_size_nm, PATCH_PX, NM_PER_PX)
    patches = normalise(windows, measured.diameter_nm, measured.intensity)
    clusters = truth[truth["kind"] != "satellite"]
    n_atoms, whole = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
    if len(clusters) and n:
        tree = cKDTree(clusters[["y_px", "x_px"]].to_numpy())
        distance, nearest = (np.asarray(a) for a in tree.query(np.column_stack([measured.y_px, measured.x_px])))
        near = distance * pixel_size_nm <= MATCH_NM
        n_atoms[near] = clusters["n_atoms"].to_numpy()[nearest[near]]
        whole[near] = (clusters["kind"] != "dimer").to_numpy()[nearest[near]]
    library = Library(
        raw=patches.raw.astype(np.float16),
        noise=patches.noise,
        log_integral=patches.log_integral,
        diameter_nm=np.asarray(measured.diameter_nm, dtype=np.float64),
        flag=np.asarray(measured.flag, dtype="U10"),
        n_atoms=n_atoms,
        whole=whole,
        log_scale=np.full(n, np.log(scale)),
        frame=np.full(n, frame),
        condition=np.full(n, condition, dtype="U16"),
    )
    return library.take(patches.valid & (library.flag != "border") & (library.flag != "saturated"))


def _fractions(recipe: Recipe, rng: np.random.Generator) -> dict[int, float]:
    """Shares of this frame: from nearly pure to evenly mixed, with some sizes that are no class."""
    classes = rng.dirichlet(np.full(len(recipe.class_sizes), rng.choice([0.3, 1.0, 5.0])))
    other_share = rng.uniform(0, 2 * recipe.other_share)
    if not recipe.other_sizes:
        other_share = 0.0
    others = rng.permutation(np.asarray(recipe.other_sizes, dtype=np.int64))[:3]
    shares = {
        int(size): float(share * (1 - other_share)) for size, share in zip(recipe.class_sizes, classes, strict=True)
    }
    return shares | {int(size): other_share / len(others) for size in others}
