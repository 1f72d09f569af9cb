"""Whole simulated micrographs with their truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.errors import InputError
from napari_atomicity.simulation.canvas import Canvas
from napari_atomicity.simulation.detector import Detector, ScanPath, acquire, scanned
from napari_atomicity.simulation.imaging import Probe, atom_weights
from napari_atomicity.simulation.placing import Placed, Placing, structures_of
from napari_atomicity.simulation.support import Support, support_signal

Range = tuple[float, float]

CLASS_SIZES: Final = (19, 30, 41, 55, 70)


@dataclass(frozen=True)
class Condition:
    """Ranges from which a frame's conditions are drawn; those over more than a factor of three by their logarithm.

    The names are those of `Support`, `Detector`, `Probe` and `FrameSpec`, whose attributes they fill.
    """

    pixel_size_nm: Range = (0.03, 0.06)
    fwhm_nm: Range = (0.13, 0.23)
    depth_blur: Range = (0.0, 0.03)
    tail: Range = (0.0, 0.15)
    # support
    thickness_nm: Range = (3.0, 10.0)
    structure: Range = (1.2, 2.4)
    coarseness_nm: Range = (1.0, 4.0)
    speckle: Range = (0.02, 0.08)
    gradient: Range = (0.0, 0.6)
    flakes: float = 0.4
    vacuum_chance: float = 0.1
    # what happens to clusters
    collar: Range = (0.0, 2.0)
    satellites: Range = (0.0, 3.0)
    jumping: Range = (0.0, 0.3)
    motion_nm: Range = (0.0, 0.08)
    # scan and detector
    dose: Range = (120.0, 800.0)
    readout: Range = (0.0, 4.0)
    correlation: Range = (0.05, 0.4)
    afterglow: Range = (0.0, 0.06)
    line_offset: Range = (0.0, 0.15)
    hum: Range = (0.0, 0.1)
    flicker: Range = (0.0, 0.01)
    jitter_nm: Range = (0.0, 0.012)
    drift: Range = (0.0, 0.01)
    flyback_nm: Range = (0.0, 0.1)
    gain_drift: Range = (0.0, 0.06)
    saturation_chance: float = 0.01
    gain: Range = (500.0, 2000.0)
    black: Range = (0.0, 2000.0)


_NOMINAL = Condition()
CONDITIONS: Final[Mapping[str, Condition]] = {
    "clean": replace(
        _NOMINAL, tail=(0, 0), structure=(0.1, 0.3), speckle=(0.0, 0.02), flakes=0.0, vacuum_chance=0.0,
        collar=(0, 0.2), satellites=(0, 0.5), jumping=(0, 0), motion_nm=(0, 0), dose=(5e3, 3e4), correlation=(0, 0.05),
        line_offset=(0, 0.02), hum=(0, 0), flicker=(0, 0), jitter_nm=(0, 0), drift=(0, 0), flyback_nm=(0, 0),
        afterglow=(0, 0), gain_drift=(0, 0), saturation_chance=0.0,
    ),
    "nominal": _NOMINAL,
    "low_dose": replace(_NOMINAL, dose=(20, 80)),
    "defocus": replace(_NOMINAL, fwhm_nm=(0.24, 0.36), depth_blur=(0.02, 0.1)),
    "thick_support": replace(
        _NOMINAL, fwhm_nm=(0.15, 0.25), tail=(0.05, 0.2), thickness_nm=(25, 45), structure=(1.6, 2.9),
        coarseness_nm=(3, 8), speckle=(0.01, 0.03), gradient=(0.3, 1.0), flakes=1.5, vacuum_chance=0.3,
        dose=(400, 2000),
    ),
    "other_gain": replace(_NOMINAL, gain=(3e4, 3e5), black=(-5e4, 2e5)),
    "scan_noise": replace(
        _NOMINAL, line_offset=(0.3, 0.8), hum=(0.1, 0.3), flicker=(0.03, 0.07), jitter_nm=(0.02, 0.05),
        correlation=(0.25, 0.4), afterglow=(0.05, 0.15), motion_nm=(0.05, 0.18), jumping=(0.2, 0.6),
        flyback_nm=(0.05, 0.3), drift=(0.0, 0.02), gain_drift=(0.1, 0.3),
    ),
    "coarse_pixels": replace(_NOMINAL, pixel_size_nm=(0.08, 0.12)),
}  # fmt: skip


def _whole_range() -> Condition:
    """From the lowest to the highest of every condition."""
    whole: dict[str, Any] = {}
    for part in fields(Condition):
        values = [getattr(condition, part.name) for condition in CONDITIONS.values()]
        if isinstance(values[0], tuple):
            whole[part.name] = (min(v[0] for v in values), max(v[1] for v in values))
        else:
            whole[part.name] = float(np.mean(values))
    return Condition(**whole)


@dataclass(frozen=True)
class FrameSpec:
    """Everything that, with a seed, decides a simulated frame.

    Attributes
    ----------
    shape
        Height and width in pixels.
    pixel_size_nm
        Side of a pixel in nm.
    fractions
        Share of each size (atoms) among the clusters.
    n_clusters
        Clusters wanted; fewer where the field has no room.
    flatness
        Mean shape of the clusters of this frame, 0 spheres to 1 rafts.
    probe
        What one atom looks like.
    touching, dimers
        Share of the clusters that come as touching pairs; that have merged with a second one into an outsider.
    satellites
        Mean number of detached atoms around a cluster.
    jumping
        Share of the detached atoms that jump during the scan and leave streaks.
    collar
        Typical height of the hydrocarbons piled up around clusters, atoms per nm².
    motion_nm
        Typical length of the jumps by which clusters move during the scan.
    support, detector
        What the clusters lie on; scan, noise and digitising.
    split, families
        Library of structures to draw from, and which of its families (all where None).
    element
        Chemical symbol.
    condition
        Name of the condition that the spec was drawn from.
    """

    shape: tuple[int, int]
    pixel_size_nm: float
    fractions: Mapping[int, float]
    n_clusters: int = 100
    flatness: float = 0.45
    probe: Probe = field(default_factory=lambda: Probe(0.16, 0.01))
    touching: float = 0.0
    dimers: float = 0.0
    satellites: float = 0.5
    jumping: float = 0.0
    collar: float = 0.0
    motion_nm: float = 0.0
    support: Support = field(default_factory=Support)
    detector: Detector = field(default_factory=Detector)
    split: str = "train"
    families: tuple[str, ...] | None = None
    element: str = "Pt"
    condition: str = "nominal"


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


def sample_spec(
    condition: str = "nominal",
    fractions: Mapping[int, float] | None = None,
    n_clusters: int = 100,
    shape: tuple[int, int] = (1024, 1024),
    seed: int = 0,
    split: str = "train",
    **changes: Any,
) -> FrameSpec:
    """A frame of a named condition with its parameters drawn from the ranges.

    Parameters
    ----------
    condition
        A key of `CONDITIONS`, or ``random``: every ingredient on its own anywhere between the lowest and the highest
        of all conditions, or, as often, as under nominal ones.
    fractions
        Share of each size; all classes alike where None.
    n_clusters, shape, split
        As in `FrameSpec`.
    seed
        Seed of the drawing.
    **changes
        Fields of `FrameSpec` that are to have a given value.

    Raises
    ------
    InputError
        For an unknown condition.
    """
    if condition not in CONDITIONS and condition != "random":
        raise InputError(f"There is no condition {condition!r}; choose random or one of {', '.join(CONDITIONS)}.")
    rng = np.random.default_rng([seed, 7])
    drawing = _Drawing(condition, rng)
    spec = FrameSpec(
        shape=shape,
        pixel_size_nm=drawing("pixel_size_nm"),
        fractions=dict(fractions) if fractions else dict.fromkeys(CLASS_SIZES, 1 / len(CLASS_SIZES)),
        n_clusters=n_clusters,
        flatness=float(np.clip(rng.normal(0.45, 0.22), 0, 1)),
        probe=Probe(drawing("fwhm_nm"), drawing("depth_blur"), float(rng.uniform(-1, 1)), drawing("tail")),
        satellites=drawing("satellites"),
        jumping=drawing("jumping"),
        collar=drawing("collar"),
        motion_nm=drawing("motion_nm"),
        support=drawing.support(),
        detector=drawing.detector(),
        split=split,
        condition=condition,
    )
    return replace(spec, **changes)


class _Drawing:
    """Draws the ingredients of a frame."""

    def __init__(self, condition: str, rng: np.random.Generator) -> None:
        self.rng = rng
        self.usual = CONDITIONS.get(condition, _NOMINAL)
        self.wide = CONDITIONS.get(condition, _whole_range())

    def __call__(self, name: str) -> float:
        low, high = getattr(self.wide if self.rng.random() < 0.5 else self.usual, name)
        if low > 0 and high > 3 * low:
            return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))
        return float(self.rng.uniform(low, high))

    def happens(self, name: str) -> bool:
        return bool(self.rng.random() < getattr(self.wide, name))

    def support(self) -> Support:
        return Support(
            thickness_nm=self("thickness_nm"),
            structure=self("structure"),
            coarseness_nm=self("coarseness_nm"),
            speckle=self("speckle"),
            gradient=self("gradient"),
            flakes=int(self.rng.poisson(self.wide.flakes)),
            vacuum=float(self.rng.uniform(0.05, 0.35)) if self.happens("vacuum_chance") else 0.0,
        )

    def detector(self) -> Detector:
        gain, black = self("gain"), self("black")
        rng = self.rng
        # a detector that saturates does so where a few dozen atoms are heaped
        full_scale = black + gain * float(rng.uniform(30, 60)) if self.happens("saturation_chance") else 0.0
        return Detector(
            dose=self("dose"),
            readout=self("readout"),
            correlation=self("correlation"),
            afterglow=self("afterglow"),
            afterglow_px=float(rng.uniform(1, 8)),
            line_offset=self("line_offset"),
            hum=self("hum"),
            flicker=self("flicker"),
            line_memory=float(rng.uniform(0, 0.6)),
            jitter_nm=self("jitter_nm"),
            drift=(self("drift") * float(rng.choice([-1, 1])), self("drift") * float(rng.choice([-1, 1]))),
            flyback_nm=self("flyback_nm"),
            gain_drift=self("gain_drift") * float(rng.choice([-1, 1])),
            gain=gain,
            black=black,
            full_scale=full_scale,
        )


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


def _truth(thing: Placed, spec: FrameSpec) -> tuple[Any, ...]:
    """The row of truth of one object; its centre is the centre of mass of its signal, as a microscopist calls it."""
    px = spec.pixel_size_nm
    middle = np.average(thing.atoms[:, :2], axis=0, weights=atom_weights(thing.atoms, spec.element))
    y, x = thing.centre_px + middle[::-1] / px
    margin = (thing.radius_nm + 0.25) / px
    height, width = spec.shape
    edge = y < margin or x < margin or y > height - 1 - margin or x > width - 1 - margin
    return (y, x, len(thing.atoms), thing.kind, thing.group, 2 * thing.radius_nm, bool(edge))
