"""The tour: five hints that point at what is on the screen, once by itself and then whenever a person asks."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget

from napari_atomicity.ui.commands import show_tour
from napari_atomicity.ui.launch import first_tour, lay_out
from napari_atomicity.ui.workspace.docks import find_dock


def main_of(app: Any) -> Any:
    return app.workspace.viewer.window._qt_window


def workbench_of(app: Any) -> Any:
    return find_dock(app.workspace.viewer.window, "Atomicity").widget()


def bubble_of(app: Any) -> Any:
    return next((each for each in main_of(app).findChildren(QWidget, "bubble") if each.isVisible()), None)


def press(app: Any, key: Qt.Key) -> None:
    """A key, where the keyboard is."""
    QTest.keyClick(main_of(app).focusWidget(), key)
    app.idle()


def test_five_hints_point_at_the_window_and_open_a_sample(app: Any) -> None:
    lay_out(app.workspace.viewer)
    app.settle()
    assert first_tour(app.workspace.viewer)
    app.settle()
    workbench, titles = workbench_of(app), []
    for step in range(5):
        bubble = bubble_of(app)
        titles.append(bubble.title.text())
        assert bubble.count.text() == f"{step + 1} of 5"
        # the target is seen, and the bubble lies in the window and not over it
        target = workbench._tour._stops[step].target()
        assert not target.visibleRegion().isEmpty() and workbench._tour.pointer.isVisible()
        assert main_of(app).rect().contains(bubble.geometry())
        if target is not app.workspace.viewer.window._qt_viewer.canvas.native:
            corner = target.mapTo(main_of(app), target.rect().topLeft())
            assert not bubble.geometry().intersects(target.rect().translated(corner))
        if step == 1:  # back and forth
            app.click(bubble.back)
            assert bubble.title.text() == "Open an image"
            app.click(bubble.next)
        press(app, Qt.Key.Key_Return)
    assert len(set(titles)) == 5 and bubble_of(app) is None
    assert app.document.micrograph.name == "sample_mixed"
    # never again by itself
    app.viewer.layers.clear()
    app.settle()
    assert not first_tour(app.workspace.viewer) and bubble_of(app) is None
    # but where a person asks
    app.click(workbench.start.tour)
    assert bubble_of(app).count.text() == "1 of 5"
    press(app, Qt.Key.Key_Escape)
    assert bubble_of(app) is None


def test_the_command_shows_the_tour_over_the_image_that_is_open(app: Any, micrograph: Any) -> None:
    app.show(micrograph)
    show_tour(app.viewer)
    app.settle()
    assert "your image" in bubble_of(app).text.text()
    for _ in range(4):
        press(app, Qt.Key.Key_Return)
    assert bubble_of(app).next.text() == "Done" and not bubble_of(app).skip.isVisible()
    assert [layer.name for layer in app.viewer.layers] == ["frame"]
    # asked for again, it begins again, and there is one
    show_tour(app.viewer)
    app.settle()
    bubbles = [each for each in main_of(app).findChildren(QWidget, "bubble") if each.isVisible()]
    assert [each.count.text() for each in bubbles] == ["1 of 5"]


@pytest.mark.parametrize("what", ["image", "left"])
def test_it_does_not_come_by_itself_where_there_is_something_to_do(app: Any, micrograph: Any, what: str) -> None:
    lay_out(app.workspace.viewer)
    app.settle()
    if what == "image":
        app.show(micrograph)
    else:
        app.context.project.left.append(object())
    assert not first_tour(app.workspace.viewer) and bubble_of(app) is None
    app.viewer.layers.clear()
    app.context.project.left.clear()
    app.settle()
    assert first_tour(app.workspace.viewer)  # it was not used up


@pytest.mark.slow
def test_the_tour_bears_what_a_person_does_meanwhile(app: Any) -> None:
    lay_out(app.workspace.viewer)
    app.settle()
    workbench = workbench_of(app)
    workbench.show_tour()
    app.settle()
    press(app, Qt.Key.Key_Return)
    # the sample goes: the bubble stays, and the next hint opens it anew
    app.viewer.layers.clear()
    app.idle()
    assert main_of(app).rect().contains(bubble_of(app).geometry())
    press(app, Qt.Key.Key_Return)
    assert app.document is not None and bubble_of(app).title.text() == "Press Analyse"
    main_of(app).resize(900, 600)
    app.settle()
    assert main_of(app).rect().contains(bubble_of(app).geometry())
    # the workbench becomes a window of its own
    find_dock(app.workspace.viewer.window, "Atomicity").setFloating(True)
    app.settle()
    workbench.show_tour()
    app.settle()
    assert main_of(app).rect().contains(bubble_of(app).geometry())
    # another panel covers it, and the workbench goes: there is still a way out
    app.panel("Models")
    find_dock(app.workspace.viewer.window, "Atomicity").close()
    app.settle()
    press(app, Qt.Key.Key_Escape)
    assert bubble_of(app) is None
