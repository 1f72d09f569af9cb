"""The room of the window: headings say whole numbers, panels lie behind tabs, the image is seen whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QRect, Qt
from qtpy.QtWidgets import QDockWidget, QLabel, QTabBar, QToolButton

from napari_atomicity.micrograph import Micrograph
from napari_atomicity.ui.launch import lay_out
from napari_atomicity.ui.workspace.docks import dock_of, find_dock, open_dock

from .stand_ins import blobs

#: what a person read as 555 clusters, and as 15
SUMMARY = "655 clusters, 216 touching, 15 at the border, 3 saturated, 12 without a diameter"


def fits(label: QLabel) -> bool:
    """Whether all of its text, broken into lines as it is, lies inside a label."""
    room = label.contentsRect()
    flags = int(label.alignment()) | int(Qt.TextFlag.TextWordWrap)
    taken = label.fontMetrics().boundingRect(QRect(0, 0, room.width(), 10_000), flags, label.text())
    return taken.width() <= room.width() and taken.height() <= room.height()


@pytest.mark.parametrize("size", [(1280, 720), (1600, 1000)])
def test_a_heading_says_its_numbers_whole(app: Any, micrograph: Any, size: tuple[int, int]) -> None:
    app.viewer.window.resize(*size)
    workbench = app.workbench
    app.show(micrograph)
    for step in workbench.steps:
        step.open(True)  # so that there is a scroll bar
    app.settle()
    for step in workbench.steps:
        step.say(SUMMARY)
    app.settle()
    for step in workbench.steps:
        # of a label that cuts, this is what is left
        assert QLabel.text(step.state).replace("\N{NO-BREAK SPACE}", " ") == SUMMARY
        assert step.state.isVisible() and fits(step.state)
        assert step.state.toolTip() == SUMMARY


def from_menu(app: Any, name: str) -> Any:
    """Open a panel as the menu of the plug-in does; gives its dock."""
    from napari._app_model import get_app_model
    from npe2 import PluginManager

    widgets = PluginManager.instance().get_manifest("napari-atomicity").contributions.widgets
    command = next(widget.command for widget in widgets if widget.display_name == name)
    get_app_model().commands.execute_command(command)
    app.qtbot.waitUntil(
        lambda: (dock := find_dock(app.workspace.viewer.window, name)) is not None and dock.property("settled")
    )
    app.settle()
    return find_dock(app.workspace.viewer.window, name)


def main_of(app: Any) -> Any:
    return app.workspace.viewer.window._qt_window


def in_front(dock: Any) -> bool:
    return not dock.visibleRegion().isEmpty()


def strip_of(panel: Any) -> Any:
    return panel.findChild(object, "strip")


FIVE = ("Cluster card", "Feature map", "History", "Models", "Class ratios")


def test_panels_open_as_tabs_beside_the_workbench_with_short_names(app: Any, micrograph: Any) -> None:
    app.viewer.window.resize(1280, 720)
    workbench = from_menu(app, "Atomicity")
    app.show(micrograph)
    height, wide = main_of(app).height(), workbench.width()
    docks = [from_menu(app, name) for name in FIVE]
    assert set(main_of(app).tabifiedDockWidgets(workbench)) == set(docks)
    assert in_front(docks[-1]) and docks[-1].height() > 500
    (bar,) = (bar for bar in main_of(app).findChildren(QTabBar) if bar.count() == 6)
    assert [bar.tabText(at) for at in range(6)] == ["Atomicity", *FIVE]
    assert bar.elideMode() == Qt.TextElideMode.ElideNone
    # none takes room from the image, or makes the window taller
    assert main_of(app).height() == height and docks[-1].width() == wide


def test_a_panel_is_there_once_however_it_is_opened(app: Any, micrograph: Any) -> None:
    workbench = from_menu(app, "Atomicity")
    opened = open_dock(app.viewer, "Models")
    app.settle()
    assert opened in main_of(app).tabifiedDockWidgets(workbench) and in_front(opened)
    workbench.raise_()
    app.settle()
    assert not in_front(opened)
    assert open_dock(app.viewer, "Models") is opened
    app.settle()
    assert in_front(opened)
    # the menu closes what is open, and opens it in front
    assert from_menu(app, "Models") is opened and opened.isHidden()
    assert from_menu(app, "Models") is opened and in_front(opened)
    titles = [dock.windowTitle() for dock in main_of(app).findChildren(QDockWidget)]
    assert titles.count("Models") == 1


def test_one_undo_for_tabs_beside_the_workbench_and_one_for_a_panel_alone(app: Any, micrograph: Any, gate: Any) -> None:
    from napari_atomicity.pipeline import count as count_chain

    app.show(micrograph)
    panel = app.panel("Review")
    app.settle()
    assert strip_of(panel).undo.isVisible()
    workbench = app.workbench
    app.settle()
    open_dock(app.viewer, "Review")
    app.settle()
    assert in_front(dock_of(panel)) and not strip_of(panel).undo.isVisible() and not strip_of(panel).isVisible()
    assert strip_of(workbench).undo.isVisibleTo(workbench)
    # what runs is said, and can be stopped, on whatever tab is in front
    gate.hold(count_chain, "detect_steps")
    gate.close()
    workbench.steps[1].panel.search.click()
    app.qtbot.waitUntil(lambda: gate.begun)
    app.qtbot.waitUntil(strip_of(panel).stop.isVisible)
    assert not strip_of(panel).undo.isVisible()
    gate.open()
    app.idle()
    dock_of(workbench).close()
    app.settle()
    assert strip_of(panel).undo.isVisible() and strip_of(panel).undo.isEnabled()


def test_a_panel_stays_where_a_person_puts_it(app: Any, micrograph: Any) -> None:
    workbench, dock = from_menu(app, "Atomicity"), from_menu(app, "History")
    dock.setFloating(True)
    app.settle()
    assert strip_of(dock.widget()).undo.isVisible()  # it is a window of its own now
    dock.close()
    assert open_dock(app.viewer, "History") is dock
    app.settle()
    assert dock.isFloating() and dock.isVisible() and dock not in main_of(app).tabifiedDockWidgets(workbench)
    main_of(app).addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
    dock.setFloating(False)
    dock.close()
    open_dock(app.viewer, "History")
    app.settle()
    assert main_of(app).dockWidgetArea(dock) == Qt.DockWidgetArea.BottomDockWidgetArea


def seen_whole(app: Any, image: Any) -> bool:
    """Whether the image lies inside the canvas, and fills it as far as its shape allows."""
    viewer = app.workspace.viewer
    low, high = image.extent.world[:, -2:]
    size = viewer.scene.camera.zoom * (high - low) / viewer.canvas.size
    centred = np.allclose(viewer.scene.camera.center[-2:], (low + high) / 2, atol=(high - low).max() / 100)
    return bool(centred and 0.9 < size.max() <= 1)


def until_whole(app: Any, image: Any) -> None:
    app.qtbot.waitUntil(lambda: seen_whole(app, image))


def test_an_image_is_seen_whole_until_a_person_moves_the_view(app: Any, micrograph: Any) -> None:
    window, camera = main_of(app), app.workspace.viewer.scene.camera
    image = app.show(micrograph)
    until_whole(app, image)
    _ = app.workbench  # the canvas becomes narrower
    app.settle()
    until_whole(app, image)
    window.resize(900, 600)
    until_whole(app, image)
    camera.zoom *= 3
    center, zoom = camera.center, camera.zoom
    size = tuple(app.workspace.viewer.canvas.size)
    window.resize(1200, 800)
    app.qtbot.waitUntil(lambda: tuple(app.workspace.viewer.canvas.size) != size)
    app.settle()
    assert (camera.center, camera.zoom) == (center, zoom)
    app.viewer.reset_view()  # the house
    until_whole(app, image)
    window.resize(1000, 600)
    until_whole(app, image)


def test_every_image_that_comes_into_hand_is_seen_whole_and_keeps_its_view(app: Any, micrograph: Any) -> None:
    camera = app.workspace.viewer.scene.camera
    small = app.show(micrograph)
    until_whole(app, small)
    large = app.show(Micrograph(blobs(), 10 * micrograph.pixel_size_nm, name="large"))
    until_whole(app, large)
    app.workspace.choose(small)
    until_whole(app, small)
    camera.zoom *= 4
    camera.center = tuple(0.9 * np.array(camera.center))
    center, zoom = camera.center, camera.zoom
    app.workspace.choose(large)
    until_whole(app, large)
    app.workspace.choose(small)
    app.settle()
    assert (camera.center, camera.zoom) == (center, zoom)
    # the house shows the image in hand, not what is hidden
    app.viewer.reset_view()
    until_whole(app, small)
    # seen at once, none of them takes the view from the other
    app.context.solo.set_wanted(False)
    camera.zoom *= 2
    zoom = camera.zoom
    app.workspace.choose(large)
    app.settle()
    assert camera.zoom == zoom


def test_a_stack_beside_a_single_image_is_seen_whole(app: Any, micrograph: Any) -> None:
    single = app.show(micrograph)
    stack = app.show(Micrograph(np.stack([blobs(), blobs()]), 10 * micrograph.pixel_size_nm, name="stack"))
    until_whole(app, stack)
    app.workspace.choose(single)
    until_whole(app, single)
    app.viewer.layers.remove(single)
    until_whole(app, stack)


def test_our_own_window_gives_its_room_to_the_image(app: Any, micrograph: Any) -> None:
    viewer = app.workspace.viewer
    controls = viewer.window._qt_viewer.dockLayerControls
    assert controls.isVisible()
    lay_out(viewer)
    app.settle()
    assert main_of(app).isMaximized() and not controls.isVisible()
    assert find_dock(viewer.window, "Atomicity").isVisible()
    image = app.show(micrograph)
    until_whole(app, image)
    # the way back is on the screen, and tells how things are
    fold = main_of(app).findChild(QToolButton, "fold")
    assert fold.isVisible() and fold.text() == "layer controls" and not fold.isChecked()
    app.click_on(fold)
    assert controls.isVisible() and fold.isChecked() and fold.arrowType() == Qt.ArrowType.DownArrow
    app.click_on(fold)
    assert not controls.isVisible() and not fold.isChecked()
    controls.show()
    assert fold.isChecked()
    app.settle()
    until_whole(app, image)


@pytest.mark.slow
def test_nothing_of_the_steps_is_cut_at_the_side_where_an_image_is_undecided(
    app: Any, micrograph: Any, counted_once: Any
) -> None:
    from .stand_ins import leave_undecided

    app.viewer.window.resize(1280, 720)
    workbench = app.workbench
    app.lay_out(micrograph, counted_once)
    leave_undecided(app.document, "Pt41", "Pt55")
    app.idle()
    steps = workbench.work
    assert "undecided" in " ".join(label.text() for label in workbench.findChildren(QLabel))
    assert steps.widget().minimumSizeHint().width() <= steps.viewport().width()
    assert steps.widget().width() <= steps.viewport().width()
