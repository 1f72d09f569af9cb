"""What self-calibration and fine-tuning make of simulated frames, without any truth, condition by condition.

    python benchmarks/adaptation.py [--model dual single] [--seeds 5] [--multislice out/multislice.npz] [--tuning]

Three kinds of frames, of structures of a potential that no model was trained on, under every condition of the
simulator and under conditions drawn at random: mixed samples, each alone; one pure size, alone; sessions of three to
eight frames, pure and mixed, taken under the same settings but for 5 % in gain, 4 % in focus and a little in flatness
and thickness. With a store of `benchmarks/multislice.py` a third of the mixed and a fifth of the pure frames are of
clusters that multislice has imaged.
Every figure is the median over the seeds, with the lowest and the highest. `--tuning` takes the set on which choices
were made: other structures of that potential, other seeds, no multislice.

Takes hours: each of some 300 frames and two models is fine-tuned twice; a tenth of that with `--no-fine-tuning`. The
simulated frames are kept for the next run. `--quick` takes two conditions of one seed, without fine-tuning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from _adaptation_sets import SIZES, WHERE, Frame, analysed, balanced_accuracy, of_kind, rows_of, samples
from _machine import describe
from _options import parsed, parser_for
from _tables import markdown, median_and_range
from napari_atomicity.clusters import OTHER
from napari_atomicity.counting.bundle import load_bundle
from napari_atomicity.training.scores import expected_calibration_error, ratio_r2

#: the methods, and how they are called in the tables
NAMES = {
    "diameter": "diameter only",
    "intensity": "intensity, scale found",
    "bound": "intensity, scale known",
    "off": "shape alone",
    "recipe": "`diameter`",
    "calibrated": "calibrated",
    "auto": "`auto`",
    "known": "model, scale known",
}


#: the frames of each seed
Seeds = list[list[Frame]]


# ---------------------------------------------------------------------- tables


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--model", nargs="+", default=["dual", "single"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--conditions", nargs="+", default=WHERE, choices=WHERE, metavar="CONDITION")
    parser.add_argument("--multislice", type=Path, help="store of clusters imaged by multislice")
    parser.add_argument("--tuning", action="store_true", help="the set on which choices were made")
    parser.add_argument(
        "--no-fine-tuning", action="store_true", help="calibration alone, which takes a tenth of the time"
    )
    parser.add_argument("--cache", type=Path, default=Path("out/adaptation"), help="folder for the simulated frames")
    options = parsed(parser, model=["dual"], seeds=1, conditions=("nominal", "random"), no_fine_tuning=True)
    torch.set_num_threads(2)
    print(describe())
    store = None if options.tuning else options.multislice
    for name in options.model:
        bundle = load_bundle(name)
        seeds = []
        for seed in range(options.seeds):
            found = samples(seed, options.tuning, store, options.cache, options.conditions)
            seeds.append(analysed(found, bundle, not options.no_fine_tuning))
        what = "the tuning set" if options.tuning else "the reporting set"
        print(f"\n## Model `{bundle.card.name}`, {what}: {options.seeds} seeds, {sum(map(len, seeds))} frames\n")
        for table in (mixed_table, session_table, ratio_table, interval_table, pure_table, harm_table, misfit_table):
            print(table(seeds) + "\n", flush=True)


def _conditions(seeds: Seeds) -> list[str]:
    """The conditions that there are frames of, and all together."""
    present = {frame.job.condition for frames in seeds for frame in frames}
    return [*(condition for condition in WHERE if condition in present), "pooled"]


def mixed_table(seeds: Seeds) -> str:
    methods = [method for method in NAMES if method in of_kind(seeds[0], "mixed")[0].labels]
    lines = _by_condition(seeds, "mixed", methods, balanced_accuracy)
    return f"**Mixed frames, each alone: balanced accuracy**\n\n{markdown([NAMES[m] for m in methods], lines)}"


def session_table(seeds: Seeds) -> str:
    methods = ["bound", "calibrated", "session", "known"]
    names = ["intensity, scale known", "each alone", "session", "model, scale known"]
    lines = _by_condition(seeds, "session", methods, balanced_accuracy)
    return f"**Frames of sessions, pure and mixed: balanced accuracy**\n\n{markdown(names, lines)}"


def ratio_table(seeds: Seeds) -> str:
    """R² of labels counted, and of the calibration's own estimate of the shares."""
    lines = {}
    for kind, methods in (
        ("mixed", [method for method in NAMES if method in of_kind(seeds[0], "mixed")[0].labels]),
        ("session", ["bound", "calibrated", "session", "known"]),
    ):
        for method in methods:
            for where in ("nominal", "pooled"):
                values = [ratio_r2(rows_of(_at(of_kind(frames, kind), where)), method) for frames in seeds]
                lines.setdefault(f"{kind}: {NAMES.get(method, method)}", {})[f"{where}, labels"] = median_and_range(
                    values
                )
        key = {"mixed": "alone", "session": "session"}[kind]
        for where in ("nominal", "pooled"):
            values = [_share_r2(_at(of_kind(frames, kind), where), key) for frames in seeds]
            name = {"mixed": NAMES["calibrated"], "session": "session"}[kind]
            lines[f"{kind}: {name}"][f"{where}, shares estimated"] = median_and_range(values)
    columns = ["nominal, labels", "pooled, labels", "nominal, shares estimated", "pooled, shares estimated"]
    return "**R² of the class ratios about the identity**\n\n" + markdown(
        columns, {name: [line.get(column, "–") for column in columns] for name, line in lines.items()}
    )


