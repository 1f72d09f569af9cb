"""Where the keyboard stands among the pictures."""

from __future__ import annotations

import numpy as np

from napari_atomicity.ui.gallery.contents import Contents


class Walker:
    """The cluster where the keyboard stands, and the one where a range of selected ones begins.

    Attributes
    ----------
    current, anchor
        Their ids; None where there is none.
    """

    def __init__(self) -> None:
        self.current: int | None = None
        self.anchor: int | None = None

    def at(self, contents: Contents) -> int | None:
        """Index of the picture where it stands; None where it has none."""
        return None if self.current is None else contents.index_of(self.current)

    def stand(self, contents: Contents, index: int, anchor: bool = True) -> None:
        """Go to a picture.

        Parameters
        ----------
        contents, index
            Which one.
        anchor
            Whether ranges begin there as well.
        """
        self.current = int(contents.ids[index])
        if anchor:
            self.anchor = self.current

    def range_to(self, contents: Contents, index: int) -> range:
        """The pictures from where the range begins to another one."""
        begin = None if self.anchor is None else contents.index_of(self.anchor)
        low, high = sorted((index if begin is None else begin, index))
        return range(low, high + 1)

    def follow(self, before: Contents, after: Contents) -> None:
        """Stay in the group when the cluster has gone to another one: the next picture took its place."""
        at = self.at(before)
        if at is None:
            return
        label, now = before.label(at), self.at(after)
        if now is not None and after.label(now) == label:
            return
        names = [group.label for group in after.groups]
        there = after.group == (names.index(label) if label in names else -1)
        if there.any():
            self.stand(after, int(np.flatnonzero(there)[min(_place(before, at), int(there.sum()) - 1)]))

    def words(self, contents: Contents, selected: frozenset[int]) -> str:
        """All about the cluster where it stands, for screen readers; empty where it stands nowhere."""
        at = self.at(contents)
        if at is None:
            return ""
        group = contents.groups[contents.group[at]]
        chosen = ", selected" if self.current in selected else ""
        return f"{contents.sentence(at)} {_place(contents, at) + 1} of {len(group.rows)} in {group.title}{chosen}"


def _place(contents: Contents, index: int) -> int:
    """How many pictures of its group come before one."""
    return index - int(np.searchsorted(contents.group, contents.group[index]))
