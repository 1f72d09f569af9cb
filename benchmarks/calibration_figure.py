"""The figures of docs/calibration.md, from the sample micrographs: what fixes a scale, and what leaves it open.

    python benchmarks/calibration_figure.py [--into docs/images]

Everything shown is simulated (sample_data). Left: the clusters' integrals with the lines where the classes would lie at
the scale that was found. Right: the posterior of the scale, and what another frame of the session or the deposited size
makes of it. Takes less than a minute.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from _options import parsed, parser_for
from napari_atomicity.counting.bundle import load_bundle
from napari_atomicity.counting.calibrate import calibrate_frames
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.io import read
from napari_atomicity.pipeline import Settings, analyse, classify_steps
from napari_atomicity.progress import drain
from napari_atomicity.style import colours

SAMPLES = Path(__file__).parent.parent / "sample_data"


def evidence_of(name: str) -> tuple[Evidence, float]:
    """Evidence of the countable clusters of a sample, and its true ln(scale)."""
    path = SAMPLES / f"{name}.tif"
    micrograph, bundle, settings = read(path), load_bundle("dual"), Settings(adapt="off")
    table = analyse(micrograph, settings).table
    found = drain(classify_steps(micrograph, table, bundle, settings))
    usable = found.table.sizeable & found.evidence.valid
    truth = json.loads(path.with_suffix(".truth.json").read_text(encoding="utf-8"))
    return found.evidence.take(usable), float(np.log(truth["scale_counts_nm2_per_atom"]))


def draw(names: tuple[str, str], path: Path) -> None:
    """One row a sample, the second one pure."""
    figure = Figure(figsize=(11, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    seen = {name: evidence_of(name) for name in names}
    for row, name in enumerate(names):
        evidence, truth = seen[name]
        alone = calibrate_frames([evidence])[0]
        histogram(axes[row, 0], evidence, alone, name)
        lines = {"this image alone": alone}
        if row:
            size = alone.class_sizes[int(alone.shares[alone.weight.argmax(), :-1].argmax())]
            lines[f"deposited {size} given"] = calibrate_frames([evidence], PriorKnowledge(deposited=(size,)))[0]
        for label, found in lines.items():
            axes[row, 1].plot(np.exp(found.log_scale - truth), found.weight / found.weight.max(), label=label)
        axes[row, 1].axvline(1.0, color="0.5", lw=0.8, ls=":")
        axes[row, 1].set(xlabel="scale / true scale", ylabel="posterior (best = 1)", title=f"{name}: the scale")
        axes[row, 1].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def histogram(axes, evidence: Evidence, found: Calibration, name: str) -> None:  # type: ignore[no-untyped-def]
    """Integrals in atoms at the scale that was found, and the classes."""
    atoms = np.exp(evidence.log_integral - np.log(found.intensity_per_atom))
    axes.hist(atoms, bins=np.arange(0, 110, 2.0), color="0.7")
    known = colours(found.class_sizes, found.element)
    for size in found.class_sizes:
        axes.axvline(size, color=known[f"{found.element}{size}"], label=f"{found.element}{size}")
    axes.set(xlabel="integral / scale (atoms)", ylabel="clusters", title=f"{name}: {len(atoms)} clusters")
    axes.legend(fontsize=7, ncols=2)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--into", type=Path, default=Path("docs/images"))
    parser.add_argument("--samples", nargs=2, default=("sample_mixed", "sample_pt55"))
    options = parsed(parser, into=Path("out/benchmarks"))
    draw(tuple(options.samples), options.into / "calibration.png")


if __name__ == "__main__":
    main()
