"""Where an image cannot decide between two samples: the candidates, for the person to choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QButtonGroup, QLabel, QRadioButton, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.document.document import Document


class CandidateChoice(QWidget):
    """The candidates of one frame with their probabilities; `choose` gets frame and label, empty to leave it open."""

    def __init__(self, choose: Callable[[int, str], object]) -> None:
        super().__init__()
        self._choose = choose
        self.question = QLabel()
        self.question.setWordWrap(True)
        self.buttons: list[QRadioButton] = []
        self._group = QButtonGroup(self)
        self._page = QVBoxLayout(self)
        self._page.setContentsMargins(0, 0, 0, 0)
        self._page.setSpacing(2)
        self._page.addWidget(self.question)
        self._shown: Calibration | None = None
        self._frame = 0

    def show_document(self, document: Document | None, frame: int, can_act: bool) -> None:
        """Offer the candidates of `frame`, or of the first frame that is open; hidden where nothing is."""
        open_frames = undecided(document) if document is not None else {}
        self.setVisible(bool(open_frames))
        if document is None or not open_frames:
            return
        self._frame = frame if frame in open_frames else next(iter(open_frames))
        calibration = open_frames[self._frame]
        if calibration is not self._shown:
            self._make(calibration)
        where = f" of frame {self._frame}" if document.micrograph.n_frames > 1 else ""
        self.question.setText(f"What do you know of the sample{where}?")
        choice = document.state.choices.get(self._frame, "")
        for button in self.buttons:
            button.setEnabled(can_act)
            button.setChecked(button.property("dominant") == choice)

    def _make(self, calibration: Calibration) -> None:
        self._shown = calibration
        for button in self.buttons:
            self._group.removeButton(button)
            button.setParent(None)
            button.deleteLater()
        labels = {str(candidate["dominant"]): f"{candidate['probability']:.0%}" for candidate in calibration.candidates}
        self.buttons = [self._button(f"mostly {label}  ({chance})", label) for label, chance in labels.items()]
        self.buttons.append(self._button("leave it open", ""))

    def _button(self, text: str, dominant: str) -> QRadioButton:
        button = QRadioButton(text)
        button.setProperty("dominant", dominant)
        weighed = "Weigh all candidates by their probability"
        button.setToolTip(f"Count as if the sample were mostly {dominant}" if dominant else weighed)
        button.clicked.connect(lambda _=False: self._choose(self._frame, dominant))
        self._group.addButton(button)
        self._page.addWidget(button)
        return button


def undecided(document: Document) -> dict[int, Calibration]:
    """Calibration, as it was before any choice, of each frame that cannot decide by itself."""
    offered = document.state.offered
    if offered is None or not document.counted:
        return {}
    return {frame: fit for frame, fit in offered.calibrations.items() if fit.ambiguous}
