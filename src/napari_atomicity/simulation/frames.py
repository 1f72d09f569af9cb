"""Whole simulated micrographs with their truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.errors import InputError
from napari_atomicity.simulation.acquisition import Detector, Support, acquire, support_signal
from napari_atomicity.simulation.imaging import atom_weights, render_atoms
from napari_atomicity.simulation.structures import library

CLASS_SIZES: Final = (19, 30, 41, 55, 70)
Range = tuple[float, float]


@dataclass(frozen=True)
class Condition:
    """Ranges from which a frame's conditions are drawn; lengths in nm, the rest relative."""

    pixel_size_nm: Range = (0.03, 0.06)
    fwhm_nm: Range = (0.13, 0.20)
    #: growth of a spot's width per nm of height (defocus along the beam)
    depth_blur: Range = (0.0, 0.03)
    thickness_nm: Range = (3.0, 8.0)
    gradient: Range = (0.0, 0.6)
    roughness: Range = (0.03, 0.07)
    speckle: Range = (0.04, 0.10)
    vacuum_chance: float = 0.1
    noise: Range = (0.12, 0.40)
    correlation: Range = (0.05, 0.3)
    line_offset: Range = (0.0, 0.12)
    jitter_nm: Range = (0.0, 0.012)
    gain: Range = (500.0, 2000.0)
    black: Range = (0.0, 2000.0)


_NOMINAL = Condition()
CONDITIONS: Final[Mapping[str, Condition]] = {
    "clean": replace(
        _NOMINAL, noise=(0.02, 0.05), line_offset=(0, 0.02), jitter_nm=(0, 0), roughness=(0.005, 0.01),
        speckle=(0.0, 0.02), vacuum_chance=0.0,
    ),
    "nominal": _NOMINAL,
    "low_dose": replace(_NOMINAL, noise=(0.7, 1.3)),
    "defocus": replace(_NOMINAL, fwhm_nm=(0.26, 0.40), depth_blur=(0.02, 0.1)),
    "thick_support": replace(_NOMINAL, thickness_nm=(10, 20), roughness=(0.05, 0.10), gradient=(0.3, 1.0)),
    "other_gain": replace(_NOMINAL, gain=(3e4, 3e5), black=(-5e4, 2e5)),
    "scan_noise": replace(_NOMINAL, line_offset=(0.2, 0.35), jitter_nm=(0.02, 0.05), correlation=(0.25, 0.4)),
    "coarse_pixels": replace(_NOMINAL, pixel_size_nm=(0.08, 0.12)),
}  # fmt: skip


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
    fwhm_nm, depth_blur
        Width of an atom's spot, and its growth per nm of height.
    touching, dimers
        Share of the clusters that come as touching pairs; that have merged with a second one into an outsider.
    satellites
        Mean number of detached atoms around a cluster.
    split
        Library of structures to draw from.
    """

    shape: tuple[int, int]
    pixel_size_nm: float
    fractions: Mapping[int, float]
    n_clusters: int = 100
    flatness: float = 0.45
    fwhm_nm: float = 0.16
    depth_blur: float = 0.01
    touching: float = 0.0
    dimers: float = 0.0
    satellites: float = 0.5
    support: Support = field(default_factory=Support)
    detector: Detector = field(default_factory=Detector)
    split: str = "train"
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
    """A frame of a named condition (or ``random``: any of them) with its parameters drawn from the ranges.

    Parameters
    ----------
    condition
        A key of `CONDITIONS`, or ``random``.
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
    rng = np.random.default_rng([seed, 7])
    if condition == "random":
        condition = str(rng.choice(list(CONDITIONS)))
    if condition not in CONDITIONS:
        raise InputError(f"There is no condition {condition!r}; choose random or one of {', '.join(CONDITIONS)}.")
    ranges = CONDITIONS[condition]

    def draw(name: str) -> float:
        low, high = getattr(ranges, name)
        return float(rng.uniform(low, high))

    support = Support(
        thickness_nm=draw("thickness_nm"),
        gradient=draw("gradient"),
        roughness=draw("roughness"),
        speckle=draw("speckle"),
        vacuum=float(rng.uniform(0.05, 0.35)) if rng.random() < ranges.vacuum_chance else 0.0,
    )
    gain = float(np.exp(rng.uniform(*np.log(ranges.gain))))
    detector = Detector(
        noise=draw("noise"), correlation=draw("correlation"), line_offset=draw("line_offset"),
        jitter_nm=draw("jitter_nm"), gain=gain, black=draw("black"),
    )  # fmt: skip
    spec = FrameSpec(
        shape=shape,
        pixel_size_nm=draw("pixel_size_nm"),
        fractions=dict(fractions) if fractions else dict.fromkeys(CLASS_SIZES, 1 / len(CLASS_SIZES)),
        n_clusters=n_clusters,
        flatness=float(np.clip(rng.normal(0.42, 0.18), 0.05, 0.85)),
        fwhm_nm=draw("fwhm_nm"),
        depth_blur=draw("depth_blur"),
        satellites=float(rng.uniform(0, 1.5)),
        support=support,
        detector=detector,
        split=split,
        condition=condition,
    )
    return replace(spec, **changes)


