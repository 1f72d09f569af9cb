"""The workbench: all steps in the order of work, each with its state in plain words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from qtpy.compat import isalive
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_atomicity.io.documentation import anchor_of
from napari_atomicity.ui.actions import single
from napari_atomicity.ui.context import context_of
from napari_atomicity.ui.help import show_help
from napari_atomicity.ui.review.panel import ReviewPanel
from napari_atomicity.ui.saving.recovery_banner import RecoveryBanner
from napari_atomicity.ui.saving.save_line import SaveLine
from napari_atomicity.ui.steps.adapt import AdaptPanel
from napari_atomicity.ui.steps.count import CountPanel
from napari_atomicity.ui.steps.detect import DetectPanel
from napari_atomicity.ui.steps.explain import ExplainPanel
from napari_atomicity.ui.steps.export import ExportPanel
from napari_atomicity.ui.steps.joint_calibration import JointCalibrationPanel
from napari_atomicity.ui.steps.load import LoadPanel
from napari_atomicity.ui.steps.start import StartPage
from napari_atomicity.ui.steps.tour import tour_of
from napari_atomicity.ui.widgets.controls import AfterPainting, button, make_accessible, scrolling
from napari_atomicity.ui.widgets.docked import Docked
from napari_atomicity.ui.widgets.focus import mark_focus
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.widgets.progress_strip import ProgressStrip
from napari_atomicity.ui.widgets.tour import Tour
from napari_atomicity.ui.workspace.docks import dock_of

if TYPE_CHECKING:
    import napari

    from napari_atomicity.document.document import Document

#: of a dock that holds the steps in letters of the usual size
_WIDTH_PX: Final = 420
PANELS: tuple[type[Panel], ...] = (
    LoadPanel,
    DetectPanel,
    CountPanel,
    JointCalibrationPanel,
    AdaptPanel,
    ExplainPanel,
    ReviewPanel,
    ExportPanel,
)


class StepFrame(QWidget):
    """A numbered heading with the state of the step; clicking it opens and closes the panel."""

    def __init__(self, number: int, panel: Panel) -> None:
        super().__init__()
        self.panel = panel
        #: whether a person opened or closed it: then it stays as it is
        self.by_hand = False
        self.head = QToolButton()
        self.head.setText(f"{number}  {panel.title}")
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.head.setIconSize(QSize(12, 12))  # the room beside the heading is for the state
        self.head.setCheckable(True)
        self.head.setStyleSheet("QToolButton { font-weight: bold; padding: 3px 4px; border: none; }")
        self.head.setToolTip(f"Open or close step {number}")
        self.head.clicked.connect(self._on_click)
        self.help = QToolButton()
        self.help.setText("?")
        self.help.setStyleSheet("QToolButton { border: none; padding: 3px 2px; min-width: 0px; max-width: 14px; }")
        self.help.setToolTip(f"What is this? The guide on {panel.title}")
        self.help.setAccessibleName(f"What is {panel.title}?")
        self.help.clicked.connect(
            lambda _=False: show_help(panel.workspace.viewer, anchor_of(f"{number} {panel.title}"))
        )
        self.state = QLabel()
        # a summary that is too long goes on in a second line: a number that is cut short is another number
        self.state.setWordWrap(True)
        self.state.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.state.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        heading = QHBoxLayout()
        heading.setSpacing(2)
        heading.addWidget(self.head)
        heading.addWidget(self.help)
        heading.addWidget(self.state, 1)
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.setSpacing(0)
        page.addLayout(heading)
        page.addWidget(panel)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        page.addWidget(line)
        # a closed step takes the room of its heading and no more
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.open(False)

    def open(self, opened: bool) -> None:
        """Show or hide the panel."""
        self.head.setChecked(opened)
        self.head.setArrowType(Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow)
        self.panel.setVisible(opened)

    def say(self, text: str) -> None:
        """The state of the step, in plain words, whole: where it does not fit it goes on in the next line."""
        self.state.setToolTip(text)
        self.state.setText(_keep_together(text))

    def _on_click(self) -> None:
        self.by_hand = True
        self.open(self.head.isChecked())


class Workbench(QWidget):
    """All steps of the work in one dock widget."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.context = context_of(viewer)
        self.workspace = self.context.workspace
        self.analyse = button(
            "Analyse",
            "Find the clusters, count their atoms, and adapt the model to the image where that helps, in one go",
            lambda: single.analyse(self.workspace),
        )
        self.analyse.setStyleSheet("font-weight: bold; padding: 6px;")
        self.steps = [StepFrame(i, panel(viewer, inside=True)) for i, panel in enumerate(PANELS, start=1)]
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 4, 0)
        column.setSpacing(2)
        for step in self.steps:
            column.addWidget(step)
        column.addStretch(1)
        page = QVBoxLayout(self)
        page.setContentsMargins(4, 4, 4, 4)
        self.start = StartPage(self.context, self.show_tour)
        self.files, self.strip = SaveLine(self.context), ProgressStrip(viewer)
        self.work = scrolling(inner)
        page.addWidget(RecoveryBanner(self.context))
        page.addWidget(self.start, 1)
        page.addWidget(self.analyse)
        page.addWidget(self.work, 1)
        page.addWidget(self.files)
        page.addWidget(self.strip)
        self._docked = Docked(self)
        self._tour: Tour | None = None
        self.work.setAccessibleName("Steps")
        make_accessible(self)
        mark_focus(self)
        self._due = AfterPainting(self, self.show_now)
        self.workspace.changed.connect(self._on_changed)
        self.workspace.active_changed.connect(self._on_active)
        self.show_now()

    def show_now(self) -> None:
        """Show the states of all steps, and open what comes next."""
        document = self.workspace.document
        self.analyse.setEnabled(self.workspace.can_act)
        # an empty window says how to begin, and nothing else
        self.start.setVisible(document is None)
        for part in (self.analyse, self.work, self.files):
            part.setVisible(document is not None)
        self.strip.show_steps(document is not None)
        for step, opened in zip(self.steps, _open_steps(document, len(self.workspace.groups)), strict=True):
            step.say(step.panel.status(document) if document is not None else "")
            if not step.by_hand and step.head.isChecked() != opened:
                step.open(opened)
        self.work.updateGeometry()  # what it holds may have grown

    def show_tour(self) -> None:
        """Five hints, on a sample where no image is open."""
        if self._tour is not None and isalive(self._tour):
            self._tour.end()
        dock = dock_of(self)  # it may be a window of its own, the bubbles lie over the one with the image
        window = dock.parent() if dock is not None else self.window()
        if not isinstance(window, QWidget):
            return
        self._tour = tour_of(self, window)
        self._tour.go(0)

    def _on_changed(self) -> None:
        if isalive(self):
            self._due.start()
            if self._tour is not None and isalive(self._tour):
                self._tour.follow()

    def _on_active(self) -> None:
        for step in self.steps:
            step.by_hand = False

    def sizeHint(self) -> QSize:
        """Wide enough for the tables, tall enough for a screen."""
        return super().sizeHint().expandedTo(QSize(_WIDTH_PX, 0))

    def minimumSizeHint(self) -> QSize:
        """Nothing of what it holds is cut at the side, however large the letters are."""
        return super().minimumSizeHint().expandedTo(QSize(_WIDTH_PX, 0))


def _keep_together(text: str) -> str:
    """`text` in which no line ends between a number and what it counts."""
    return re.sub(r"(?<=\d) (?=\S)", "\N{NO-BREAK SPACE}", text)


def _open_steps(document: Document | None, images: int) -> tuple[bool, ...]:
    """Which steps are open at this point of the work: the ones at hand."""
    calibrated = document is not None and document.micrograph.pixel_size_nm is not None
    found = calibrated and document is not None and len(document.table) > 0
    counted = found and document is not None and document.counted
    session = images > 1
    return (not found, calibrated and not counted, found, session, counted, counted, False, False)
