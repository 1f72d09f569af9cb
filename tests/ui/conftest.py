"""A real viewer with a small simulated micrograph, and helpers that do what a person does."""

from __future__ import annotations

import inspect
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.progress import Progress
from seeds import seeded

pytest.importorskip("napari")

PLUGIN = "napari-atomicity"
#: work of a few seconds is waited for this long, since the machine may be busy with ten other things
PATIENCE_MS = 240_000


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
    kept = packed(raw, np.full(40, 0.02), index) | {"map": rng.normal(0, 3, (40, 2)).astype(np.float32)}
    path = tmp_path_factory.mktemp("mapped") / "mapped.safetensors"
    return save_bundle(replace(load_bundle(model_path), library=kept), path)


@pytest.fixture(scope="session")
def counted_once(frame: Any, mapped_model: Path) -> Any:
    """The frame counted with `mapped_model`, once for all tests; `Desk.lay_out` shows it."""
    from napari_atomicity import pipeline
    from napari_atomicity.counting.bundle import load_bundle
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.pipeline import ImageState
    from napari_atomicity.pipeline.count import label_steps, search_steps
    from napari_atomicity.progress import drain

    micrograph = Micrograph(frame.image, frame.pixel_size_nm, name="frame")
    settings = pipeline.Settings(model=str(mapped_model), adapt="off")
    searched = drain(search_steps(ImageState(micrograph, settings=settings)))
    return drain(label_steps([searched], load_bundle(mapped_model)))[0]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The background writes, and tries again, sooner than it does for people."""
    from napari_atomicity.ui.project import autosave

    monkeypatch.setattr(autosave, "PAUSE_S", 0.05)
    monkeypatch.setattr(autosave, "_TRY_AGAIN_MS", 60)


class Held:
    """Steps, or a plain function, that go on only once the gate is opened; `begun` says whether they came to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._gate, self._begun = threading.Event(), threading.Event()
        self._gate.set()

    def hold(self, owner: Any, name: str) -> None:
        """Put a gate before what `owner` calls `name`."""
        whole = getattr(owner, name)

        def steps(*arguments: Any, **options: Any) -> Any:
            self._begun.set()
            while not self._gate.wait(0.005):
                yield Progress(0, 10, "Waiting")
            return (yield from whole(*arguments, **options))

        def plain(*arguments: Any, **options: Any) -> Any:
            self._begun.set()
            assert self._gate.wait(60)
            return whole(*arguments, **options)

        self._monkeypatch.setattr(owner, name, steps if inspect.isgeneratorfunction(whole) else plain)

    @property
    def begun(self) -> bool:
        """Whether anybody waits at the gate, or has gone through it since it was closed."""
        return self._begun.is_set()

    def close(self) -> None:
        """Whoever comes to the gate waits."""
        self._begun.clear()
        self._gate.clear()

    def open(self) -> None:
        """Let everybody through."""
        self._gate.set()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A gate, open at first."""
    made = Held(monkeypatch)
    yield made
    made.open()


@dataclass
class Desk:
    """A viewer and what belongs to it, worked by clicks."""

    viewer: Any
    context: Any
    qtbot: Any

    @property
    def workspace(self) -> Any:
        return self.context.workspace

    def panel(self, name: str) -> Any:
        """The panel `name`, opened through the manifest."""
        _, widget = self.viewer.window.add_plugin_dock_widget(PLUGIN, name)
        return widget

    def click(self, button: Any) -> None:
        """Click once the button is enabled, and wait until the work that it starts is done."""
        self.click_on(button)
        self.idle()

    def click_on(self, button: Any) -> None:
        """Click once the button is enabled, and wait for nothing."""
        from qtpy.QtCore import Qt

        self.qtbot.waitUntil(button.isEnabled, timeout=5000)
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def idle(self) -> None:
        """Wait until no work runs and all is shown."""

        def at_rest() -> bool:
            return _all_shown() and not any(work.busy for work in self.workspace.works)

        self.qtbot.waitUntil(at_rest, timeout=PATIENCE_MS)
        self.qtbot.wait(60)
        # what was shown may have begun more
        self.qtbot.waitUntil(at_rest, timeout=PATIENCE_MS)

    def settle(self) -> None:
        """Wait until the panels have followed, whether work runs or not."""
        self.qtbot.wait(30)
        self.qtbot.waitUntil(_all_shown, timeout=10_000)

    def show(self, micrograph: Any) -> Any:
        """Open a micrograph as our reader does; gives the layer (the object itself, no proxy)."""
        from napari.layers import Layer

        from napari_atomicity.io.napari_hooks import as_layer

        layer = Layer.create(*as_layer(micrograph))
        self.viewer.add_layer(layer)
        self.settle()
        return layer

    def kept(self) -> None:
        """Wait until the background has written all unsaved work (see `soon`)."""
        autosave = self.context.project.autosave
        self.qtbot.waitUntil(lambda: not autosave._waiting and autosave._thread is None, timeout=20_000)

    def recovered(self) -> dict[str, Any]:
        """What would be brought back if the program ended now, by name of the image."""
        from napari_atomicity.progress import drain
        from napari_atomicity.project import open_steps

        images = drain(open_steps(self.context.project.autosave._recorder.folder)).images
        return {image.name: image for image in images}

    @property
    def document(self) -> Any:
        return self.workspace.document

    @property
    def points(self) -> Any:
        return self.workspace.clusters.points

    @property
    def notes(self) -> list[str]:
        """Notifications so far."""
        from napari.utils.notifications import notification_manager

        return [str(record.message) for record in notification_manager.records]

    @property
    def errors(self) -> list[str]:
        """Those of them that napari shows as a fault."""
        from napari.utils.notifications import NotificationSeverity, notification_manager

        records = notification_manager.records
        return [str(record.message) for record in records if record.severity >= NotificationSeverity.ERROR]

    def lay_out(self, micrograph: Any, count: Any) -> Any:
        """Open a micrograph that was counted already (see `counted_once`); gives its layer."""
        layer = self.show(micrograph)
        document = self.workspace.document_of(layer)
        document.choose(model=count.settings.model, adapt=count.settings.adapt)
        document.apply("Analyse", replace(count, micrograph=document.micrograph), document.state)
        self.settle()
        return layer


@pytest.fixture(autouse=True)
def recovery(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Unsaved work of this test alone."""
    folder = tmp_path / "recovery"
    monkeypatch.setenv("NAPARI_ATOMICITY_RECOVERY", str(folder))
    return folder


