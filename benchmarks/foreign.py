"""From detection to label on frames of another maker: other probes, supports, scans and detectors than any model saw.

    python benchmarks/foreign.py --make              # image the clusters of both lots by multislice: 20 minutes each
    python benchmarks/foreign.py [--lot report] [--model dual single]
    python benchmarks/foreign.py --lot choose --scales   # how often comb and network of scales are wrong
    python benchmarks/foreign.py --picture look.png  # a piece of a frame of each condition

Two lots (`validation/foreign_clusters.py`, `validation/foreign_frames.py`). On ``choose`` choices may be made: weights,
thresholds, designs. ``report`` is for reporting alone. Each holds 48 mixed frames, in sessions of three, and 40 of one
class, five of each condition; frames are kept in the folder once they are made (10 minutes a lot).

*Scale known*: the mean signal of an atom in the frame is given. *Standard given*: the median of intensity over atoms of
the frame's own clusters, as a person would measure it on a standard, is handed back. *Auto*: the frame alone.
*Session*: three mixed frames calibrate each other. ``--make`` needs abTEM and ASE:
pip install napari-atomicity[validate]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
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
from napari_atomicity.counting.calibrate import calibrate_frames, frame_view
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.classify import evidence_steps
from napari_atomicity.counting.comb import comb_likelihood
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.predictions import Predictions, posterior
from napari_atomicity.counting.scale_network import offsets
from napari_atomicity.progress import drain
from napari_atomicity.training.evaluate import evaluate_steps
from napari_atomicity.training.library import Library
from napari_atomicity.training.scores import scores
from validation.foreign_clusters import LOTS, make_clusters
from validation.foreign_frames import CONDITIONS, Settings, foreign_frame
from validation.multislice_library import load_multislice

SESSION, STANDARD = "session", "standard given"
PLAIN, PLAIN_STANDARD = "intensity, scale known", "intensity, standard given"
#: difference of ln(scale) from which on a scale is wrong
_WRONG = 0.12
SHOWN = ("scale known", STANDARD, "auto", SESSION, "no scale", "diameter only", PLAIN, PLAIN_STANDARD)


def frames_of(lot: ForeignLot) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Each frame with its rows."""
    for frame in np.unique(lot.tested.library.frame):
        yield int(frame), np.flatnonzero(lot.tested.library.frame == frame)


def standard(clusters: Library, sizes: tuple[int, ...]) -> float:
    """ln of the intensity of an atom, as measured on the frame's own whole clusters."""
    members = (clusters.class_index(sizes) >= 0) & (clusters.flag == "ok")
    return float(np.median(clusters.log_integral[members] - np.log(clusters.n_atoms[members])))


def sessions(lot: ForeignLot, evidence: Evidence) -> dict[int, Calibration]:
    """Calibration of each mixed frame by its session."""
    rows, found = dict(frames_of(lot)), {}
    mixed = [frame for frame in rows if frame not in lot.tested.pure]
    for session in np.unique(lot.session[mixed]):
        members = [frame for frame in mixed if lot.session[frame] == session]
        usable = [lot.tested.library.flag[rows[frame]] == "ok" for frame in members]
        fits = calibrate_frames([evidence.take(rows[frame]) for frame in members], None, usable)
        found |= dict(zip(members, fits, strict=True))
    return found


