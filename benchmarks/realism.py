"""Are simulated frames like real ones? Noise and support in numbers, and a montage to look at.

    python benchmarks/realism.py                         the table: measured ranges beside simulated ones
    python benchmarks/realism.py --intensity 12          how far a known scale and the integrated intensity alone get
    python benchmarks/realism.py --montage look.png      real micrographs above simulated ones
    python benchmarks/realism.py --picture simulated.png simulated ones alone, as in the docs

Real micrographs are read from the folder `--real`, which holds a manifest.json (file, pixel_size_nm, shows) and, beside
some of them, the places of single Pt atoms as CSV; those give the image's scale. Without the folder the table quotes
what was measured on them. The table takes about two minutes, each line of `--intensity 12` about half a minute.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from _machine import describe
from _options import parsed, parser_for
from napari_atomicity.detection import detect
from napari_atomicity.detection.measure import Measurement
from napari_atomicity.io import read
from napari_atomicity.simulation.conditions import CONDITIONS, sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from napari_atomicity.simulation.spec import CLASS_SIZES, FrameSpec
from validation.statistics import NoiseStatistics, noise_statistics

REAL = Path(__file__).parents[1].parent / "shared" / "real"
#: not pictures of clusters or atoms on a support
SKIP = ("lattice", "bright-field", "zone axis", "vacuum: pure noise", "particle", "same image")
#: name of the statistic, how to get it, what was measured on real micrographs
ROWS = (
    ("level of the support, atoms/nm²", "level", "30–100 (thick)"),
    ("pixel noise × pixel size, atoms/nm", "noise", "0.14–0.27"),
    ("pixel noise / level", "relative", "0.08–0.40"),
    ("correlation along the scan", "along", "0.04–0.36"),
    ("correlation across the scan", "across", "0.00–0.11"),
    ("line offset / pixel noise", "line", "0–0.25"),
    ("structure at 0.4–2 nm, atoms/nm²", "structure", "1.5 (thin), 1.6–5 (thick)"),
    ("thickness, 95th / 5th percentile", "ratio", "1.2–10"),
    ("exponent of noise variance over level", "growth", "0.8–1.1"),
)


@dataclass(frozen=True)
class Picture:
    """A real micrograph: name, counts, pixel size, places of single atoms, counts without signal."""

    name: str
    data: np.ndarray
    pixel_nm: float
    atoms: np.ndarray | None
    black: float | None


def real_pictures(folder: Path) -> list[Picture]:
    entries = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    found = []
    for entry in entries:
        pixel = entry["pixel_size_nm"]
        usable = entry["role"] == "image" and entry["kind"].startswith("experimental STEM") and pixel
        if not usable or not 0.01 <= pixel <= 0.12 or any(word in entry["shows"].lower() for word in SKIP):
            continue
        if Path(entry["file"]).suffix not in {".tif", ".png"} or "nan" in entry["file"] or ".ome" in entry["file"]:
            continue
        data = np.asarray(read(folder / entry["file"]).data, dtype=float).squeeze()
        if "noise2atom" in entry["file"]:
            data = data[:, 4:252]  # the other half is the same area again
        found.append(Picture(entry["file"], data, pixel, _labels(folder, entry["file"]), None))
    # frames of one session share the black level; one without vacuum takes it from the others
    session = [p for p in found if p.name.startswith("hpai")]
    black = min((float(np.percentile(ndimage.gaussian_filter(p.data, 10), 0.3)) for p in session), default=0.0)
    return [replace(p, black=black) if p.name.startswith("hpai") else p for p in found]


def _labels(folder: Path, name: str) -> np.ndarray | None:
    for label in (folder / f"{name[:8]}_Results.csv", folder / f"{Path(name).stem}.csv"):
        if label.exists():
            table = pd.read_csv(label)
            table.columns = [c.strip().upper() for c in table.columns]
            return table[["Y", "X"]].to_numpy(float)
    return None


def counts_per_atom(picture: Picture) -> float:
    """Integral of the median image of the labelled atoms above its surroundings, counts nm²."""
    half, shift = round(0.5 / picture.pixel_nm), 4
    smooth = ndimage.gaussian_filter(picture.data, 1.5)
    stamps = []
    for y, x in np.round(picture.atoms).astype(int):
        near = smooth[max(y - shift, 0) : y + shift + 1, max(x - shift, 0) : x + shift + 1]
        dy, dx = np.unravel_index(near.argmax(), near.shape)
        y, x = max(y - shift, 0) + dy, max(x - shift, 0) + dx
        stamp = picture.data[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
        if stamp.shape == (2 * half + 1,) * 2:
            stamps.append(stamp)
    stamp = np.median(stamps, axis=0)
    distance = np.hypot(*np.indices(stamp.shape) - half) * picture.pixel_nm
    signal = stamp - np.median(stamp[(distance > 0.3) & (distance < 0.45)])
    return float(signal[distance < 0.25].sum() * picture.pixel_nm**2)


def numbers(found: NoiseStatistics, pixel_nm: float, scale: float | None, black_known: bool) -> dict[str, float]:
    per_atom = scale if scale else np.nan
    known = 1.0 if black_known else np.nan
    return {
        "level": known * found.level / per_atom,
        "noise": found.pixel_noise * pixel_nm / per_atom,
        "relative": found.relative_noise,
        "along": found.correlation_along,
        "across": found.correlation_across,
        "line": found.line_offset,
        "structure": found.structure / per_atom,
        "ratio": known * found.thickness_ratio,
        "growth": known * found.noise_growth,
    }


def of_real(picture: Picture) -> dict[str, float]:
    # the stretched 8 and 16 bit pictures have lost their black level, and with it their scale against the support
    scale = counts_per_atom(picture) if picture.atoms is not None and picture.black is not None else None
    black = picture.black or 0.0
    vacuum = black + 8 * scale if scale else None
    found = noise_statistics(picture.data, picture.pixel_nm, black, picture.atoms, vacuum)
    return numbers(found, picture.pixel_nm, scale, picture.black is not None)


def of_simulated(condition: str, frames: int, pixel_nm: float = 0.03) -> list[dict[str, float]]:
    rows = []
    for seed in range(frames):
        spec = sample_spec(condition, n_clusters=0, shape=(512, 512), seed=9000 + seed, pixel_size_nm=pixel_nm)
        spec = replace(spec, support=replace(spec.support, vacuum=0.0))
        found = noise_statistics(simulate_frame(spec, seed).image, pixel_nm, spec.detector.black)
        rows.append(numbers(found, pixel_nm, spec.detector.gain, True))
    return rows


def spread(rows: list[dict[str, float]], key: str, low: float = 10, high: float = 90) -> str:
    values = np.array([row[key] for row in rows])
    values = values[np.isfinite(values)]
    if not len(values):
        return "–"
    ends = [f"{np.percentile(values, q) + 0.0:.2g}".replace("-0.0", "0.0") for q in (low, high)]
    return "–".join(ends)


def table(real: list[Picture], frames: int) -> None:
    measured = [of_real(picture) for picture in real]
    conditions = ("nominal", "thick_support", "scan_noise", "random")
    simulated = {name: of_simulated(name, frames) for name in conditions}
    print(f"Real: {len(real)} micrographs here, all of them. Simulated: {frames} frames a condition, 10th to 90th "
          "percentile, 0.03 nm a pixel.\n")  # fmt: skip
    print("| statistic | real, quoted | real, here | " + " | ".join(conditions) + " |")
    print("|---" * (3 + len(conditions)) + "|")
    for name, key, quoted in ROWS:
        cells = [spread(measured, key, 0, 100), *(spread(simulated[c], key) for c in conditions)]
        print(f"| {name} | {quoted} | " + " | ".join(cells) + " |")


# ---------------------------------------------------------------------- intensity alone


def intensity_table(frames: int) -> None:
    """Nearest class of integrated intensity over the frame's true scale; lone clusters flagged ok; validation split."""
    print(f"{frames} frames of 100 clusters a condition, a tenth of them touching.\n")
    print("| condition | balanced accuracy | spread of 19 … 70, atoms | recall | precision |")
    print("|---" * 5 + "|")
    for condition in (*CONDITIONS, "random"):
        rows, hit, missed, false = [], 0, 0, 0
        for seed in range(10_000_000, 10_000_000 + frames):
            frame = simulate_frame(sample_spec(condition, seed=seed, split="validation", touching=0.1), seed)
            found = detect(frame.image, frame.pixel_size_nm).clusters
            truth = frame.truth[frame.truth.kind != "satellite"].reset_index(drop=True)
            true, seen, apart = _matched(truth, found, frame.pixel_size_nm)
            inner = ~truth.on_edge.to_numpy()
            hit, missed = hit + int(inner[true].sum()), missed + int(inner.sum() - inner[true].sum())
            false += int(apart)
            ok = (found.flag[seen] == "ok") & (truth.kind.to_numpy()[true] == "cluster")
            atoms = found.intensity[seen][ok] / frame.scale_counts_nm2_per_atom
            rows.append(np.column_stack([truth.n_atoms.to_numpy()[true][ok], atoms]))
        size, atoms = np.vstack(rows).T
        classes = np.array(CLASS_SIZES)
        label = classes[np.abs(np.log(np.maximum(atoms, 0.1))[:, None] - np.log(classes)).argmin(axis=1)]
        share = np.mean([(label[size == n] == n).mean() for n in classes])
        residual = [(atoms - size)[size == n] for n in classes]
        spread = " ".join(f"{1.4826 * np.median(np.abs(r - np.median(r))):.1f}" for r in residual)
        print(f"| {condition} | {share:.3f} | {spread} | {hit / (hit + missed):.3f} | {hit / (hit + false):.3f} |")


