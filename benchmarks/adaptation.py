"""What self-calibration and fine-tuning make of simulated frames, without any truth, condition by condition.

    python benchmarks/adaptation.py [--model dual single] [--seeds 5] [--multislice out/multislice.npz] [--tuning]

Three kinds of frames, of structures of a potential that no model was trained on, under every condition of the
simulator and under conditions drawn at random: mixed samples, each alone; one pure size, alone; sessions of three to
eight frames, pure and mixed, taken under the same settings but for 5 % in gain, 4 % in focus and a little in flatness
and thickness. With a store of `benchmarks/multislice.py` a third of the mixed and a fifth of the pure frames are of
clusters that multislice has imaged.
Every figure is the median over the seeds, with the lowest and the highest. `--tuning` takes the set on which choices
were made: other structures of that potential, other seeds, no multislice.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from _machine import describe
from napari_atomicity.clusters import OTHER, ClusterTable
from napari_atomicity.counting.adapt import adapt_steps
from napari_atomicity.counting.bundle import Bundle, load_bundle
from napari_atomicity.counting.calibrate import Calibration, calibrate, calibrate_session, posterior
from napari_atomicity.counting.classify import evidence_steps
from napari_atomicity.counting.diameter_only import classify_by_diameter
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import CONDITIONS, sample_spec
from napari_atomicity.simulation.frames import SimulatedFrame, simulate_frame
from napari_atomicity.simulation.spec import FrameSpec
from napari_atomicity.training.evaluate import EvaluationSet, FramePlan, expected_calibration_error, labelled, ratio_r2
from validation.multislice_frames import multislice_frame

SIZES = (19, 30, 41, 55, 70)
WHERE = (*CONDITIONS, "random")
#: pure frames of these sizes are fine-tuned too; of all it would take hours
_TUNED_PURE = {30, 55, 0}
#: the methods, and how they are called in the tables
NAMES = {
    "diameter": "diameter only",
    "intensity": "intensity, scale found",
    "bound": "intensity, scale known",
    "off": "off (shape alone)",
    "recipe": "`diameter`",
    "calibrated": "calibrated",
    "auto": "`auto`",
    "known": "model, scale known",
}


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


def jobs(seed: int, tuning: bool, store: Path | None) -> list[Job]:
    """The frames of one seed."""
    rng = np.random.default_rng([seed, 40 + tuning])
    split = "sample" if tuning else "test"
    made: list[Job] = []

    def add(kind: str, condition: str, fractions: dict[int, float], session: int = -1, **changes: Any) -> None:
        number = 60_000_000 + 10_000_000 * tuning + 10_000 * seed + len(made)
        made.append(Job(number, kind, condition, fractions, int(rng.integers(60, 130)), split, session, **changes))

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
    return made


def shares(rng: np.random.Generator) -> dict[int, float]:
    """All classes in random shares, with up to six percent of sizes that are none."""
    strange = float(rng.uniform(0, 0.06))
    inside = rng.dirichlet(np.full(len(SIZES), 1.5)) * (1 - strange)
    return dict(zip(SIZES, inside.tolist(), strict=True)) | dict.fromkeys((8, 12, 98, 126), strange / 4)


@lru_cache(maxsize=1)
def _store(path: Path) -> Any:
    from validation.multislice_library import load_multislice

    return load_multislice(path)


def made(job: Job) -> Sample:
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
    return Sample(job, labelled(_told_wrongly(frame, job.pixel_error), plan))


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


def samples(seed: int, tuning: bool, store: Path | None, cache: Path) -> list[Sample]:
    """The frames of a seed, kept in `cache` between runs of this benchmark."""
    path = cache / f"{'tuning' if tuning else 'report'}-{seed}.pickle"
    if path.exists():
        return pickle.loads(path.read_bytes())  # our own file, written below
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(made, jobs(seed, tuning, store), chunksize=4))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(found))
    return found


# ---------------------------------------------------------------------- what each method says


class Frame:
    """One frame with a model's evidence, and the labels of all methods as they come."""

    def __init__(self, sample: Sample, bundle: Bundle) -> None:
        self.job, self.bundle = sample.job, bundle
        self.missed = sample.found.missed[sample.found.missed["n_atoms"].isin(SIZES)]
        library = sample.found.library
        self.library = library.take(library.flag == "ok")
        self.evidence: Evidence = drain(evidence_steps(bundle, self.library.patches))
        index = self.library.class_index(SIZES)
        outside = self.library.is_outside(SIZES)
        labels = np.array([*bundle.card.labels, OTHER], dtype=object)
        self.truth = labels[np.where(index >= 0, index, -1)]
        self.scored = (index >= 0) | outside
        self.labels: dict[str, npt.NDArray[np.object_]] = {}
        self.chance: dict[str, npt.NDArray[np.float64]] = {}
        self.facts: dict[str, Any] = {}

    def take(self, method: str, calibration: Calibration | None, evidence: Evidence | None = None) -> None:
        said = posterior(evidence or self.evidence, calibration)
        self.labels[method], self.chance[method] = said.label, said.confidence

    def classical(self, calibration: Calibration) -> None:
        """What simple measurements say."""
        library, labels = self.library, np.array(self.bundle.card.labels, dtype=object)
        self.labels["diameter"] = classify_by_diameter(library.diameter_nm, self.bundle.card)
        for method, log_scale in (("intensity", np.log(calibration.scale)), ("bound", library.log_scale[0])):
            log_n = library.log_integral - log_scale
            self.labels[method] = labels[np.abs(log_n[:, None] - np.log(SIZES)).argmin(axis=1)]

    def tuned(self, calibration: Calibration) -> None:
        """Fine-tuning by either kind of anchors, each taken only where it passes its test."""
        table = self.table()
        for method, mode in (("auto", "auto"), ("recipe", "diameter")):
            done = drain(
                adapt_steps(self.bundle, self.library.patches, table, self.evidence, mode=mode)  # type: ignore[arg-type]
            )
            self.facts[f"{method} accepted"] = done.accepted
            # the calibration stays that of the base model, as in the pipeline
            self.take(method, calibration if mode == "auto" else None, done.evidence)

    def table(self) -> ClusterTable:
        n = len(self.library)
        return ClusterTable.from_columns(
            {
                "id": np.arange(n), "y_px": np.zeros(n), "x_px": np.zeros(n), "y_nm": np.zeros(n), "x_nm": np.zeros(n),
                "frame": np.zeros(n, dtype=int), "diameter_nm": self.library.diameter_nm,
                "intensity": np.exp(self.library.log_integral), "flag": self.library.flag.astype(object),
            }
        )  # fmt: skip

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


