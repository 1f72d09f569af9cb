"""The legend in a corner of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from napari_atomicity.ui.legend.entries import Entry, entries_of
from napari_atomicity.ui.legend.filters import seen_words
from napari_atomicity.ui.legend.legend import Legend
from napari_atomicity.ui.widgets.controls import AfterPainting, say
from napari_atomicity.ui.widgets.theme import plot_colours

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.pipeline import ImageState
    from napari_atomicity.ui.context import Context

_MARGIN_PX: Final = 10
#: a map over the image: its colour and its name
_MAP: Final = '<span style="color: {}">■</span> {}'


class LegendOnImage(QFrame):
    """The classes of the document in hand, the colours of its maps and, where some are hidden, how many are seen."""

    def __init__(self, context: Context, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.setObjectName("legend_on_image")
        self.context = context
        self.legend = Legend(context.workspace, small=True)
        self.seen = QLabel()
        self.maps = QLabel()
        self.maps.setTextFormat(Qt.TextFormat.RichText)
        page = QVBoxLayout(self)
        page.setContentsMargins(8, 5, 6, 5)
        page.setSpacing(2)
        page.addWidget(self.legend)
        page.addWidget(self.seen)
        page.addWidget(self.maps)
        self.move(_MARGIN_PX, _MARGIN_PX)
        self._of: ImageState | None = None
        self._entries: list[Entry] = []
        self._due = AfterPainting(self, self.show_now)
        context.workspace.changed.connect(self._on_changed)
        context.legend.changed.connect(self._on_changed)
        viewer = context.workspace.viewer
        if viewer is not None:
            viewer.events.theme.connect(self._on_theme)
        self._paint_over()
        self.show_now()

    def show_now(self) -> None:
        """Show the document in hand; nothing while it is not counted."""
        group = self.context.workspace.group
        document = None if group is None else group.document
        there = document is not None and document.counted and document.state.bundle is not None
        if group is None or document is None or not there or not self.context.legend.wanted:
            self._of, self._entries = None, []  # an image that was closed can go
            self.hide()
            return
        self.legend.show_entries(self._entries_of(document), group.rings.hidden)
        say(self.seen, seen_words(group) if group.rings.active else "")
        say(self.maps, "<br>".join(_MAP.format(*each) for each in group.maps.key))
        self.adjustSize()
        self.show()

    def _entries_of(self, document: Document) -> list[Entry]:
        if document.state is not self._of:
            self._of, self._entries = document.state, entries_of(document, document.ratios())
        return self._entries

    def _paint_over(self) -> None:
        """The colours of the theme over a pane that lets the image through."""
        theme = plot_colours(self.context.workspace.viewer)
        red, green, blue = (int(theme["background"][i : i + 2], 16) for i in (1, 3, 5))
        self.setStyleSheet(
            f"#legend_on_image {{ background: rgba({red}, {green}, {blue}, 230); border-radius: 4px; }}"
            "QWidget { background: transparent; }"
        )

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """A click on the pane is none on the image below it."""
        if event is not None:
            event.accept()

    def _on_changed(self) -> None:
        if isalive(self):
            self._due.start()

    def _on_theme(self, _: object = None) -> None:
        if isalive(self):
            self._paint_over()


def lay_on_image(context: Context) -> LegendOnImage | None:
    """The legend on the canvas of a viewer, made once; None without a window."""
    window = getattr(context.workspace.viewer, "window", None)
    # napari has no public way to its canvas as a widget
    canvas = None if window is None else window._qt_viewer.canvas.native
    if canvas is None:
        return None
    known = canvas.findChild(LegendOnImage, options=Qt.FindChildOption.FindDirectChildrenOnly)
    return known or LegendOnImage(context, canvas)
