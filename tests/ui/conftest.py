"""A real viewer with a small simulated micrograph."""

from __future__ import annotations

import gc
import os
import re
import sys
import threading
from functools import cache, lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from seeds import seeded

from .app_driver import AppDriver, PanelTimer
from .shared_viewer import SharedViewer
from .stand_ins import Gate

pytest.importorskip("napari")


@pytest.fixture(scope="session", autouse=True)
def _screen() -> None:
    """Without one Qt ends the process, and says little."""
    if sys.platform == "linux" and not _has_screen() and not os.environ.get("QT_QPA_PLATFORM"):
        pytest.fail("There is no screen for a window, nor Xvfb, which makes one: apt-get install xvfb", pytrace=False)


@pytest.fixture(scope="session", autouse=True)
def _qt_threads_are_watched() -> Any:
    """Coverage follows the threads that Python starts; those of Qt are given what follows them."""
    from superqt.utils import WorkerBase

    with pytest.MonkeyPatch.context() as patch:
        run = WorkerBase.run

        def watched(worker: Any) -> None:
            sys.settrace(threading.gettrace())
            run(worker)

        if threading.gettrace() is not None:
            patch.setattr(WorkerBase, "run", watched)
        yield


@pytest.fixture(scope="session", autouse=True)
def _quick_viewers() -> Any:
    """Less for each viewer: what is imported is no garbage, libyaml reads manifests, which each one reads.

    vispy, which looks through the same few shaders for each new layer, remembers what it found, and timers of panels
    are at hand.
    """
    import napari._qt.qt_main_window
    import napari.viewer  # noqa: F401
    import torch  # noqa: F401
    import yaml
    from npe2.manifest import _bases
    from vispy.gloo import program

    from napari_atomicity.ui import launch  # noqa: F401
    from napari_atomicity.ui.widgets import controls

    with pytest.MonkeyPatch.context() as patch:
        if yaml.__with_libyaml__:
            patch.setattr(_bases, "_load_yaml_no_duplicates", lambda stream: yaml.load(stream, Loader=yaml.CSafeLoader))
        known = {"sub": lru_cache(re.sub), "finditer": lru_cache(lambda *sought: tuple(re.finditer(*sought)))}
        patch.setattr(controls, "QTimer", PanelTimer)
        patch.setattr(program, "re", SimpleNamespace(**vars(re) | known))
        gc.collect()
        gc.freeze()
        yield


@pytest.fixture(scope="session")
def frame() -> Any:
    """A simulated frame of 40 clusters of all sizes, 512 × 512 pixels."""
    from napari_atomicity.simulation.conditions import sample_spec
    from napari_atomicity.simulation.frames import simulate_frame

    return simulate_frame(sample_spec("nominal", None, 40, shape=(512, 512), seed=seeded(5)), seeded(5))


@pytest.fixture
def micrograph(frame: Any) -> Any:
    from napari_atomicity.micrograph import Micrograph

    return Micrograph(frame.image, frame.pixel_size_nm, name="frame")


@pytest.fixture(scope="session")
def mapped_model(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The untrained model with a library of noise and a map."""
    from dataclasses import replace

    from napari_atomicity.counting.bundle import load_bundle, save_bundle
    from napari_atomicity.counting.library_patches import packed

    rng = np.random.default_rng(seeded(0))
    index = np.arange(40) % 5
    raw = rng.normal(0, 0.02, (40, 64, 64)) + 0.3 * (index[:, None, None] + 1)
    bundle = load_bundle(model_path)
    log_atoms = np.log(np.array(bundle.card.class_sizes))[index]
    kept = packed(raw, np.full(40, 0.02), log_atoms, index) | {"map": rng.normal(0, 3, (40, 2)).astype(np.float32)}
    path = tmp_path_factory.mktemp("mapped") / "mapped.safetensors"
    return save_bundle(replace(bundle, library=kept), path)


@pytest.fixture(scope="session")
def count_of(frame: Any) -> Any:
    """The frame counted with a model, once for all tests; `AppDriver.lay_out` shows it."""
    from napari_atomicity import pipeline
    from napari_atomicity.counting.bundle import load_bundle
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.pipeline import ImageState
    from napari_atomicity.pipeline.count import label_steps, search_steps
    from napari_atomicity.progress import drain

    @cache
    def count(model: Path, adapt: Any = "off") -> Any:
        micrograph = Micrograph(frame.image, frame.pixel_size_nm, name="frame")
        settings = pipeline.Settings(model=str(model), adapt=adapt)
        searched = drain(search_steps(ImageState(micrograph, settings=settings)))
        return drain(label_steps([searched], load_bundle(model)))[0]

    return count


@pytest.fixture(scope="session")
def found_once(frame: Any) -> Any:
    """The frame with its clusters found and measured, not counted."""
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.pipeline import ImageState, Settings
    from napari_atomicity.pipeline.count import search_steps
    from napari_atomicity.progress import drain

    micrograph = Micrograph(frame.image, frame.pixel_size_nm, name="frame")
    return drain(search_steps(ImageState(micrograph, settings=Settings())))


@pytest.fixture(scope="session")
def counted_once(count_of: Any, mapped_model: Path) -> Any:
    """The frame counted with `mapped_model`."""
    return count_of(mapped_model)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The background writes, and tries again, sooner than it does for people."""
    from napari_atomicity.ui.project import autosave

    monkeypatch.setattr(autosave, "PAUSE_S", 0.05)
    monkeypatch.setattr(autosave, "_TRY_AGAIN_MS", 60)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A gate, open at first."""
    made = Gate(monkeypatch)
    yield made
    made.open()


@pytest.fixture(autouse=True)
def recovery(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Unsaved work of this test alone."""
    folder = tmp_path / "recovery"
    monkeypatch.setenv("NAPARI_ATOMICITY_RECOVERY", str(folder))
    return folder


@pytest.fixture(scope="session")
def _shared() -> Any:
    shared = SharedViewer()
    yield shared
    shared.close("the tests ended")


@pytest.fixture
def _alone(_shared: SharedViewer) -> None:
    _shared.close("a test makes windows itself")


@pytest.fixture
def make_napari_viewer(_alone: None, make_napari_viewer: Any) -> Any:
    """As napari's own, which looks whether there are other windows: the shared one goes before."""
    return make_napari_viewer


@pytest.fixture
def viewer(request: pytest.FixtureRequest, qtbot: Any, monkeypatch: pytest.MonkeyPatch, _shared: SharedViewer) -> Any:
    """A window just opened: the one that tests share, or, where a test makes others beside it, one of its own."""
    from napari.utils._proxies import PublicOnlyProxy

    show = sys.platform != "linux" or _has_screen()
    if "make_napari_viewer" in request.fixturenames:
        yield request.getfixturevalue("make_napari_viewer_proxy")(show=show)
        return
    monkeypatch.setenv("NAPARI_ENSURE_PLUGIN_MAIN_THREAD", "True")
    yield PublicOnlyProxy(_shared.take(qtbot, show))
    called = getattr(request.node, "rep_call", None)  # None where the test was not begun
    _shared.put_back(failed=called is None or called.failed)


@pytest.fixture
def app(viewer: Any, qtbot: Any) -> Any:
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()
    made = AppDriver(viewer, qtbot)
    yield made
    made.stop()
    # what napari would show as a traceback must not have happened
    assert not made.errors, made.errors


def _has_screen() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
