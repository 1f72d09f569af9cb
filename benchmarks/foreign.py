"""From detection to label on frames of another maker: other probes, supports, scans and detectors than any model saw.

    python benchmarks/foreign.py --make              # image the clusters of both lots by multislice: 20 minutes each
    python benchmarks/foreign.py [--lot report] [--model dual single]
    python benchmarks/foreign.py --lot choose --scales   # how often scales are wrong, by weight of the network
    python benchmarks/foreign.py --maps              # islands of the features, and where maps light up
    python benchmarks/foreign.py --picture look.png  # a piece of a frame of each condition
    python benchmarks/foreign.py --spread --model out/seeds/dual-*.safetensors  # how far trainings are apart

Two lots (`validation/foreign_clusters.py`, `validation/foreign_frames.py`). On ``choose`` choices may be made: weights,
thresholds, designs. ``report`` is for reporting alone. Each holds 48 mixed frames, in sessions of three, and 40 of one
class, five of each condition; frames are kept in the folder once they are made (10 minutes a lot).

*Scale known*: the median of intensity over atoms of the frame's own clusters, as a person measures it on a standard,
is handed back. *Auto*: the frame alone. *Session*: three mixed frames calibrate each other. ``--make`` needs abTEM and
ASE: pip install napari-atomicity[validate]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from _foreign import ForeignLot, foreign_lot
from _machine import describe
from _options import parsed, parser_for
from _tables import markdown_of
from napari_atomicity.clusters import OTHER
from napari_atomicity.counting.bundle import Bundle, load_bundle
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.classify import evidence_steps
from napari_atomicity.counting.comb import comb_likelihood
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.looking import calibrated_steps, looked_steps
from napari_atomicity.counting.patches import NM_PER_PX, PATCH_PX
from napari_atomicity.counting.predictions import posterior
from napari_atomicity.counting.scale_likelihood import frame_view
from napari_atomicity.counting.scale_network import offsets
from napari_atomicity.counting.silhouette import silhouette
from napari_atomicity.insight.attribution import attribution_steps
from napari_atomicity.insight.feature_map import purity
from napari_atomicity.insight.question import METHODS
from napari_atomicity.progress import drain
from napari_atomicity.training.evaluate import evaluate_steps, measured_scale
from napari_atomicity.training.library import Library
from napari_atomicity.training.scores import scores
from validation.foreign_clusters import LOTS, make_clusters
from validation.foreign_frames import CONDITIONS, Settings, foreign_frame
from validation.multislice_library import load_multislice

SESSION = "session"
PLAIN = "intensity, scale known"
#: of the network's log-probabilities beside the comb: that of `counting.scale_likelihood` was chosen on ``choose``
WEIGHTS = (0, 0.5, 1, 1.5, 2)
#: difference of ln(scale) from which on a scale is wrong
_WRONG = 0.12
SHOWN = ("scale known", "auto", SESSION, "no scale", "diameter only", PLAIN)
#: evidence further than this beside the rim of a cluster is not of the cluster, nm
_NEAR_NM = 0.35


def frames_of(lot: ForeignLot) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Each frame with its rows."""
    for frame in np.unique(lot.tested.library.frame):
        yield int(frame), np.flatnonzero(lot.tested.library.frame == frame)


def looked(
    bundle: Bundle, lot: ForeignLot, evidence: Evidence, frames: Sequence[int]
) -> tuple[list[Evidence], list[Calibration]]:
    """Frames that calibrate each other, looked at with their scales."""
    rows = dict(frames_of(lot))
    clusters = [lot.tested.library.take(rows[frame]) for frame in frames]
    usable = [of_frame.flag == "ok" for of_frame in clusters]
    free = [evidence.take(rows[frame]) for frame in frames]
    return drain(calibrated_steps(bundle, [one.patches for one in clusters], free, None, usable))


