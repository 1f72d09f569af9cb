"""The sample micrographs that come with the plug-in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from napari_atomicity.simulation.detector import Detector
from napari_atomicity.simulation.frames import CLASS_SIZES, SimulatedFrame, sample_spec, simulate_frame
from napari_atomicity.simulation.imaging import Probe
from napari_atomicity.simulation.support import Support

# gain and black level keep the counts within twelve bits, so that the files stay small
_DETECTOR: Final = Detector(dose=300, correlation=0.15, line_offset=0.06, jitter_nm=0.006, gain=24.0, black=180.0)
_SUPPORT: Final = Support(thickness_nm=5.0, structure=1.3, gradient=0.4)
_COMMON: Final[Mapping[str, Any]] = {
    "split": "sample",
    "pixel_size_nm": 0.05,
    "probe": Probe(0.16, 0.01),
    "satellites": 0.8,
    "jumping": 0.1,
    "collar": 0.8,
    "motion_nm": 0.03,
    "detector": _DETECTOR,
    "support": _SUPPORT,
}
_MIXTURE: Final = {19: 0.30, 30: 0.22, 41: 0.20, 55: 0.16, 70: 0.12}


def sample_frames() -> Iterator[tuple[str, SimulatedFrame]]:
    """Name and frame of every sample: each size alone, a mixture, and a mixture under other conditions."""
    mixed = sample_spec("nominal", _MIXTURE, 120, (1024, 1024), touching=0.06, flatness=0.4, **_COMMON)
    yield "sample_mixed", simulate_frame(mixed, 101)
    for size in CLASS_SIZES:
        pure = sample_spec("nominal", {size: 1.0}, 45, (640, 640), flatness=0.4, **_COMMON)
        yield f"sample_pt{size}", simulate_frame(pure, 200 + size)
    changes: dict[str, Any] = {
        **_COMMON,
        "probe": Probe(0.27, 0.04),
        "detector": Detector(dose=80, correlation=0.25, line_offset=0.15, jitter_nm=0.015, gain=11.0, black=400.0),
        "support": Support(thickness_nm=9.0, structure=1.8, gradient=0.8, flakes=1),
    }
    shifted = sample_spec("defocus", _MIXTURE, 90, (896, 896), touching=0.06, flatness=0.5, **changes)
    yield "sample_shifted", simulate_frame(shifted, 102)
