"""What all tests share: bounded threads, strict Qt, one small simulated micrograph."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

# before torch and napari are imported
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("NAPARI_STRICT_QT", "1")
# settings of napari are those of the tests, and nobody's file
os.environ["NAPARI_CONFIG"] = ""
# what is annealed for tests stays here
os.environ.setdefault("NAPARI_ATOMICITY_CACHE", str(Path(__file__).parents[1] / ".pytest_cache" / "napari-atomicity"))
# unsaved work of the tests is nobody's
os.environ["NAPARI_ATOMICITY_RECOVERY"] = _RECOVERY = tempfile.mkdtemp(prefix="napari-atomicity-recovery-")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import least_covered
from napari_atomicity.micrograph import Micrograph
from seeds import examples, seeded, spread

REPOSITORY = Path(__file__).parents[1]
#: suffixes that are read with the extra `formats`
EXTRA_READERS = (".dm3", ".dm4", ".emd", ".emi", ".h5", ".hdf5", ".hspy", ".ser")

# a property does not hold less on a machine that has other things to do
settings.register_profile(
    "tests", deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    """Open windows on the virtual screen, where there is one, and not on that of Wayland."""
    if shutil.which("Xvfb") and not config.getoption("--no-xvfb", False):
        os.environ.pop("WAYLAND_DISPLAY", None)


def pytest_unconfigure() -> None:
    """Leave no folder behind, neither of the workers nor of the process that hands out the work."""
    shutil.rmtree(_RECOVERY, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what a test of many cases (`few`) leaves to `make test-slow`."""
    cases: dict[tuple[pytest.Item | None, str], list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("few") is not None:
            cases.setdefault((item.parent, item.originalname), []).append(item)
    for of_one in cases.values():
        kept = of_one[0].get_closest_marker("few").args[0]
        for case in spread(of_one)[kept:]:
            case.add_marker("slow")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    """Below all else what the tests did not come by, where that was watched."""
    if getattr(config.option, "cov_source", None) and not hasattr(config, "workerinput"):
        least_covered.told(terminalreporter)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Top of the source tree."""
    return REPOSITORY


@pytest.fixture(autouse=True)
def _quick_map(monkeypatch):
    """A projection stands in for UMAP, which takes half a minute in a process of its own; it has tests of its own."""
    from napari_atomicity.insight import feature_map
    from napari_atomicity.progress import Progress

    def projected(points, seed=0):
        yield Progress(0, 1, "Laying out")
        centred = points - points.mean(axis=0)
        return centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T

    monkeypatch.setattr(feature_map, "fitted_steps", projected)


@pytest.fixture(autouse=True)
def _no_progress(monkeypatch):
    """Whether progress is said depends on how fast the machine is; there is a test of its own."""
    monkeypatch.setattr("napari_atomicity.cli.console.QUIET_S", float("inf"))


@pytest.fixture(scope="session")
def real() -> Callable[[str], Path]:
    """An experimental micrograph by the name that `real_micrographs.json` gives it; without it the test is skipped."""
    folder = Path(os.environ.get("NAPARI_ATOMICITY_REAL") or REPOSITORY.parent / "shared" / "real")

    def find(name: str) -> Path:
        path = folder / name
        if not path.is_file():
            pytest.skip(f"{name} is not at hand; tests/README.md says how to get it")
        if path.suffix.lower() in EXTRA_READERS:
            pytest.importorskip("h5py")
            pytest.importorskip("rsciio")
        return path

    return find


@pytest.fixture(scope="session")
def simulated():
    """A small clean simulated frame with its truth: about twenty clusters of two sizes."""
    from napari_atomicity.simulation.conditions import sample_spec
    from napari_atomicity.simulation.frames import simulate_frame

    spec = sample_spec("clean", {19: 0.5, 55: 0.5}, n_clusters=20, shape=(512, 512), seed=seeded(3), pixel_size_nm=0.05)
    return simulate_frame(spec, seed=seeded(3))


@pytest.fixture(scope="session")
def micrograph(simulated) -> Micrograph:
    """The simulated frame as it would come out of a file."""
    return Micrograph(simulated.image, simulated.pixel_size_nm, name="simulated")


@pytest.fixture(scope="session")
def model_path(tmp_path_factory) -> Path:
    """An untrained model in a file: enough for everything but the truth of its labels."""
    import torch

    from napari_atomicity.counting.bundle import Bundle, save_bundle
    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.counting.network import Network

    sizes = (19, 30, 41, 55, 70)
    torch.manual_seed(seeded(0))
    network = Network(sizes, ("raw", "lcn")).eval().requires_grad_(False)
    diameters = {str(n): (0.18 + 0.35 * i / len(sizes), 0.1) for i, n in enumerate(sizes)}
    card = ModelCard("untrained", sizes, ("raw", "lcn"), lcn_window_nm=1.0, diameter_nm=diameters)
    return save_bundle(Bundle(card, network), tmp_path_factory.mktemp("model") / "untrained.safetensors")
