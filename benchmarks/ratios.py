"""Whether intervals of class shares hold what they promise, and the test of agreement errs as rarely as it says.

    python benchmarks/ratios.py --foreign report     # frames of another maker
    python benchmarks/ratios.py [--model dual] [--frames 4]
    python benchmarks/ratios.py --fit [--foreign choose]   # tries values of the one free number, `CLASS_SD`

Foreign: the mixed frames of a lot of `benchmarks/foreign.py`, which makes them, each alone and in its session of three.
Without: frames of our own simulator with test structures (with ``--fit`` the validation structures). All are counted
and calibrated by themselves. The shares that a frame was drawn with are the truth: what lies in it differs from them by
chance, which the intervals include, and by what finds room there, which they do not. "rms within" is the same of the
clusters of the classes that were found in the frame. Takes about two minutes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from _foreign import foreign_lot
from _machine import describe
from _options import parsed, parser_for
from _tables import markdown_of
from foreign import frames_of, looked
from napari_atomicity.clusters import OTHER, ClusterTable
from napari_atomicity.counting.bundle import Bundle, load_bundle
from napari_atomicity.counting.classify import evidence_steps
from napari_atomicity.counting.corrected import CLASS_SD, CountedImage, corrected_steps
from napari_atomicity.counting.expected import compare
from napari_atomicity.counting.ratios import class_ratios, wilson
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import Settings, classify_session_steps, detect_steps
from napari_atomicity.pipeline.counting import labelled
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import CONDITIONS, sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from napari_atomicity.training.library import Library
from validation.foreign_clusters import LOTS
from validation.foreign_frames import drawn_shares, plan

_FIRST = {"test": 41_000_000, "validation": 42_000_000}
#: of `CLASS_SD`
_TRIED = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)


class CountedFrame(NamedTuple):
    """A counted frame; `shares` (classes,) is what it was drawn with, `within` what was found in it in truth."""

    condition: str
    shares: npt.NDArray[np.float64]
    within: npt.NDArray[np.float64] | None
    seen: CountedImage


def foreign_frames(bundle: Bundle, name: str, folder: Path, together: bool) -> Iterator[CountedFrame]:
    """The mixed frames of a lot, each calibrated alone or `together` with its session."""
    lot, sizes = foreign_lot(name, folder), bundle.card.class_sizes
    evidence = drain(evidence_steps(bundle, lot.tested.library.patches))
    planned = {settings.number: settings for settings in plan()}
    rows = {frame: of_frame for frame, of_frame in frames_of(lot) if frame not in set(lot.tested.pure.tolist())}
    frames = np.array(list(rows))
    by = lot.session[frames] if together else frames
    for key in np.unique(by):
        group = frames[by == key].tolist()
        for frame, looked_at, calibration in zip(group, *looked(bundle, lot, evidence, group), strict=True):
            clusters = lot.tested.library.take(rows[frame])
            index = clusters.class_index(sizes)[clusters.flag == "ok"]
            within = np.bincount(index[index >= 0], minlength=len(sizes))
            found = labelled(_table(clusters), clusters.patches, looked_at, {0: calibration}, bundle)
            seen = CountedImage(found.table, bundle.card, found.evidence, found.table.ids, found.calibrations)
            shares = drawn_shares(LOTS[name], planned[frame])
            yield CountedFrame(str(clusters.condition[0]), shares, within / within.sum(), seen)


def _table(clusters: Library) -> ClusterTable:
    """Clusters as the detector gives them; where they lie makes no difference here."""
    place = np.arange(len(clusters), dtype=float)
    columns = dict.fromkeys(("y_px", "x_px", "y_nm", "x_nm"), place) | {"diameter_nm": clusters.diameter_nm}
    flag = clusters.flag.astype(object)
    return ClusterTable.from_columns(columns | {"intensity": np.exp(clusters.log_integral), "flag": flag})


def counted_frames(bundle: Bundle, split: str, per_condition: int, conditions: Sequence[str]) -> Iterator[CountedFrame]:
    """Frames of our own simulator."""
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
        seen = CountedImage(done.table, bundle.card, done.evidence, done.table.ids, done.calibrations)
        yield CountedFrame(condition, true, None, seen)


def judged(frame: CountedFrame, class_sd: float) -> list[dict]:
    """One row a class: whether each interval holds the true share, and how far off the share is."""
    condition, true, within, seen = frame
    labels = list(seen.card.labels)
    start = time.perf_counter()
    shares = drain(corrected_steps([seen], class_sd=class_sd))
    seconds = time.perf_counter() - start
    best, low, high = shares.interval(among=labels)
    agreement = compare(shares, dict(zip(labels, true, strict=True)))
    table = class_ratios(seen.table, seen.card, calibrations=seen.calibrations).set_index("label")
    # these are shares of all clusters, `other` included
    members = 1 - table.at[OTHER, "fraction"]
    table = table.loc[labels]
    plain, wilson_low, wilson_high = wilson(table["count"].to_numpy(), int(table["count"].sum()))
    undecided = any(fit.ambiguous for fit in seen.calibrations.values())
    return [
        {
            "condition": condition,
            "undecided": undecided,
            "label": label,
            "corrected in": low[i] <= true[i] <= high[i],
            "calibration in": table["low"].iloc[i] <= true[i] * members <= table["high"].iloc[i],
            "Wilson in": wilson_low[i] <= true[i] <= wilson_high[i],
            "calibration width": (table["high"].iloc[i] - table["low"].iloc[i]) / members,
            "width": high[i] - low[i],
            "Wilson width": wilson_high[i] - wilson_low[i],
            "corrected off": best[i] - true[i],
            "plain off": plain[i] - true[i],
            "within off": np.nan if within is None else best[i] - within[i],
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
            "that of the calibration": groups["calibration width"].mean(),
            "Wilson's width": groups["Wilson width"].mean(),
            "bias": groups["corrected off"].mean(),
            "bias, plain": groups["plain off"].mean(),
            "rms": groups["corrected off"].apply(lambda off: np.sqrt(np.mean(off**2))),
            "rms, plain": groups["plain off"].apply(lambda off: np.sqrt(np.mean(off**2))),
            "rms within": groups["within off"].apply(lambda off: np.sqrt(np.mean(off**2))),
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
    parser.add_argument("--fit", action="store_true", help="try values of CLASS_SD")
    parser.add_argument("--foreign", choices=list(LOTS), help="frames of another maker")
    parser.add_argument("--folder", type=Path, default=Path("out/foreign"), help="where those are kept")
    options = parsed(parser, frames=1)
    torch.set_num_threads(2)
    print(describe())
    bundle = load_bundle(options.model)
    if options.foreign:
        for title, together in (("each alone", False), ("in sessions of three", True)):
            frames = list(foreign_frames(bundle, options.foreign, options.folder, together))
            told(frames, f"mixed frames of another maker ({options.foreign}), {title}", options.fit)
        return
    split = "validation" if options.fit else "test"
    frames = list(counted_frames(bundle, split, options.frames, list(CONDITIONS)))
    told(frames, f"simulated frames of {split} structures", options.fit)


def told(frames: Sequence[CountedFrame], title: str, fit: bool) -> None:
    """Print how the intervals do, at each value tried where one is to be chosen."""
    print(f"\n{len(frames)} {title}, 95 % intervals of the shares among the classes\n", flush=True)
    if fit:
        found = [summary(_rows(frames, each).assign(CLASS_SD=each), "CLASS_SD") for each in _TRIED]
        print(markdown(pd.concat(found)))
        return
    rows = _rows(frames, CLASS_SD)
    for by in ("condition", "label", "undecided"):
        print(f"{markdown(summary(rows, by))}\n")
    print(markdown(summary(rows.assign(all="all"), "all")))
    print(f"\n{rows['seconds'].mean():.2f} s a frame", flush=True)


def _rows(frames: Sequence[CountedFrame], class_sd: float) -> pd.DataFrame:
    return pd.DataFrame([row for frame in frames for row in judged(frame, class_sd)])


if __name__ == "__main__":
    main()
