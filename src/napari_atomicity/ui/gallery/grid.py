"""Where headings and pictures of the gallery lie on one tall page, in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QPointF, QRectF

Indices = npt.NDArray[np.int64]

GAP: Final = 10
#: around a picture, for the frame of a selected one
MARGIN: Final = 5


@dataclass(frozen=True)
class Sizes:
    """Width of the page, side of a picture, height of a line of text, height of a heading."""

    width: int
    side: int
    line: int

    @property
    def heading(self) -> int:
        """Height of a heading."""
        return self.line + 12

    @property
    def tile(self) -> tuple[int, int]:
        """Width and height of a picture with its frame and two lines below."""
        return self.side + 2 * MARGIN, self.side + 2 * MARGIN + 2 * self.line


def fitting_side(width: int, least: int) -> int:
    """Side of the pictures with which their rows fill the page.

    Parameters
    ----------
    width
        Of the page.
    least
        They are no smaller.
    """
    columns = max(1, (width - GAP) // (least + 2 * MARGIN + GAP))
    return max(least, min((width - GAP) // columns - 2 * MARGIN - GAP, 2 * least))


class Grid:
    """Groups below one another, each a heading and its pictures in rows.

    Attributes
    ----------
    x, y
        (k,) left and top of each picture with its frame and text.
    tops
        (g + 1,) top of each heading, and the end of the page.
    """

    def __init__(self, counts: Sequence[int], sizes: Sizes) -> None:
        self.sizes = sizes
        wide, tall = sizes.tile
        self.columns = max(1, (sizes.width - GAP) // (wide + GAP))
        tops, x, y, top = [], [np.empty(0, np.int64)], [np.empty(0, np.int64)], 0
        for n in counts:
            tops.append(top)
            at = np.arange(n)
            x.append(GAP + at % self.columns * (wide + GAP))
            y.append(top + sizes.heading + GAP // 2 + at // self.columns * (tall + GAP))
            rows = -(-n // self.columns)
            top += sizes.heading + (rows * (tall + GAP) + GAP // 2 if n else 2)
        self.tops = [*tops, top]
        self.x, self.y = np.concatenate(x), np.concatenate(y)

    @property
    def height(self) -> int:
        """Of the whole page."""
        return self.tops[-1]

    def room(self, index: int) -> QRectF:
        """A picture with its frame and text."""
        return QRectF(float(self.x[index]), float(self.y[index]), *self.sizes.tile)

    def picture(self, index: int) -> QRectF:
        """The picture alone."""
        side = self.sizes.side
        return QRectF(float(self.x[index]) + MARGIN, float(self.y[index]) + MARGIN, side, side)

    def heading(self, group: int) -> QRectF:
        """The heading of a group."""
        return QRectF(0, self.tops[group], self.sizes.width, self.sizes.heading)

    def visible(self, top: float, bottom: float) -> Indices:
        """Pictures of which a part lies between two heights."""
        first = np.searchsorted(self.y, top - self.sizes.tile[1], side="right")
        return np.arange(first, np.searchsorted(self.y, bottom))

    def whole(self, top: float, bottom: float) -> Indices:
        """Pictures that lie between two heights from end to end, below a heading that stays at the upper one."""
        return np.flatnonzero((self.y >= top + self.sizes.heading) & (self.y + self.sizes.tile[1] <= bottom))

    def at(self, place: QPointF) -> int | None:
        """The picture, with its frame and text, at a place of the page."""
        found = self.within(QRectF(place.x(), place.y(), 0, 0))
        return int(found[0]) if len(found) else None

    def within(self, box: QRectF) -> Indices:
        """Pictures that a box touches."""
        wide, tall = self.sizes.tile
        across = (self.x <= box.right()) & (self.x + wide >= box.left())
        return np.flatnonzero(across & (self.y <= box.bottom()) & (self.y + tall >= box.top()))

    def group_at(self, y: float) -> int | None:
        """The group at a height of the page."""
        found = int(np.searchsorted(self.tops, y, side="right")) - 1
        return found if 0 <= found < len(self.tops) - 1 else None

    def beside(self, index: int, right: int, down: int) -> int:
        """The picture that an arrow leads to: the next one, or the nearest in the row above or below.

        Parameters
        ----------
        index
            Where it starts.
        right, down
            Steps; of one of them the other is 0.
        """
        last = len(self.x) - 1
        if right:
            return min(max(index + right, 0), last)
        rows = np.unique(self.y)
        row = int(np.searchsorted(rows, self.y[index])) + down
        if not 0 <= row < len(rows):
            return index if abs(down) == 1 else (0 if down < 0 else last)
        there = np.flatnonzero(self.y == rows[row])
        return int(there[np.abs(self.x[there] - self.x[index]).argmin()])