@pytest.fixture
def desk(make_napari_viewer_proxy: Any, qtbot: Any) -> Any:
    from napari.utils.notifications import notification_manager

    from napari_atomicity.ui.context import context_of

    notification_manager.records.clear()
    viewer = make_napari_viewer_proxy(show=sys.platform != "linux" or _has_screen())
    made = Desk(viewer, context_of(viewer), qtbot)
    yield made
    for work in made.workspace.works:
        work.stop()
    made.idle()
    # what napari would show as a traceback must not have happened
    assert not made.errors, made.errors


def _all_shown() -> bool:
    """Whether no panel is about to follow: each does so a moment after the canvas was painted."""
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    timers = [timer for window in QApplication.topLevelWidgets() for timer in window.findChildren(QTimer)]
    return not any(timer.isActive() and timer.isSingleShot() and timer.interval() <= 20 for timer in timers)


def _has_screen() -> bool:
    import os

    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def blobs(shape: tuple[int, int] = (200, 200)) -> Any:
    """A picture of a few blobs at known places, for tests that need no clusters."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape, dtype=np.float32)
    for cy, cx in ((50, 60), (120, 40), (140, 150)):
        image += 100 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 50)
    return image + np.random.default_rng(seeded(0)).normal(10, 1, shape).astype(np.float32)


def adapt_always(monkeypatch: pytest.MonkeyPatch, accepted: bool = True) -> None:
    """An untrained model has no clear anchors; an adaptation of the same form stands in for it.

    It moves the head of the network so far that most labels change.
    """
    import copy
    import dataclasses

    from napari_atomicity import pipeline
    from napari_atomicity.counting.adapt import Adaptation
    from napari_atomicity.counting.classify import evidence_steps
    from napari_atomicity.counting.patches import Patches
    from napari_atomicity.progress import Progress

    def steps(classified: Any, bundle: Any, settings: Any) -> Any:
        yield Progress(0, 1, "Fine-tuning")
        parts = [classified] if isinstance(classified, pipeline.Count) else list(classified)
        first = np.cumsum([0, *(len(part.table) for part in parts)])
        ids = np.concatenate([at + np.arange(6) for at in first[:-1]])
        n = len(ids)
        anchors = pd.DataFrame(
            {
                "id": ids,
                "label": np.resize(["Pt19", "Pt19", "Pt55"], n),
                "diameter_nm": np.resize([0.8, 0.9, 1.3], n),
                "certainty": np.full(n, 0.97),
                "source": np.resize(["calibrated", "calibrated", "annotations"], n),
                "held_back": np.resize([False, True, False], n),
                "low_nm": np.resize([0.8, 0.8, 1.3], n),
                "high_nm": np.resize([0.9, 0.9, 1.3], n),
            }
        )
        before = {"right": 0.5, "loss": 1.0, "anchors": 2.0, "silhouette": 0.1, "log_likelihood": -1.0}
        after = {"right": 1.0, "loss": 0.2, "anchors": 2.0, "silhouette": np.nan, "log_likelihood": -0.5}
        if not accepted:
            return Adaptation(bundle, False, "No clear diameters.", anchors, before, after)
        network = copy.deepcopy(bundle.network)
        for values in network.state_dict().values():
            if values.dtype.is_floating_point:
                values.mul_(1.3).add_(0.02)
        card = dataclasses.replace(bundle.card, history=("tuned",))
        tuned = dataclasses.replace(bundle, card=card, network=network)
        patches = Patches.join([part.patches for part in parts])
        evidence = yield from evidence_steps(tuned, patches)
        return Adaptation(tuned, True, "Fitted to 6 clusters.", anchors, before, after, evidence)

    monkeypatch.setattr("napari_atomicity.pipeline.count.adapt_steps", steps)
