"""The simulated frames of `adaptation.py` and `windows.py`, and what each method makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import OTHER, ClusterTable
from napari_atomicity.counting.adapt import adapt_steps
from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.counting.calibrate import calibrate_frame, calibrate_frames
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.classify import evidence_steps
from napari_atomicity.counting.diameter_only import classify_by_diameter, relative_log_likelihood
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.looking import calibrated_steps, looked_steps
from napari_atomicity.counting.predictions import posterior
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import CONDITIONS, sample_spec
from napari_atomicity.simulation.frames import SimulatedFrame, simulate_frame
from napari_atomicity.simulation.spec import FrameSpec
from napari_atomicity.training.evaluate import EvaluationSet, FramePlan, labelled, measured_scale
from napari_atomicity.training.library import Library
from validation.multislice_frames import multislice_frame
from validation.multislice_library import MultisliceLibrary, load_multislice

SIZES = (19, 30, 41, 55, 70)
#: conditions of the frames
WHERE = (*CONDITIONS, "random")
#: pure frames of these sizes are fine-tuned too; of all it would take hours
_TUNED_PURE = {30, 55, 0}


@dataclass(frozen=True)
class Job:
    """One frame to make."""

    number: int
    kind: str
    condition: str
    fractions: dict[int, float]
    clusters: int
    split: str
    session: int = -1
    store: Path | None = None
    #: factor by which the pixel size is told wrongly
    pixel_error: float = 1.0


@dataclass(frozen=True, eq=False)
class Sample:
    """One frame as detected, with its truth."""

    job: Job
    found: EvaluationSet


# ---------------------------------------------------------------------- frames


def jobs(seed: int, tuning: bool, store: Path | None, conditions: Sequence[str] = WHERE) -> list[Job]:
    """The frames of one seed; those of some conditions are the same ones as among all."""
    rng = np.random.default_rng([seed, 40 + tuning])
    split = "sample" if tuning else "test"
    planned: list[Job] = []

    def add(kind: str, condition: str, fractions: dict[int, float], session: int = -1, **changes: Any) -> None:
        number = 60_000_000 + 10_000_000 * tuning + 10_000 * seed + len(planned)
        clusters = int(rng.integers(60, 130))
        planned.append(Job(number, kind, condition, fractions, clusters, split, session, **changes))

    for condition in WHERE:
        for i in range(3):
            add("mixed", condition, shares(rng), store=store if i == 2 else None)
        for i, size in enumerate(SIZES):
            add("pure", condition, {size: 1.0}, store=store if i == seed % 5 else None)
        session = 90_000_000 + 10_000_000 * tuning + 1_000 * seed + WHERE.index(condition)
        for _ in range(int(rng.integers(3, 9))):
            pure = rng.random() < 0.5
            add("session", condition, {int(rng.choice(SIZES)): 1.0} if pure else shares(rng), session)
        for factor in (0.9, 1.1):
            add("wrong pixel", condition, shares(rng), session, pixel_error=factor)
    return [job for job in planned if job.condition in conditions]


def shares(rng: np.random.Generator) -> dict[int, float]:
    """All classes in random shares, with up to six percent of sizes that are none."""
    strange = float(rng.uniform(0, 0.06))
    inside = rng.dirichlet(np.full(len(SIZES), 1.5)) * (1 - strange)
    return dict(zip(SIZES, inside.tolist(), strict=True)) | dict.fromkeys((8, 12, 98, 126), strange / 4)


@lru_cache(maxsize=1)
def _store(path: Path) -> MultisliceLibrary:
    return load_multislice(path)


def simulated(job: Job) -> EvaluationSet:
    """Simulate, detect and match one frame."""
    rng = np.random.default_rng([job.number, 9])
    pure = len(job.fractions) == 1
    spec = sample_spec(
        job.condition, job.fractions, n_clusters=job.clusters, split=job.split,
        seed=job.number if job.session < 0 else job.session,
        dimers=0.0 if pure else float(rng.uniform(0, 0.08)), touching=float(rng.uniform(0, 0.06)),
    )  # fmt: skip
    if job.session >= 0:
        spec = as_in_session(spec, rng)
    if job.store is not None:
        sizes = {size: share for size, share in job.fractions.items() if size in SIZES}
        spec = replace(spec, fractions={n: s / sum(sizes.values()) for n, s in sizes.items()}, dimers=0.0)
        frame = multislice_frame(spec, job.number, _store(job.store))
    else:
        frame = simulate_frame(spec, job.number)
    plan = FramePlan(job.number, job.condition, next(iter(job.fractions)) if pure else 0)
    return labelled(_told_wrongly(frame, job.pixel_error), plan)


def as_in_session(spec: FrameSpec, rng: np.random.Generator) -> FrameSpec:
    """The next place on the same grid: the settings stay, the place differs a little."""

    def about(value: float, spread: float) -> float:
        return value * float(np.exp(rng.normal(0, spread)))

    return replace(
        spec,
        flatness=float(np.clip(spec.flatness + rng.normal(0, 0.04), 0, 1)),
        probe=replace(spec.probe, fwhm_nm=about(spec.probe.fwhm_nm, 0.04)),
        support=replace(spec.support, thickness_nm=about(spec.support.thickness_nm, 0.1)),
        detector=replace(spec.detector, gain=about(spec.detector.gain, 0.05)),
    )


def _told_wrongly(frame: SimulatedFrame, factor: float) -> SimulatedFrame:
    return replace(frame, pixel_size_nm=frame.pixel_size_nm * factor)


def samples(
    seed: int, tuning: bool, store: Path | None, cache: Path, conditions: Sequence[str] = WHERE
) -> list[Sample]:
    """The frames of a seed; each is kept in a folder of `cache` between runs (npz, and what was missed as CSV)."""
    planned = jobs(seed, tuning, store, conditions)
    folder = cache / f"{'tuning' if tuning else 'report'}-{seed}"
    missing = [job for job in planned if not _paths(folder, job)[1].exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            for job, found in zip(missing, pool.map(simulated, missing, chunksize=4), strict=True):
                library, missed = _paths(folder, job)
                found.library.save(library)
                found.missed.to_csv(missed, index=False)
    return [Sample(job, _kept(folder, job)) for job in planned]


def _paths(folder: Path, job: Job) -> tuple[Path, Path]:
    """Where the frame's clusters lie, and what was missed in it; the latter is written last."""
    stem = f"{job.number}{'-multislice' if job.store else ''}"
    return folder / f"{stem}.npz", folder / f"{stem}.missed.csv"