def analysed(found: Sequence[Sample], bundle: Bundle, tune: bool) -> list[Frame]:
    """All methods on all frames of one seed."""
    frames = [Frame(sample, bundle) for sample in found]
    frames = [frame for frame in frames if len(frame.library) >= 3]
    for frame in frames:
        exact = Calibration.at_scale(float(np.exp(frame.library.log_scale[0])), SIZES)
        alone = calibrate(frame.evidence)
        frame.facts["alone"] = alone
        frame.take("known", exact)
        frame.take("off", None)
        frame.take("calibrated", alone)
        frame.classical(alone)
        if frame.job.kind == "pure":
            size = next(iter(frame.job.fractions))
            frame.facts["deposited"] = calibrate(frame.evidence, PriorKnowledge(deposited=(size,)))
            frame.take("deposited", frame.facts["deposited"])
        if tune and (frame.job.kind == "mixed" or set(frame.job.fractions) < _TUNED_PURE):
            frame.tuned(alone)
    for number in sorted({frame.job.session for frame in frames} - {-1}):
        members = [frame for frame in frames if frame.job.session == number]
        _session([frame for frame in members if frame.job.kind == "session"], members)
    return frames


def _session(right: list[Frame], members: list[Frame]) -> None:
    """Calibrate a session; once more with a frame whose pixel size is wrong; and each pure frame beside a reference."""
    for frame, found in zip(right, calibrate_session([one.evidence for one in right]), strict=True):
        frame.facts["session"] = found
        frame.take("session", found)
    for odd in (one for one in members if one.job.kind == "wrong pixel"):
        lot = [*right, odd]
        odd.facts["session"] = calibrate_session([one.evidence for one in lot])[-1]
        known = PriorKnowledge(scale=float(np.exp(odd.library.log_scale[0])), scale_sd=0.05)
        odd.facts["given"] = calibrate(odd.evidence, known)
        odd.facts["mixed"] = True
    for frame in right:
        frame.facts["given"] = calibrate(
            frame.evidence, PriorKnowledge(scale=float(np.exp(frame.library.log_scale[0])), scale_sd=0.05)
        )
        others = [one for one in right if one is not frame and len(one.job.fractions) == 1]
        if len(frame.job.fractions) == 1 and others:
            known = [PriorKnowledge(), PriorKnowledge(deposited=(next(iter(others[0].job.fractions)),))]
            frame.facts["reference"] = calibrate_session([frame.evidence, others[0].evidence], known)[0]


