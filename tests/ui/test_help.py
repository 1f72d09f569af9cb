"""What is this: every step leads to its page of the guide, in the window and without the net."""

from __future__ import annotations

import re
from typing import Any

from qtpy.QtCore import QUrl

from napari_atomicity.io.documentation import address_of, anchor_of, page_of
from napari_atomicity.ui.workspace.docks import find_dock


def top_line(page: Any) -> str:
    """The text at the top of what is seen of a page."""
    return page.cursorForPosition(page.viewport().rect().topLeft()).block().text()


def test_every_step_leads_to_its_heading_in_the_guide(app: Any, micrograph: Any) -> None:
    workbench = app.workbench
    app.show(micrograph)
    for number, step in enumerate(workbench.steps, start=1):
        app.click(step.help)
        dock = find_dock(app.workspace.viewer.window, "Help")
        assert not dock.visibleRegion().isEmpty() and dock in dock.parent().tabifiedDockWidgets(workbench.parent())
        page = dock.widget().page
        assert page.textCursor().block().text() == f"{number} {step.panel.title}"
        if number < 7:  # further down the page ends
            app.qtbot.waitUntil(lambda page=page: top_line(page) in (page.textCursor().block().text(), ""))
        find_dock(app.workspace.viewer.window, "Atomicity").raise_()
        app.settle()


def test_links_of_the_documentation_are_followed_and_lead_back(app: Any) -> None:
    panel = app.panel("Help")
    app.settle()
    assert not panel.back.isEnabled() and panel.page.textCursor().block().text() == "User guide"
    panel.page.anchorClicked.emit(QUrl("calibration.md"))
    assert panel.name.text() == "calibration.md"
    panel.page.anchorClicked.emit(QUrl("guide.md#7-review"))
    assert panel.page.textCursor().block().text() == "7 Review"
    app.click(panel.back)
    assert panel.name.text() == "calibration.md"
    app.click(panel.back)
    assert panel.name.text() == "guide.md" and not panel.back.isEnabled()
    app.click(panel.contents)
    # a page that is not there says where it is
    panel.show_page("gone.md")
    assert address_of("gone.md") in panel.page.toPlainText() and address_of("gone.md").startswith("https://")


def test_every_link_of_the_guide_has_its_page_and_heading() -> None:
    text = page_of("guide.md").read_text(encoding="utf-8")
    headings = {anchor_of(line.lstrip("# ")) for line in text.splitlines() if line.startswith("#")}
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        assert not name or page_of(name) is not None, link
        assert name or anchor in headings, link


def test_a_binding_that_ends_python_is_named_before_work_is_lost() -> None:
    from napari_atomicity.ui.binding import trouble_here, trouble_with_binding

    assert "PySide6<6.12" in trouble_with_binding("PySide6", "6.12.0", (3, 11))
    for fine in (("PySide6", "6.11.0", (3, 11)), ("PySide6", "6.12.0", (3, 12)), ("PyQt6", "6.12.0", (3, 11))):
        assert trouble_with_binding(*fine) == ""
    assert trouble_here() == ""
