"""What happened in a movie, a row an event."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from psygnal import Signal
from qtpy.QtCore import QEvent, QItemSelection, QItemSelectionModel, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_atomicity.ui.widgets.controls import line_height, with_window_font

_COLUMNS: Final = ("frame", "what", "tracks", "atoms")
_ROWS: Final = 8
#: events that are shown; all of them are in the files
MOST: Final = 1000


class EventTable(QTableWidget):
    """Events in the order of frames. Signal: `chosen` with the number of the event that a person went to."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__(0, len(_COLUMNS))
        self.setHorizontalHeaderLabels(list(_COLUMNS))
        self.setToolTip("What happened; click an event to go there. Events of selected clusters are marked")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setShowGrid(False)
        with_window_font(self)
        side, header = self.verticalHeader(), self.horizontalHeader()
        if side is not None:
            side.hide()
        if header is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setSectionResizeMode(len(_COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
        self.events = pd.DataFrame()
        self._tracks: list[set[int]] = []
        self._writing = False
        self.itemSelectionChanged.connect(self._on_selection)

    def show_events(self, events: pd.DataFrame) -> None:
        """Fill the rows.

        Parameters
        ----------
        events
            Of a movie.
        """
        self._writing = True
        self.events = events.head(MOST)
        self._tracks = [
            {int(name) for side in (before, after) for name in str(side).split()}
            for before, after in zip(self.events["before"], self.events["after"], strict=True)
        ]
        self.setRowCount(len(self.events))
        events_shown: Any = self.events.itertuples()
        for at, event in enumerate(events_shown):
            for column, text in enumerate(_texts(event)):
                item = QTableWidgetItem(text)
                item.setToolTip(f"Certainty {100 * float(event.certainty):.0f} %")
                if column == 0:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(at, column, item)
        self._fit()
        self._writing = False

    def changeEvent(self, event: QEvent | None) -> None:
        """Rows grow with the letters."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit()

    def _fit(self) -> None:
        row_height = line_height(self)
        for at in range(self.rowCount()):
            self.setRowHeight(at, row_height)
        header = self.horizontalHeader()
        head = row_height if header is None else max(row_height, header.sizeHint().height())
        self.setFixedHeight(row_height * min(max(self.rowCount(), 2), _ROWS) + head + 6)

    def mark_tracks(self, tracks: set[int]) -> None:
        """Mark the events that tracks take part in, and bring the first into view.

        Parameters
        ----------
        tracks
            Numbers of tracks.
        """
        rows = [at for at, members in enumerate(self._tracks) if members & tracks]
        if {index.row() for index in self.selectedIndexes()} == set(rows):
            return
        selection, model, table = QItemSelection(), self.selectionModel(), self.model()
        for row in rows:
            assert table is not None
            selection.select(table.index(row, 0), table.index(row, len(_COLUMNS) - 1))
        self._writing = True
        if model is not None:
            model.select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        if rows:
            self.scrollToItem(self.item(rows[0], 0))
        self._writing = False

    def _on_selection(self) -> None:
        if not self._writing and self.currentRow() >= 0 and self.selectedIndexes():
            self.chosen.emit(int(self.events["event"].iloc[self.currentRow()]))


def _texts(event: Any) -> tuple[str, str, str, str]:
    before, after = str(event.before), str(event.after)
    tracks = before if before == after else " → ".join(side.replace(" ", " + ") for side in (before, after) if side)
    atoms = " → ".join(
        "0" if not value else f"{value:.0f} ± {sd:.0f}" if np.isfinite(value) else "?"
        for value, sd in (
            (event.atoms_before, event.atoms_before_sd),
            (event.atoms_after, event.atoms_after_sd),
        )
    )
    return str(event.frame), str(event.kind), tracks, atoms
