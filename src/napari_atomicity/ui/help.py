"""The documentation in the window, page by page, without the net."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.qt.threading import create_worker
from qtpy.compat import isalive
from qtpy.QtCore import QSize, Qt, QTimer, QUrl
from qtpy.QtGui import (
    QDesktopServices,
    QImage,
    QImageReader,
    QResizeEvent,
    QTextBlock,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
)
from qtpy.QtWidgets import QHBoxLayout, QLabel, QTextBrowser, QVBoxLayout, QWidget

from napari_atomicity.io.documentation import address_of, anchor_of, page_of
from napari_atomicity.ui.widgets.controls import button, later
from napari_atomicity.ui.widgets.docked import Docked
from napari_atomicity.ui.workspace.docks import open_dock

if TYPE_CHECKING:
    import napari
    from napari.components import ViewerModel

GUIDE: Final = "guide.md"
_MARGIN: Final = 24
_SMOOTH: Final = Qt.TransformationMode.SmoothTransformation


def show_help(viewer: ViewerModel | None, anchor: str = "", page: str = GUIDE) -> None:
    """Show a page of the documentation beside the workbench.

    Parameters
    ----------
    viewer
        In whose window.
    anchor
        The heading to begin at, as in a link; empty for the top.
    page
        The name of the file.
    """
    dock = open_dock(viewer, "Help")
    panel = dock.widget() if dock is not None else None
    if isinstance(panel, HelpPanel):
        panel.show_page(page, anchor)


class HelpPanel(QWidget):
    """A page, the way back, and the guide's contents."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._docked = Docked(self)
        self.page = Page()
        self.back = button("Back", "The page before", self._back)
        self.contents = button("Guide", "The user guide from its beginning", lambda: self.show_page(GUIDE))
        self.name = QLabel()
        #: pages and anchors that were shown, the one on the screen last
        self._way: list[tuple[str, str]] = []
        row = QHBoxLayout()
        for widget in (self.back, self.contents):
            row.addWidget(widget)
        row.addWidget(self.name, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.addLayout(row)
        column.addWidget(self.page, 1)
        self.page.anchorClicked.connect(self._follow)
        self.show_page(GUIDE)

    def show_page(self, name: str, anchor: str = "") -> None:
        """Show a page from one of its headings on; where it is not on this computer, its address.

        Parameters
        ----------
        name
            The file's name.
        anchor
            The heading, as in a link; empty for the top.
        """
        if not self._way or self._way[-1] != (name, anchor):
            self._way.append((name, anchor))
        self.back.setEnabled(len(self._way) > 1)
        self.name.setText(name)
        path = page_of(name)
        if path is None:
            self.page.setHtml(_missing(name))
        else:
            self.page.show_file(path, anchor)

    def _back(self) -> None:
        self._way.pop()
        self.show_page(*self._way.pop())

    def _follow(self, link: QUrl) -> None:
        name = link.fileName() or (self._way[-1][0] if self._way else GUIDE)
        if link.scheme() in ("http", "https", "mailto"):
            QDesktopServices.openUrl(link)
        elif name.endswith(".md") and page_of(name) is not None:
            self.show_page(name, link.fragment())
        elif address := address_of(name):
            QDesktopServices.openUrl(QUrl(address))


class Page(QTextBrowser):
    """A page of Markdown whose pictures are as wide as there is room."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Page of the guide")
        self.setOpenLinks(False)
        self._file: Path | None = None
        self._anchor = ""
        self._wide = 0
        self._text = QTextDocument(self)
        self._resized = later(self, 100, self._follow_width)  # not with every step of a drag

    def show_file(self, path: Path, anchor: str) -> None:
        """Show a file from a heading on."""
        if path != self._file or self._room() != self._wide:
            self._file, self._wide = path, self._room()
            self._text = QTextDocument(self)  # a new one: the old one hands on the font at its cursor
            self._text.setDefaultFont(self.font())
            self._text.setMarkdown(path.read_text(encoding="utf-8"))
            _plain_links(self._text)
            self.setDocument(self._text)
        self._anchor = anchor
        self._scroll()
        QTimer.singleShot(0, self._scroll)  # once it is laid out

    def loadResource(self, kind: int, name: QUrl) -> Any:
        """Pictures, no wider than the page: first the room that they take, then what is on them."""
        if kind != QTextDocument.ResourceType.ImageResource.value or self._file is None:
            return super().loadResource(kind, name)
        path = str(self._file.parent / name.path()) if name.isRelative() else name.toLocalFile()
        size = QImageReader(path).size()
        if size.width() > self._wide:
            size.scale(self._wide, size.height(), Qt.AspectRatioMode.KeepAspectRatio)
        room = QImage(size, QImage.Format.Format_ARGB32_Premultiplied)
        room.fill(Qt.GlobalColor.transparent)
        # it may take a tenth of a second
        worker = create_worker(_decoded, path, size, name, _start_thread=False)  # type: ignore[arg-type]  # any function
        worker.returned.connect(self._take)  # napari keeps the worker: no more than that may hang on it
        worker.start()
        return room

    def _take(self, decoded: tuple[QUrl, QSize, QImage]) -> None:
        name, size, image = decoded
        if isalive(self) and not image.isNull() and size.width() <= self._wide:
            self._text.addResource(QTextDocument.ResourceType.ImageResource.value, name, image)
            self._text.markContentsDirty(0, self._text.characterCount())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Pictures follow the width."""
        super().resizeEvent(event)
        self._resized.start()

    def _follow_width(self) -> None:
        if self._file is not None and self._room() != self._wide:
            self.show_file(self._file, self._anchor)

    def _room(self) -> int:
        viewport = self.viewport()
        return max((viewport.width() if viewport is not None else 0) - _MARGIN, 120)

    def _scroll(self) -> None:
        block, layout, bar = self._heading(self._anchor), self._text.documentLayout(), self.verticalScrollBar()
        if bar is None or layout is None:
            return
        if block is None:
            bar.setValue(0)
            return
        self.setTextCursor(QTextCursor(block))
        bar.setValue(int(layout.blockBoundingRect(block).top()))

    def _heading(self, anchor: str) -> QTextBlock | None:
        block = self._text.firstBlock()
        while anchor and block.isValid():
            if block.blockFormat().headingLevel() and anchor_of(block.text()) == anchor:
                return block
            block = block.next()
        return None


def _plain_links(document: QTextDocument) -> None:
    """Links in the colour of the text, underlined: the blue that Qt gives them cannot be read on a dark page."""
    block = document.firstBlock()
    while block.isValid():
        for text in block.textFormats():
            if text.format.isAnchor():
                shown = QTextCharFormat(text.format)
                shown.clearForeground()
                shown.setFontUnderline(True)
                cursor = QTextCursor(document)
                cursor.setPosition(block.position() + text.start)
                cursor.setPosition(block.position() + text.start + text.length, QTextCursor.MoveMode.KeepAnchor)
                cursor.setCharFormat(shown)
        block = block.next()


def _decoded(path: str, size: QSize, name: QUrl) -> tuple[QUrl, QSize, QImage]:
    return name, size, QImage(path).scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, _SMOOTH)


def _missing(name: str) -> str:
    address = address_of(name)
    where = f'It is at <a href="{address}">{address}</a>.' if address else ""
    return f"The page {name} is not part of this installation. {where}"
