"""What belongs to the gallery of one viewer: what a person chose to see, and the pictures that were made."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_atomicity.ui.gallery.contents import Choices
from napari_atomicity.ui.gallery.crops import Crops

if TYPE_CHECKING:
    from napari_atomicity.ui.workspace.layer_group import LayerGroup
    from napari_atomicity.ui.workspace.workspace import Workspace


class Gallery:
    """Choices and pictures. Signal: `changed` with other choices."""

    changed = Signal()

    def __init__(self, workspace: Workspace) -> None:
        self.crops = Crops(workspace.new_work())
        self.choices = Choices()
        workspace.removed.connect(self._on_removed)

    def choose(self, **values: Any) -> None:
        """New values for fields of `Choices`."""
        choices = replace(self.choices, **values)
        if choices != self.choices:
            self.choices = choices
            self.changed.emit()

    def fold(self, label: str) -> None:
        """Show only the heading of a group, or its pictures again."""
        self.choose(folded=self.choices.folded ^ {label})

    def _on_removed(self, group: LayerGroup) -> None:
        self.crops.forget(group.document.micrograph)


_GALLERIES: weakref.WeakKeyDictionary[Workspace, Gallery] = weakref.WeakKeyDictionary()


def gallery_of(workspace: Workspace) -> Gallery:
    """The one gallery of a workspace: it outlives the panel that shows it."""
    gallery = _GALLERIES.get(workspace)
    if gallery is None:
        gallery = _GALLERIES[workspace] = Gallery(workspace)
    return gallery
