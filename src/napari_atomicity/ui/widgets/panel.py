"""What all panels have in common: they show the document in hand, and how far the work has come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_warning
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_atomicity.ui.actions.asking import ask_where
from napari_atomicity.ui.context import context_of
from napari_atomicity.ui.widgets.controls import AfterPainting, make_accessible, scrolling
from napari_atomicity.ui.widgets.docked import Docked
from napari_atomicity.ui.widgets.focus import mark_focus
from napari_atomicity.ui.widgets.progress_strip import ProgressStrip
from napari_atomicity.ui.workspace.docks import beside_workbench

if TYPE_CHECKING:
    import napari

    from napari_atomicity.document.document import Document


class Panel(QWidget):
    """One step of the work: a dock widget of its own, or a step of the workbench."""

    title = ""

    def __init__(self, viewer: napari.viewer.Viewer, inside: bool = False) -> None:
        super().__init__()
        self.context = context_of(viewer)
        self.workspace = self.context.workspace
        self._scroll: QScrollArea | None = None
        self._strip: ProgressStrip | None = None
        self.page = QVBoxLayout(self if inside else None)
        self.page.setContentsMargins(8, 4 if inside else 10, 8, 8)
        self.page.setSpacing(6)
        if not inside:
            self._stand_alone(viewer)
            self._docked = Docked(self, self._share_strip)
        self.build()
        if not inside:
            self.page.addStretch(1)
        make_accessible(self)
        mark_focus(self)
        self._asked_about: Document | None = None
        self._comes_anew = True
        self._due = AfterPainting(self, self.show_now)
        self.workspace.changed.connect(self._on_changed)
        self.show_now()

    @property
    def document(self) -> Document | None:
        """The document in hand."""
        return self.workspace.document

    @property
    def can_act(self) -> bool:
        """Whether a step may be started: there is a document, it can be counted, and no work runs."""
        return self.workspace.can_act

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
        self._scroll.setAccessibleName(self.title)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._scroll, 1)
        self._strip = ProgressStrip(viewer)
        outer.addWidget(self._strip)

    def show_now(self) -> None:
        """Show the document in hand at once."""
        self._comes_anew, self._asked_about = self._asked_about is not self.document, self.document
        self.show_document(self.document)
        self._comes_anew = False
        if self._scroll is not None:
            self._scroll.updateGeometry()  # what it holds may have grown

    def is_typing(self, field: QWidget) -> bool:
        """Whether a person is typing there, about the document that is shown: what was typed for another one goes."""
        return field.hasFocus() and not self._comes_anew

    @property
    def asked_about(self) -> Document | None:
        """The document in hand, once it is shown: what was typed before that belongs to another one."""
        return self.document if self.document is self._asked_about else None

    def is_still(self, document: Document | None) -> bool:
        """Whether that document is still in hand, after a dialog; where not, it is said.

        Parameters
        ----------
        document
            The one in hand when the dialog opened.
        """
        if self.document is document:
            return True
        show_warning("Another image came into hand meanwhile, and nothing was done; do it again for the one you mean.")
        return False

    def ask_where(self, title: str, proposal: Path, kinds: str) -> Path | None:
        """Ask where to write what belongs to the document in hand; None also where it is in hand no more."""
        document = self.document
        path = ask_where(self, title, proposal, kinds)
        return path if path is not None and self.is_still(document) else None

    def showEvent(self, event: QShowEvent | None) -> None:
        """Show the document anew: only now fonts and styles are those of the window."""
        super().showEvent(event)
        self._due.start()

    def _share_strip(self) -> None:
        """Behind a tab beside the workbench, its strip serves both."""
        if self._strip is not None:
            self._strip.show_steps(not beside_workbench(self))

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
