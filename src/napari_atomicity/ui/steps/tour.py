"""The tour of the workbench: five hints from an empty window to saved work, on a sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from qtpy.QtWidgets import QPushButton, QWidget

from napari_atomicity.ui.actions.opening import open_sample
from napari_atomicity.ui.context import Context
from napari_atomicity.ui.saving.save_line import SaveLine
from napari_atomicity.ui.steps.start import StartPage
from napari_atomicity.ui.widgets.theme import accent
from napari_atomicity.ui.widgets.tour import Stop, Tour
from napari_atomicity.ui.workspace.docks import WORKBENCH, open_dock

SAMPLE: Final = "mixed"
#: title and text of each
_HINTS: Final = (
    ("Open an image", "Or drop its file on the window. The tour goes on with {image}."),
    (
        "Check the pixel size",
        "It is read from the file. Where a file has none, type it here: without it nothing can be counted.",
    ),
    (
        "Press Analyse",
        "It finds the clusters, counts their atoms, and adapts the model to the image where that helps. "
        "Press it now: it takes some seconds.",
    ),
    (
        "Look at the rings",
        "Each is one cluster, in the colour of its class; a pale ring is an unsure one. The steps on the right "
        "say how many there are of each.",
    ),
    (
        "Keep your work",
        "Save project writes everything to one file. Review is for labels of your own, Export for tables and "
        "reports. The ? beside a step opens the guide.",
    ),
)


class Bench(Protocol):
    """What the tour points at."""

    context: Context
    start: StartPage
    files: SaveLine
    analyse: QPushButton

    @property
    def steps(self) -> Sequence[Any]:
        """The steps in the order of work."""


def tour_of(workbench: Bench, window: QWidget) -> Tour:
    """The tour of a workbench in its window.

    A person who has an image open is led over that one; else the second hint opens a sample.

    Parameters
    ----------
    workbench
        What it points at.
    window
        Over which its bubbles lie.
    """
    workspace = workbench.context.workspace
    targets: tuple[Callable[[], QWidget | None], ...] = (
        lambda: workbench.start.image if workspace.document is None else workbench.files.open,
        lambda: _calibration(workbench),
        lambda: workbench.analyse,
        lambda: _canvas(workbench),
        lambda: workbench.files.save,
    )
    image = "a sample" if workspace.document is None else "your image"
    stops = [
        Stop(target, title, text.format(image=image), partial(_ready, workbench) if at else lambda: None)
        for at, (target, (title, text)) in enumerate(zip(targets, _HINTS, strict=True))
    ]
    return Tour(window, accent(workspace.viewer), stops)


def _ready(workbench: Bench) -> None:
    """There is an image, or one is about to open, and the workbench is in front."""
    workspace = workbench.context.workspace
    open_dock(workspace.viewer, WORKBENCH)
    if workspace.document is None and not workspace.work.busy:
        open_sample(workbench.context.project, SAMPLE)


def _calibration(workbench: Bench) -> QWidget:
    load = workbench.steps[0]
    if workbench.context.workspace.document is not None and not load.head.isChecked():
        load.head.click()
    panel: QWidget = load.panel
    return panel


def _canvas(workbench: Bench) -> QWidget | None:
    window = getattr(workbench.context.workspace.viewer, "window", None)
    canvas: QWidget | None = window._qt_viewer.canvas.native if window is not None else None
    return canvas