def interval_table(seeds: Seeds) -> str:
    lines = {}
    for kind, key in (("mixed", "alone"), ("session", "session"), ("pure", "alone")):
        for where in ("nominal", "pooled"):
            lines[f"{kind}, {where}"] = [
                median_and_range([_covered(_at(of_kind(frames, kind), where), key) for frames in seeds])
            ]
    surprise = [
        median_and_range([_ece(rows_of(_at(of_kind(frames, kind), "pooled")), method) for frames in seeds])
        for kind, method in (("mixed", "calibrated"), ("session", "session"))
    ]
    text = "**Shares inside their stated 95 % interval**\n\n" + markdown(["held"], lines)
    return text + f"\n\nExpected calibration error of the labels: mixed alone {surprise[0]}, session {surprise[1]}."


def pure_table(seeds: Seeds) -> str:
    """Pure frames alone, with the deposited size, and beside a reference."""
    lines: dict[str, list[str]] = {}
    for where in _conditions(seeds):
        lines[where] = [
            median_and_range([_pure(_at(of_kind(frames, "pure"), where))[i] for frames in seeds]) for i in range(3)
        ]
    columns = ["right", "marked where right", "right with the deposited size given"]
    text = "**One pure frame alone**: the commonest label is the true size\n\n" + markdown(columns, lines)
    every = [frame for frames in seeds for frame in of_kind(frames, "pure")]
    wrong = [frame for frame in every if not frame.is_right("alone")]
    marked = [frame for frame in wrong if frame.facts["alone"].ambiguous and _named(frame)]
    text += f"\n\nOf {len(wrong)} wrong ones (all seeds) {len(marked)} are marked ambiguous and name the right size."
    beside = [frame for frames in seeds for frame in of_kind(frames, "session") if "reference" in frame.facts]
    right = [frame for frame in beside if frame.is_right("reference")]
    return text + f" Beside one reference frame of another known size {len(right)} of {len(beside)} are right."


def harm_table(seeds: Seeds) -> str:
    """What calibrating and fine-tuning cost at worst against shape alone."""
    methods = [m for m in ("calibrated", "auto", "recipe") if m in of_kind(seeds[0], "mixed")[0].labels]
    lines = {}
    for kind in ("mixed", "pure"):
        for where in _conditions(seeds):
            gains: list[list[float]] = [[] for _ in methods]
            for frames in seeds:
                rows = rows_of([frame for frame in _at(of_kind(frames, kind), where) if methods[-1] in frame.labels])
                off = balanced_accuracy(rows, "off")
                for gain, method in zip(gains, methods, strict=True):
                    gain.append(100 * (balanced_accuracy(rows, method) - off))
            lines[f"{kind}, {where}"] = [median_and_range(gain, "{:+.1f}") for gain in gains]
    text = "**Points of balanced accuracy against shape alone**\n\n" + markdown([NAMES[m] for m in methods], lines)
    tuned = [frame for frames in seeds for frame in frames if "auto accepted" in frame.facts]
    for method in ("auto", "recipe") if tuned else ():
        share = np.mean([frame.facts[f"{method} accepted"] for frame in tuned])
        mixed = [frame for frame in tuned if frame.job.kind == "mixed"]
        taken = np.mean([frame.facts[f"{method} accepted"] for frame in mixed])
        text += f"\n\n{NAMES[method]}: taken on {share:.0%} of the {len(tuned)} frames, {taken:.0%} of the mixed ones."
    return text


