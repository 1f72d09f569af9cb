"""Conditions under which frames are taken, and specs drawn from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.simulation.detector import Detector
from napari_atomicity.simulation.imaging import Probe
from napari_atomicity.simulation.optics import Optics
from napari_atomicity.simulation.spec import CLASS_SIZES, FrameSpec
from napari_atomicity.simulation.support import Support

Range = tuple[float, float]


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
#: conditions that mix all others, and draw what no named one has
MIXED: Final = ("random", "wide")
#: shares of their frames whose probe follows from optics, and whose support is a few layers of graphene
_BY_OPTICS: Final = 0.4
_THIN: Final = 0.1
#: of the wide ones' such probes, shares that are lopsided and that have no corrector; none is wider than this, nm
_LOPSIDED: Final = 0.6
_UNCORRECTED: Final = 0.2
_WIDEST_NM: Final = 0.6
#: share of wide frames with lattice fringes in the support
_CRYSTALLINE: Final = 0.15


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
    for range_field in fields(Condition):
        values = [getattr(condition, range_field.name) for condition in CONDITIONS.values()]
        if isinstance(values[0], tuple):
            whole[range_field.name] = (min(v[0] for v in values), max(v[1] for v in values))
        else:
            whole[range_field.name] = float(np.mean(values))
    return Condition(**whole)


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
        of all conditions, or, as often, as under nominal ones; round probes from optics, supports down to graphene and
        shapes that differ within a frame as much as between frames among them. ``wide`` has lopsided and uncorrected
        probes and supports with a lattice as well.
    fractions
        Share of each size; all classes alike where None.
    n_clusters, shape, split
        As in `FrameSpec`.
    seed
        Seed of the drawing.
    **changes
        Fields of `FrameSpec` that are to have a given value.

    Returns
    -------
    FrameSpec
        With `changes`; the same arguments give the same one.

    Raises
    ------
    InputError
        For an unknown condition.
    """
    if condition not in CONDITIONS and condition not in MIXED:
        known = ", ".join((*CONDITIONS, *MIXED))
        raise InputError(f"There is no condition {condition!r}; choose one of {known}.")
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
    return replace(_with_more(spec, seed) if condition in MIXED else spec, **changes)


def _with_more(spec: FrameSpec, seed: int) -> FrameSpec:
    """A random or wide frame with what no named condition has, drawn apart from all else."""
    rng, wide = np.random.default_rng([seed, 8]), spec.condition == "wide"
    probe, support = spec.probe, spec.support
    if rng.random() < _BY_OPTICS:
        probe = _tuned_somehow(rng) if wide else Probe.of(_corrected(rng, defocus_nm=5.0))
    if rng.random() < _THIN:
        support = replace(support, thickness_nm=float(rng.uniform(0.34, 2.0)))
    if wide and rng.random() < _CRYSTALLINE:
        amplitude = float(np.exp(rng.uniform(np.log(0.03), np.log(0.3))))
        support = replace(support, lattice=amplitude, lattice_nm=float(rng.uniform(0.19, 0.5)))
    return replace(spec, probe=probe, support=support, flatness_spread=float(rng.uniform(0.1, 0.45)))


def _corrected(rng: np.random.Generator, defocus_nm: float) -> Optics:
    """Round optics without spherical aberration; the focus is off by that much (standard deviation)."""
    return Optics(
        voltage_kv=float(rng.choice([80, 120, 200, 300])),
        convergence_mrad=float(rng.uniform(15, 30)),
        defocus_nm=float(rng.normal(0, defocus_nm)),
        source_fwhm_nm=float(rng.uniform(0.05, 0.16)),
        focal_spread_nm=float(rng.uniform(0, 6)),
    )


def _tuned_somehow(rng: np.random.Generator) -> Probe:
    """A probe of a corrected or an uncorrected microscope, more or less well tuned."""
    while True:
        optics = _corrected(rng, defocus_nm=7.0)
        optics = replace(optics, defocus_nm=float(np.clip(optics.defocus_nm, -20, 20)))
        if rng.random() < _UNCORRECTED:
            # near Scherzer's focus, with the aperture that suits it
            cs_mm = float(rng.uniform(0.5, 1.3))
            best_nm = float(np.sqrt(cs_mm * 1e6 * optics.wavelength_nm))
            suits = 1.41e3 * (optics.wavelength_nm / (cs_mm * 1e6)) ** 0.25
            optics = replace(
                optics, cs_mm=cs_mm, convergence_mrad=suits * float(rng.uniform(0.85, 1.1)),
                defocus_nm=-best_nm + float(rng.normal(0, 6)),
            )  # fmt: skip
        if rng.random() < _LOPSIDED:
            optics = replace(
                optics, astigmatism_nm=_lopsided(rng, 2.0, 6.0), coma_nm=_lopsided(rng, 60.0, 250.0),
                threefold_nm=_lopsided(rng, 40.0, 150.0),
            )  # fmt: skip
        probe = Probe.of(optics)
        if probe.fwhm_nm <= _WIDEST_NM:
            return probe


def _lopsided(rng: np.random.Generator, sd_nm: float, most_nm: float) -> tuple[float, float]:
    """An aberration of any direction: real and imaginary part, nm."""
    value = rng.normal(0, sd_nm, 2)
    value *= min(1.0, most_nm / max(float(np.hypot(*value)), 1e-9))
    return float(value[0]), float(value[1])


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
