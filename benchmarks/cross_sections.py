"""The table of cross-sections that comes with the package: made anew, and what one atom scatters onto usual detectors.

    python benchmarks/cross_sections.py [-o FILE.csv] [--elements Pt Au ...] [--voltages 60 80 ...]

With ``-o`` the table is written (half a minute); without, what is shipped is held against multislice: potentials of two
authors, and the sum over the beams of the aperture. Both need abTEM: pip install napari-atomicity[validate]; without it
only what is shipped is printed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.integrate import trapezoid

import _machine
from _options import parsed, parser_for
from _tables import markdown
from napari_atomicity.counting import cross_sections
from napari_atomicity.errors import InputError

ELEMENTS = ("Pt", "Au", "Ir", "Re", "Ag", "Pd", "Rh", "Ru", "Co", "Cu", "Ni")
VOLTAGES = (60.0, 80.0, 100.0, 120.0, 200.0, 300.0)
ANGLES = np.unique(np.concatenate([np.arange(10, 60, 2), np.arange(60, 160, 4), np.arange(160, 341, 10)])).astype(float)
#: kV, convergence, inner and outer angle, mrad
DETECTORS = ((200, 22, 60, 200), (200, 24, 80, 200), (300, 24, 60, 150), (80, 30, 70, 250))
HEADER = (
    "# Scattering of one atom at rest, nm2 per steradian, by angle (mrad), element and voltage (kV).",
    "# Multislice of one slice with the potentials of Lobato and Van Dyck (Acta Cryst. A 70, 636, 2014) from abTEM.",
    "# Made by benchmarks/cross_sections.py of napari-atomicity; licence CC0-1.0.",
)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")
    parser.add_argument("--elements", nargs="+", default=ELEMENTS)
    parser.add_argument("--voltages", nargs="+", type=float, default=VOLTAGES)
    parser.add_argument("--detectors", type=int, default=len(DETECTORS), metavar="N", help="how many are compared")
    options = parsed(parser, elements=("Pt",), voltages=(200.0,), detectors=1)
    print(_machine.describe())
    if options.output is not None:
        write(options)
        return
    columns = ["σ₁ (nm²)", "its sd", "Kirkland's potentials", "multislice over the aperture"]
    rows = {f"Pt, {kv} kV, {c} mrad, {low} to {high} mrad": row(kv, c, low, high)
            for kv, c, low, high in DETECTORS[: options.detectors]}  # fmt: skip
    print(markdown(columns, rows))


def write(options: argparse.Namespace) -> None:
    """Make the table."""
    from validation.cross_section import angular_distribution

    names, columns = [], []
    for element in options.elements:
        for kv in options.voltages:
            names.append(f"{element} {kv:g}")
            columns.append(angular_distribution(element, kv, ANGLES).per_solid_angle)
    lines = [*HEADER, ",".join(["angle", *names])]
    lines += [",".join([f"{angle:g}", *(f"{column[i]:.4g}" for column in columns)]) for i, angle in enumerate(ANGLES)]
    options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(ANGLES)} angles, {len(names)} columns: {options.output}")


def row(kv: float, convergence: float, inner: float, outer: float) -> list[str]:
    """One detector: what ships, and how far other ways are from it."""
    annulus = cross_sections.Annulus(kv, convergence, inner, outer)
    value, sd = cross_sections.cross_section("Pt", annulus)
    cells = [f"{value:.4g}", f"{100 * sd:.1f} %"]
    try:
        return cells + others(kv, convergence, inner, outer, value)
    except InputError:  # without abTEM
        return [*cells, "-", "-"]


def others(kv: float, convergence: float, inner: float, outer: float, value: float) -> list[str]:
    """How far Kirkland's potentials, and multislice over the aperture, are from the table."""
    from napari_atomicity.simulation.optics import Optics
    from validation.cross_section import angular_distribution
    from validation.multislice import Annulus, lone_atom

    within = (inner <= ANGLES) & (outer >= ANGLES)
    flux = [
        trapezoid((made.per_solid_angle * ANGLES)[within], ANGLES[within])
        for made in (angular_distribution("Pt", kv, ANGLES, potential) for potential in ("lobato", "kirkland"))
    ]
    whole = lone_atom(Optics(kv, convergence), Annulus(inner, outer)).integral()
    return [f"{100 * (flux[1] / flux[0] - 1):+.1f} %", f"{100 * (whole / value - 1):+.1f} %"]


if __name__ == "__main__":
    main()
