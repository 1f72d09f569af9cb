"""Whole simulated micrographs with their truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.simulation.canvas import Canvas
from napari_atomicity.simulation.detector import ScanPath, acquire, scanned
from napari_atomicity.simulation.imaging import Z_EXPONENT, atom_weights
from napari_atomicity.simulation.placing import PlacedCluster, Placing, structures_of
from napari_atomicity.simulation.spec import FrameSpec
from napari_atomicity.simulation.support import support_signal


@dataclass(frozen=True, eq=False)
class SimulatedFrame:
    """A simulated micrograph with its truth.

    Attributes
    ----------
    image
        (y, x) float32 counts.
    truth
        One row an object: y_px, x_px, n_atoms, kind (cluster, dimer, touching, satellite), group (the same for the
        two of a touching pair), diameter_nm (twice the largest lateral reach of the atoms, not what is measured at half
        maximum), on_edge (cut by the border); in frames of alloys also n_guest, the atoms of the second metal.
    scale_counts_nm2_per_atom
        Integrated intensity of one atom.
    """

    image: npt.NDArray[np.float32]
    pixel_size_nm: float
    truth: pd.DataFrame
    scale_counts_nm2_per_atom: float
    spec: FrameSpec
    seed: int

    def describe(self) -> dict[str, Any]:
        """What made this frame, for the JSON beside it."""
        spec = asdict(self.spec)
        if self.spec.alloy is None:
            del spec["alloy"]
        if self.spec.probe.optics is None:
            del spec["probe"]["optics"]
        if not self.spec.support.lattice:
            del spec["support"]["lattice"], spec["support"]["lattice_nm"]
        spec["fractions"] = {str(size): share for size, share in self.spec.fractions.items()}
        return {
            "simulated": True,
            "seed": self.seed,
            "pixel_size_nm": self.pixel_size_nm,
            "scale_counts_nm2_per_atom": self.scale_counts_nm2_per_atom,
            "structures": structures_of(self.spec).origin(self.spec.fractions),
            "spec": spec,
        }


def simulate_frame(spec: FrameSpec, seed: int = 0, second: float | None = None) -> SimulatedFrame:
    """Make the micrograph of `spec`; the same spec and seed give the same pixels.

    Parameters
    ----------
    spec
        What the frame is made from.
    seed
        Seed of all that is left to chance.
    second
        Power of the atomic number of another detector that sees the same specimen in the same scan, with noise of its
        own: the support and a second metal scatter there by this power. The detector of `spec` where None.

    Returns
    -------
    SimulatedFrame
        The counts of every pixel with the truth of every object.
    """
    rng = np.random.default_rng([seed, 1])
    px = spec.pixel_size_nm
    if second is not None and spec.alloy is not None:
        spec = replace(spec, alloy=replace(spec.alloy, exponent=second))
    path = ScanPath.of(spec.shape, px, spec.detector, rng)
    margin = path.reach_px
    wide = (spec.shape[0] + 2 * margin, spec.shape[1] + 2 * margin)
    signal, covered = support_signal(wide, px, spec.support, spec.probe.fwhm_nm, rng)
    if second is not None:
        signal *= _CARBON ** (second - Z_EXPONENT)
    level = float(signal[covered].mean()) if covered.any() else 1.0
    placed = Placing(spec, covered[margin : margin + spec.shape[0], margin : margin + spec.shape[1]], rng).run()
    canvas = Canvas(signal, spec, path, rng)
    for placed_object in placed:
        canvas.add(placed_object)
    noise = rng if second is None else np.random.default_rng([seed, 2])
    image = acquire(scanned(canvas.signal, path), level, px, spec.detector, noise)
    return SimulatedFrame(image, px, truth_of(placed, spec), spec.detector.gain, spec, seed)


_TRUTH_COLUMNS: Final[dict[str, Any]] = {
    "y_px": float, "x_px": float, "n_atoms": int, "kind": str, "group": int, "diameter_nm": float, "on_edge": bool,
}  # fmt: skip
#: atomic number of carbon over that of platinum, in whose signal a frame is reckoned
_CARBON: Final = 6 / 78


def truth_of(placed: Sequence[PlacedCluster], spec: FrameSpec) -> pd.DataFrame:
    """The truth of a frame, one row an object; see `SimulatedFrame.truth`.

    Parameters
    ----------
    placed
        The objects of the frame.
    spec
        The frame: its pixel size (nm), shape (pixels) and element are used.

    Returns
    -------
    pandas.DataFrame
        Columns y_px, x_px, n_atoms, kind, group, diameter_nm and on_edge. A centre is the centre of mass of the
        signal, as a microscopist calls it.
    """
    rows = [_truth_row(placed_object, spec) for placed_object in placed]
    truth = pd.DataFrame(rows, columns=list(_TRUTH_COLUMNS)).astype(_TRUTH_COLUMNS)
    if spec.alloy is not None:
        truth["n_guest"] = [0 if one.guests is None else int(one.guests.sum()) for one in placed]
    return truth


def _truth_row(placed: PlacedCluster, spec: FrameSpec) -> tuple[Any, ...]:
    px = spec.pixel_size_nm
    centre_of_mass = np.average(placed.atoms[:, :2], axis=0, weights=atom_weights(placed.atoms, spec.element))
    y, x = placed.centre_px + centre_of_mass[::-1] / px
    margin = (placed.radius_nm + 0.25) / px
    height, width = spec.shape
    on_edge = y < margin or x < margin or y > height - 1 - margin or x > width - 1 - margin
    return (y, x, len(placed.atoms), placed.kind, placed.group, 2 * placed.radius_nm, bool(on_edge))
