"""The same spec and seed give the same frame, whatever the processor: to a hundred-thousandth of its contrast.

Sums of the last digits differ between processors, and so do the last digits of a sine. None of this may decide which
cluster is drawn or where it lies.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.simulation.conditions import CONDITIONS, MIXED, sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from napari_atomicity.simulation.imaging import Probe
from napari_atomicity.simulation.optics import Optics
from napari_atomicity.simulation.spec import FrameSpec
from napari_atomicity.simulation.support import Support

NAMES = [*CONDITIONS, *MIXED, "optics", "lopsided"]


def spec_of(name: str) -> FrameSpec:
    """Everything that a frame can hold, drawn in a small field."""
    optics: dict[str, Any] = {}
    if name == "optics":
        optics = {"probe": Probe.of(Optics(200, 25, 3.0, 0.002, focal_spread_nm=3.0))}
    elif name == "lopsided":
        probe = Probe.of(Optics(200, 25, 4.0, focal_spread_nm=2.0, astigmatism_nm=(3.0, 1.0), coma_nm=(40.0, 80.0)))
        optics = {"probe": probe, "support": Support(lattice=0.2, lattice_nm=0.3)}
    fractions = {19: 0.3, 41: 0.2, 70: 0.3, 120: 0.2}
    return sample_spec(
        "nominal" if optics else name, fractions, 30, (384, 384), seed=12, touching=0.3, dimers=0.2,
        satellites=2.0, jumping=0.3, collar=1.0, motion_nm=0.05, **optics,
    )  # fmt: skip


def write_all(folder: Path) -> None:
    """All frames and their truth into a folder; what the processes below do."""
    for name in NAMES:
        frame = simulate_frame(spec_of(name), 12)
        np.save(folder / f"{name}.npy", frame.image)
        frame.truth.to_csv(folder / f"{name}.csv", index=False)


#: of each frame: objects, mean, standard deviation and four pixels, as made with version 1 of the structures
KNOWN: dict[str, tuple[float, ...]] = {
    "clean": (34, 25413.06, 27385.09, 7879.779, 16620.35, 9211.097, 14416.87),
    "nominal": (22, 17983.55, 21248.82, 2565.232, 13111.48, 8213.471, 3969.203),
    "low_dose": (22, 17938.19, 29772.04, -4472.479, 8688.008, 7209.478, 4589.705),
    "defocus": (22, 18069.23, 19989.62, 7668.425, 16159.52, 7879.752, -451.0428),
    "thick_support": (34, 69057.86, 23766.73, 52793.96, 79042.93, 63554.97, 63063.2),
    "other_gain": (22, 2105168, 2541282, 261192.5, 1522486, 936701.6, 429102.4),
    "scan_noise": (22, 18096.74, 21289.33, 1319.597, 4966.587, 12127.02, 10993.25),
    "coarse_pixels": (72, 11128.28, 11650.49, 5423.448, 15074.42, 11864.68, 12832.46),
    "random": (22, 21213.38, 18134.69, 8923.407, 21648.3, 12914.08, 7879.419),
    "wide": (41, 21335.81, 19377.93, 10415.98, 21064.46, 43133.85, 12678.18),
    "optics": (22, 18341.73, 23065.75, 2770.495, 20042.7, 8360.99, 2336.378),
    "lopsided": (35, 19302.35, 23122.72, 5617.396, 11092.31, 29322.68, 10326.39),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_is_the_one_that_was_made_elsewhere(name):
    frame = simulate_frame(spec_of(name), 12)
    image = frame.image.astype(np.float64)
    found = [len(frame.truth), image.mean(), image.std(), *image[[50, 100, 200, 300], [300, 50, 200, 111]]]
    assert found[0] == KNOWN[name][0]
    assert found[1:] == pytest.approx(KNOWN[name][1:], abs=1e-5 * np.ptp(image))


def another_processor() -> dict[str, str]:
    """What makes this machine calculate as an old one does: no wide vectors, no fused multiplication, one thread."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    known = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    return {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": " ".join(known),
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F",
    }


@pytest.mark.slow
@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="names settings of x86 processors")
def test_frames_agree_between_kinds_of_processors(tmp_path):
    made = []
    for name, settings in (("plain", another_processor()), ("wide", {"OMP_NUM_THREADS": "4"})):
        (tmp_path / name).mkdir()
        code = (
            f"from pathlib import Path; import test_same_everywhere as t; t.write_all(Path({str(tmp_path / name)!r}))"
        )
        path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        without = {k: v for k, v in os.environ.items() if k not in another_processor()}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**without, **settings, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        made.append(tmp_path / name)
    differ = 0.0
    for name in NAMES:
        one, two = (np.load(folder / f"{name}.npy") for folder in made)
        assert np.abs(one - two).max() <= 1e-5 * np.ptp(one), name
        differ += float(np.abs(one - two).max())
        truths = [pd.read_csv(folder / f"{name}.csv") for folder in made]
        pd.testing.assert_frame_equal(*truths, rtol=1e-6)
    assert differ > 0  # the settings did change the last digits
