"""The room of the window: headings say whole numbers, panels lie behind tabs, the image is seen whole."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import QRect, Qt
from qtpy.QtWidgets import QLabel

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
