"""What every panel does as a dock of the window: it lies behind a tab beside the workbench."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QDockWidget, QWidget

from napari_atomicity.ui.workspace.docks import dock_of, settle, tabs_beside


class Docked(QObject):
    """Brings the dock of a panel to its place and to the front whenever it is opened, by whatever menu or button.

    Parameters
    ----------
    panel
        What the dock holds.
    placed
        Called when the dock came to another place or to the front, or when another tab covers it.
    """

    def __init__(self, panel: QWidget, placed: Callable[[], object] | None = None) -> None:
        super().__init__(panel)
        self._panel, self._placed = panel, placed
        #: docks that are listened to: its own, and those beside it, since the workbench may go
        self._heard: weakref.WeakSet[QDockWidget] = weakref.WeakSet()
        panel.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """See the panel being opened; a window that was minimised opens nothing when it comes back."""
        if event is not None and event.type() == QEvent.Type.Show and not event.spontaneous():
            QTimer.singleShot(0, self._settle)  # napari places the dock first
        return False

    def _settle(self) -> None:
        dock = dock_of(self._panel) if isalive(self) and isalive(self._panel) else None
        if dock is None:
            return
        settle(dock)
        self._tell()

    def _tell(self, _: bool = True) -> None:
        if self._placed is None or not isalive(self) or not isalive(self._panel):
            return
        own = dock_of(self._panel)
        for dock in (*([own] if own is not None else []), *tabs_beside(self._panel)):
            if dock not in self._heard:
                self._heard.add(dock)
                dock.visibilityChanged.connect(self._tell)
        self._placed()
