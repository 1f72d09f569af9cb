"""Whole simulated micrographs with their truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.simulation.canvas import Canvas
from napari_atomicity.simulation.detector import ScanPath, acquire, scanned
from napari_atomicity.simulation.imaging import atom_weights
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
        maximum), on_edge (cut by the border).
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
        spec["fractions"] = {str(size): share for size, share in self.spec.fractions.items()}
        return {
            "simulated": True,
            "seed": self.seed,
            "pixel_size_nm": self.pixel_size_nm,
            "scale_counts_nm2_per_atom": self.scale_counts_nm2_per_atom,
            "structures": structures_of(self.spec).origin(self.spec.fractions),
            "spec": spec,
        }


def simulate_frame(spec: FrameSpec, seed: int = 0) -> SimulatedFrame:
    """Make the micrograph of `spec`; the same spec and seed give the same pixels."""
    rng = np.random.default_rng([seed, 1])
    px = spec.pixel_size_nm
    path = ScanPath.of(spec.shape, px, spec.detector, rng)
    margin = path.reach_px
    wide = (spec.shape[0] + 2 * margin, spec.shape[1] + 2 * margin)
    signal, covered = support_signal(wide, px, spec.support, spec.probe.fwhm_nm, rng)
    level = float(signal[covered].mean()) if covered.any() else 1.0
    placed = Placing(spec, covered[margin : margin + spec.shape[0], margin : margin + spec.shape[1]], rng).run()
    canvas = Canvas(signal, spec, path, rng)
    for thing in placed:
        canvas.add(thing)
    image = acquire(scanned(canvas.signal, path), level, px, spec.detector, rng)
    truth = pd.DataFrame([_truth(thing, spec) for thing in placed], columns=list(_TRUTH)).astype(_TRUTH)
    return SimulatedFrame(image, px, truth, spec.detector.gain, spec, seed)


_TRUTH: Final[dict[str, Any]] = {
    "y_px": float, "x_px": float, "n_atoms": int, "kind": str, "group": int, "diameter_nm": float, "on_edge": bool,
}  # fmt: skip


def _truth(thing: PlacedCluster, spec: FrameSpec) -> tuple[Any, ...]:
    """The row of truth of one object; its centre is the centre of mass of its signal, as a microscopist calls it."""
    px = spec.pixel_size_nm
    middle = np.average(thing.atoms[:, :2], axis=0, weights=atom_weights(thing.atoms, spec.element))
    y, x = thing.centre_px + middle[::-1] / px
    margin = (thing.radius_nm + 0.25) / px
    height, width = spec.shape
    edge = y < margin or x < margin or y > height - 1 - margin or x > width - 1 - margin
    return (y, x, len(thing.atoms), thing.kind, thing.group, 2 * thing.radius_nm, bool(edge))
