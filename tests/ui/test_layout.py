"""The room of the window: headings say whole numbers, panels lie behind tabs, the image is seen whole."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import QRect, Qt
from qtpy.QtWidgets import QDockWidget, QLabel, QTabBar

from napari_atomicity.ui.workspace.docks import dock_of, find_dock, open_dock

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
    height = main_of(app).height()
    docks = [from_menu(app, name) for name in FIVE]
    assert set(main_of(app).tabifiedDockWidgets(workbench)) == set(docks)
    assert in_front(docks[-1]) and docks[-1].height() > 500
    (bar,) = (bar for bar in main_of(app).findChildren(QTabBar) if bar.count() == 6)
    assert [bar.tabText(at) for at in range(6)] == ["Atomicity", *FIVE]
    assert bar.elideMode() == Qt.TextElideMode.ElideNone
    assert main_of(app).height() == height


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
