"""The tour of the workbench: five hints from an empty window to saved work, on a sample."""

from __future__ import annotations

from collections.abc import Sequence
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
    project, workspace = workbench.context.project, workbench.context.workspace

    def ready() -> None:
        """There is an image, and the workbench is in front."""
        open_dock(workspace.viewer, WORKBENCH)
        if workspace.document is None and not workspace.work.busy:
            open_sample(project, SAMPLE)

    def calibration() -> QWidget:
        load = workbench.steps[0]
        if workspace.document is not None and not load.head.isChecked():
            load.head.click()
        shown: QWidget = load.head if workspace.document is None else load.panel
        return shown

    def canvas() -> QWidget | None:
        window = getattr(workspace.viewer, "window", None)
        native: QWidget | None = window._qt_viewer.canvas.native if window is not None else None
        return native

    goes_on = "The tour goes on with a sample." if workspace.document is None else "The tour goes on with your image."
    return Tour(
        window,
        accent(workspace.viewer),
        (
            Stop(
                lambda: workbench.start.image if workspace.document is None else workbench.files.open,
                "Open an image",
                f"Or drop its file on the window. {goes_on}",
            ),
            Stop(
                calibration,
                "Check the pixel size",
                "It is read from the file. Where a file has none, type it here: without it nothing can be counted.",
                ready,
            ),
            Stop(
                lambda: workbench.analyse,
                "Press Analyse",
                "It finds the clusters, counts their atoms, and adapts the model to the image where that helps. "
                "Press it now: it takes some seconds.",
                ready,
            ),
            Stop(
                canvas,
                "Look at the rings",
                "Each is one cluster, in the colour of its class; a pale ring is an unsure one. The steps on the right "
                "say how many there are of each.",
                ready,
            ),
            Stop(
                lambda: workbench.files.save,
                "Keep your work",
                "Save project writes everything to one file. Review is for labels of your own, Export for tables and "
                "reports. The ? beside a step opens the guide.",
                ready,
            ),
        ),
    )
