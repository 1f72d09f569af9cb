"""The sample micrographs that come with the plug-in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.detector import Detector
from napari_atomicity.simulation.frames import SimulatedFrame, simulate_frame
from napari_atomicity.simulation.imaging import Probe
from napari_atomicity.simulation.spec import CLASS_SIZES
from napari_atomicity.simulation.support import Support

#: one microscope and one session for the pure and the mixed samples; gain and black level keep the counts within
#: twelve bits, so that the files stay small
_SESSION: Final[Mapping[str, Any]] = {
    "split": "sample",
    "pixel_size_nm": 0.05,
    "probe": Probe(0.17, 0.015, 0.3, 0.05),
    "flatness": 0.4,
    "satellites": 1.0,
    "jumping": 0.1,
    "collar": 0.6,
    "motion_nm": 0.03,
    "detector": Detector(
        dose=400, readout=1.5, correlation=0.15, afterglow=0.02, line_offset=0.06, flicker=0.003, jitter_nm=0.006,
        drift=(0.004, -0.003), gain_drift=0.01, gain=24.0, black=220.0,
    ),
    "support": Support(thickness_nm=5.0, structure=1.2, coarseness_nm=2.0, speckle=0.04, gradient=0.4),
}  # fmt: skip
#: another day: out of focus, fewer electrons, less gain, thicker and uneven carbon, coarser pixels
_SHIFTED: Final[Mapping[str, Any]] = {
    "split": "sample",
    "pixel_size_nm": 0.065,
    "probe": Probe(0.27, 0.05, -0.5, 0.1),
    "flatness": 0.5,
    "satellites": 1.5,
    "jumping": 0.2,
    "collar": 0.9,
    "motion_nm": 0.05,
    "detector": Detector(
        dose=150, readout=3.0, correlation=0.3, afterglow=0.06, afterglow_px=4, line_offset=0.15, flicker=0.01,
        jitter_nm=0.012, drift=(-0.01, 0.008), flyback_nm=0.1, gain_drift=0.05, gain=11.0, black=400.0,
    ),
    "support": Support(thickness_nm=9.0, structure=1.8, coarseness_nm=3.0, speckle=0.04, gradient=0.8, flakes=1),
}  # fmt: skip
_MIXTURE: Final = {19: 0.30, 30: 0.22, 41: 0.20, 55: 0.16, 70: 0.12}


def sample_frames() -> Iterator[tuple[str, SimulatedFrame]]:
    """Name and frame of every sample: each size alone, a mixture, and a mixture under other conditions.

    The mixtures hold touching pairs, and merged ones that are none of the classes.
    """
    mixed = sample_spec("nominal", _MIXTURE, 120, (1024, 1024), touching=0.08, dimers=0.03, **_SESSION)
    yield "sample_mixed", simulate_frame(mixed, 101)
    for size in CLASS_SIZES:
        yield f"sample_pt{size}", simulate_frame(sample_spec("nominal", {size: 1.0}, 45, (640, 640), **_SESSION), size)
    shifted = sample_spec("defocus", _MIXTURE, 90, (832, 832), touching=0.08, dimers=0.03, **_SHIFTED)
    yield "sample_shifted", simulate_frame(shifted, 102)
