"""A counted stack at a glance: what stands there is what the table says, and a click goes to the frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.ui.widgets.frame_series import FrameSeries

from .test_keys import SIZES

LABELS = ("Pt19", "Pt30", "Pt41", "Pt55", "Pt70")


def table(n_frames: int) -> ClusterTable:
    """Frame t has t + 1 clusters: the first is Pt55 and cut by the border, the others are Pt19."""
    frame = np.repeat(np.arange(n_frames), np.arange(n_frames) + 1)
    first = np.r_[True, np.diff(frame) > 0]
    at = np.linspace(40, 460, len(frame))
    found = {"y_px": at, "x_px": at, "frame": frame, "diameter_nm": np.full(len(frame), 1.0)}
    found["flag"] = np.where(first, "border", "ok").astype(object)
    values = {"label": np.where(first, "Pt55", "Pt19").astype(object), "confidence": np.full(len(frame), 0.9)}
    values |= {f"p_{size}": np.full(len(frame), 0.2) for size in SIZES}
    return ClusterTable.from_columns(found).with_predictions(SIZES, values)


@pytest.fixture
def frames(app: Any, frame: Any) -> Any:
    """A stack of six frames and its panel."""
    app.show(Micrograph(np.stack([frame.image] * 6), frame.pixel_size_nm, name="stack"))
    panel = app.panel("Frames")
    app.document.commit("Count", table(6))
    app.viewer.dims.set_current_step(0, 0)
    app.idle()
    return panel


def test_counts_are_of_all_clusters_and_shares_of_those_that_enter_them() -> None:
    series = FrameSeries.of(table(4), LABELS, 5)
    assert series.found.tolist() == [1, 2, 3, 4, 0]
    assert series.by_label[:, 0].tolist() == [0, 1, 2, 3, 0] and not series.by_label[:, 1:].any()
    assert series.words(2) == "Frame 2: 3 clusters, 2 of them in the shares: Pt19 100 %."
    assert series.words(4) == "Frame 4: 0 clusters."
    found, shares = series.merged(2)
    assert found.tolist() == [2.0, 2.0] and shares[:, 0].tolist() == [1.0, 1.0], "frames side by side are drawn as one"


def test_a_click_or_a_key_goes_to_the_frame_and_the_chart_follows_the_slider(app: Any, frames: Any) -> None:
    chart = frames.chart
    assert frames.here.text().startswith("Frame 0: 1 cluster")
    app.qtbot.mouseClick(chart, Qt.MouseButton.LeftButton, pos=QPoint(round(chart.x_of(4)), 40))
    app.settle()
    assert app.workspace.frame == 4 and frames.here.text().startswith("Frame 4: 5 clusters")
    app.qtbot.keyClick(chart, Qt.Key.Key_Left)
    app.settle()
    assert app.workspace.frame == 3 and "Frame 3: 4 clusters" in chart.accessibleName()
    app.qtbot.keyClick(chart, Qt.Key.Key_End)
    app.settle()
    assert app.workspace.frame == 5
    app.viewer.dims.set_current_step(0, 1)
    app.settle()
    assert chart.frame == 1


def test_it_follows_labels_and_undo(app: Any, frames: Any) -> None:
    app.document.annotate([0], "Pt70")
    app.settle()
    assert frames.here.text() == "Frame 0: 1 cluster, 1 of them in the shares: Pt70 100 %."
    app.document.undo()
    app.settle()
    assert frames.here.text() == "Frame 0: 1 cluster."
    assert not frames.chart.grab().isNull()


def test_without_a_counted_stack_it_says_what_to_do(app: Any, micrograph: Any, frame: Any) -> None:
    panel = app.panel("Frames")
    assert "Open a micrograph first" in panel.empty.text() and not panel.chart.isVisible()
    app.show(micrograph)
    assert "one frame" in panel.empty.text()
    app.show(Micrograph(np.stack([frame.image] * 2), frame.pixel_size_nm, name="stack"))
    assert "steps 2 and 3" in panel.empty.text()
    app.document.commit("Count", table(2))
    app.settle()
    assert panel.chart.isVisible() and not panel.empty.isVisible()
    app.viewer.layers.clear()
    app.settle()
    assert (
        "Open a micrograph first" in panel.empty.text() and not panel.chart.isVisible() and not panel.here.isVisible()
    )


def test_it_lies_under_the_image_and_where_a_person_puts_it_afterwards(app: Any, frames: Any) -> None:
    from napari_atomicity.ui.workspace.docks import dock_of, open_dock

    dock, main = dock_of(frames), app.workspace.viewer.window._qt_window
    app.idle()
    assert main.dockWidgetArea(dock) == Qt.DockWidgetArea.BottomDockWidgetArea
    main.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
    assert open_dock(app.workspace.viewer, "Frames") is dock
    assert main.dockWidgetArea(dock) == Qt.DockWidgetArea.LeftDockWidgetArea
