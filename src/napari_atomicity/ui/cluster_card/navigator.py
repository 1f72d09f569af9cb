"""Walking through the selected clusters, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from napari_atomicity.ui.widgets.controls import button


class ClusterNavigator(QWidget):
    """Which of the selected clusters is at hand, arrows to the others, and a button that centres the view on it."""

    def __init__(self, show: Callable[[], object], centre: Callable[[], object]) -> None:
        super().__init__()
        #: id of the cluster at hand; -1 for none
        self.at = -1
        self._chosen: list[int] = []
        self._show = show
        self.back = _arrow(Qt.ArrowType.LeftArrow, "The previous one of the selected clusters", lambda: self._step(-1))
        self.on = _arrow(Qt.ArrowType.RightArrow, "The next one of the selected clusters", lambda: self._step(1))
        self.where = QLabel()
        self.where.setToolTip("Its id in the table, and its place among the selected clusters")
        self.where.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        tip = "Bring this cluster to the middle of the view, larger where it would be too small"
        self.centre = button("Centre view", tip, centre)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for widget in (self.back, self.on, self.where, self.centre):
            row.addWidget(widget)

    def follow(self, selection: Iterable[int]) -> int:
        """Stay at the cluster at hand as long as it is selected, else go to the first; gives its id, -1 for none."""
        self._chosen = sorted(selection)
        if self.at not in self._chosen:
            self.at = self._chosen[0] if self._chosen else -1
        several = len(self._chosen) > 1
        place = f"  ({self._chosen.index(self.at) + 1} of {len(self._chosen)} selected)" if several else ""
        self.where.setText(f"Cluster {self.at}{place}")
        self.back.setVisible(several)
        self.on.setVisible(several)
        return self.at

    def _step(self, by: int) -> None:
        if self.at in self._chosen:
            self.at = self._chosen[(self._chosen.index(self.at) + by) % len(self._chosen)]
            self._show()


def _arrow(way: Qt.ArrowType, tip: str, do: Callable[[], object]) -> QToolButton:
    arrow = QToolButton()
    arrow.setArrowType(way)
    arrow.setToolTip(tip)
    arrow.clicked.connect(lambda _=False: do())
    return arrow
