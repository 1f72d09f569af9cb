"""The page of the gallery: what lies where on it, which part of it is seen, and what is selected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtWidgets import QAbstractScrollArea, QScrollBar, QSizePolicy, QWidget

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.ui.gallery.contents import Choices, Contents
from napari_atomicity.ui.gallery.crops import Crops
from napari_atomicity.ui.gallery.grid import Grid, Sizes, fitting_side
from napari_atomicity.ui.gallery.painting import Look
from napari_atomicity.ui.gallery.walker import Walker

_SIDE_PX: Final = 84
#: the widest first line of a caption
_CAPTION: Final = "◇ Pt55  > 99 %"
#: pictures made ahead of the visible ones, after and before them
_AHEAD: Final = (480, 160)
_NAME: Final = "Pictures of clusters"


class Page(QAbstractScrollArea):
    """Groups of pictures below one another, of which a part is seen.

    Signals: `picked` with the ids that a person selected, `looked_at` with the one that was double-clicked, `dropped`
    with the label onto which the selected ones were dragged, `folded` with the label of a heading that was clicked,
    `sized` with how many times as large the pictures are wanted, `typed` with a key that is not about the pictures.
    """

    picked = Signal(object)
    looked_at = Signal(int)
    dropped = Signal(str)
    folded = Signal(str)
    sized = Signal(float)
    typed = Signal(object)

    def __init__(self, crops: Crops) -> None:
        super().__init__()
        self.crops = crops
        self.contents = Contents(ClusterTable.empty(), (), Choices())
        self.grid = Grid((), Sizes(100, _SIDE_PX, 16))
        self.look = Look({"background": "#262930", "text": "#ffffff", "grid": "#414851"}, {}, float("nan"))
        self.message = ""
        self.selected: frozenset[int] = frozenset()
        #: what a box that is being drawn would select; None where there is none
        self.preview: frozenset[int] | None = None
        self.walker = Walker()
        # of our own: Qt's may be missing, for all that its annotations say
        self.port, self.bar = QWidget(), QScrollBar(Qt.Orientation.Vertical)
        self.setViewport(self.port)
        self.setVerticalScrollBar(self.bar)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(_NAME)

    def sizeHint(self) -> QSize:
        """Some columns and rows."""
        return QSize(440, 460)

    def minimumSizeHint(self) -> QSize:
        """Two columns."""
        return QSize(2 * _SIDE_PX + 70, 160)

    # ------------------------------------------------------------------ what is shown

    def show_contents(self, contents: Contents, look: Look, message: str) -> None:
        """These clusters, or a sentence where there are none; what is seen stays where it is."""
        seen = self.seen()
        same_order = contents.choices.order == self.contents.choices.order
        same_order = same_order and contents.choices.backwards == self.contents.choices.backwards
        self.walker.follow(self.contents, contents)
        self.contents, self.look, self.message = contents, look, message
        self.lay_out(seen if same_order else [])
        if not same_order:
            self.bar.setValue(0)

    def show_selection(self, selected: frozenset[int], reveal: bool = True) -> None:
        """What is selected in the document.

        Parameters
        ----------
        selected
            Ids of the clusters.
        reveal
            Whether the first of them comes into view where none of them is seen.
        """
        if selected == self.selected:
            return
        self.selected = selected
        there = self.contents.indices_of(selected)
        if len(there):
            if len(selected) == 1:
                self.walker.stand(self.contents, int(there[0]))
            whole = self.grid.whole(self.top, self.top + self.port.height())
            if reveal and not np.isin(there, whole).any():
                self.reveal(int(there[0]))
        self._describe()
        self.port.update()

    @property
    def top(self) -> int:
        """Height of the page at the top of what is seen."""
        return int(self.bar.value())

    @property
    def visible(self) -> Any:
        """(k,) indices of the pictures of which a part is seen."""
        return self.grid.visible(self.top, self.top + self.port.height())

    def on_page(self, place: QPointF) -> QPointF:
        """A place of the view on the page."""
        return place + QPointF(0, self.top)

    def heading_at(self, place: QPointF) -> int | None:
        """The group whose heading is seen at a place of the view."""
        groups = range(len(self.contents.groups))
        return next((group for group in groups if self.heading_room(group).contains(place)), None)

    def group_under(self, place: QPointF) -> int | None:
        """The group that is seen at a place of the view."""
        heading = self.heading_at(place)
        return self.grid.group_at(self.on_page(place).y()) if heading is None else heading

    def picture_under(self, place: QPointF) -> int | None:
        """The picture, with its caption, at a place of the view; none below a heading that stays in sight."""
        return None if self.heading_at(place) is not None else self.grid.at(self.on_page(place))

    def reveal(self, index: int) -> None:
        """Scroll as little as it takes to see a picture whole."""
        room = self.grid.room(index)
        top, bottom = room.top() - self.grid.sizes.heading - 6, room.bottom() + 6
        if top < self.top:
            self.bar.setValue(int(top))
        elif bottom > self.top + self.port.height():
            self.bar.setValue(int(bottom - self.port.height()))

    def heading_room(self, group: int) -> QRectF:
        """Where a heading is seen: that of the group at the top stays there."""
        room = self.grid.heading(group).translated(0, -self.top)
        if room.top() < 0:
            room.moveTop(min(0.0, self.grid.tops[group + 1] - self.top - room.height()))
        return room

    def seen(self) -> list[tuple[int, str, float]]:
        """Id, label and height in view of each picture that is seen."""
        ids, y = self.contents.ids, self.grid.y
        return [(int(ids[i]), self.contents.label(i), float(y[i] - self.top)) for i in self.visible.tolist()]

    def lay_out(self, seen: Iterable[tuple[int, str, float]] = ()) -> None:
        """Where everything lies, with the first picture of `seen` that kept its label at the height where it was."""
        metrics = self.fontMetrics()
        width = self.port.width()
        least = max(_SIDE_PX, metrics.horizontalAdvance(_CAPTION))
        # a picture is seen whole, with its text and below a heading
        room = min(self.port.height() - 3 * metrics.lineSpacing() - 40, width - 40)
        wanted = max(least, min(round(least * self.contents.choices.size), room))
        side = max(least, min(fitting_side(width, wanted), room))
        counts = [0 if group.folded else len(group.rows) for group in self.contents.groups]
        self.grid = Grid(counts, Sizes(width, side, metrics.lineSpacing()))
        self.bar.setRange(0, max(self.grid.height - self.port.height(), 0))
        self.bar.setPageStep(max(self.port.height() - self.grid.sizes.heading, 1))
        self.bar.setSingleStep(self.grid.sizes.tile[1] // 3)
        for cluster, label, height in seen:
            index = self.contents.index_of(cluster)
            if index is not None and self.contents.label(index) == label:
                self.bar.setValue(int(self.grid.y[index] - height))
                break
        self.ask()
        self._describe()
        self.port.update()

    # ------------------------------------------------------------------ selecting

    def pick(self, indices: Iterable[int], add: bool = False) -> None:
        """Select pictures, in place of the others or besides."""
        ids = frozenset(self.contents.ids[list(indices)].tolist())
        self.picked.emit(self.selected | ids if add else ids)

    def toggle(self, index: int) -> None:
        """Select a picture, or no longer."""
        self.picked.emit(self.selected ^ {int(self.contents.ids[index])})

    def pick_up_to(self, index: int, add: bool = False) -> None:
        """Select all from where the range begins to a picture."""
        self.pick(self.walker.range_to(self.contents, index), add)

    def stand_at(self, index: int, anchor: bool = True, reveal: bool = True) -> None:
        """The keyboard goes on from a picture.

        Parameters
        ----------
        index
            Which one.
        anchor
            Whether ranges begin there as well.
        reveal
            Whether it comes into view.
        """
        self.walker.stand(self.contents, index, anchor)
        if reveal:
            self.reveal(index)
        self._describe()
        self.port.update()

    @property
    def at(self) -> int | None:
        """The picture where the keyboard stands."""
        return self.walker.at(self.contents)

    def _describe(self) -> None:
        """Tell screen readers where the keyboard stands."""
        said = self.message or self.walker.words(self.contents, self.selected)
        name = f"{_NAME}. {said}" if said else _NAME
        if name != self.accessibleName():
            self.setAccessibleName(name)

    def ask(self) -> None:
        """Have the pictures made that are seen, then those beyond."""
        if not self.isVisible() or not len(self.contents):
            return
        seen = self.visible
        first, last = (int(seen[0]), int(seen[-1]) + 1) if len(seen) else (0, 0)
        wanted = [*range(first, last), *range(last, last + _AHEAD[0]), *range(first - 1, first - _AHEAD[1], -1)]
        self.crops.want([self.contents.place(i) for i in wanted if 0 <= i < len(self.contents)])
