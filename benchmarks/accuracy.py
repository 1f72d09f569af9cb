"""From detection to label on simulated frames whose structures no model was trained on, by condition.

    python benchmarks/accuracy.py [--model dual single] [--mixed 6] [--pure 1] [--multislice out/multislice.npz]

Three sets of frames: structures of the families that the models were trained on, but others of them; structures of a
potential never trained on (effective medium theory); and, where `benchmarks/multislice.py` has made a store, clusters
of that potential imaged with abTEM's multislice instead of the fast model. Beside the model stand diameter alone,
intensity with the scale of other frames of the same condition, intensity with the frame's own scale (the bound for one
number a frame), and boosted trees on the simple features. `--figure` draws what the docs show. Takes about half an
hour, most of it to simulate 176 frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from _machine import describe
from _options import parsed, parser_for
from _tables import markdown_of
from napari_atomicity.counting.bundle import Bundle, load_bundle
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import CONDITIONS, sample_spec
from napari_atomicity.training.evaluate import (
    METHODS,
    EvaluationSet,
    evaluate_steps,
    evaluation_set_steps,
    labelled,
    plan,
)  # fmt: skip
from napari_atomicity.training.library import Library, Recipe, simulate_library_steps
from napari_atomicity.training.scores import confusion, scores
from validation.multislice_frames import multislice_frame
from validation.multislice_library import load_multislice

TREES = "boosted trees"
SHOWN = ("scale known", "no scale", "auto", *METHODS[3:], TREES)


def frames(mixed: int, pure: int, multislice: Path | None) -> dict[str, EvaluationSet]:
    """The three sets, each with its own frames."""
    trained = plan(list(CONDITIONS), mixed, pure, families=("gupta", "block"))
    unseen = plan(list(CONDITIONS), mixed, pure, families=("emt",), first=100_000)
    sets = {
        "new structures of the trained families": drain(evaluation_set_steps(trained)),
        "a potential never trained on": drain(evaluation_set_steps(unseen)),
    }
    if multislice is not None:
        sets["that potential, imaged by multislice"] = multislice_frames(multislice, mixed)
    return sets


def multislice_frames(store: Path, mixed: int) -> EvaluationSet:
    """Frames like the others, but every cluster is one that multislice has imaged."""
    imaged = load_multislice(store)
    parts = []
    for planned in plan(list(CONDITIONS), mixed, first=200_000):
        rng = np.random.default_rng(planned.index)
        shares = dict(zip(planned.class_sizes, rng.dirichlet(np.full(len(planned.class_sizes), 1.5)), strict=True))
        spec = sample_spec(planned.condition, shares, n_clusters=planned.clusters, seed=planned.index, split="test")
        parts.append(labelled(multislice_frame(spec, planned.index, imaged), planned))
    return EvaluationSet.join(parts)


# ---------------------------------------------------------------------- a classical learner beside it


def simple_features(library: Library) -> npt.NDArray[np.float64]:
    """Diameter, sharpness of the patch and noise; diameter and intensity relative to the frame's medians."""
    diameter, peak = np.log(library.diameter_nm), np.log(np.maximum(library.raw.max(axis=(1, 2)).astype(float), 1e-3))
    relative = []
    for values in (diameter, library.log_integral):
        median = pd.Series(values).groupby(library.frame).transform("median").to_numpy()
        relative.append(values - median)
    return np.column_stack([diameter, peak + 2 * diameter, np.log(library.noise), *relative])


