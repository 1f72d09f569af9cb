"""The classes in their colours: a click selects the clusters of one, a double click leads to the next of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QAbstractButton, QGridLayout, QLabel, QWidget

from napari_atomicity.ui.actions import looking

if TYPE_CHECKING:
    from napari_atomicity.ui.legend.entries import Entry
    from napari_atomicity.ui.workspace.workspace import Workspace

_HEADINGS: Final = ("", "class", "clusters", "share (95 % interval)")
_SHARE, _EYE = 3, 4
_TIP: Final = (
    "Click a class to select its clusters, with Shift or Ctrl those of several. Double-click it to go to its next one."
)


class Legend(QWidget):
    """Colour, count and share of each class, and an eye that hides its rings."""

    def __init__(self, workspace: Workspace, small: bool = False) -> None:
        super().__init__()
        self._workspace = workspace
        self._small = small
        self.entries: list[Entry] = []
        self._cells: dict[tuple[int, int], QLabel] = {}
        #: the eye of each class, by its row
        self.eyes: list[Eye] = []
        self._under = -1
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(1)
        self._grid.setColumnStretch(_SHARE, 0 if small else 1)
        self.setToolTip(_TIP)
        self.setMouseTracking(True)
        if not small:
            for column, text in enumerate(_HEADINGS):
                self._cell(0, column).setText(text)

    def show_entries(self, entries: Sequence[Entry], hidden: frozenset[str]) -> None:
        """Show classes, those whose rings are hidden faint."""
        self.entries = list(entries)
        for row, entry in enumerate(entries, start=1):
            seen = entry.label not in hidden
            swatch = self._cell(row, 0)
            swatch.setText("●" if seen else "○")
            swatch.setStyleSheet(f"color: {entry.colour}; font-size: 15px;")
            texts = (entry.label, str(entry.count), *(() if self._small else (entry.share,)))
            for column, text in enumerate(texts, start=1):
                self._cell(row, column).setText(text)
                self._cell(row, column).setEnabled(seen)
            self._eye(row).show_state(entry.label, seen)
        for (row, _), label in self._cells.items():
            label.setVisible(row <= len(entries))
        for row, eye in enumerate(self.eyes, start=1):
            eye.setVisible(row <= len(entries))

    def _cell(self, row: int, column: int) -> QLabel:
        if (row, column) not in self._cells:
            label = QLabel()
            # the row answers, whatever of it is clicked
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            if column == 2:
                label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            label.setWordWrap(column == _SHARE)  # what is undecided must not widen the dock
            self._cells[row, column] = label
            self._grid.addWidget(label, row, column)
        return self._cells[row, column]

    def _eye(self, row: int) -> Eye:
        while len(self.eyes) < row:
            eye = Eye()
            # on the image the keys stay with the image
            eye.setFocusPolicy(Qt.FocusPolicy.NoFocus if self._small else Qt.FocusPolicy.TabFocus)
            at = len(self.eyes)
            # no partial: PySide6 hands nothing to one
            eye.clicked.connect(lambda wanted, at=at: self._on_eye(at, wanted))
            self.eyes.append(eye)
            self._grid.addWidget(eye, len(self.eyes), _EYE)
        return self.eyes[row - 1]

    # ------------------------------------------------------------------ what a person does

    def _on_eye(self, index: int, wanted: bool) -> None:
        if index < len(self.entries):
            looking.show_label(self._workspace, self.entries[index].label, wanted)

    def _row(self, index: int) -> QRect:
        """Where a class lies, as tall as the tallest of its cells; the grid does not tell while a cell wraps."""
        cells = [label.geometry() for (row, _), label in self._cells.items() if row == index + 1]
        return reduce(QRect.united, cells)

    def _entry_at(self, place: QPoint) -> int:
        """Which class lies at a place of the widget; -1 for none."""
        for index in range(len(self.entries)):
            cell = self._row(index)
            if cell.top() <= place.y() <= cell.bottom():
                return index
        return -1

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Select the clusters of the class."""
        index = -1 if event is None else self._entry_at(event.position().toPoint())
        if event is None or index < 0 or event.button() != Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)
            return
        several = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier
        looking.select_label(self._workspace, self.entries[index].label, bool(event.modifiers() & several))

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Go to the next cluster of the class."""
        index = -1 if event is None else self._entry_at(event.position().toPoint())
        if index >= 0:
            looking.next_of_label(self._workspace, self.entries[index].label)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Show which class a click would mean."""
        self._point_at(-1 if event is None else self._entry_at(event.position().toPoint()))

    def leaveEvent(self, event: QEvent | None) -> None:
        """No class any more."""
        super().leaveEvent(event)
        self._point_at(-1)

    def _point_at(self, index: int) -> None:
        if index != self._under:
            self._under = index
            self.setCursor(Qt.CursorShape.PointingHandCursor if index >= 0 else Qt.CursorShape.ArrowCursor)
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """A light band behind the class under the cursor."""
        if 0 <= self._under < len(self.entries):
            row = self._row(self._under)
            colour = self.palette().windowText().color()
            colour.setAlpha(28)
            painter = QPainter(self)
            painter.fillRect(0, row.top(), self.width(), row.height(), colour)
            painter.end()


class Eye(QAbstractButton):
    """An eye, open while the rings of a class are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.setCheckable(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_state(self, label: str, seen: bool) -> None:
        """Show whether the rings of a label can be seen."""
        self.setChecked(seen)
        self.setToolTip(f"{'Hide' if seen else 'Show'} the rings of {label}; no number changes")
        self.setAccessibleName(self.toolTip())

    def sizeHint(self) -> QSize:
        """As tall as a line."""
        return QSize(24, 16)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Lid and pupil; struck through while the rings are hidden."""
        colour = QColor(self.palette().windowText().color())
        colour.setAlphaF(0.9 if self.isChecked() else 0.5)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = self.rect().center()
        painter.translate(middle.x() + 0.5, middle.y() + 0.5)
        painter.setPen(QPen(colour, 1.3))
        for start in (25, 205):  # two arcs that meet in the corners of the eye
            place = QRectF(-8.8, -4.2 if start == 25 else -11.8, 17.6, 16)
            painter.drawArc(place, start * 16, 130 * 16)
        if self.isChecked():
            painter.setBrush(colour)
            painter.drawEllipse(QRectF(-2.2, -2.2, 4.4, 4.4))
        else:
            painter.drawLine(-6, 5, 6, -5)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour, 1, Qt.PenStyle.DotLine))
            painter.drawRect(-11, -7, 22, 14)
        painter.end()