def simulate_frame(spec: FrameSpec, seed: int = 0) -> SimulatedFrame:
    """Make the micrograph of `spec`; the same spec and seed give the same pixels."""
    rng = np.random.default_rng([seed, 1])
    film, covered = support_signal(spec.shape, spec.pixel_size_nm, spec.support, rng)
    objects = _Placing(spec, covered, rng).run()
    atoms = np.vstack([o.atoms_px for o in objects]) if objects else np.empty((0, 3))
    signal = film.copy()
    if len(atoms):
        weights = np.concatenate([o.weights for o in objects])
        focus = spec.fwhm_nm * rng.uniform(0.98, 1.02)
        fwhm = np.hypot(focus, spec.depth_blur * (atoms[:, 2] + 1.0))
        signal += render_atoms(spec.shape, spec.pixel_size_nm, atoms[:, :2], weights, fwhm)
    level = float(film[covered].mean()) if covered.any() else 1.0
    image = acquire(signal, level, spec.pixel_size_nm, spec.detector, rng)
    truth = pd.DataFrame([o.row for o in objects], columns=list(_TRUTH)).astype(_TRUTH)
    return SimulatedFrame(image, spec.pixel_size_nm, truth, spec.detector.gain, spec, seed)


_TRUTH: Final[dict[str, Any]] = {
    "y_px": float, "x_px": float, "n_atoms": int, "kind": str, "group": int, "diameter_nm": float, "on_edge": bool,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Object:
    """One placed object: its atoms (y px, x px, height nm), their weights and its row of truth."""

    atoms_px: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    row: tuple[Any, ...]


class _Placing:
    """Puts clusters at random places of the film, none nearer to another than they may be."""

    def __init__(self, spec: FrameSpec, covered: npt.NDArray[np.bool_], rng: np.random.Generator) -> None:
        self.spec, self.covered, self.rng = spec, covered, rng
        self.library = library(spec.split, spec.element)
        self.sizes = list(spec.fractions)
        share = np.array([spec.fractions[size] for size in self.sizes], dtype=float)
        self.share = share / share.sum()
        self.placed = np.empty((0, 3))  # y px, x px, radius nm
        self.objects: list[_Object] = []
        self.group = 0

    def run(self) -> list[_Object]:
        while sum(o.row[3] != "satellite" for o in self.objects) < self.spec.n_clusters:
            kind = self.rng.random()
            if kind < self.spec.dimers:
                parts = [self._dimer()]
            elif kind < self.spec.dimers + self.spec.touching / (2 - self.spec.touching):
                parts = self._pair()
            else:
                parts = [("cluster", self._cluster(), np.zeros(2))]
            if not self._place(parts):
                break
        return self.objects

    def _size(self) -> int:
        return int(self.rng.choice(self.sizes, p=self.share))

    def _cluster(self) -> npt.NDArray[np.float64]:
        return self.library.draw(self._size(), self.spec.flatness, self.rng)

    def _dimer(self) -> tuple[str, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Two clusters that have merged: no class any more."""
        first, second = self._cluster(), self._cluster()
        second[:, 0] += 0.75 * (_radius(first) + _radius(second))
        merged = np.vstack([first, second])
        angle = self.rng.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        merged[:, :2] = (merged[:, :2] - merged[:, :2].mean(axis=0)) @ turn.T
        return "dimer", merged, np.zeros(2)

    def _pair(self) -> list[tuple[str, npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
        """Two clusters side by side, their outlines in contact or nearly so."""
        first, second = self._cluster(), self._cluster()
        angle = self.rng.uniform(0, 2 * np.pi)
        direction = np.array([np.cos(angle), np.sin(angle)])
        reach = (first[:, :2] @ direction).max() - (second[:, :2] @ direction).min()
        return [
            ("touching", first, np.zeros(2)),
            ("touching", second, direction * (reach + self.rng.uniform(0.25, 0.5))),
        ]

    def _place(self, parts: list[tuple[str, npt.NDArray[np.float64], npt.NDArray[np.float64]]]) -> bool:
        height, width = self.spec.shape
        px = self.spec.pixel_size_nm
        for _ in range(200):
            at = np.array([self.rng.uniform(0, height - 1), self.rng.uniform(0, width - 1)])
            centres = [at + offset[::-1] / px for _, _, offset in parts]
            radii = [_radius(atoms) for _, atoms, _ in parts]
            if all(self._free(c, r) for c, r in zip(centres, radii, strict=True)):
                break
        else:
            return False
        self.group += 1
        for (kind, atoms, _), centre, radius in zip(parts, centres, radii, strict=True):
            self._add(kind, atoms, centre, radius)
            self.placed = np.vstack([self.placed, [*centre, radius]])
        for kind, _, centre, radius in [(k, a, c, r) for (k, a, _), c, r in zip(parts, centres, radii, strict=True)]:
            if kind != "touching":
                self._add_satellites(centre, radius)
        return True

    def _free(self, centre: npt.NDArray[np.float64], radius: float) -> bool:
        height, width = self.spec.shape
        y, x = np.round(centre).astype(int)
        if not (0 <= y < height and 0 <= x < width and self.covered[y, x]):
            return False
        gap = np.hypot(*(self.placed[:, :2] - centre).T) * self.spec.pixel_size_nm
        return bool(np.all(gap > self.placed[:, 2] + radius + 0.75))

    def _add(self, kind: str, atoms: npt.NDArray[np.float64], centre: npt.NDArray[np.float64], radius: float) -> None:
        px = self.spec.pixel_size_nm
        weights = atom_weights(atoms)
        middle = np.average(atoms[:, :2], axis=0, weights=weights)
        places = np.column_stack([centre[0] + atoms[:, 1] / px, centre[1] + atoms[:, 0] / px, atoms[:, 2]])
        # truth is the centre of mass of the signal, which is what a microscopist calls the centre
        y, x = centre[0] + middle[1] / px, centre[1] + middle[0] / px
        margin = (radius + 0.25) / px
        height, width = self.spec.shape
        edge = y < margin or x < margin or y > height - 1 - margin or x > width - 1 - margin
        self.objects.append(_Object(places, weights, (y, x, len(atoms), kind, self.group, 2 * radius, bool(edge))))

    def _add_satellites(self, centre: npt.NDArray[np.float64], radius: float) -> None:
        for _ in range(self.rng.poisson(self.spec.satellites)):
            angle, distance = self.rng.uniform(0, 2 * np.pi), radius + self.rng.uniform(0.3, 1.5)
            at = centre + distance / self.spec.pixel_size_nm * np.array([np.sin(angle), np.cos(angle)])
            self._add("satellite", np.zeros((1, 3)), at, 0.1)


def _radius(atoms: npt.NDArray[np.float64]) -> float:
    """Largest lateral reach of a cluster plus half an atom, nm."""
    return float(np.hypot(atoms[:, 0], atoms[:, 1]).max() + 0.1)
