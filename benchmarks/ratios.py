"""Whether intervals of class shares hold what they promise, and the test of agreement errs as rarely as it says.

    python benchmarks/ratios.py [--model dual] [--frames 4] [--fit]

Simulated frames of the test structures (those of the validation structures with ``--fit``, which tries values of the
one free number, `CLASS_SD`), counted and calibrated by themselves. The shares that the frames were drawn with are the
truth: what lies in one frame differs from them by chance, which the intervals include. Takes about two minutes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch

from _machine import describe
from _options import parsed, parser_for
from _tables import markdown_of
from napari_atomicity.counting.bundle import Bundle, load_bundle
from napari_atomicity.counting.corrected import CLASS_SD, CountedImage, corrected_steps
from napari_atomicity.counting.expected import compare
from napari_atomicity.counting.ratios import class_ratios, wilson
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import Settings, classify_session_steps, detect_steps
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import CONDITIONS, sample_spec
from napari_atomicity.simulation.frames import simulate_frame

_FIRST = {"test": 41_000_000, "validation": 42_000_000}


def counted_frames(bundle: Bundle, split: str, per_condition: int, conditions: Sequence[str]) -> Iterator[tuple]:
    """Condition, true shares of the classes, and the counted frame."""
    sizes = bundle.card.class_sizes
    for number, condition in enumerate(name for name in conditions for _ in range(per_condition)):
        seed = _FIRST[split] + number
        rng = np.random.default_rng([seed, 98])
        true = rng.dirichlet(np.full(len(sizes), 1.5))
        if number % 4 == 3:  # every fourth lacks some of the classes
            true = np.where(rng.random(len(sizes)) < 0.5, 0.0, true)
            true = true / true.sum() if true.sum() else np.eye(len(sizes))[0]
        strange = float(rng.uniform(0, 0.04))
        shares = {int(n): float(s * (1 - strange)) for n, s in zip(sizes, true, strict=True) if s} | {120: strange}
        spec = sample_spec(
            condition, shares, n_clusters=100, seed=seed, split=split, dimers=float(rng.uniform(0, 0.04))
        )
        frame = simulate_frame(spec, seed)
        image = Micrograph(frame.image, frame.pixel_size_nm, name=f"{condition} {number}")
        found = drain(detect_steps(image, Settings()))
        (done,) = drain(classify_session_steps([image], [found.table], bundle, Settings()))
        yield condition, true, CountedImage(done.table, bundle.card, done.evidence, done.table.ids, done.calibrations)


def judged(condition: str, true: np.ndarray, seen: CountedImage, class_sd: float) -> list[dict]:
    """One row a class: whether each interval holds the true share, and how far off the share is."""
    labels = list(seen.card.labels)
    start = time.perf_counter()
    shares = drain(corrected_steps([seen], class_sd=class_sd))
    seconds = time.perf_counter() - start
    best, low, high = shares.interval(among=labels)
    agreement = compare(shares, dict(zip(labels, true, strict=True)))
    table = class_ratios(seen.table, seen.card, calibrations=seen.calibrations).set_index("label").loc[labels]
    plain, wilson_low, wilson_high = wilson(table["count"].to_numpy(), int(table["count"].sum()))
    undecided = any(fit.ambiguous for fit in seen.calibrations.values())
    return [
        {
            "condition": condition,
            "undecided": undecided,
            "label": label,
            "corrected in": low[i] <= true[i] <= high[i],
            "calibration in": table["low"].iloc[i] <= true[i] <= table["high"].iloc[i],
            "Wilson in": wilson_low[i] <= true[i] <= wilson_high[i],
            "width": high[i] - low[i],
            "Wilson width": wilson_high[i] - wilson_low[i],
            "corrected off": best[i] - true[i],
            "plain off": plain[i] - true[i],
            "p": agreement.p,
            "seconds": seconds,
        }
        for i, label in enumerate(labels)
    ]


def summary(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    groups = rows.groupby(by, sort=False)
    return pd.DataFrame(
        {
            "corrected": groups["corrected in"].mean(),
            "of the calibration": groups["calibration in"].mean(),
            "Wilson": groups["Wilson in"].mean(),
            "width": groups["width"].mean(),
            "Wilson's width": groups["Wilson width"].mean(),
            "bias": groups["corrected off"].mean(),
            "bias, plain": groups["plain off"].mean(),
            "rms": groups["corrected off"].apply(lambda off: np.sqrt(np.mean(off**2))),
            "rms, plain": groups["plain off"].apply(lambda off: np.sqrt(np.mean(off**2))),
            "wrongly refused": groups["p"].apply(lambda p: (p < 0.05).mean()),
            "shares": groups.size(),
        }
    )


def markdown(table: pd.DataFrame) -> str:
    return markdown_of(table, lambda value: f"{value:.3f}" if isinstance(value, float) and value % 1 else f"{value:g}")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--model", default="dual")
    parser.add_argument("--frames", type=int, default=4, help="frames a condition")
    parser.add_argument("--fit", action="store_true", help="try values of CLASS_SD on the validation structures")
    options = parsed(parser, frames=1)
    torch.set_num_threads(2)
    print(describe())
    bundle = load_bundle(options.model)
    frames = list(counted_frames(bundle, "validation" if options.fit else "test", options.frames, list(CONDITIONS)))
    if options.fit:
        for class_sd in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0):
            rows = pd.DataFrame([row for frame in frames for row in judged(*frame, class_sd)])
            print(f"\nCLASS_SD {class_sd}\n\n{markdown(summary(rows.assign(all='all'), 'all'))}", flush=True)
        return
    rows = pd.DataFrame([row for frame in frames for row in judged(*frame, CLASS_SD)])
    print(f"\n{len(frames)} simulated frames of test structures, 95 % intervals of the shares among the classes\n")
    for by in ("condition", "label", "undecided"):
        print(f"{markdown(summary(rows, by))}\n")
    print(markdown(summary(rows.assign(all="all"), "all")))
    print(f"\n{rows['seconds'].mean():.2f} s a frame")


if __name__ == "__main__":
    main()