def predictions(bundle: Bundle, lot: ForeignLot) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions of every way of using the model; and the pure frames, each calibrated alone."""
    table = drain(evaluate_steps(bundle, lot.tested))
    library, card = lot.tested.library, bundle.card
    evidence = drain(evidence_steps(bundle, library.patches))
    together = sessions(lot, evidence)
    columns: dict[str, list[npt.NDArray[np.generic]]] = {}
    alone = []

    def add(name: str, found: Predictions, scored: npt.NDArray[np.bool_]) -> None:
        values = {name: found.label, f"{name} p": found.confidence, f"{name} n": found.n_atoms}
        for column, of_frame in (values | {f"{name} sd": found.n_atoms_sd}).items():
            columns.setdefault(column, []).append(of_frame[scored])

    for frame, rows in frames_of(lot):
        clusters, seen = library.take(rows), evidence.take(rows)
        index = clusters.class_index(card.class_sizes)
        scored = (clusters.flag == "ok") & ((index >= 0) | clusters.is_outside(card.class_sizes))
        log_scale = standard(clusters, card.class_sizes)
        given = Calibration.at_scale(float(np.exp(log_scale)), card.class_sizes, card.element)
        add(STANDARD, posterior(seen, given), scored)
        own = calibrate_frames([seen], None, [clusters.flag == "ok"])[0]
        add(SESSION, posterior(seen, together.get(frame, own)), scored)
        nearest = np.abs((clusters.log_integral - log_scale)[:, None] - np.log(card.class_sizes)).argmin(axis=1)
        columns.setdefault(PLAIN_STANDARD, []).append(np.array(card.labels, dtype=object)[nearest][scored])
        if frame in lot.tested.pure:
            alone.append(_alone(own, clusters, index))
    missing = len(table) - sum(map(len, columns[SESSION]))
    for name, parts in columns.items():
        blank = np.full(missing, "" if parts[0].dtype == object else np.nan, dtype=parts[0].dtype)
        table[name] = np.concatenate([*parts, blank])
    return table, pd.DataFrame(alone)


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
    """How many frames have a scale that is more than 12 % off, by comb, by network and by both."""
    evidence = drain(evidence_steps(bundle, lot.tested.library.patches))
    sizes, rows_of_table = bundle.card.class_sizes, []
    for frame, rows in frames_of(lot):
        clusters = lot.tested.library.take(rows)
        seen, own = (each.take(np.flatnonzero(clusters.flag == "ok")) for each in (evidence.take(rows), clusters))
        members = own.class_index(sizes) >= 0
        atoms = np.log(own.n_atoms[members])
        measured = replace(seen, log_integral=own.log_integral)
        grid = np.median(seen.log_integral) + offsets(sizes)
        true, as_measured = (float(np.median(e.log_integral[members] - atoms)) for e in (seen, measured))
        assert seen.scale_network is not None
        view, _, _ = frame_view(seen)
        with torch.inference_mode():
            judged = seen.scale_network(view, torch.as_tensor(offsets(sizes), dtype=torch.float32)).numpy()
        both = calibrate_frames([seen])[0]
        found = {
            "comb of the measured integrals": grid[comb_likelihood(measured, grid).argmax()] - as_measured,
            "comb of the corrected integrals": grid[comb_likelihood(seen, grid).argmax()] - true,
            "network of scales": grid[judged.argmax()] - true,
            "both": float(both.log_scale[both.weight.argmax()]) - true,
        }
        wrong = {name: abs(off) > _WRONG for name, off in found.items()}
        rows_of_table.append({"frames": "of one class" if frame in lot.tested.pure else "mixed"} | wrong)
    return pd.DataFrame(rows_of_table).groupby("frames").sum().astype(str)


def report(name: str, lot: ForeignLot, table: pd.DataFrame, alone: pd.DataFrame) -> None:
    mixed, order = table[~table["pure"]], [*CONDITIONS, "pooled"]
    found = scores(mixed, SHOWN)
    print(f"\n**{name}, mixed frames** ({mixed['frame'].nunique()} frames, {len(mixed)} clusters)")
    for title, values in (("Balanced accuracy", "balanced_accuracy"), ("R² of the class ratios", "ratio_r2")):
        by = found.pivot(index="condition", columns="method", values=values).loc[order, [*SHOWN]]
        print(f"\n{title}\n\n{markdown_of(by)}")
    for method in SHOWN[:4]:
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
    for name in options.model:
        if options.scales:
            print(f"\n{name}, lot {options.lot}: frames whose scale is more than 12 % off\n")
            print(markdown_of(scales(load_bundle(name), lot)))
            continue
        report(f"{name}, lot {options.lot}", lot, *predictions(load_bundle(name), lot))


if __name__ == "__main__":
    main()
