"""The small card beside the mouse: what the cluster is that the mouse rests on."""

from __future__ import annotations

import weakref
from html import escape
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtWidgets import QLabel, QWidget

from napari_atomicity.insight.cluster_card import in_short
from napari_atomicity.ui.actions import annotate
from napari_atomicity.ui.widgets.controls import with_window_font
from napari_atomicity.ui.widgets.label_buttons import colours_of
from napari_atomicity.ui.widgets.theme import plot_colours
from napari_atomicity.wording import chance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.ui.context import Context

#: the mouse rests
_REST_MS: Final = 120
#: from the mouse to the card, which must not cover the cluster
_BESIDE_PX: Final = 18
#: a class is named beside the first one from here
_MAY_BE: Final = 0.1


class HoverCard(QLabel):
    """Label, certainty, atoms and diameter of the cluster under the mouse; no click ever lands on it."""

    def __init__(self, context: Context, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.setObjectName("hover_card")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setTextFormat(Qt.TextFormat.RichText)
        with_window_font(self)
        self.context = context
        self._at: tuple[Any, ...] | None = None
        self._mouse = QPoint()
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self.show_now)
        viewer = context.workspace.viewer
        if viewer is not None:
            me = weakref.ref(self)

            def moved(_: Any, event: Any) -> None:
                if (card := me()) is not None and isalive(card):
                    card.follow(event.position, event.pos, bool(event.buttons))

            def gone(*_: Any) -> None:
                if (card := me()) is not None and isalive(card):
                    card.go()

            viewer.mouse_move_callbacks.append(moved)
            viewer.mouse_wheel_callbacks.append(gone)
            viewer.mouse_drag_callbacks.append(gone)
        context.workspace.changed.connect(self._again)
        self.hide()

    def follow(self, position: tuple[float, ...], place: Sequence[float], pressed: bool) -> None:
        """The mouse moved.

        Parameters
        ----------
        position
            World coordinates.
        place
            The same in pixels of the canvas, x first.
        pressed
            Whether a button is held: a person draws, moves or selects.
        """
        self._at, self._mouse = None if pressed else position, QPoint(int(place[0]), int(place[1]))
        if self.isVisible():
            self.hide()
        if not pressed:
            self._rest.start()

    def show_now(self) -> None:
        """Show the card of the cluster at the place of the mouse, if there is one."""
        words = self._words()
        canvas = self.parentWidget()
        if not words or canvas is None:
            self.hide()
            return
        first, *others = words
        self._dress()
        self.setText("<br>".join([first, *map(escape, others)]))
        self.adjustSize()
        self.move(_place(self._mouse, self, canvas))
        self.show()
        self.raise_()

    def go(self) -> None:
        """Take the card away until the mouse rests again."""
        if isalive(self):
            self._rest.stop()
            self.hide()

    def _again(self) -> None:
        """Say it anew: a label was given by key while the mouse lies on the cluster."""
        if isalive(self) and self.isVisible():
            self.hide()
            self._rest.start()

    def _words(self) -> list[str]:
        """Lines of the card; the first as rich text. None where there is no cluster, or its layer is hidden."""
        group = self.context.workspace.group
        points = None if group is None else group.clusters.points
        if self._at is None or group is None or points is None or not points.visible:
            return []
        table: ClusterTable = group.document.table
        row: Any = points.get_value(self._at, world=True)  # a point layer names the point
        if row is None or row >= min(len(table), len(points.data)):
            return []
        label, *others = in_short(table, int(row))
        final = str(table.final_labels[int(row)])
        dot = f'<span style="color:{colours_of([final]).get(final, "#f4f4f4")}">●</span> ' if final else ""
        return [
            f"{dot}<b>{escape(label)}</b>",
            *others,
            *_runner_up(table, int(row), annotate.labels_of(group.document)),
        ]

    def _dress(self) -> None:
        theme = plot_colours(self.context.workspace.viewer)
        self.setStyleSheet(
            f"#hover_card {{ background: {theme['background']}; color: {theme['text']};"
            f" border: 1px solid {theme['grid']}; border-radius: 4px; padding: 4px 7px; }}"
        )


def _runner_up(table: ClusterTable, row: int, labels: Sequence[str]) -> list[str]:
    """The class that comes next, where it may be the right one as well."""
    chances = table.probabilities[row]
    if len(chances) != len(labels) or len(chances) < 2 or not np.isfinite(chances).all():
        return []
    if str(table.rows["annotation"].iloc[row]) or str(table.rows["label"].iloc[row]) not in labels:
        return []
    second = int(np.argsort(chances)[-2])
    return [f"or {labels[second]} {chance(chances[second])}"] if chances[second] >= _MAY_BE else []


def _place(mouse: QPoint, card: QWidget, canvas: QWidget) -> QPoint:
    """Beside the mouse and within the canvas: to the left of it or above it where there is no room."""
    x, y = mouse.x() + _BESIDE_PX, mouse.y() + _BESIDE_PX
    if x + card.width() > canvas.width():
        x = mouse.x() - _BESIDE_PX - card.width()
    if y + card.height() > canvas.height():
        y = mouse.y() - _BESIDE_PX - card.height()
    return QPoint(max(x, 0), max(y, 0))


def lay_hover_card(context: Context) -> HoverCard | None:
    """The small card on the canvas of a viewer, made once; None without a window."""
    window = getattr(context.workspace.viewer, "window", None)
    # napari has no public way to its canvas as a widget
    canvas = None if window is None else window._qt_viewer.canvas.native
    if canvas is None:
        return None
    known = canvas.findChild(HoverCard, options=Qt.FindChildOption.FindDirectChildrenOnly)
    return known or HoverCard(context, canvas)