def _matched(truth: pd.DataFrame, found: Measurement, pixel_nm: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Rows of truth and of what was found that belong together within 0.5 nm, and how many found ones are left."""
    places = np.column_stack([found.y_px, found.x_px])
    distance = cdist(truth[["y_px", "x_px"]], places) * pixel_nm
    true, seen = linear_sum_assignment(np.where(distance < 0.5, distance, 1e3))
    near = distance[true, seen] < 0.5
    left = np.setdiff1d(np.arange(len(places)), seen[near])
    return true[near], seen[near], int((found.flag[left] != "border").sum())


# ---------------------------------------------------------------------- pictures


def simulated_pictures() -> list[tuple[str, FrameSpec]]:
    """Frames like the kinds of real ones that there are, and one of each condition."""
    few: dict[str, Any] = {"fractions": {19: 0.4, 30: 0.3, 55: 0.3}, "shape": (512, 512), "split": "validation"}
    thick = sample_spec(
        "thick_support", n_clusters=2, seed=1, pixel_size_nm=0.0293, satellites=20.0, jumping=0.1, **few
    )
    edge = sample_spec("thick_support", n_clusters=3, seed=2, pixel_size_nm=0.0293, satellites=15.0, **few)
    edge = replace(edge, support=replace(edge.support, vacuum=0.25))
    thin = sample_spec("nominal", n_clusters=2, seed=3, pixel_size_nm=0.016, satellites=14.0, jumping=0.5, **few)
    close = sample_spec("nominal", n_clusters=3, seed=4, pixel_size_nm=0.016, **{**few, "shape": (254, 254)})
    named = [
        (name, sample_spec(name, n_clusters=12, seed=20 + i, shape=(512, 512), split="validation", touching=0.2,
                           **({} if name == "coarse_pixels" else {"pixel_size_nm": 0.035})))
        for i, name in enumerate(("nominal", "low_dose", "defocus", "thick_support", "scan_noise", "coarse_pixels"))
    ]  # fmt: skip
    return [("thick, edge", edge), ("thick", thick), ("thin, loose atoms", thin), ("thin, close", close), *named]


def montage(path: Path, real: list[Picture]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = [(p.name[:24], p.data[:512, :512], p.pixel_nm) for p in real]
    for name, spec in simulated_pictures():
        shown.append((f"simulated: {name}", simulate_frame(spec, 1).image, spec.pixel_size_nm))
    columns = 5
    rows = -(-len(shown) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.6 * columns, 2.8 * rows), layout="constrained")
    for axis, item in zip(axes.ravel(), [*shown, *[None] * (rows * columns - len(shown))], strict=True):
        axis.axis("off")
        if item is None:
            continue
        name, data, pixel = item
        axis.imshow(data, cmap="gray", vmin=np.percentile(data, 0.5), vmax=np.percentile(data, 99.7))
        axis.plot([20, 20 + 2 / pixel], [data.shape[0] - 20] * 2, color="white", linewidth=2)
        axis.set_title(f"{name}; bar 2 nm", fontsize=7)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--real", type=Path, default=REAL, help="folder of real micrographs with a manifest.json")
    parser.add_argument("--frames", type=int, default=20, help="simulated frames a condition")
    parser.add_argument("--intensity", type=int, metavar="FRAMES", help="print accuracy of intensity alone, instead")
    parser.add_argument("--montage", type=Path, help="write real above simulated micrographs to this PNG, no table")
    parser.add_argument("--picture", type=Path, help="write simulated micrographs to this PNG, no table")
    options = parsed(parser, frames=2)
    real = real_pictures(options.real) if (options.real / "manifest.json").exists() else []
    if options.picture or options.montage:
        if options.picture:
            montage(options.picture, [])
        if options.montage:
            montage(options.montage, real)
        return
    print(describe("scipy"), "\n")
    if options.intensity:
        intensity_table(options.intensity)
    else:
        table(real, options.frames)


if __name__ == "__main__":
    main()
