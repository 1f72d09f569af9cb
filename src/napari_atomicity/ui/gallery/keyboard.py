"""Walking and selecting in the gallery by keys."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent

from napari_atomicity.ui.gallery.page import Page

_STEPS: Final = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
_ENTER: Final = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
#: how many times as large the pictures become
_SIZES: Final = {Qt.Key.Key_Plus: 1.15, Qt.Key.Key_Equal: 1.15, Qt.Key.Key_Minus: 1 / 1.15}


def press(view: Page, event: QKeyEvent) -> bool:
    """Do what a key says about the pictures.

    Arrows, Home, End and the page keys walk, with Shift they select the way; the space bar selects, with Ctrl besides
    the others; Enter looks at the cluster in the image; Ctrl with + and - makes the pictures larger and smaller;
    Escape gives the selection up.

    Parameters
    ----------
    view
        The pictures.
    event
        The key.

    Returns
    -------
    Whether it says anything about them.
    """
    key, keys = Qt.Key(event.key()), event.modifiers()
    shift, ctrl = (
        bool(keys & each) for each in (Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier)
    )
    if key == Qt.Key.Key_Escape:
        view.pick(())
        return True
    if not len(view.contents):
        return False
    to = _walked(view, key, ctrl)
    at = view.at
    if to is not None:
        view.stand_at(to, anchor=not shift)
        if shift:
            view.pick_up_to(to)
    elif key == Qt.Key.Key_Space and at is not None:
        view.toggle(at) if ctrl else view.pick([at])
        view.stand_at(at)
    elif key == Qt.Key.Key_A and ctrl and not shift:
        view.pick(range(len(view.contents)))
    elif ctrl and key in _SIZES:
        view.sized.emit(_SIZES[key])
    elif key in _ENTER and at is not None:
        view.looked_at.emit(int(view.contents.ids[at]))
    else:
        return False
    return True


def _walked(view: Page, key: Qt.Key, ctrl: bool) -> int | None:
    """The picture that a key leads to; None for a key that does not walk."""
    seen, last = view.visible, len(view.contents) - 1
    at = view.at
    if key in (Qt.Key.Key_Home, Qt.Key.Key_End):
        return 0 if key == Qt.Key.Key_Home else last
    rows = max(view.port.height() // (view.grid.sizes.tile[1] + 1) - 1, 1)
    pages = {Qt.Key.Key_PageUp: (0, -rows), Qt.Key.Key_PageDown: (0, rows)}
    step = {**_STEPS, **pages}.get(key)
    if step is None:
        return None
    if at is None:
        return int(seen[0]) if len(seen) else 0
    if ctrl and step[1]:
        return _other_group(view, at, step[1])
    return view.grid.beside(at, *step)


def _other_group(view: Page, at: int, down: int) -> int:
    """The first picture of the group above or below."""
    group = view.contents.group
    if down > 0:
        below = (group > group[at]).nonzero()[0]
        return int(below[0]) if len(below) else len(group) - 1
    begin = int((group == group[at]).argmax())
    return int((group == group[begin - 1]).argmax()) if begin else 0
