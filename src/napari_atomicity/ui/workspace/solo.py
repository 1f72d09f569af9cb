"""Shows the image in hand and hides the others: clusters of one image over the pixels of another would mislead."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

from napari.layers import Layer
from qtpy.QtCore import QTimer

from napari_atomicity.ui.layers.clusters import PAUSE_MS

if TYPE_CHECKING:
    from napari_atomicity.ui.workspace.layer_group import LayerGroup
    from napari_atomicity.ui.workspace.workspace import Workspace

#: new layers have shown themselves by then, also those of a project that was opened
_AFTER_MS: Final = 4 * PAUSE_MS


class Solo:
    """Hides the layers of an image when another one comes into hand, and shows them as they were when it comes back.

    What a person does with the eyes of the layers stays until then, and in napari's grid nothing is hidden: there the
    images lie side by side.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = weakref.ref(workspace)
        #: whether a person wants it so
        self.wanted = True
        #: layers that could be seen before they were hidden here
        self._hidden: weakref.WeakSet[Layer] = weakref.WeakSet()
        workspace.active_changed.connect(self.follow)
        workspace.inserted.connect(self.later)
        workspace.removed.connect(self.leave)

    def set_wanted(self, wanted: bool) -> None:
        """Switch it on or off; off shows all again."""
        self.wanted = wanted
        self.follow()

    def seen(self, layer: Layer) -> bool:
        """Whether a layer can be seen, or could before it was hidden here."""
        return bool(layer.visible) or layer in self._hidden

    def follow(self) -> None:
        """Another image may be in hand."""
        workspace = self._workspace()
        if workspace is None or workspace.viewer is None:
            return
        solo = self.wanted and workspace.group is not None and not workspace.viewer.canvas.grid.enabled
        for group in workspace.groups:
            if solo and group is not workspace.group:
                self._hide(group)
            else:
                self._show(group)

    def later(self) -> None:
        """A layer was added: it shows itself a moment after that."""
        solo_ref = weakref.ref(self)

        def follow() -> None:
            if (solo := solo_ref()) is not None:
                solo.follow()

        # counted from when the event loop is idle again: napari may take longer than that to add a layer
        QTimer.singleShot(0, lambda: QTimer.singleShot(_AFTER_MS, follow))

    def leave(self, group: LayerGroup) -> None:
        """The image of `group` was taken off: what showed its clusters must not lie over the next one."""
        for layer in group.layers if self.wanted else []:
            if layer is not group.image():
                layer.visible = False

    def _hide(self, group: LayerGroup) -> None:
        for layer in group.layers:
            if layer.visible:
                self._hidden.add(layer)
                layer.visible = False

    def _show(self, group: LayerGroup) -> None:
        for layer in group.layers:
            if layer in self._hidden:
                self._hidden.discard(layer)
                layer.visible = True