def misfit_table(seeds: Seeds) -> str:
    """A pixel size that is 10 % wrong: how often it is said, and how often it is said of frames that are right."""
    every = [frame for frames in seeds for frame in frames]
    wrong = [frame for frame in every if frame.job.kind == "wrong pixel"]
    right = [frame for frame in every if frame.job.kind == "session"]
    lines = {}
    for name, key in (("in a session", "session"), ("scale known to 5 %", "given")):
        lines[name] = [
            f"{np.mean([bool(frame.facts[key].misfit) for frame in frames if key in frame.facts]):.2f}"
            for frames in (wrong, right)
        ]
    return "**A pixel size 10 % wrong is noticed**\n\n" + markdown(["noticed", "false alarms"], lines)


# ---------------------------------------------------------------------- figures of merit


def _ece(rows: pd.DataFrame, method: str) -> float:
    seen = rows[(rows["truth"] != OTHER) & (rows[method] != "")]
    return expected_calibration_error(
        seen[f"{method} p"].to_numpy(dtype=float), (seen[method] == seen["truth"]).to_numpy()
    )


def _share_r2(frames: Sequence[Frame], key: str) -> float:
    """As `ratio_r2`, of the shares that the calibration estimates among the members."""
    true, estimated = [], []
    for frame in frames:
        members = frame.truth[frame.truth != OTHER]
        labels = np.array(frame.bundle.card.labels)
        count = (members[:, None] == labels).sum(axis=0) + np.array(
            [(frame.missed["n_atoms"] == n).sum() for n in SIZES]
        )
        share = np.array([frame.facts[key].fractions[label] for label in labels])
        true.append(count / count.sum())
        estimated.append(share / share.sum())
    planned, found = np.array(true), np.array(estimated)
    return float(1 - ((found - planned) ** 2).sum() / ((planned - planned.mean()) ** 2).sum())


def _covered(frames: Sequence[Frame], key: str) -> float:
    """Share of the classes' deposited shares (of all clusters) inside the interval."""
    inside = []
    for frame in frames:
        for label, size in zip(frame.bundle.card.labels, SIZES, strict=True):
            low, high = frame.facts[key].intervals[label]
            inside.append(low - 1e-3 <= frame.job.fractions.get(size, 0.0) <= high + 1e-3)
    return float(np.mean(inside))


def _named(frame: Frame) -> bool:
    size = next(iter(frame.job.fractions))
    return any(candidate["dominant"] == f"Pt{size}" for candidate in frame.facts["alone"].candidates)


def _pure(frames: Sequence[Frame]) -> tuple[float, float, float]:
    right = [frame.is_right("alone") for frame in frames]
    marked = [frame.facts["alone"].ambiguous for frame, fine in zip(frames, right, strict=True) if fine]
    given = [frame.is_right("deposited") for frame in frames]
    return float(np.mean(right)), float(np.mean(marked)) if marked else float("nan"), float(np.mean(given))


def _at(frames: Sequence[Frame], where: str) -> list[Frame]:
    return [frame for frame in frames if where in ("pooled", frame.job.condition)]


def _by_condition(
    seeds: Seeds, kind: str, methods: Sequence[str], score: Callable[[pd.DataFrame, str], float]
) -> dict[str, list[str]]:
    lines = {}
    for where in _conditions(seeds):
        tables = [rows_of(_at(of_kind(frames, kind), where)) for frames in seeds]
        lines[where] = [median_and_range([score(table, method) for table in tables]) for method in methods]
    return lines


if __name__ == "__main__":
    main()
