"""A real viewer with a small simulated micrograph, and helpers that do what a person does."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("napari")

PLUGIN = "napari-atomicity"


@pytest.fixture(scope="session")
def frame() -> Any:
    """A simulated frame of 40 clusters of all sizes, 512 × 512 pixels."""
    from napari_atomicity.simulation.frames import sample_spec, simulate_frame

    return simulate_frame(sample_spec("nominal", None, 40, shape=(512, 512), seed=5), 5)


@pytest.fixture
def micrograph(frame: Any) -> Any:
    from napari_atomicity.micrograph import Micrograph

    return Micrograph(frame.image, frame.pixel_size_nm, name="frame")


@dataclass
class Desk:
    """A viewer and its bench, worked by clicks."""

    viewer: Any
    bench: Any
    qtbot: Any

    def panel(self, name: str) -> Any:
        """The panel `name`, opened through the manifest."""
        _, widget = self.viewer.window.add_plugin_dock_widget(PLUGIN, name)
        return widget

    def click(self, button: Any) -> None:
        """Click once the button is enabled, and wait until the work that it starts is done."""
        from qtpy.QtCore import Qt

        self.qtbot.waitUntil(button.isEnabled, timeout=5000)
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        self.idle()

    def idle(self) -> None:
        """Wait until no work runs and all is shown."""
        works = (self.bench.work, self.bench.measuring, self.bench.explainer.work)
        self.qtbot.waitUntil(lambda: not any(work.busy for work in works), timeout=60_000)
        self.qtbot.wait(60)
        self.qtbot.waitUntil(_all_shown, timeout=10_000)

    def show(self, micrograph: Any) -> Any:
        """Open a micrograph as our reader does; gives the layer (the object itself, no proxy)."""
        from napari.layers import Layer

        from napari_atomicity.io.napari_hooks import as_layer

        layer = Layer.create(*as_layer(micrograph))
        self.viewer.add_layer(layer)
        self.qtbot.wait(40)
        return layer

    @property
    def document(self) -> Any:
        return self.bench.document

    @property
    def points(self) -> Any:
        return self.bench.clusters.points

    @property
    def notes(self) -> list[str]:
        """Notifications so far."""
        from napari.utils.notifications import notification_manager

        return [str(record.message) for record in notification_manager.records]


@pytest.fixture(autouse=True)
def recovery(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Unsaved work of this test alone."""
    folder = tmp_path / "recovery"
    monkeypatch.setenv("NAPARI_ATOMICITY_RECOVERY", str(folder))
    return folder


@pytest.fixture
def desk(make_napari_viewer_proxy: Any, qtbot: Any) -> Any:
    from napari.utils.notifications import notification_manager

    from napari_atomicity.ui.bench import bench_of

    notification_manager.records.clear()
    viewer = make_napari_viewer_proxy(show=sys.platform != "linux" or _has_screen())
    made = Desk(viewer, bench_of(viewer), qtbot)
    yield made
    made.bench.work.stop()
    made.bench.measuring.stop()
    made.bench.explainer.work.stop()
    made.idle()
    # what napari would show as a traceback must not have happened
    from napari.utils.notifications import NotificationSeverity

    errors = [r for r in notification_manager.records if r.severity >= NotificationSeverity.ERROR]
    assert not errors, [str(r.message) for r in errors]


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
    return image + np.random.default_rng(0).normal(10, 1, shape).astype(np.float32)


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
        parts = [classified] if isinstance(classified, pipeline.Classified) else list(classified)
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

    monkeypatch.setattr(pipeline, "adapt_steps", steps)