def _kept(folder: Path, job: Job) -> EvaluationSet:
    library, missed = _paths(folder, job)
    pure = [job.number] if len(job.fractions) == 1 else []
    return EvaluationSet(Library.load(library), pd.read_csv(missed), np.array(pure, dtype=np.int64))


def table_of(clusters: Library) -> ClusterTable:
    """The clusters as a table, places left out."""
    n = len(clusters)
    nowhere = dict.fromkeys(("y_px", "x_px", "y_nm", "x_nm"), np.zeros(n))
    return ClusterTable.from_columns(
        {
            "id": np.arange(n), **nowhere, "frame": np.zeros(n, dtype=int), "diameter_nm": clusters.diameter_nm,
            "intensity": np.exp(clusters.log_integral), "flag": clusters.flag.astype(object),
        }
    )  # fmt: skip


# ---------------------------------------------------------------------- what each method says


class Frame:
    """One frame with a model's evidence, and the labels of all methods as they come."""

    def __init__(self, sample: Sample, bundle: Bundle) -> None:
        self.job, self.bundle = sample.job, bundle
        self.missed = sample.found.missed[sample.found.missed["n_atoms"].isin(SIZES)]
        library = sample.found.library
        self.library = library.take(library.flag == "ok")
        self.free: Evidence = drain(evidence_steps(bundle, self.library.patches))
        #: looked at with the scale that the frame alone has found
        self.evidence: Evidence = self.free
        index = self.library.class_index(SIZES)
        outside = self.library.is_outside(SIZES)
        labels = np.array([*bundle.card.labels, OTHER], dtype=object)
        self.truth = labels[np.where(index >= 0, index, -1)]
        self.scored = (index >= 0) | outside
        self.labels: dict[str, npt.NDArray[np.object_]] = {}
        self.chance: dict[str, npt.NDArray[np.float64]] = {}
        self.facts: dict[str, Any] = {}

    def take(self, method: str, calibration: Calibration | None, evidence: Evidence | None = None) -> None:
        """Keep the labels of a method: those of the evidence under a calibration."""
        predictions = posterior(evidence or self.evidence, calibration)
        self.labels[method], self.chance[method] = predictions.label, predictions.confidence

    def calibrate(self, method: str, known: PriorKnowledge) -> None:
        """Calibrate the frame with something known, and label its clusters."""
        (evidence,), (found,) = drain(calibrated_steps(self.bundle, [self.library.patches], [self.free], known))
        self.facts[method] = found
        self.take(method, found, evidence)

    def classical(self, calibration: Calibration) -> None:
        """What simple measurements say."""
        library, labels = self.library, np.array(self.bundle.card.labels, dtype=object)
        self.labels["diameter"] = classify_by_diameter(library.diameter_nm, self.bundle.card)
        for method, log_scale in (
            ("intensity", np.log(calibration.intensity_per_atom)),
            ("bound", measured_scale(library, SIZES)),
        ):
            log_n = library.log_integral - log_scale
            self.labels[method] = labels[np.abs(log_n[:, None] - np.log(SIZES)).argmin(axis=1)]

    def tuned(self, calibration: Calibration) -> None:
        """Fine-tuning by either kind of anchors, each taken only where it passes its test."""
        table = table_of(self.library)
        for method, mode in (("auto", "auto"), ("recipe", "diameter")):
            evidence, own = self.evidence, calibration
            if mode == "diameter":
                beside = relative_log_likelihood(self.library.diameter_nm, self.bundle.card)
                (evidence,), (own,) = drain(
                    calibrated_steps(self.bundle, [self.library.patches], [self.free], by_diameter=[beside])
                )
            adaptation = drain(
                adapt_steps(self.bundle, self.library.patches, table, evidence, mode=mode, calibrations={0: own})  # type: ignore[arg-type]
            )
            self.facts[f"{method} accepted"] = adaptation.accepted
            # the calibration stays that of the base model, as in the pipeline
            self.take(method, own, adaptation.evidence or evidence)

    def rows(self) -> pd.DataFrame:
        """One row a scored or missed cluster, in the form of `training.evaluate`."""
        kept = self.scored
        values: dict[str, Any] = {"condition": self.job.condition, "frame": self.job.number, "truth": self.truth[kept]}
        for method, label in self.labels.items():
            values[method] = label[kept]
            if method in self.chance:
                values[f"{method} p"] = self.chance[method][kept]
        names = np.array(self.bundle.card.labels, dtype=object)
        unseen = {
            "condition": self.job.condition, "frame": self.job.number,
            "truth": names[np.searchsorted(SIZES, self.missed["n_atoms"])], **dict.fromkeys(self.labels, ""),
        }  # fmt: skip
        return pd.concat([pd.DataFrame(values), pd.DataFrame(unseen)], ignore_index=True)

    def is_right(self, key: str) -> bool:
        """Whether the calibration of a pure frame names its size first."""
        size = next(iter(self.job.fractions))
        return bool(self.facts[key].candidates[0]["dominant"] == f"Pt{size}")


