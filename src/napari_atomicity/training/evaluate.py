"""What a model and simpler methods say of clusters that no model has seen, from detection to label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import OTHER
from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.classify import evidence_steps
from napari_atomicity.counting.diameter_only import classify_by_diameter
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.looking import calibrated_steps, looked_steps
from napari_atomicity.counting.predictions import Predictions, posterior
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.training.library import MATCH_NM, Library, label_image

if TYPE_CHECKING:
    from napari_atomicity.simulation.frames import SimulatedFrame

#: ways of using the model
OF_MODEL: Final = ("scale known", "no scale", "auto")
#: and the simple methods beside it
BASELINES: Final = ("diameter only", "intensity, other frames", "intensity, scale known")
METHODS: Final = (*OF_MODEL, *BASELINES)
_FIRST_SEED: Final = 20_000_000
#: sizes that no model of the usual classes knows, a few of which lie in every mixed frame
_STRANGERS: Final = (0.4, 0.6, 1.4, 1.8)


@dataclass(frozen=True)
class FramePlan:
    """One frame to score on.

    Attributes
    ----------
    index
        Number of the frame; decides its seed.
    condition
        Name of the simulator's condition, or a mixed one.
    pure
        Size of the only class in it; 0 for a mixed frame with a few outsiders.
    families
        Families of structures; the ones that no model was trained on where None.
    class_sizes, element, clusters
        What lies on the support.
    """

    index: int
    condition: str
    pure: int = 0
    families: tuple[str, ...] | None = None
    class_sizes: tuple[int, ...] = (19, 30, 41, 55, 70)
    element: str = "Pt"
    clusters: int = 100


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """Labelled clusters of whole frames, and those that the detector missed.

    Attributes
    ----------
    library
        What was detected.
    missed
        One row a class member that was not found: frame, condition, n_atoms.
    pure
        (frames,) indices of the frames that hold one class only.
    """

    library: Library
    missed: pd.DataFrame
    pure: npt.NDArray[np.int64]

    @classmethod
    def join(cls, parts: Sequence[EvaluationSet]) -> EvaluationSet:
        """Several sets as one; their frames must have different indices."""
        return cls(
            Library.join([part.library for part in parts]),
            pd.concat([part.missed for part in parts], ignore_index=True),
            np.concatenate([part.pure for part in parts]),
        )


def plan(
    conditions: Sequence[str],
    mixed: int,
    pure: int = 0,
    class_sizes: Sequence[int] = (19, 30, 41, 55, 70),
    element: str = "Pt",
    families: tuple[str, ...] | None = None,
    first: int = 0,
) -> list[FramePlan]:
    """Frames to score on.

    Parameters
    ----------
    conditions
        Names of the simulator's conditions.
    mixed
        Frames of each condition that hold all classes.
    pure
        Frames of each condition and class that hold this class alone.
    class_sizes
        Atoms of each class.
    element
        Chemical symbol.
    families
        Families of structures; those that no model was trained on where None.
    first
        Number of the first frame; a number decides a frame's seed.

    Returns
    -------
    list of FramePlan
        Condition by condition.
    """
    number = count(first)
    sizes = tuple(class_sizes)
    return [
        FramePlan(next(number), condition, size, families, sizes, element)
        for condition in conditions
        for size in [0] * mixed + [size for size in sizes for _ in range(pure)]
    ]


def evaluation_set_steps(plans: Sequence[FramePlan], workers: int = 2) -> Steps[EvaluationSet]:
    """Simulate the frames of `plans`, detect their clusters and match them to the truth.

    Parameters
    ----------
    plans
        Frames with different numbers.
    workers
        Processes that simulate.

    Returns
    -------
    EvaluationSet
        The same whatever the number of workers.
    """
    frames: list[EvaluationSet] = []
    for frame in _simulated(plans, workers):
        frames.append(frame)
        yield Progress(len(frames), len(plans), "Simulating frames to score on")
    return EvaluationSet.join(frames)


def _simulated(plans: Sequence[FramePlan], workers: int) -> Iterator[EvaluationSet]:
    if workers < 2 or len(plans) < 4:
        yield from map(evaluation_frame, plans)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(evaluation_frame, plans, chunksize=2)


def evaluation_frame(planned: FramePlan) -> EvaluationSet:
    """One simulated frame, detected and labelled."""
    from napari_atomicity.simulation.conditions import sample_spec
    from napari_atomicity.simulation.frames import simulate_frame

    seed = _FIRST_SEED + planned.index
    rng = np.random.default_rng([seed, 98])
    spec = sample_spec(
        condition=planned.condition, fractions=_fractions(planned, rng), n_clusters=planned.clusters, seed=seed,
        split="test", element=planned.element, families=planned.families,
        dimers=0.0 if planned.pure else float(rng.uniform(0, 0.08)), touching=float(rng.uniform(0, 0.06)),
    )  # fmt: skip
    return labelled(simulate_frame(spec, seed), planned)


def labelled(frame: SimulatedFrame, planned: FramePlan) -> EvaluationSet:
    """What the detector makes of a frame, matched to the frame's truth.

    Parameters
    ----------
    frame
        A simulated micrograph with its truth.
    planned
        Number, condition and classes of the frame.

    Returns
    -------
    EvaluationSet
        Of this frame alone.
    """
    from scipy.spatial import cKDTree

    from napari_atomicity.detection import detect

    condition = frame.spec.condition if planned.condition == "random" else planned.condition
    measured = detect(frame.image, frame.pixel_size_nm).clusters
    truth, scale = frame.truth, frame.scale_counts_nm2_per_atom
    library = label_image(frame.image, frame.pixel_size_nm, truth, scale, planned.index, condition, measured)
    members = truth[
        truth["n_atoms"].isin(planned.class_sizes) & truth["kind"].isin(["cluster", "touching"]) & ~truth["on_edge"]
    ]
    far = np.ones(len(members), dtype=bool)
    if len(measured.y_px):
        tree = cKDTree(np.column_stack([measured.y_px, measured.x_px]))
        far = np.asarray(tree.query(members[["y_px", "x_px"]].to_numpy())[0]) * frame.pixel_size_nm > MATCH_NM
    missed = pd.DataFrame(
        {"frame": planned.index, "condition": condition, "n_atoms": members["n_atoms"].to_numpy()[far]}
    )
    return EvaluationSet(library, missed, np.array([planned.index] if planned.pure else [], dtype=np.int64))


def _fractions(planned: FramePlan, rng: np.random.Generator) -> dict[int, float]:
    """One class, or all in random shares with up to six percent of sizes far from any."""
    if planned.pure:
        return {planned.pure: 1.0}
    shares = rng.dirichlet(np.full(len(planned.class_sizes), 1.5))
    strange = rng.uniform(0, 0.06)
    ends = np.array([min(planned.class_sizes)] * 2 + [max(planned.class_sizes)] * 2) * _STRANGERS
    chosen = sorted({max(2, round(float(size))) for size in ends})
    inside = {int(size): float(share * (1 - strange)) for size, share in zip(planned.class_sizes, shares, strict=True)}
    return inside | {size: strange / len(chosen) for size in chosen}


# ---------------------------------------------------------------------- predictions


def evaluate_steps(bundle: Bundle, tested: EvaluationSet | Library) -> Steps[pd.DataFrame]:
    """Predictions of every method for every cluster.

    Parameters
    ----------
    bundle
        The model.
    tested
        Labelled clusters of whole frames.

    Returns
    -------
    pandas.DataFrame
        One row a cluster with flag ``ok`` that is a class member or an outsider, and one a member that was not found:
        condition, frame, pure (bool), truth (label), n_atoms; and for each method its label, for those of the model
        also its confidence (``NAME p``), count (``NAME n``) and the count's standard deviation (``NAME sd``). Outsiders
        carry the truth ``other``; sizes between the classes, which are neither, are left out. Labels of missed clusters
        are empty.
    """
    if isinstance(tested, Library):
        tested = EvaluationSet(tested, pd.DataFrame({"frame": [], "condition": [], "n_atoms": []}), np.empty(0, int))
    library, card = tested.library, bundle.card
    evidence = yield from evidence_steps(bundle, library.patches)
    index, outside = library.class_index(card.class_sizes), library.is_outside(card.class_sizes)
    labels = np.array([*card.labels, OTHER], dtype=object)
    carried = _carried_scales(library, card.class_sizes)
    tables: list[pd.DataFrame] = []
    frames = np.unique(library.frame)
    for done, frame in enumerate(frames):
        yield Progress(done, len(frames), "Scoring frames")
        rows = np.flatnonzero(library.frame == frame)
        clusters, seen = library.take(rows), evidence.take(rows)
        usable = clusters.flag == "ok"
        values: dict[str, Any] = {
            "condition": clusters.condition,
            "frame": clusters.frame,
            "pure": np.isin(clusters.frame, tested.pure),
            "truth": labels[np.where(index[rows] >= 0, index[rows], -1)],
            "n_atoms": clusters.n_atoms,
        }
        standard = measured_scale(clusters, card.class_sizes)
        for method, predicted in (yield from _of_model_steps(bundle, seen, clusters, usable, standard)).items():
            values |= {method: predicted.label, f"{method} p": predicted.confidence}
            values |= {f"{method} n": predicted.n_atoms, f"{method} sd": predicted.n_atoms_sd}
        values["diameter only"] = classify_by_diameter(clusters.diameter_nm, card)
        log_scales = {
            "intensity, other frames": carried[rows],
            "intensity, scale known": np.full(len(rows), standard),
        }
        for method, log_scale in log_scales.items():
            nearest = np.abs((clusters.log_integral - log_scale)[:, None] - np.log(card.class_sizes)).argmin(axis=1)
            values[method] = np.where(np.isfinite(log_scale), labels[nearest], "")
        scored = usable & ((index[rows] >= 0) | outside[rows])
        tables.append(pd.DataFrame(values)[scored])
    missed = tested.missed[tested.missed["n_atoms"].isin(card.class_sizes)]
    unseen = pd.DataFrame(
        {
            "condition": missed["condition"],
            "frame": missed["frame"],
            "pure": missed["frame"].isin(tested.pure),
            "truth": labels[np.searchsorted(card.class_sizes, missed["n_atoms"])],
            "n_atoms": missed["n_atoms"],
            **dict.fromkeys(METHODS, ""),
        }
    )
    return pd.concat([*tables, unseen] if len(unseen) else tables, ignore_index=True)


def measured_scale(clusters: Library, sizes: Sequence[int]) -> float:
    """Logarithm of the median of intensity over atoms of a frame's own whole clusters: a standard, as it is measured.

    Parameters
    ----------
    clusters
        Of one frame.
    sizes
        Atoms of each class.

    Returns
    -------
    float
        The frame's own scale, all of an atom's intensity, where it holds no class member.
    """
    member = (clusters.class_index(tuple(sizes)) >= 0) & (clusters.flag == "ok")
    if not member.any():
        return float(clusters.log_scale[0])
    return float(np.median(clusters.log_integral[member] - np.log(clusters.n_atoms[member])))


def _of_model_steps(
    bundle: Bundle, free: Evidence, clusters: Library, usable: npt.NDArray[np.bool_], log_scale: float
) -> Steps[dict[str, Predictions]]:
    card, patches = bundle.card, clusters.patches
    exact = Calibration.at_scale(float(np.exp(log_scale)), card.class_sizes, card.element)
    given = yield from looked_steps(bundle, patches, free, log_scale, usable)
    auto, alone = None, free
    if usable.any():
        (alone,), (auto,) = yield from calibrated_steps(bundle, [patches], [free], None, [usable])
    return {
        "scale known": posterior(given, exact),
        "no scale": posterior(free, None),
        "auto": posterior(alone, auto),
    }


def _carried_scales(library: Library, sizes: Sequence[int]) -> npt.NDArray[np.float64]:
    """(n,) ln(scale) that the class members of all other frames of the same condition would give."""
    member = (library.class_index(tuple(sizes)) >= 0) & (library.flag == "ok")
    log_scales = library.log_integral - np.log(np.maximum(library.n_atoms, 1))
    table = pd.DataFrame({"condition": library.condition, "frame": library.frame, "log_scale": log_scales})[member]
    by_frame = table.groupby(["condition", "frame"])["log_scale"].median()
    carried = {
        (condition, frame): float(by_frame[condition].drop(frame).median())
        for condition, frame in by_frame.index
        if len(by_frame[condition]) > 1
    }
    keys = zip(library.condition, library.frame, strict=True)
    return np.array([carried.get(key, np.nan) for key in keys])