def predictions(bundle: Bundle, lot: ForeignLot) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions of every way of using the model; and the pure frames, each calibrated alone."""
    table = drain(evaluate_steps(bundle, lot.tested))
    library, card = lot.tested.library, bundle.card
    evidence = drain(evidence_steps(bundle, library.patches))
    pure, columns, alone = set(lot.tested.pure.tolist()), {}, []
    groups = [[frame] for frame in sorted(pure)]
    mixed = np.array([frame for frame, _ in frames_of(lot) if frame not in pure])
    groups += [mixed[lot.session[mixed] == session].tolist() for session in np.unique(lot.session[mixed])]
    found: dict[int, tuple[Evidence, Calibration]] = {}
    for group in groups:
        found |= dict(zip(group, zip(*looked(bundle, lot, evidence, group), strict=True), strict=True))
    for frame, rows in frames_of(lot):
        clusters = library.take(rows)
        index = clusters.class_index(card.class_sizes)
        scored = (clusters.flag == "ok") & ((index >= 0) | clusters.is_outside(card.class_sizes))
        said = posterior(*found[frame])
        values = {SESSION: said.label, f"{SESSION} p": said.confidence, f"{SESSION} n": said.n_atoms}
        for column, of_frame in (values | {f"{SESSION} sd": said.n_atoms_sd}).items():
            columns.setdefault(column, []).append(of_frame[scored])
        if frame in pure:
            alone.append(_alone(found[frame][1], clusters, index))
    missing = len(table) - sum(map(len, columns[SESSION]))
    for name, parts in columns.items():
        blank = np.full(missing, "" if parts[0].dtype == object else np.nan, dtype=parts[0].dtype)
        table[name] = np.concatenate([*parts, blank])
    return table, pd.DataFrame(alone)


def maps(bundle: Bundle, lot: ForeignLot) -> pd.DataFrame:
    """How well classes keep apart in the features that decide; how much of each map lies on or beside its cluster."""
    library, sizes = lot.tested.library, bundle.card.class_sizes
    evidence = drain(evidence_steps(bundle, library.patches))
    features, labels, parts = [], [], []
    y, x = (np.indices((PATCH_PX, PATCH_PX)) - (PATCH_PX - 1) / 2) * NM_PER_PX
    for frame, rows in frames_of(lot):
        if frame in lot.tested.pure:
            continue
        clusters, index = library.take(rows), library.class_index(sizes)[rows]
        log_scale = measured_scale(clusters, sizes)
        usable = clusters.flag == "ok"
        seen = drain(looked_steps(bundle, clusters.patches, evidence.take(rows), log_scale, usable))
        member = usable & (index >= 0)
        features.append(seen.features[member])
        labels.append(index[member])
        some = np.flatnonzero(member)[:12]
        radius = np.hypot(y, x)[None] - clusters.diameter_nm[some, None, None] / 2
        scale = (seen.log_scale + seen.shift)[some]
        for method in METHODS:
            shown = drain(attribution_steps(bundle, clusters.take(some).patches, scale, index[some], method=method))
            for channel, name in enumerate(shown.channel_names):
                heat = shown.maps[:, channel]
                near, inside = ((heat * (radius < reach)).sum(axis=(1, 2)) for reach in (_NEAR_NM, 0.1))
                total = np.maximum(heat.sum(axis=(1, 2)), 1e-9)
                parts.append({"map": f"{method}, {name}", "near": near / total, "inside": inside / total,
                              "empty": shown.empty[:, channel]})  # fmt: skip
    joined, of = np.concatenate(features), np.concatenate(labels)
    print(f"\nsilhouette {silhouette(joined, of):.2f}, purity {purity(joined, of):.2f} of the features that decide\n")
    table = pd.DataFrame(parts).explode(["near", "inside", "empty"])
    return table.astype({"near": float, "inside": float, "empty": float}).groupby("map").mean()


def _alone(own: Calibration, clusters: Library, index: npt.NDArray[np.int64]) -> dict[str, object]:
    size = own.class_sizes[int(np.bincount(index[index >= 0]).argmax())]
    names = [str(candidate["dominant"]) for candidate in own.candidates]
    label = f"{own.element}{size}"
    return {
        "condition": str(clusters.condition[0]),
        "right": names[0] == label,
        "ambiguous": own.ambiguous,
        "named": label in names,
    }


def scales(bundle: Bundle, lot: ForeignLot) -> pd.DataFrame:
    """How many frames have a scale that is more than 12 % off, by comb, by network and by both as they are weighed."""
    evidence = drain(evidence_steps(bundle, lot.tested.library.patches))
    sizes, rows_of_table = bundle.card.class_sizes, []
    for frame, rows in frames_of(lot):
        clusters = lot.tested.library.take(rows)
        usable = np.flatnonzero(clusters.flag == "ok")
        (looked_at,), (both,) = looked(bundle, lot, evidence, [frame])
        seen, free = looked_at.take(usable), evidence.take(rows).take(usable)
        true = measured_scale(clusters, sizes)
        grid = np.median(free.log_integral) + offsets(sizes)
        assert free.scale_network is not None
        view, _, _ = frame_view(free)
        with torch.inference_mode():
            judged = free.scale_network(view, torch.as_tensor(offsets(sizes), dtype=torch.float32)).numpy()
        comb = comb_likelihood(seen, grid)
        found = {
            "comb of measured integrals": grid[comb_likelihood(free, grid).argmax()] - true,
            "network of scales": grid[judged.argmax()] - true,
            **{
                f"comb of what is counted and {weight:g} of the network": grid[(comb + weight * judged).argmax()] - true
                for weight in WEIGHTS
            },
            "as shipped": float(both.log_scale[both.weight.argmax()]) - true,
        }
        wrong = {name: abs(off) > _WRONG for name, off in found.items()}
        rows_of_table.append({"frames": "of one class" if frame in lot.tested.pure else "mixed"} | wrong)
    return pd.DataFrame(rows_of_table).groupby("frames").sum().astype(float)


def report(name: str, lot: ForeignLot, table: pd.DataFrame, alone: pd.DataFrame) -> None:
    mixed, order = table[~table["pure"]], [*CONDITIONS, "pooled"]
    found = scores(mixed, SHOWN)
    print(f"\n**{name}, mixed frames** ({mixed['frame'].nunique()} frames, {len(mixed)} clusters)")
    for title, values in (("Balanced accuracy", "balanced_accuracy"), ("R² of the class ratios", "ratio_r2")):
        by = found.pivot(index="condition", columns="method", values=values).loc[order, [*SHOWN]]
        print(f"\n{title}\n\n{markdown_of(by)}")
    for method in SHOWN[:3]:
        of_method = found[found["method"] == method].set_index("condition").loc[order]
        statements = of_method[["ece", "mae", "within_68", "within_95", "rejected", "caught"]].copy()
        members = mixed[(mixed["truth"] != OTHER) & (mixed[method] != "")]
        error = members[f"{method} n"] - members["n_atoms"]
        statements["bias"] = [*error.groupby(members["condition"]).mean().reindex(CONDITIONS), error.mean()]
        print(f"\n{name}, {method}: the model's own statements (mixed frames)\n\n{markdown_of(statements)}")
    print(f"\n{name}: frames of one class, alone\n")
    wrong = alone[~alone["right"].astype(bool)]
    by = alone.groupby("condition")["right"].agg(["sum", "count"]).reindex(CONDITIONS)
    print(markdown_of(by.rename(columns={"sum": "right", "count": "frames"})))
    print(
        f"\n{int(alone['right'].sum())} of {len(alone)} right; of the {len(wrong)} wrong ones "
        f"{int(wrong['ambiguous'].sum())} are marked ambiguous and {int(wrong['named'].sum())} name the right class."
    )
    spread = _spread(mixed)
    print(f"\nStandard error of the pooled figures, by drawing whole frames anew: {spread:.3f} (auto).")


def _spread(mixed: pd.DataFrame, draws: int = 100) -> float:
    """Standard error of the pooled accuracy in auto, over frames."""
    rng = np.random.default_rng(0)
    members = mixed[mixed["truth"] != OTHER]
    right = (members["auto"] == members["truth"]).to_numpy()
    frames, number = np.unique(members["frame"], return_inverse=True)
    sums, counts = np.bincount(number, right), np.bincount(number)
    chosen = rng.integers(0, len(frames), (draws, len(frames)))
    return float((sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)).std())


def figures(lot: ForeignLot, table: pd.DataFrame, alone: pd.DataFrame) -> dict[str, float]:
    """The pooled figures of one model, by which trainings are compared."""
    found = scores(table[~table["pure"]], SHOWN)
    pooled = found[found["condition"] == "pooled"].set_index("method")
    conditions = found[found["condition"] != "pooled"]
    figures = {}
    for method in SHOWN[:3]:
        figures[f"{method}, accuracy"] = float(pooled.at[method, "balanced_accuracy"])
        figures[f"{method}, worst condition"] = float(
            conditions.loc[conditions["method"] == method, "balanced_accuracy"].min()
        )
        figures[f"{method}, R² of ratios"] = float(pooled.at[method, "ratio_r2"])
        figures[f"{method}, ECE"] = float(pooled.at[method, "ece"])
    figures |= {
        "scale known, mean error in atoms": float(pooled.at["scale known", "mae"]),
        "scale known, outsiders caught": float(pooled.at["scale known", "caught"]),
        "no scale, accuracy": float(pooled.at["no scale", "balanced_accuracy"]),
        "frames of one class right": float(alone["right"].mean()),
        "wrong ones that are marked": float(alone.loc[~alone["right"].astype(bool), "ambiguous"].mean()),
        "wrong ones that name the size": float(alone.loc[~alone["right"].astype(bool), "named"].mean()),
    }
    return figures


def spread(models: Sequence[str], lot: ForeignLot) -> pd.DataFrame:
    """The same figures for several trainings, their mean and how far they are apart (standard deviation)."""
    columns = {}
    for number, name in enumerate(models):
        columns[f"training {number}"] = pd.Series(figures(lot, *predictions(load_bundle(name), lot)))
        print(f"{name} is training {number}", flush=True)
    table = pd.DataFrame(columns)
    return table.assign(mean=table.mean(axis=1), sd=table[list(columns)].std(axis=1))


def picture(folder: Path, path: Path) -> None:
    """A piece of a frame of each condition and lot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(10, 10.6), layout="constrained")
    FigureCanvasAgg(made)
    axes = made.subplots(len(LOTS) * 2, len(CONDITIONS) // 2).ravel()
    places = iter(axes)
    for lot in LOTS.values():
        store = load_multislice(folder / f"{lot.name}.npz")
        for number, condition in enumerate(CONDITIONS):
            frame = foreign_frame(lot, store, Settings(condition, 0, number, number))
            side = round(14 / frame.pixel_size_nm)
            piece, place = frame.image[:side, :side], next(places)
            low, high = np.quantile(piece, (0.01, 0.998))
            place.imshow(piece, cmap="gray", vmin=low, vmax=high)
            place.set_title(f"{lot.name}: {condition.replace('_', ' ')}", fontsize=9)
            place.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(path, dpi=62)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--make", action="store_true", help="image the clusters of both lots")
    parser.add_argument("--lot", choices=list(LOTS), default="report")
    parser.add_argument("--model", nargs="+", default=["dual", "single"])
    parser.add_argument("--folder", type=Path, default=Path("out/foreign"), help="where stores and frames are kept")
    parser.add_argument("--scales", action="store_true", help="only how often scales are found wrongly")
    parser.add_argument("--maps", action="store_true", help="only the islands of the features, and where maps light up")
    parser.add_argument("--spread", action="store_true", help="only the pooled figures of the models, side by side")
    parser.add_argument("--picture", type=Path, help="where to draw pieces of the frames")
    options = parsed(parser, model=["dual"])
    torch.set_num_threads(2)
    print(describe())
    if options.make:
        for lot in LOTS.values():
            for done in make_clusters(lot, options.folder / f"{lot.name}.npz"):
                print(f"{lot.name}: {done} clusters imaged", flush=True) if done % 20 == 0 else None
        return
    if not (options.folder / f"{options.lot}.npz").exists():
        print(f"There is no {options.folder / options.lot}.npz; make it first with --make.")
        return
    if options.picture:
        picture(options.folder, options.picture)
        return
    lot = foreign_lot(options.lot, options.folder)
    if options.spread:
        print(f"\nlot {options.lot}, mixed frames and those of one class\n\n{markdown_of(spread(options.model, lot))}")
        return
    for name in options.model:
        if options.scales:
            print(f"\n{name}, lot {options.lot}: frames whose scale is more than 12 % off\n")
            print(markdown_of(scales(load_bundle(name), lot)))
            continue
        if options.maps:
            print(f"\n{name}, lot {options.lot}: shares of the maps inside the clusters, and within 0.35 nm of them")
            print(markdown_of(maps(load_bundle(name), lot)))
            continue
        report(f"{name}, lot {options.lot}", lot, *predictions(load_bundle(name), lot))


if __name__ == "__main__":
    main()
