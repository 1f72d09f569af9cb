"""The numbers of class ratios, a column a class, each under its bar."""

from __future__ import annotations

from typing import Final

import pandas as pd
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_atomicity.ui.widgets.controls import line_height, with_window_font
from napari_atomicity.wording import number

#: rows, and the columns of `pipeline.Ratios` that they hold
_ROWS: Final = {
    "clusters": "count",
    "labelled": "counted",
    "corrected": "share",
    "95 % from": "low",
    "95 % to": "high",
    "expected": "expected",
    "diameter": "diameter",
    "intensity": "intensity",
}
_FLAT: Final = (
    "QTableWidget, QHeaderView, QHeaderView::section, QTableCornerButton::section "
    "{ background: transparent; border: none; padding: 0px; }"
)


class RatioTable(QTableWidget):
    """Clusters and shares of each class; narrow enough for a dock, where a row a class would not be."""

    def __init__(self) -> None:
        super().__init__(len(_ROWS), 0)
        self.setVerticalHeaderLabels(list(_ROWS))
        self.setToolTip(
            "Clusters of each class, and shares among the clusters that are one of these classes, in %: of the labels "
            "as they are, corrected for what is confused with the 95 % interval, expected, and by diameter or "
            "intensity alone"
        )
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setStyleSheet(_FLAT)
        with_window_font(self)
        side, header = self.verticalHeader(), self.horizontalHeader()
        if side is not None and header is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
            header.setMinimumSectionSize(20)
        for bar in (self.setHorizontalScrollBarPolicy, self.setVerticalScrollBarPolicy):
            bar(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._fit()

    def changeEvent(self, event: QEvent | None) -> None:
        """Another size of the text asks for other rows."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit()

    def _fit(self) -> None:
        row, side, header = line_height(self), self.verticalHeader(), self.horizontalHeader()
        if side is not None and header is not None:
            side.setMinimumSectionSize(row)
            side.setDefaultSectionSize(row)
            header.setFixedHeight(row)
        self.setFixedHeight(row * (len(_ROWS) + 1) + 4)

    def show_ratios(self, table: pd.DataFrame) -> None:
        """Show the `table` of `pipeline.Ratios`."""
        self.setVisible(True)
        self.setColumnCount(len(table))
        self.setHorizontalHeaderLabels(table["label"].tolist())
        for i, name in enumerate(_ROWS.values()):
            for j, value in enumerate(table[name]):
                item = QTableWidgetItem(str(value) if name == "count" else number(100 * value, ".1f"))
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                self.setItem(i, j, item)