# ---------------------------------------------------------------------- tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", default=["dual", "single"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--multislice", type=Path, help="store of clusters imaged by multislice")
    parser.add_argument("--tuning", action="store_true", help="the set on which choices were made")
    parser.add_argument(
        "--no-fine-tuning", action="store_true", help="calibration alone, which takes a tenth of the time"
    )
    parser.add_argument("--cache", type=Path, default=Path("out/adaptation"), help="folder for the simulated frames")
    chosen = parser.parse_args()
    torch.set_num_threads(2)
    print(describe())
    for name in chosen.model:
        bundle = load_bundle(name)
        lots = []
        for seed in range(chosen.seeds):
            found = samples(seed, chosen.tuning, None if chosen.tuning else chosen.multislice, chosen.cache)
            lots.append(analysed(found, bundle, not chosen.no_fine_tuning))
        what = "the tuning set" if chosen.tuning else "the reporting set"
        print(f"\n## Model `{bundle.card.name}`, {what}: {chosen.seeds} seeds, {sum(map(len, lots))} frames\n")
        for table in (mixed_table, session_table, ratio_table, interval_table, pure_table, harm_table, misfit_table):
            print(table(lots) + "\n", flush=True)


def mixed_table(lots: list[list[Frame]]) -> str:
    methods = [method for method in NAMES if method in _of(lots[0], "mixed")[0].labels]
    lines = _by_condition(lots, "mixed", methods, balanced_accuracy)
    return f"**Mixed frames, each alone: balanced accuracy**\n\n{_table([NAMES[m] for m in methods], lines)}"


def session_table(lots: list[list[Frame]]) -> str:
    methods = ["bound", "calibrated", "session", "known"]
    names = ["intensity, scale known", "each alone", "session", "model, scale known"]
    lines = _by_condition(lots, "session", methods, balanced_accuracy)
    return f"**Frames of sessions, pure and mixed: balanced accuracy**\n\n{_table(names, lines)}"


def ratio_table(lots: list[list[Frame]]) -> str:
    """R² of labels counted, and of the calibration's own estimate of the shares."""
    lines = {}
    for kind, methods in (
        ("mixed", [method for method in NAMES if method in _of(lots[0], "mixed")[0].labels]),
        ("session", ["bound", "calibrated", "session", "known"]),
    ):
        for method in methods:
            for where in ("nominal", "pooled"):
                values = [ratio_r2(_rows(_at(_of(lot, kind), where)), method) for lot in lots]
                lines.setdefault(f"{kind}: {NAMES.get(method, method)}", {})[f"{where}, labels"] = _median(values)
        key = {"mixed": "alone", "session": "session"}[kind]
        for where in ("nominal", "pooled"):
            values = [_share_r2(_at(_of(lot, kind), where), key) for lot in lots]
            name = {"mixed": NAMES["calibrated"], "session": "session"}[kind]
            lines[f"{kind}: {name}"][f"{where}, shares estimated"] = _median(values)
    columns = ["nominal, labels", "pooled, labels", "nominal, shares estimated", "pooled, shares estimated"]
    return "**R² of the class ratios about the identity**\n\n" + _table(
        columns, {name: [line.get(column, "–") for column in columns] for name, line in lines.items()}
    )


