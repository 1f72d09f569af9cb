"""The images of a folder or dataset as rows and columns, read as they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from napari_atomicity.ui.dataset.service import Listed

Role = Qt.ItemDataRole
_NOWHERE: Final = QModelIndex()
_STATES: Final = {"counted": "counted", "refused": "not countable", "failed": "not read"}


class ImageTable(QAbstractTableModel):
    """A row an image. Of a dataset: state, clusters of each class, scale, session, why it has no count."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[Mapping[str, Any]] = ()
        #: which row of the list stands in each row of the table
        self._order: list[int] = []
        self._columns: list[tuple[str, str]] = []

    def show(self, listed: Listed | None) -> None:
        """Show another list."""
        self.beginResetModel()
        self._rows = () if listed is None else listed.rows
        self._order = list(range(len(self._rows)))
        self._columns = [("file", "Image")]
        if listed is not None and listed.dataset is not None:
            classes = [(f"count_{size}", f"Pt{size}") for size in listed.dataset.facts.classes]
            self._columns += [("status", "State"), ("clusters", "Clusters"), *classes, ("count_other", "other")]
            self._columns += [("scale", "Scale"), ("finest_detail_nm", "Detail (nm)"), ("session", "Session")]
            self._columns += [("refusal", "Why not")]
        else:
            self._columns += [("path", "Path")]
        self.endResetModel()

    def row(self, index: int) -> Mapping[str, Any]:
        """The image of a row."""
        return self._rows[self._order[index]]

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; by none, in the order of the list.

        Parameters
        ----------
        column
            Which one; none where below zero.
        order
            Upwards or downwards.
        """
        self.layoutAboutToBeChanged.emit()
        chosen = [(index, self._order[index.row()]) for index in self.persistentIndexList()]
        self._order = list(range(len(self._rows)))
        if 0 <= column < len(self._columns):
            name = self._columns[column][0]
            values = [row.get(name) for row in self._rows]
            # what has no value stands below everything
            lowest: Any = "" if any(isinstance(value, str) for value in values) else -float("inf")
            keys = [lowest if value is None else value for value in values]
            self._order.sort(key=keys.__getitem__, reverse=order == Qt.SortOrder.DescendingOrder)
        places = {row: place for place, row in enumerate(self._order)} if chosen else {}
        for index, row in chosen:
            self.changePersistentIndex(index, self.index(places[row], index.column()))
        self.layoutChanged.emit()

    def rowCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """How many images."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """How many columns."""
        return 0 if parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole) -> Any:
        """Names of the columns."""
        if role == Role.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self._columns[section][1]
        return None

    def data(self, index: QModelIndex, role: int = Role.DisplayRole) -> Any:
        """What stands in a cell."""
        if not index.isValid():
            return None
        row, name = self.row(index.row()), self._columns[index.column()][0]
        value = row.get(name)
        if role == Role.ToolTipRole:
            return str(row.get("refusal") or row.get("remarks") or row.get("path") or "")
        if role == Role.TextAlignmentRole and isinstance(value, int | float):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role != Role.DisplayRole or value is None:
            return None
        if name == "status":
            return _STATES.get(value, value)
        if name == "session":
            return value.replace("\\", "/").rstrip("/").rpartition("/")[2]
        return f"{value:.4g}" if isinstance(value, float) else str(value)
