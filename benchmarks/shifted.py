"""What another session's scale does to the labels, and what brings them back: on frames of another maker.

    python benchmarks/shifted.py [--model dual] [--lot report] [--folder out/foreign]
    python benchmarks/shifted.py --tune     # how often tuning the network to a frame is taken, and what it then does

The published recipe trains on one session and adapts to the next. Here the model counts frames of the lots of
`benchmarks/foreign.py` (made there) with a scale that is 25 % too low or 30 % too high, as gain or dose of another
session would have it, and again after `diameter` (the scale by clusters whose diameter speaks for one class, and the
network tuned on them where that helps) and after `auto` (the scale by the comb of counts and the network of scales).
*One class*: frames that hold a single size. Silhouette and purity are of the features that decide, by true class.
Takes about ten minutes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from _adaptation_sets import table_of
from _foreign import ForeignLot, foreign_lot
from _machine import describe
from _options import parsed, parser_for
from _tables import markdown_of
from foreign import frames_of
from napari_atomicity.clusters import OTHER
from napari_atomicity.counting.adapt import adapt_steps
from napari_atomicity.counting.bundle import Bundle, load_bundle
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.classify import evidence_steps
from napari_atomicity.counting.diameter_only import relative_log_likelihood
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.looking import calibrated_steps, looked_steps
from napari_atomicity.counting.predictions import posterior
from napari_atomicity.counting.silhouette import silhouette
from napari_atomicity.insight.feature_map import purity
from napari_atomicity.progress import drain
from napari_atomicity.training.evaluate import measured_scale
from napari_atomicity.training.library import Library
from napari_atomicity.training.scores import scores

Rows = npt.NDArray[np.int64]
FACTORS = {"scale 25 % too low": 0.75, "scale right": 1.0, "scale 30 % too high": 1.3}
ADAPTED = ("`diameter`", "`auto`")


def seen_each_way(bundle: Bundle, clusters: Library, free: Evidence) -> dict[str, tuple[Evidence, Calibration]]:
    """The clusters of a frame with each wrong scale, and after each way of adapting."""
    card, patches, usable = bundle.card, clusters.patches, clusters.flag == "ok"
    true = measured_scale(clusters, card.class_sizes)
    seen = {}
    for name, factor in FACTORS.items():
        log_scale = true + float(np.log(factor))
        exact = Calibration.at_scale(float(np.exp(log_scale)), card.class_sizes, card.element)
        seen[name] = (drain(looked_steps(bundle, patches, free, log_scale, usable)), exact)
    diameters = relative_log_likelihood(clusters.diameter_nm, card)
    for name, beside in zip(ADAPTED, ([diameters], None), strict=True):
        (evidence,), (fit,) = drain(calibrated_steps(bundle, [patches], [free], None, [usable], beside))
        seen[name] = (evidence, fit)
    return seen


def tuned(bundle: Bundle, lot: ForeignLot, frames: Sequence[tuple[int, Rows]]) -> pd.DataFrame:
    """Each frame after `auto`, and after its network was tuned on its own certain clusters where that was taken."""
    library, sizes = lot.tested.library, bundle.card.class_sizes
    evidence, found = drain(evidence_steps(bundle, library.patches)), []
    labels = np.array(bundle.card.labels, dtype=object)
    for frame, of_frame in frames:
        rows = of_frame[library.flag[of_frame] == "ok"]
        clusters = library.take(rows)
        (seen,), (fit,) = drain(calibrated_steps(bundle, [clusters.patches], [evidence.take(rows)], None))
        start = time.perf_counter()
        made = drain(adapt_steps(bundle, clusters.patches, table_of(clusters), seen, calibrations={0: fit}))
        seconds = time.perf_counter() - start
        index = clusters.class_index(sizes)
        member = index >= 0
        right = [
            float((posterior(one, fit).label[member] == labels[index[member]]).mean())
            for one in (seen, made.evidence or seen)
        ]
        found.append(
            {
                "frames": "of one class" if frame in lot.tested.pure else "mixed",
                "taken": made.accepted, "before": right[0], "after": right[1], "seconds": seconds,
            }
        )  # fmt: skip
    return pd.DataFrame(found)


def report_tuned(found: pd.DataFrame) -> None:
    """How often tuning was taken, and the share of right labels before and after, over the frames where it was."""
    lines = {}
    for kind, of_kind in found.groupby("frames"):
        taken = of_kind[of_kind["taken"]]
        gain = taken["after"] - taken["before"]
        lines[kind] = {
            "frames": len(of_kind), "taken": len(taken), "better": int((gain > 0.005).sum()),
            "worse": int((gain < -0.005).sum()), "right before, where taken": taken["before"].mean(),
            "right after": taken["after"].mean(), "seconds": of_kind["seconds"].median(),
        }  # fmt: skip
    print(markdown_of(pd.DataFrame(lines).T))


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--tune", action="store_true", help="only what tuning the network to each frame does")
    parser.add_argument("--model", default="dual")
    parser.add_argument("--lot", choices=("choose", "report"), default="report")
    parser.add_argument("--folder", type=Path, default=Path("out/foreign"))
    options = parsed(parser)
    torch.set_num_threads(2)
    print(describe())
    if not (options.folder / f"{options.lot}.npz").exists():
        print(f"There is no {options.folder / options.lot}.npz; make it first with benchmarks/foreign.py --make.")
        return
    bundle, lot = load_bundle(options.model), foreign_lot(options.lot, options.folder)
    library, sizes = lot.tested.library, bundle.card.class_sizes
    frames = list(frames_of(lot))[:: 12 if options.quick else 1]
    if options.tune:
        print(f"\n{bundle.card.name}, lot {options.lot}: tuning the network to each frame alone\n")
        report_tuned(tuned(bundle, lot, frames))
        return
    evidence = drain(evidence_steps(bundle, library.patches))
    tables, features, seconds = [], {}, []
    labels = np.array([*bundle.card.labels, OTHER], dtype=object)
    for frame, rows in frames:
        clusters, pure = library.take(rows), frame in lot.tested.pure
        index = clusters.class_index(sizes)
        scored = (clusters.flag == "ok") & ((index >= 0) | clusters.is_outside(sizes))
        values: dict[str, Any] = {"condition": "one class" if pure else "mixed", "frame": frame}
        values |= {"truth": labels[np.where(index >= 0, index, -1)], "n_atoms": clusters.n_atoms}
        start = time.perf_counter()
        for way, (seen, fit) in seen_each_way(bundle, clusters, evidence.take(rows)).items():
            said = posterior(seen, fit)
            values |= {way: said.label, f"{way} p": said.confidence, f"{way} n": said.n_atoms}
            values[f"{way} sd"] = said.n_atoms_sd
            if not pure:
                member = scored & (index >= 0)
                features.setdefault(way, []).append((seen.features[member], index[member]))
        seconds.append(time.perf_counter() - start)
        tables.append(pd.DataFrame(values)[scored])
    table = pd.concat(tables, ignore_index=True)
    found = scores(table, (*FACTORS, *ADAPTED)).set_index(["condition", "method"])
    lines = []
    for way in (*FACTORS, *ADAPTED):
        points, of = (np.concatenate(part) for part in zip(*features[way], strict=True))
        commonest = table[(table["condition"] == "mixed") & (table[way] != OTHER)][way].value_counts(normalize=True)
        lines.append(
            {
                "mixed: accuracy": found.loc[("mixed", way), "balanced_accuracy"],
                "R² of ratios": found.loc[("mixed", way), "ratio_r2"],
                "share of the commonest label": commonest.iloc[0],
                "silhouette": silhouette(points, of),
                "purity": purity(points, of),
                "one class: accuracy": found.loc[("one class", way), "balanced_accuracy"],
            }
        )
    print(
        f"\n{bundle.card.name}, lot {options.lot}: {len(frames)} frames, {np.median(seconds):.1f} s for all five ways\n"
    )
    print(markdown_of(pd.DataFrame(lines, index=[*FACTORS, *ADAPTED])))


if __name__ == "__main__":
    main()
