"""Speed of counting, and how frames that hold one size only are read, each alone.

    python benchmarks/classification.py [--model dual] [--frames 4]

Simulated frames of structures that no model was trained on. Accuracy by condition: `benchmarks/accuracy.py`.
Takes about three minutes.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from _machine import describe
from _options import parsed, parser_for
from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.adapt import adapt_steps
from napari_atomicity.counting.bundle import Bundle, load_bundle
from napari_atomicity.counting.classify import evidence_steps
from napari_atomicity.counting.looking import calibrated_steps
from napari_atomicity.counting.patches import extract_patches
from napari_atomicity.counting.predictions import posterior
from napari_atomicity.detection import detect
from napari_atomicity.insight.attribution import attribution_steps
from napari_atomicity.insight.overlay import compose
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from napari_atomicity.training.library import Library, label_image

#: seeds of these frames, apart from those of the frames behind the model cards
_FIRST = 500_000


def pure_frames(sizes: tuple[int, ...], per_size: int) -> Library:
    parts = []
    for i, size in enumerate(np.repeat(sizes, per_size)):
        seed = _FIRST + i
        spec = sample_spec("random", {int(size): 1.0}, n_clusters=80, seed=seed, split="test")
        frame = simulate_frame(spec, seed)
        scale = frame.scale_counts_nm2_per_atom
        parts.append(label_image(frame.image, frame.pixel_size_nm, frame.truth, scale, seed, spec.condition))
    return Library.join(parts)


def pure_accuracy(bundle: Bundle, per_size: int) -> None:
    """Whether a pure frame alone is read as its own class, and whether it says so where it is not."""
    library = pure_frames(bundle.card.class_sizes, per_size)
    evidence = drain(evidence_steps(bundle, library.patches))
    rows = []
    for frame in np.unique(library.frame):
        here = library.frame == frame
        part = library.take(here)
        _, (found,) = drain(calibrated_steps(bundle, [part.patches], [evidence.take(here)], None, [part.flag == "ok"]))
        size = int(np.median(part.n_atoms[part.whole]))
        names = [candidate["dominant"] for candidate in found.candidates]
        right = names[0] == f"{bundle.card.element}{size}"
        told = f"{bundle.card.element}{size}" in names
        rows.append({"size": size, "right": right, "ambiguous": found.ambiguous, "among candidates": told})
    table = pd.DataFrame(rows)
    print("\nPure frames, each alone, nothing known")
    print(table.groupby("size").mean().round(2).to_string())
    wrong = table[~table["right"]]
    print(f"right {table['right'].mean():.2f} of {len(table)}; of the wrong, {wrong['ambiguous'].mean():.2f} ambiguous")


def speed(bundle: Bundle) -> None:
    spec = replace(sample_spec("nominal", n_clusters=300, shape=(2048, 2048), seed=1), split="test")
    frame = simulate_frame(spec, 1)
    found = detect(frame.image, frame.pixel_size_nm)
    measured = found.clusters
    table = ClusterTable.from_columns(
        {name: getattr(measured, name) for name in ("y_px", "x_px", "diameter_nm", "intensity", "flag")}
    )
    patches = extract_patches(frame.image, table, frame.pixel_size_nm)
    free = drain(evidence_steps(bundle, patches))
    (evidence,), (fit,) = drain(calibrated_steps(bundle, [patches], [free]))
    assert evidence.log_scale is not None and evidence.shift is not None
    scale = evidence.log_scale + evidence.shift
    attribution = drain(attribution_steps(bundle, patches, scale))
    jobs = {
        "cut out patches": lambda: extract_patches(frame.image, table, frame.pixel_size_nm),
        "network, without a scale": lambda: drain(evidence_steps(bundle, patches)),
        "calibrate and look with the scale": lambda: drain(calibrated_steps(bundle, [patches], [free])),
        "label": lambda: posterior(evidence, fit),
        "atoms per nm²": lambda: drain(attribution_steps(bundle, patches, scale)),
        "HiResCAM": lambda: drain(attribution_steps(bundle, patches, scale, method="hires-cam")),
        "lay heat maps over the image": lambda: compose(
            attribution, table.centres_px, (2048, 2048), spec.pixel_size_nm
        ),
        "adapt (diameter)": lambda: drain(adapt_steps(bundle, patches, table, evidence, mode="diameter")),
        "adapt (auto)": lambda: drain(adapt_steps(bundle, patches, table, evidence, mode="auto")),
    }
    print(f"\nSeconds for {len(table)} clusters in 2048 x 2048, best of 3")
    for name, job in jobs.items():
        best = np.inf
        for _ in range(3):
            start = time.perf_counter()
            job()
            best = min(best, time.perf_counter() - start)
        print(f"  {name:34s} {best:6.3f}")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--model", nargs="+", default=["dual", "single"])
    parser.add_argument("--frames", type=int, default=4, help="pure frames a size")
    options = parsed(parser, model=["dual"], frames=1)
    torch.set_num_threads(2)
    print(describe("captum"))
    for name in options.model:
        bundle = load_bundle(name)
        pure_accuracy(bundle, options.frames)
        speed(bundle)


if __name__ == "__main__":
    main()