def boosted_trees(trained_on: Library, sizes: Sequence[int], tested: Library) -> npt.NDArray[np.int64]:
    """Class index of each row of `tested` from gradient-boosted trees on the simple features."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    index = trained_on.class_index(tuple(sizes))
    rows = (index >= 0) & (trained_on.flag == "ok")
    trees = HistGradientBoostingClassifier(max_iter=200, learning_rate=0.06, random_state=0)
    trees.fit(simple_features(trained_on)[rows], index[rows])
    return np.asarray(trees.predict(simple_features(tested)))


# ---------------------------------------------------------------------- tables


def predictions(bundle: Bundle, tested: EvaluationSet, trees: npt.NDArray[np.int64]) -> pd.DataFrame:
    table = drain(evaluate_steps(bundle, tested))
    sizes = bundle.card.class_sizes
    library = tested.library
    kept = (library.flag == "ok") & ((library.class_index(sizes) >= 0) | library.is_outside(sizes))
    # evaluate_steps goes frame by frame; a stable order by frame is the same one
    order = np.argsort(library.frame, kind="stable")
    labels = np.array(bundle.card.labels, dtype=object)[trees[order][kept[order]]]
    table[TREES] = np.concatenate([labels, np.full(len(table) - len(labels), "", dtype=object)])
    return table


def report(name: str, name_of_set: str, table: pd.DataFrame) -> None:
    found = scores(table, SHOWN)
    order = [*[c for c in CONDITIONS if c in set(table["condition"])], "pooled"]
    print(
        f"\n**{name}: {name_of_set}** ({table['frame'].nunique()} frames, {len(table)} clusters), balanced accuracy\n"
    )
    accuracy = found.pivot(index="condition", columns="method", values="balanced_accuracy")
    print(markdown_of(accuracy.loc[order, list(SHOWN)]))
    print(f"\n{name}: {name_of_set}, the model's own statements\n")
    statements = ["ece", "mae", "within_68", "within_95", "rejected", "caught"]
    for method in SHOWN[:3]:
        part = found[found["method"] == method].set_index("condition").loc[order, statements]
        print(f"\n{method}\n\n{markdown_of(part)}")
    print("\nR² of the class ratios\n")
    rows = {}
    for what, part in (("mixed frames", table[~table["pure"]]), ("pure and mixed", table)):
        nominal = part[part["condition"] == "nominal"]
        for where, chosen in (("nominal", nominal), ("all conditions", part)):
            values = scores(chosen, SHOWN)
            pooled = values[values["condition"] == "pooled"].set_index("method")["ratio_r2"]
            rows[f"{what}, {where}"] = pooled.reindex(list(SHOWN))
    print(markdown_of(pd.DataFrame(rows).T))


def figure(tables: dict[str, pd.DataFrame], bundle: Bundle, path: Path) -> None:
    """Balanced accuracy by condition as bars, and the confusion with and without the scale."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    table = pd.concat(tables.values(), ignore_index=True)
    found = scores(table, SHOWN).pivot(index="condition", columns="method", values="balanced_accuracy")
    order = [*[c for c in CONDITIONS if c in found.index], "pooled"]
    made = Figure(figsize=(12, 8), layout="constrained")
    FigureCanvasAgg(made)
    grid = made.add_gridspec(2, 3)
    bars = made.add_subplot(grid[0, :])
    x = np.arange(len(order))
    for i, method in enumerate(SHOWN):
        bars.bar(x + (i - 3) * 0.12, found.loc[order, method], 0.11, label=method)
    bars.set_xticks(x, [name.replace("_", " ") for name in order])
    bars.set(ylabel="balanced accuracy", ylim=(0, 1.02), title=f"Simulated frames, model {bundle.card.name!r}")
    bars.legend(ncols=4, fontsize=8, loc="lower left")
    for place, method in enumerate(("scale known", "auto", "no scale")):
        axes = made.add_subplot(grid[1, place])
        share = confusion(table, method, bundle.card.labels)
        axes.imshow(share, vmin=0, vmax=1, cmap="Blues")
        axes.set_xticks(range(len(share)), share.columns)
        axes.set_yticks(range(len(share)), share.index)
        axes.set(title=method, xlabel="label", ylabel="truth")
        for (row, column), value in np.ndenumerate(share.to_numpy()):
            axes.text(
                column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color="w" if value > 0.5 else "k"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(path, dpi=110)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--model", nargs="+", default=["dual", "single"])
    parser.add_argument("--mixed", type=int, default=6, help="mixed frames a condition and set")
    parser.add_argument("--pure", type=int, default=1, help="pure frames a condition, class and set")
    parser.add_argument("--multislice", type=Path, help="store of clusters imaged by multislice")
    parser.add_argument("--figure", type=Path, help="where to draw the figure of the first model")
    parser.add_argument("--taught", type=int, default=64, help="frames that the boosted trees learn from")
    options = parsed(parser, model=["dual"], mixed=1, pure=0, taught=8)
    torch.set_num_threads(2)
    print(describe("scikit-learn"))
    sets = frames(options.mixed, options.pure, options.multislice)
    taught = drain(simulate_library_steps(Recipe(), "train", options.taught))
    for number, name in enumerate(options.model):
        bundle = load_bundle(name)
        tables = {}
        for name_of_set, tested in sets.items():
            trees = boosted_trees(taught, bundle.card.class_sizes, tested.library)
            tables[name_of_set] = predictions(bundle, tested, trees)
            report(name, name_of_set, tables[name_of_set])
        if options.figure and number == 0:
            figure(tables, bundle, options.figure)


if __name__ == "__main__":
    main()