def analysed(found: Sequence[Sample], bundle: Bundle, tune: bool) -> list[Frame]:
    """All methods on all frames of one seed."""
    frames = [Frame(sample, bundle) for sample in found]
    frames = [frame for frame in frames if len(frame.library) >= 3]
    for frame in frames:
        log_scale = measured_scale(frame.library, SIZES)
        (frame.evidence,), (alone,) = drain(calibrated_steps(bundle, [frame.library.patches], [frame.free]))
        frame.facts["alone"] = alone
        given = drain(looked_steps(bundle, frame.library.patches, frame.free, log_scale))
        frame.take("known", Calibration.at_scale(float(np.exp(log_scale)), SIZES), given)
        frame.take("off", None)
        frame.take("calibrated", alone)
        frame.classical(alone)
        if frame.job.kind == "pure":
            size = next(iter(frame.job.fractions))
            frame.calibrate("deposited", PriorKnowledge(deposited=(size,)))
        if tune and (frame.job.kind == "mixed" or set(frame.job.fractions) < _TUNED_PURE):
            frame.tuned(alone)
    for number in sorted({frame.job.session for frame in frames} - {-1}):
        members = [frame for frame in frames if frame.job.session == number]
        _calibrate_session([frame for frame in members if frame.job.kind == "session"], members)
    return frames


def _calibrate_session(right: list[Frame], members: list[Frame]) -> None:
    """Calibrate a session; once more with a frame whose pixel size is wrong; and each pure frame beside a reference."""
    seen, fits = drain(calibrated_steps(right[0].bundle, [f.library.patches for f in right], [f.free for f in right]))
    for frame, evidence, calibration in zip(right, seen, fits, strict=True):
        frame.facts["session"] = calibration
        frame.take("session", calibration, evidence)
    for wrong in (frame for frame in members if frame.job.kind == "wrong pixel"):
        wrong.facts["session"] = calibrate_frames([frame.evidence for frame in (*right, wrong)])[-1]
        # the scale was measured while the pixel size was right: a standard with the same error would agree
        true = measured_scale(wrong.library, SIZES) - 2 * np.log(wrong.job.pixel_error)
        known = PriorKnowledge(intensity_per_atom=float(np.exp(true)), intensity_per_atom_sd=0.05)
        wrong.facts["given"] = calibrate_frame(wrong.evidence, known)
        wrong.facts["mixed"] = True
    for frame in right:
        frame.facts["given"] = calibrate_frame(
            frame.evidence,
            PriorKnowledge(
                intensity_per_atom=float(np.exp(measured_scale(frame.library, SIZES))), intensity_per_atom_sd=0.05
            ),
        )
        others = [other for other in right if other is not frame and len(other.job.fractions) == 1]
        if len(frame.job.fractions) == 1 and others:
            known = [PriorKnowledge(), PriorKnowledge(deposited=(next(iter(others[0].job.fractions)),))]
            frame.facts["reference"] = calibrate_frames([frame.evidence, others[0].evidence], known)[0]


# ---------------------------------------------------------------------- choosing and scoring


def of_kind(frames: Sequence[Frame], kind: str) -> list[Frame]:
    """Those of a kind: mixed, pure, session or wrong pixel."""
    return [frame for frame in frames if frame.job.kind == kind]


def rows_of(frames: Sequence[Frame]) -> pd.DataFrame:
    """The rows of all frames, see `Frame.rows`."""
    return pd.concat([frame.rows() for frame in frames], ignore_index=True)


def balanced_accuracy(rows: pd.DataFrame, method: str) -> float:
    """Mean recall of the classes; what was not found counts as wrong."""
    member = rows[rows["truth"] != OTHER]
    right = (member[method] == member["truth"]).to_numpy()
    return float(pd.Series(right).groupby(member["truth"].to_numpy()).mean().mean())
