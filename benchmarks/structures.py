"""Shapes of the simulated clusters by family, and what a classifier on diameter alone reaches with them.

    python benchmarks/structures.py                 the tables of docs/structures.md
    python benchmarks/structures.py --picture PNG   clusters from compact to flat, seen along the beam and from aside

Of the structures that come with the package; of another metal (`--element`) they are annealed first, which takes half
an hour. Takes about five minutes.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from _machine import describe
from _options import parsed, parser_for
from napari_atomicity.progress import Progress, drain
from napari_atomicity.simulation.spec import CLASS_SIZES
from napari_atomicity.simulation.structures import ELEMENTS, StructureLibrary, families_of, library

BLUR_FWHM_NM = 0.15
PX_NM = 0.03
#: an atom's signal at the resolution of a frame before it is smoothed to find outlines
SMOOTH_NM = 0.08
#: clusters of a frame whose diameters are read
CLUSTERS = 50


def diameter_nm(atoms: np.ndarray) -> float:
    """Diameter of the circle with the area of the blurred and smoothed cluster at half its typical height.

    As the detector does it: spots of `BLUR_FWHM_NM`, smoothed by `SMOOTH_NM`, half of the upper quartile within.
    """
    half = np.abs(atoms[:, :2]).max() + 0.6
    n = int(2 * half / PX_NM)
    grid, *_ = np.histogram2d(atoms[:, 1], atoms[:, 0], bins=n, range=[[-half, half]] * 2)
    sigma = np.hypot(BLUR_FWHM_NM / 2.355, SMOOTH_NM) / PX_NM
    image = gaussian_filter(grid, sigma)
    top = np.quantile(image[image > 0.25 * image.max()], 0.75)
    return float(np.sqrt(4 / np.pi * (image > top / 2).sum()) * PX_NM)


def layers(atoms: np.ndarray, spacing: float) -> int:
    """Layers parallel to the support: steps of more than half a layer distance between sorted heights."""
    z = np.sort(atoms[:, 2])
    return 1 + int((z[-1] - z[0]) / (np.sqrt(2 / 3) * spacing) + 0.5)


def shape(atoms: np.ndarray, spacing: float) -> tuple[float, float, float]:
    """Height over width, layers and diameter; atoms are given the size of their bond."""
    flat = atoms[:, :2] - atoms[:, :2].mean(axis=0)
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(flat.T)))
    # a uniform ellipse of full axes a, b has spreads a/4, b/4
    width = 4 * np.sqrt(spread.prod())
    return (np.ptp(atoms[:, 2]) + spacing) / max(width, spacing), layers(atoms, spacing), diameter_nm(flat)


def shape_rows(structures: StructureLibrary) -> list[str]:
    """One line a class: quantiles of the shapes in the whole library."""
    rows = []
    for n in CLASS_SIZES:
        values = [shape(structures.get(n, i), ELEMENTS[structures.element][0]) for i in range(structures.per_size)]
        ratio, count, diameter = np.array(values).T
        share = [f"{100 * np.mean(count == k):.0f}" for k in (1, 2, 3)] + [f"{100 * np.mean(count > 3):.0f}"]
        rows.append(
            f"| {' + '.join(structures.families)} | {structures.element}{n} | {spread(ratio)} | {' / '.join(share)} "
            f"| {spread(diameter)} | {diameter.std():.2f} |"
        )
    return rows


def spread(values: np.ndarray) -> str:
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    return f"{low:.2f} – {middle:.2f} – {high:.2f}"


def drawn_diameters(structures: StructureLibrary, seed: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Diameters of clusters as frames show them (classes alike, one flatness a frame) and their classes."""
    rng = np.random.default_rng(seed)
    diameters, classes = [], []
    for _ in range(frames):
        flatness = float(np.clip(rng.normal(0.42, 0.18), 0.05, 0.85))
        for _ in range(CLUSTERS // len(CLASS_SIZES)):
            for k, n in enumerate(CLASS_SIZES):
                diameters.append(diameter_nm(structures.draw(n, flatness, rng)))
                classes.append(k)
    return np.array(diameters), np.array(classes)


def by_diameter(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> tuple[float, np.ndarray]:
    """Balanced accuracy of the most likely class at each diameter, and mean shift of the class read."""
    edges = np.arange(0.4, 3.2, 0.02)
    density = [
        gaussian_filter(np.histogram(train[0][train[1] == k], edges)[0] + 0.01, 1.5) for k in range(len(CLASS_SIZES))
    ]
    read = np.argmax(density, axis=0)[np.clip(np.digitize(test[0], edges) - 1, 0, len(edges) - 2)]
    recall = [np.mean(read[test[1] == k] == k) for k in range(len(CLASS_SIZES))]
    return float(np.mean(recall)), np.array([np.mean(read[test[1] == k] - k) for k in range(len(CLASS_SIZES))])


def tables(element: str, frames: int) -> None:
    print(describe(), end="\n\n")
    print("| family | size | height / width | share of 1 / 2 / 3 / more layers, % | diameter, nm | sd, nm |")
    print("|---|---|---|---|---|---|")
    for family in families_of(element):
        structures = of_family(family, element)
        prepare(structures)
        print("\n".join(shape_rows(structures)), flush=True)
    train, test = library("train", element), library("test", element)
    prepare(train), prepare(test)
    sets = {"train": drawn_diameters(train, 1, frames), "train, drawn again": drawn_diameters(train, 2, frames),
            "test": drawn_diameters(test, 3, frames)}  # fmt: skip
    for family in families_of(element):
        sets[f"{family} alone"] = drawn_diameters(of_family(family, element), 4, frames)
    print("\n| densities from | scored on | balanced accuracy by diameter | mean shift of the class read, by class |")
    print("|---|---|---|---|")
    for scored in list(sets)[1:]:
        accuracy, shift = by_diameter(sets["train"], sets[scored])
        print(f"| train | {scored} | {accuracy:.2f} | {', '.join(f'{s:+.2f}' for s in shift)} |")


def of_family(family: str, element: str) -> StructureLibrary:
    """Those of one family, of the split that has it."""
    return library("test" if family == "emt" else "train", element, (family,))


def prepare(structures: StructureLibrary) -> None:
    begin = time.perf_counter()

    def report(progress: Progress) -> None:
        print(f"\r{progress.what} {progress.done}/{progress.total}, {time.perf_counter() - begin:.0f} s",
              end="   ", file=sys.stderr)  # fmt: skip

    drain(structures.make_steps(CLASS_SIZES), report)
    print(file=sys.stderr)


def picture(path: Path, element: str) -> None:
    """Eight clusters of each family and of two sizes, from compact to flat: above along the beam, below from aside."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sizes = (19, 55)
    families = families_of(element)
    figure, axes = plt.subplots(4 * len(families), 8, figsize=(14, 7 * len(families)), layout="constrained")
    row = 0
    for family in families:
        structures = of_family(family, element)
        for n in sizes:
            for column, axis in enumerate(axes[row]):
                atoms = structures.get(n, round((column + 0.5) / 8 * structures.per_size))
                for place, (seen, depth) in enumerate(((1, 2), (2, 1))):
                    axis = axes[row + place, column]
                    order = np.argsort(atoms[:, depth])
                    points = atoms[order]
                    axis.scatter(points[:, 0], points[:, seen], c=points[:, depth], s=330 if n < 30 else 200,
                                 cmap="viridis", edgecolors="k", linewidths=0.4)  # fmt: skip
                    axis.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2) if place == 0 else (-0.2, 1.5), aspect="equal",
                             xticks=[], yticks=[])  # fmt: skip
                axes[row, column].set_title(f"{family} {element}{n}, {diameter_nm(atoms):.2f} nm", fontsize=8)
            row += 2
    figure.savefig(path, dpi=65)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--element", default="Pt", choices=list(ELEMENTS))
    parser.add_argument("--frames", type=int, default=150, help="frames whose diameters are read")
    parser.add_argument("--picture", type=Path)
    options = parsed(parser, frames=5)
    if options.picture:
        picture(options.picture, options.element)
    else:
        tables(options.element, options.frames)


if __name__ == "__main__":
    main()