def interval_table(lots: list[list[Frame]]) -> str:
    lines = {}
    for kind, key in (("mixed", "alone"), ("session", "session"), ("pure", "alone")):
        for where in ("nominal", "pooled"):
            lines[f"{kind}, {where}"] = [_median([_covered(_at(_of(lot, kind), where), key) for lot in lots])]
    surprise = [
        _median([_ece(_rows(_at(_of(lot, kind), "pooled")), method) for lot in lots])
        for kind, method in (("mixed", "calibrated"), ("session", "session"))
    ]
    text = "**Shares inside their stated 95 % interval**\n\n" + _table(["held"], lines)
    return text + f"\n\nExpected calibration error of the labels: mixed alone {surprise[0]}, session {surprise[1]}."


def pure_table(lots: list[list[Frame]]) -> str:
    """Pure frames alone, with the deposited size, and beside a reference."""
    lines: dict[str, list[str]] = {}
    for where in (*WHERE, "pooled"):
        lines[where] = [_median([_pure(_at(_of(lot, "pure"), where))[i] for lot in lots]) for i in range(3)]
    columns = ["right", "marked where right", "right with the deposited size given"]
    text = "**One pure frame alone**: the commonest label is the true size\n\n" + _table(columns, lines)
    every = [frame for lot in lots for frame in _of(lot, "pure")]
    wrong = [frame for frame in every if not _is_right(frame, "alone")]
    marked = [frame for frame in wrong if frame.facts["alone"].ambiguous and _named(frame)]
    text += f"\n\nOf {len(wrong)} wrong ones (all seeds) {len(marked)} are marked ambiguous and name the right size."
    beside = [frame for lot in lots for frame in _of(lot, "session") if "reference" in frame.facts]
    right = [frame for frame in beside if _is_right(frame, "reference")]
    return text + f" Beside one reference frame of another known size {len(right)} of {len(beside)} are right."


def harm_table(lots: list[list[Frame]]) -> str:
    """What calibrating and fine-tuning cost at worst against `off`."""
    methods = [m for m in ("calibrated", "auto", "recipe") if m in _of(lots[0], "mixed")[0].labels]
    lines = {}
    for kind in ("mixed", "pure"):
        for where in (*WHERE, "pooled"):
            gains: list[list[float]] = [[] for _ in methods]
            for lot in lots:
                rows = _rows([frame for frame in _at(_of(lot, kind), where) if methods[-1] in frame.labels])
                off = balanced_accuracy(rows, "off")
                for gain, method in zip(gains, methods, strict=True):
                    gain.append(100 * (balanced_accuracy(rows, method) - off))
            lines[f"{kind}, {where}"] = [_median(gain, "{:+.1f}") for gain in gains]
    text = "**Points of balanced accuracy against `off`**\n\n" + _table([NAMES[m] for m in methods], lines)
    tuned = [frame for lot in lots for frame in lot if "auto accepted" in frame.facts]
    for method in ("auto", "recipe") if tuned else ():
        share = np.mean([frame.facts[f"{method} accepted"] for frame in tuned])
        mixed = [frame for frame in tuned if frame.job.kind == "mixed"]
        taken = np.mean([frame.facts[f"{method} accepted"] for frame in mixed])
        text += f"\n\n{NAMES[method]}: taken on {share:.0%} of the {len(tuned)} frames, {taken:.0%} of the mixed ones."
    return text


def misfit_table(lots: list[list[Frame]]) -> str:
    """A pixel size that is 10 % wrong: how often it is said, and how often it is said of frames that are right."""
    every = [frame for lot in lots for frame in lot]
    wrong = [frame for frame in every if frame.job.kind == "wrong pixel"]
    right = [frame for frame in every if frame.job.kind == "session"]
    lines = {}
    for name, key in (("in a session", "session"), ("scale known to 5 %", "given")):
        lines[name] = [
            f"{np.mean([bool(one.facts[key].misfit) for one in lot if key in one.facts]):.2f}" for lot in (wrong, right)
        ]
    return "**A pixel size 10 % wrong is noticed**\n\n" + _table(["noticed", "false alarms"], lines)


# ---------------------------------------------------------------------- figures of merit


