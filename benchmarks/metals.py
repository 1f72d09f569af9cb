"""Gold counted by a model of platinum, and alloys of known composition: how far equivalents and ridges hold.

    python benchmarks/metals.py [--frames 6] [--clusters 60] [--model NAME|PATH] [--seed 0]

Simulated frames with the scale of a platinum atom given. Alloys are clusters of platinum in which atoms are exchanged
for cobalt, at exponents of the atomic number over its whole range; a second detector sees the same scan with noise of
its own. Takes about four minutes; the structures of gold are annealed at the first call, which takes minutes more.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import _machine
from _options import parsed, parser_for
from _tables import markdown
from napari_atomicity.metals import Composition, Conversion, Exponent, Pair, class_set, covered
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import (
    ImageState,
    Known,
    Settings,
    alloy_count,
    analyse,
    known_fraction,
    known_second,
    measure_steps,
)
from napari_atomicity.progress import drain
from napari_atomicity.simulation.alloys import Alloy
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import SimulatedFrame, simulate_frame
from napari_atomicity.training.evaluate import measured_scale
from napari_atomicity.training.library import label_image

CONDITIONS = ("clean", "nominal", "defocus", "low_dose", "thick_support", "scan_noise")
#: a detection this near to a true centre is that cluster, nm
NEAR_NM = 0.3
#: exponents over the usual range
EXPONENTS = (1.46, 1.58, 1.7)
FRACTION, SPREAD, EDX_SD = 0.25, 0.08, 0.05


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--clusters", type=int, default=60)
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--model", default="dual")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--families", nargs="+", default=["gupta", "block"], help="structures of gold")
    options = parsed(parser, frames=1, clusters=15, size=400, families=["block"])
    print(_machine.describe())
    print(f"{options.frames} frames of {options.size}², {options.clusters} clusters each, model {options.model}\n")
    print("Gold counted in Pt-equivalents, the intensity of one platinum atom given, and converted to atoms\n")
    columns = ["clusters", "Pt-equivalents", "atoms (converted)", "scatter of a count", "within the stated ± (95 %)"]
    print(markdown(columns, gold(options)))
    print(f"\nPlatinum with cobalt, mean fraction {FRACTION} ± {SPREAD} between clusters\n")
    columns = ["known besides the count", "truth within 95 %", "size and composition given", "error of the size",
               "stated", "error of the fraction"]  # fmt: skip
    print(markdown(columns[1:], alloys(options), columns[0]))


def frame_of(options: argparse.Namespace, number: int, **changes: Any) -> Any:
    condition = CONDITIONS[number % len(CONDITIONS)]
    seed = 1000 * options.seed + number
    return sample_spec(condition, n_clusters=options.clusters, shape=(options.size,) * 2, seed=seed, split="sample",
                       **changes), seed  # fmt: skip


def platinum_scale(spec: Any, seed: int) -> float:
    """Integrated intensity of one platinum atom as it is measured: a standard of the same conditions."""
    standard = simulate_frame(
        replace(spec, element="Pt", alloy=None, families=("emt",), fractions={55: 1.0}), seed + 500
    )
    library = label_image(standard.image, standard.pixel_size_nm, standard.truth, spec.detector.gain, 0, spec.condition)
    return float(np.exp(measured_scale(library, (55,))))


def counted(frame: SimulatedFrame, scale: float, model: str) -> ImageState:
    settings = Settings(model=model, adapt="off", intensity_per_atom=scale)
    return analyse(Micrograph(frame.image, frame.pixel_size_nm, name="frame"), settings)


def matched(frame: SimulatedFrame, state: ImageState) -> pd.DataFrame:
    """Counts of whole clusters beside the truth, a row a cluster that was found."""
    truth = frame.truth[(frame.truth["kind"] == "cluster") & ~frame.truth["on_edge"]]
    rows = state.table.rows[state.table.sizeable & (state.table.rows["flag"] == "ok").to_numpy()]
    away = np.hypot(
        rows["y_px"].to_numpy()[:, None] - truth["y_px"].to_numpy(),
        rows["x_px"].to_numpy()[:, None] - truth["x_px"].to_numpy(),
    )
    near = away.min(axis=1) * frame.pixel_size_nm < NEAR_NM
    found = rows[near].reset_index(drop=True)
    true = truth.iloc[away.argmin(axis=1)[near]].reset_index(drop=True)
    kept = ["n_atoms"] + (["n_guest"] if "n_guest" in true else [])
    return found.join(true[kept].add_prefix("true_"))


def gold(options: argparse.Namespace) -> dict[str, Sequence[str]]:
    known = class_set("gold")
    tables = []
    for number in range(options.frames):
        fractions = dict.fromkeys(known.sizes, 1 / len(known.sizes))
        spec, seed = frame_of(options, number, fractions=fractions, element="Au")
        # a model of platinum has seen no structure of gold, whichever split it is of
        spec = replace(spec, split="train", families=tuple(options.families))
        frame = simulate_frame(spec, seed)
        tables.append(matched(frame, counted(frame, platinum_scale(spec, seed), options.model)))
    table = pd.concat(tables, ignore_index=True)
    conversion = Conversion("Pt", Composition.of_one("Au"))
    lines = {}
    for size, rows in table.groupby("true_n_atoms"):
        count, sd = rows["n_atoms"].to_numpy(), rows["n_atoms_sd"].to_numpy()
        atoms, atoms_sd = conversion.atoms(count, sd)
        within = np.abs(atoms - size) <= 1.96 * atoms_sd
        lines[f"Au{size}"] = [
            str(len(rows)), f"{np.median(count):.1f}", f"{np.median(atoms):.1f}",
            f"{100 * np.std(atoms) / size:.0f} %", f"{100 * within.mean():.0f} %",
        ]  # fmt: skip
    return lines


@dataclass(frozen=True, eq=False)
class Seen:
    """The clusters of alloy frames: counts by both detectors, measured fractions, truth."""

    pair: Pair
    rows: pd.DataFrame
    table: Any
    scale_2: float


def alloys(options: argparse.Namespace) -> dict[str, Sequence[str]]:
    results: dict[str, list[pd.DataFrame]] = {}
    ridges: list[npt.NDArray[np.bool_]] = []
    for number in range(options.frames):
        power = EXPONENTS[number % len(EXPONENTS)]
        alloy = Alloy("Co", FRACTION, SPREAD, power)
        fractions = dict.fromkeys((30, 41, 55, 70), 0.25)
        spec, seed = frame_of(options, number, fractions=fractions, alloy=alloy)
        frame, scale = simulate_frame(spec, seed), platinum_scale(spec, seed)
        state = counted(frame, scale, options.model)
        rows = matched(frame, state)
        pair = Pair("Pt", "Co", "Pt")
        ridges.append(_covered(rows, pair))
        for name, (known, own) in _ways(state, rows, frame, spec, seed, scale, pair).items():
            found = alloy_count(state.table, own, known).table.set_index("id").loc[rows["id"]].reset_index(drop=True)
            results.setdefault(name, []).append(found.join(rows[["true_n_atoms", "true_n_guest"]]))
    lines = {"nothing: the ridge": [f"{100 * np.concatenate(ridges).mean():.0f} %", "0 %", "–", "–", "–"]}
    return lines | {name: _line(pd.concat(tables)) for name, tables in results.items()}


def _covered(rows: pd.DataFrame, pair: Pair) -> npt.NDArray[np.bool_]:
    host = (rows["true_n_atoms"] - rows["true_n_guest"]).to_numpy(dtype=float)
    return covered(
        rows["n_atoms"].to_numpy(), rows["n_atoms_sd"].to_numpy(), pair, host, rows["true_n_guest"].to_numpy()
    )


def _ways(
    state: ImageState, rows: pd.DataFrame, frame: SimulatedFrame, spec: Any, seed: int, scale: float, pair: Pair
) -> dict[str, tuple[Known, Pair]]:
    """What may be known besides the count, from the same simulated clusters."""
    n, rng = len(state.table), np.random.default_rng([seed, 5])
    part = (rows["true_n_guest"] / rows["true_n_atoms"]).to_numpy()
    measured = pd.Series(np.clip(part + rng.normal(0, EDX_SD, len(part)), 0, 1), index=rows["id"])
    one = (np.full(n, FRACTION), np.full(n, SPREAD))
    ways = {
        f"one composition, {FRACTION} ± {SPREAD}": (Known(one, None, "the composition"), pair),
        f"a fraction of each cluster, ± {EDX_SD}": (known_fraction(state.table, measured, EDX_SD, "EDX"), pair),
    }
    for power in (1.3, 1.0):
        other = simulate_frame(spec, seed, second=power)
        image = Micrograph(other.image, other.pixel_size_nm, name="second")
        intensity = drain(measure_steps(image, state.table, state.table.ids)).rows["intensity"].to_numpy()
        column = pd.Series(intensity, index=state.table.ids)
        # both detectors are calibrated, and both exponents are known well: the best that can be hoped for
        exact = Pair("Pt", "Co", "Pt", Exponent.within(spec.alloy.exponent, spec.alloy.exponent))
        known = known_second(state.table, column, scale, None, Exponent.within(power, power))
        ways[f"a second detector, n = {power} known exactly"] = (known, exact)
    return ways


def _line(table: pd.DataFrame) -> list[str]:
    known = table[table["settled"]]
    if known.empty:
        return ["–", "0 %", "–", "–", "–"]
    off = known["n_atoms"] - known["true_n_atoms"]
    within = off.abs() <= 1.96 * known["n_atoms_sd"]
    part = known["fraction"] - known["true_n_guest"] / known["true_n_atoms"]
    relative = 100 * np.sqrt(np.mean((off / known["true_n_atoms"]) ** 2))
    stated = 100 * (known["n_atoms_sd"] / known["n_atoms"]).median()
    return [
        f"{100 * within.mean():.0f} %", f"{100 * len(known) / len(table):.0f} %", f"{relative:.0f} %",
        f"{stated:.0f} %", f"{np.sqrt(np.mean(part**2)):.2f}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
