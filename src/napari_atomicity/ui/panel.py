"""What all panels have in common: they show the document in hand, and how far the work has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QSize, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_atomicity.progress import Progress
from napari_atomicity.ui import actions
from napari_atomicity.ui.bench import bench_of

if TYPE_CHECKING:
    import napari

    from napari_atomicity.ui.document import Document


class Panel(QWidget):
    """One step of the work; stands alone as a dock widget or as a step of the workbench."""

    title = ""

    def __init__(self, viewer: napari.viewer.Viewer, inside: bool = False) -> None:
        super().__init__()
        self.bench = bench_of(viewer)
        self._scroll: QScrollArea | None = None
        self.page = QVBoxLayout(self if inside else None)
        self.page.setContentsMargins(8, 4 if inside else 10, 8, 8)
        self.page.setSpacing(6)
        if not inside:
            self._stand_alone(viewer)
        self.build()
        if not inside:
            self.page.addStretch(1)
        self._due = AfterPainting(self, self.show_now)
        self.bench.changed.connect(self._on_changed)
        self.show_now()

    @property
    def document(self) -> Document | None:
        """The document in hand."""
        return self.bench.document

    def build(self) -> None:
        """Make the widgets, once."""
        raise NotImplementedError

    def show_document(self, document: Document | None) -> None:
        """Show the document in hand; None while no micrograph is open."""
        raise NotImplementedError

    def status(self, document: Document) -> str:
        """How far this step is, in a few plain words."""
        raise NotImplementedError

    def _stand_alone(self, viewer: napari.viewer.Viewer) -> None:
        """The page in a window of its own scrolls above the strip."""
        inner = QWidget()
        inner.setLayout(self.page)
        self._scroll = scrolling(inner)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._scroll, 1)
        outer.addWidget(Strip(viewer))

    def show_now(self) -> None:
        """Show the document in hand at once."""
        self.show_document(self.document)
        if self._scroll is not None:
            self._scroll.updateGeometry()  # what it holds may have grown

    def showEvent(self, event: QShowEvent | None) -> None:
        """Show the document anew: only now fonts and styles are those of the window."""
        super().showEvent(event)
        self._due.start()

    def _on_changed(self) -> None:
        # many signals come together; one refresh serves them all
        if isalive(self):
            self._due.start()

    # ------------------------------------------------------------------ small parts

    def form(self) -> QFormLayout:
        """A form at the end of the page."""
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self.page.addLayout(form)
        return form

    def row(self, *widgets: QWidget) -> QHBoxLayout:
        """Widgets side by side at the end of the page."""
        row = QHBoxLayout()
        row.setSpacing(6)
        for widget in widgets:
            row.addWidget(widget)
        self.page.addLayout(row)
        return row

    def note(self, tip: str = "") -> QLabel:
        """A line of text at the end of the page that wraps and can be copied."""
        label = QLabel()
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        label.setToolTip(tip)
        label.hide()
        self.page.addWidget(label)
        return label


def scrolling(inner: QWidget) -> QScrollArea:
    """A frame in which `inner` scrolls up and down and is never cut off at the side."""
    scroll = _Scroll()
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setWidget(inner)
    return scroll


class _Scroll(QScrollArea):
    def minimumSizeHint(self) -> QSize:
        """As wide as what it holds."""
        inner, bar = self.widget(), self.verticalScrollBar()
        width = 0 if inner is None else inner.minimumSizeHint().width()
        return QSize(width + (0 if bar is None else bar.sizeHint().width()) + 2, 80)

    def sizeHint(self) -> QSize:
        """As tall as what it holds, texts wrapped."""
        inner, hint = self.widget(), self.minimumSizeHint()
        if inner is None:
            return hint
        wide = inner.minimumSizeHint().width()
        tall = inner.heightForWidth(wide) if inner.hasHeightForWidth() else inner.sizeHint().height()
        return hint.expandedTo(QSize(0, tall))


def say(label: QLabel, text: str) -> None:
    """Set the text of a note; an empty one takes no room."""
    label.setText(text)
    label.setVisible(bool(text))


def button(text: str, tip: str, do: Callable[[], Any]) -> QPushButton:
    """A push button that calls `do`."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.clicked.connect(lambda _=False: do())
    return made


def narrow(box: QComboBox) -> None:
    """Let a box of choices take the room there is; a long choice must not widen the window."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


def later(owner: QObject, milliseconds: int, do: Callable[[], Any]) -> QTimer:
    """A timer that calls `do` once, that long after it was last started."""
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(do)
    return timer


class AfterPainting(QObject):
    """Calls `do` once for all its starts, when what changed on the canvas has been painted.

    The first wait ends when the event loop is idle again, so the second one begins only after the handler of a key;
    a single wait would be over by then, and the person would see the panels follow before the cluster does.
    """

    def __init__(self, owner: QWidget, do: Callable[[], Any]) -> None:
        super().__init__(owner)
        self._idle = later(self, 0, self._on_idle)
        self._rest = later(self, 20, do)

    def start(self) -> None:
        """It is due."""
        self._idle.start()

    def _on_idle(self) -> None:
        if not self._rest.isActive():
            self._rest.start()


class Strip(QWidget):
    """Progress of the work that runs, cancel, undo and redo."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.bench = bench_of(viewer)
        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.bar.setToolTip("How far the work has come")
        self.stop = button("Stop", "Stop the work; nothing is changed by what was not finished", self._stop)
        self.undo = button("↶ Undo", "Take back the last step (Ctrl+Z on the cluster layer)", self._undo)
        self.redo = button("↷ Redo", "Bring back the step that was taken back (Ctrl+Shift+Z)", self._redo)
        self.setObjectName("strip")
        self.undo.setObjectName("undo")
        self.redo.setObjectName("redo")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget, stretch in ((self.undo, 0), (self.redo, 0), (self.bar, 1), (self.stop, 0)):
            row.addWidget(widget, stretch)
        work = self.bench.work
        work.progressed.connect(self._on_progress)
        self._due = AfterPainting(self, self._show)
        self.bench.changed.connect(self._on_changed)
        self._show()

    def _stop(self) -> None:
        self.bar.setFormat("Stopping…")
        self.stop.setEnabled(False)
        self.bench.work.stop()

    def _undo(self) -> None:
        actions.undo(self.bench)

    def _redo(self) -> None:
        actions.redo(self.bench)

    def _on_progress(self, progress: Progress) -> None:
        if not isalive(self) or not self.stop.isEnabled():
            return
        self.bar.setRange(0, max(progress.total, 0))
        self.bar.setValue(progress.done)
        self.bar.setFormat(progress.what)

    def _on_changed(self) -> None:
        if isalive(self):
            self._due.start()

    def _show(self) -> None:
        work, document = self.bench.work, self.bench.document
        was_busy = self.stop.isVisibleTo(self)
        if work.busy != was_busy or not work.busy:
            self.bar.setRange(0, 0 if work.busy else 1)
            self.bar.setValue(0)
            self.bar.setFormat(work.title if work.busy else "")
            self.stop.setEnabled(work.busy)
        self.bar.setVisible(work.busy)
        self.stop.setVisible(work.busy)
        for each, name in (
            (self.undo, document.undo_name if document else ""),
            (self.redo, document.redo_name if document else ""),
        ):
            each.setEnabled(bool(name) and not work.busy)
            each.setToolTip(f"{each.text()[2:]}: {name}" if name else f"Nothing to {each.text()[2:].lower()}")