def balanced_accuracy(rows: pd.DataFrame, method: str) -> float:
    member = rows[rows["truth"] != OTHER]
    right = (member[method] == member["truth"]).to_numpy()
    return float(pd.Series(right).groupby(member["truth"].to_numpy()).mean().mean())


def _ece(rows: pd.DataFrame, method: str) -> float:
    seen = rows[(rows["truth"] != OTHER) & (rows[method] != "")]
    return expected_calibration_error(
        seen[f"{method} p"].to_numpy(dtype=float), (seen[method] == seen["truth"]).to_numpy()
    )


def _planned(frame: Frame) -> npt.NDArray[np.float64]:
    share = np.array([frame.job.fractions.get(size, 0.0) for size in SIZES])
    return share / share.sum()


def _share_r2(frames: Sequence[Frame], key: str) -> float:
    """As `ratio_r2`, of the shares that the calibration estimates among the members."""
    true, said = [], []
    for frame in frames:
        members = frame.truth[frame.truth != OTHER]
        labels = np.array(frame.bundle.card.labels)
        count = (members[:, None] == labels).sum(axis=0) + np.array(
            [(frame.missed["n_atoms"] == n).sum() for n in SIZES]
        )
        share = np.array([frame.facts[key].fractions[label] for label in labels])
        true.append(count / count.sum())
        said.append(share / share.sum())
    found, wanted = np.array(said), np.array(true)
    return float(1 - ((found - wanted) ** 2).sum() / ((wanted - wanted.mean()) ** 2).sum())


def _covered(frames: Sequence[Frame], key: str) -> float:
    """Share of the classes' deposited shares (of all clusters) inside the interval."""
    inside = []
    for frame in frames:
        for label, size in zip(frame.bundle.card.labels, SIZES, strict=True):
            low, high = frame.facts[key].intervals[label]
            inside.append(low - 1e-3 <= frame.job.fractions.get(size, 0.0) <= high + 1e-3)
    return float(np.mean(inside))


def _is_right(frame: Frame, key: str) -> bool:
    size = next(iter(frame.job.fractions))
    return bool(frame.facts[key].candidates[0]["dominant"] == f"Pt{size}")


def _named(frame: Frame) -> bool:
    size = next(iter(frame.job.fractions))
    return any(one["dominant"] == f"Pt{size}" for one in frame.facts["alone"].candidates)


def _pure(frames: Sequence[Frame]) -> tuple[float, float, float]:
    right = [_is_right(frame, "alone") for frame in frames]
    marked = [frame.facts["alone"].ambiguous for frame, fine in zip(frames, right, strict=True) if fine]
    given = [_is_right(frame, "deposited") for frame in frames]
    return float(np.mean(right)), float(np.mean(marked)) if marked else float("nan"), float(np.mean(given))


def _of(frames: Sequence[Frame], kind: str) -> list[Frame]:
    return [frame for frame in frames if frame.job.kind == kind]


def _at(frames: Sequence[Frame], where: str) -> list[Frame]:
    return [frame for frame in frames if where in ("pooled", frame.job.condition)]


def _rows(frames: Sequence[Frame]) -> pd.DataFrame:
    return pd.concat([frame.rows() for frame in frames], ignore_index=True)


def _by_condition(
    lots: list[list[Frame]], kind: str, methods: Sequence[str], score: Callable[[pd.DataFrame, str], float]
) -> dict[str, list[str]]:
    lines = {}
    for where in (*WHERE, "pooled"):
        tables = [_rows(_at(_of(lot, kind), where)) for lot in lots]
        lines[where] = [_median([score(table, method) for table in tables]) for method in methods]
    return lines


def _median(values: Sequence[float], form: str = "{:.3f}") -> str:
    middle, low, high = (form.format(float(f(values))) for f in (np.nanmedian, np.nanmin, np.nanmax))
    return middle if low == high else f"{middle} ({low}–{high})"


def _table(columns: Sequence[str], lines: dict[str, list[str]]) -> str:
    head = f"| | {' | '.join(columns)} |\n{'|---' * (len(columns) + 1)}|\n"
    return head + "\n".join(f"| {name} | {' | '.join(values)} |" for name, values in lines.items())


if __name__ == "__main__":
    main()
