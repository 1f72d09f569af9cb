"""Works a viewer as a person does: opens panels, clicks, waits, and reads what is on the screen."""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.ui.context import Context
    from napari_atomicity.ui.workspace.workspace import Workspace

PLUGIN: Final = "napari-atomicity"
#: work of a few seconds is waited for this long, since the machine may be busy with ten other things
PATIENCE_MS: Final = 240_000


class AppDriver:
    """A viewer and what belongs to it, worked by clicks."""

    __slots__ = ("_opened", "context", "documents", "layers", "qtbot", "viewer")

    def __init__(self, viewer: Any, qtbot: Any) -> None:
        from napari_atomicity.ui.context import context_of

        self.viewer = viewer
        self.qtbot = qtbot
        self.context: Context = context_of(viewer)
        #: image layers in the order in which they were shown
        self.layers: list[Any] = []
        #: what belongs to each of them, also to those that are closed by now
        self.documents: list[Document] = []
        self._opened: dict[str, Any] = {}

    # ------------------------------------------------------------------ what is there

    @property
    def workspace(self) -> Workspace:
        """The images of the viewer."""
        return self.context.workspace

    @property
    def document(self) -> Document:
        """What belongs to the image at hand."""
        return self.workspace.document

    @property
    def points(self) -> Any:
        """The layer of clusters of the image at hand."""
        return self.workspace.clusters.points

    @property
    def notes(self) -> list[str]:
        """Notifications so far."""
        from napari.utils.notifications import notification_manager

        return [str(record.message) for record in notification_manager.records]

    @property
    def errors(self) -> list[str]:
        """Those of them that napari shows as a fault."""
        from napari.utils.notifications import NotificationSeverity, notification_manager

        records = notification_manager.records
        return [str(record.message) for record in records if record.severity >= NotificationSeverity.ERROR]

    # ------------------------------------------------------------------ panels

    def panel(self, name: str) -> Any:
        """The panel `name`, opened through the manifest, or the one that a button opened before."""
        from napari_atomicity.ui.workspace.docks import find_dock

        dock = find_dock(self.workspace.viewer.window, name)
        widget = dock.widget() if dock is not None else self.viewer.window.add_plugin_dock_widget(PLUGIN, name)[1]
        self._opened[name] = widget
        return widget

    @property
    def workbench(self) -> Any:
        """All steps below one another."""
        return self._open("Atomicity")

    @property
    def count(self) -> Any:
        """The panel that counts atoms."""
        return self._open("Count atoms")

    @property
    def joint(self) -> Any:
        """The panel that calibrates images together."""
        return self._open("Calibrate images together")

    @property
    def adapt(self) -> Any:
        """The panel that adapts the model."""
        return self._open("Adapt to the image")

    @property
    def card(self) -> Any:
        """The card of one cluster."""
        return self._open("Cluster card")

    @property
    def feature_map(self) -> Any:
        """The map of what the model sees."""
        return self._open("Feature map")

    @property
    def ratios(self) -> Any:
        """The dock of class ratios."""
        return self._open("Class ratios")

    @property
    def review(self) -> Any:
        """The panel that leads from cluster to cluster."""
        return self._open("Review")

    @property
    def export(self) -> Any:
        """The panel that writes files."""
        return self._open("Export")

    def _open(self, name: str) -> Any:
        return self._opened[name] if name in self._opened else self.panel(name)

    # ------------------------------------------------------------------ what a person does

    def show(self, micrograph: Any) -> Any:
        """Open a micrograph as our reader does; gives the layer (the object itself, no proxy)."""
        from napari.layers import Layer

        from napari_atomicity.io.napari_hooks import as_layer

        layer = Layer.create(*as_layer(micrograph))
        self.viewer.add_layer(layer)
        self.layers.append(layer)
        self.documents.append(self.workspace.document_of(layer))
        self.settle()
        return layer

    def lay_out(self, micrograph: Any, count: Any) -> Any:
        """Open a micrograph that was counted already (see `counted_once`); gives its layer."""
        layer = self.show(micrograph)
        document = self.workspace.document_of(layer)
        document.choose(model=count.settings.model, adapt=count.settings.adapt)
        document.apply("Analyse", replace(count, micrograph=document.micrograph), document.state)
        self.settle()
        return layer

    def click(self, button: Any) -> None:
        """Click once the button is enabled, and wait until the work that it starts is done."""
        self.click_on(button)
        self.idle()

    def click_on(self, button: Any) -> None:
        """Click once the button is enabled, and wait for nothing."""
        from qtpy.QtCore import Qt

        self.qtbot.waitUntil(button.isEnabled, timeout=60_000)
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    # ------------------------------------------------------------------ waiting

    def idle(self) -> None:
        """Wait until no work runs and all is shown."""

        def at_rest() -> bool:
            return _all_shown() and not any(work.busy for work in self.workspace.works)

        self.qtbot.waitUntil(at_rest, timeout=PATIENCE_MS)
        self.qtbot.wait(60)
        # what was shown may have begun more
        self.qtbot.waitUntil(at_rest, timeout=PATIENCE_MS)
        _sweep()

    def settle(self) -> None:
        """Wait until the panels have followed, whether work runs or not."""
        self.qtbot.wait(30)
        self.qtbot.waitUntil(_all_shown, timeout=10_000)
        _sweep()

    def stop(self) -> None:
        """End all work."""
        for work in self.workspace.works:
            work.stop()
        self.idle()

    # ------------------------------------------------------------------ unsaved work

    def kept(self) -> None:
        """Wait until the background has written all unsaved work (see `soon`)."""
        autosave = self.context.project.autosave
        self.qtbot.waitUntil(lambda: autosave.done, timeout=20_000)

    @property
    def recovery_folder(self) -> Path | None:
        """Where the unsaved work of this viewer is kept."""
        return self.context.project.autosave.folder

    def recovered(self) -> dict[str, Any]:
        """What would be brought back if the program ended now, by name of the image."""
        from napari_atomicity.progress import drain
        from napari_atomicity.project import open_steps

        images = drain(open_steps(self.recovery_folder)).images
        return {image.name: image for image in images}


def _sweep() -> None:
    """What panels threw away just now is gone, as it is for a person before the next click."""
    from qtpy.QtCore import QCoreApplication, QEvent

    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def _all_shown() -> bool:
    """Whether no panel is about to follow: each does so a moment after the canvas was painted."""
    return not any(
        isalive(timer) and timer.isActive() and timer.isSingleShot() and timer.interval() <= 20
        for timer in list(PanelTimer.made)
    )


class PanelTimer(QTimer):
    """What panels wait with, so that tests need not look for it among all that a window is made of."""

    made: ClassVar[weakref.WeakSet[PanelTimer]] = weakref.WeakSet()

    def __init__(self, owner: QObject) -> None:
        super().__init__(owner)
        self.made.add(self)


def cell(grid: Any, row: int, column: int) -> Any:
    """What stands in a widget of rows and columns."""
    return grid.layout().itemAtPosition(row, column).widget()
