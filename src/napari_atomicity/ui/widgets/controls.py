"""Small parts of panels."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QFrame,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QWidget,
)


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


def button(text: str, tip: str, do: Callable[[], object]) -> QPushButton:
    """A push button that calls `do`."""
    push_button = QPushButton(text)
    push_button.setToolTip(tip)
    push_button.clicked.connect(lambda _=False: do())
    return push_button


def line_height(widget: QWidget, lines: int = 1) -> int:
    """Height in pixels of lines of text in a widget, in whatever size a person reads.

    Parameters
    ----------
    widget
        In whose font.
    lines
        How many.
    """
    return lines * widget.fontMetrics().height() + 5


class _WindowFont(QObject):
    """Gives a widget the font of the labels around it, whenever that changes."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        self._label = QLabel(widget)
        self._label.hide()
        widget.installEventFilter(self)
        self._label.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Shown for the first time, or in another style."""
        kinds = (QEvent.Type.Show, QEvent.Type.FontChange, QEvent.Type.StyleChange)
        if event is not None and event.type() in kinds and (watched is self._label or event.type() == kinds[0]):
            self._label.ensurePolished()
            if self._widget.font() != self._label.font():
                self._widget.setFont(self._label.font())
        return False


def with_window_font(widget: QWidget) -> None:
    """Let a widget that napari's style leaves out, a painted one or a table, have letters of the size of its labels."""
    _WindowFont(widget)


def make_accessible(root: QWidget) -> None:
    """Give every control in a widget the name that a screen reader speaks, and letters of the size of its labels.

    The name is that of its label, or else what its tool tip says first.
    """
    for kind in (QLineEdit, QToolButton):  # napari's style leaves these out
        for control in root.findChildren(kind):
            if not isinstance(control.parentWidget(), QAbstractSpinBox | QComboBox):
                with_window_font(control)
    labels = [(label.buddy(), label.text()) for label in root.findChildren(QLabel) if label.buddy() is not None]
    for widget in root.findChildren(QWidget):
        if widget.focusPolicy() == Qt.FocusPolicy.NoFocus or widget.accessibleName():
            continue
        text = getattr(widget, "text", None) if isinstance(widget, QAbstractButton) else None
        if text is not None and text().strip():
            continue
        named = [words for buddy, words in labels if buddy is widget]
        tip, parent = widget.toolTip(), widget.parentWidget()
        while not tip and parent is not None and parent is not root:  # the number beside a slider
            tip, parent = parent.toolTip(), parent.parentWidget()
        widget.setAccessibleName(named[0] if named else tip.split(". ")[0].split("; ")[0])
        widget.setAccessibleDescription(tip)


def narrow(box: QComboBox) -> None:
    """Let a box of choices take the room there is; a long choice must not widen the window."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


def later(owner: QObject, milliseconds: int, do: Callable[[], object]) -> QTimer:
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

    def __init__(self, owner: QWidget, do: Callable[[], object]) -> None:
        super().__init__(owner)
        self._idle = later(self, 0, self._on_idle)
        self._rest = later(self, 20, do)

    def start(self) -> None:
        """It is due."""
        self._idle.start()

    def _on_idle(self) -> None:
        if not self._rest.isActive():
            self._rest.start()
