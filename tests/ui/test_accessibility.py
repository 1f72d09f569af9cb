"""The window by keyboard, by ear, and in large letters."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QApplication, QLabel, QWidget

from napari_atomicity.ui.widgets.focus import mark_focus

from .app_driver import PLUGIN


def panels() -> list[str]:
    """Names of all panels, as the menu shows them."""
    import npe2

    manifest = npe2.PluginManager.instance().get_manifest(PLUGIN)
    return [widget.display_name for widget in manifest.contributions.widgets]


def spoken(widget: QWidget, root: QWidget) -> str:
    """What a screen reader says of a control: its name, its text, or that of the label that belongs to it."""
    own = widget.text() if isinstance(widget, QAbstractButton) else ""
    labels = [label.text() for label in root.findChildren(QLabel) if label.buddy() is widget]
    return (widget.accessibleName() or own or "".join(labels)).strip(" ✕▶◀↶↷…")


def nameless(root: QWidget) -> list[str]:
    """Controls of a panel that the keyboard reaches, and of which a screen reader could say nothing."""
    return [
        f"{type(widget).__name__} in {type(widget.parentWidget()).__name__} {widget.toolTip()}"
        for widget in root.findChildren(QWidget)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and widget.isVisibleTo(root)
        and not spoken(widget, root)
        and not widget.objectName().startswith("qt_")  # parts of Qt's own controls
    ]


@pytest.mark.slow
def test_a_screen_reader_has_a_name_for_every_control(app: Any, micrograph: Any, counted_once: Any) -> None:
    app.lay_out(micrograph, counted_once)
    app.document.select(app.document.table.ids[:2].tolist())
    without = {}
    for name in panels():
        panel = app.panel(name)
        app.settle()
        if missing := nameless(panel):
            without[name] = missing
    assert not without


def test_the_tabulator_shows_where_it_is_and_the_mouse_leaves_no_frame(app: Any, micrograph: Any) -> None:
    app.show(micrograph)
    workbench = app.workbench
    focus = mark_focus(workbench)
    app.settle()
    window = workbench.window()
    window.activateWindow()
    app.qtbot.waitUntil(window.isActiveWindow, timeout=5000)
    workbench.analyse.setFocus(Qt.FocusReason.TabFocusReason)
    app.qtbot.waitUntil(lambda: focus.frame is not None, timeout=5000)
    assert focus.frame.control is workbench.analyse
    assert focus.frame.geometry().contains(workbench.analyse.geometry())
    reached = set()
    for _ in range(12):
        app.qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        assert focus.frame is not None and focus.frame.control is QApplication.focusWidget()
        reached.add(focus.frame.control)
    assert len(reached) > 6
    app.qtbot.mousePress(workbench.steps[1].panel.search, Qt.MouseButton.LeftButton)
    pressed = focus.frame
    app.qtbot.mouseRelease(workbench.steps[1].panel.search, Qt.MouseButton.LeftButton)
    assert pressed is None or pressed.control is not workbench.steps[1].panel.search
    app.idle()


@pytest.fixture
def large_letters() -> Any:
    """Letters of twice their size, and as they were again."""
    from napari.settings import get_settings

    appearance = get_settings().appearance
    before = appearance.font_size
    appearance.font_size = 2 * before
    yield
    appearance.font_size = before


def test_rows_grow_with_the_letters(app: Any, micrograph: Any, counted_once: Any, large_letters: None) -> None:
    app.lay_out(micrograph, counted_once)
    app.document.select(app.document.table.ids[:1].tolist())
    card, ratios = app.card, app.ratios
    app.idle()
    for chart in (card.chances, card.strips):
        assert chart.row_px >= chart.fontMetrics().height() > 20
        assert chart.height() >= chart.row_px
    table = ratios.table
    assert table.rowHeight(0) >= table.fontMetrics().height()
    assert table.verticalHeader().length() + table.horizontalHeader().height() <= table.height()


def test_nothing_of_the_steps_is_cut_in_large_letters(
    app: Any, micrograph: Any, counted_once: Any, large_letters: None
) -> None:
    app.viewer.window.resize(1600, 960)
    workbench = app.workbench
    app.lay_out(micrograph, counted_once)
    app.idle()
    steps = workbench.work
    assert workbench.analyse.fontMetrics().height() > 20
    assert steps.widget().width() <= steps.viewport().width()
    head = workbench.steps[2].head
    assert head.fontMetrics().height() > 20, "headings grow, too"
    field = workbench.steps[2].panel.known.deposited
    assert 20 < field.fontMetrics().height() <= field.height()
