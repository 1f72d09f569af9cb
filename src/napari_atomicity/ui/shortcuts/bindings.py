"""Keys on the layers of one viewer, as the table of keys and a person's preferences say."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from app_model.backends.qt import qkeysequence2modelkeybinding
from napari.layers import Layer, Points
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.notifications import show_warning
from psygnal import Signal
from qtpy.QtCore import QTimer
from qtpy.QtGui import QKeySequence

from napari_atomicity.ui.shortcuts.table import BY_NAME, GUARDED, SHORTCUTS, chosen_keys
from napari_atomicity.ui.workspace.docks import PLUGIN

if TYPE_CHECKING:
    from qtpy.QtCore import QKeyCombination
    from qtpy.QtWidgets import QDockWidget

    from napari_atomicity.ui.workspace.workspace import Workspace

#: the preferences change with every letter that is typed
_TYPED_MS: Final = 700


class ShortcutBindings:
    """The keys in force and the layers that have them.

    On the layer of clusters our keys come first. On the image, the heat maps and the anchors they work as well, except
    those that napari uses there itself. Signal: `changed` when other keys are in force.
    """

    changed = Signal()

    def __init__(self, workspace: Workspace, do: Callable[[Workspace, ShortcutBindings, str], None]) -> None:
        self._workspace = weakref.ref(workspace)
        self._do = do
        #: the dock with the table of keys, once it was shown
        self.table_dock: weakref.ref[QDockWidget] | None = None
        workspace.layer_active.connect(self.attach)
        self._settings: Any = None
        self._typing: QTimer | None = None
        #: what we bound on each layer: key to function
        self._bound: weakref.WeakKeyDictionary[Layer, dict[str, Callable[[Layer], None]]] = weakref.WeakKeyDictionary()
        self._warned: list[str] = []
        self.keys, self.problems = self._read()

    def tip(self, name: str) -> str:
        """What a shortcut does, with its key: for a tool tip."""
        return f"{BY_NAME[name].does} ({self.keys[name]})"

    def attach(self, layer: Layer | None, clusters: bool) -> None:
        """Give a layer the keys; harmless where it has them.

        Parameters
        ----------
        clusters
            Whether it is the layer of clusters, where our keys come before napari's.
        """
        if layer is None or layer in self._bound:
            return
        self._warn()
        self._bound[layer] = {}
        self._bind(layer, clusters)

    # ------------------------------------------------------------------ binding

    def _bind(self, layer: Layer, clusters: bool) -> None:
        bound = self._bound[layer]
        for name, key in self.keys.items():
            if clusters or not self._taken(layer, key):
                bound[key] = self._doing(name)
                layer.bind_key(key, bound[key], overwrite=True)
        for key, sentence in GUARDED.items():
            if clusters and key not in bound:
                bound[key] = self._saying(sentence.format(**self.keys))
                layer.bind_key(key, bound[key], overwrite=True)

    def _unbind(self, layer: Layer) -> None:
        for key, function in self._bound[layer].items():
            if layer.keymap.get(coerce_keybinding(key)) is function:
                layer.bind_key(key, None)
        self._bound[layer] = {}

    def _taken(self, layer: Layer, key: str) -> bool:
        """Whether napari or another plug-in uses the key while this layer is active."""
        workspace = self._workspace()
        owners: list[Any] = [
            layer,
            *([workspace.viewer] if workspace is not None and workspace.viewer is not None else []),
        ]
        maps = [owner.keymap for owner in owners]
        # of the class, for all layers of a kind: an attribute that napari documents with its `KeymapProvider`
        maps += [cls.class_keymap for owner in owners for cls in type(owner).__mro__ if hasattr(cls, "class_keymap")]
        return any(coerce_keybinding(key) in keymap for keymap in maps)

    def _doing(self, name: str) -> Callable[[Layer], None]:
        workspace_ref, bindings_ref = self._workspace, weakref.ref(self)

        def press(_: Layer) -> None:
            workspace, bindings = workspace_ref(), bindings_ref()
            if workspace is not None and bindings is not None:
                bindings._do(workspace, bindings, name)

        return press

    def _saying(self, sentence: str) -> Callable[[Layer], None]:
        workspace_ref = self._workspace

        def press(_: Layer) -> None:
            workspace = workspace_ref()
            if workspace is not None and workspace.viewer is not None:
                workspace.viewer.status = sentence

        return press

    # ------------------------------------------------------------------ preferences

    def _read(self) -> tuple[dict[str, str], list[str]]:
        """The keys that a person set in napari's Preferences, and follow what is set there later."""
        from napari.settings import get_plugin_settings

        try:
            settings: Any = get_plugin_settings(PLUGIN)
            settings = settings.keys
        except (KeyError, AttributeError):  # the plug-in's page is not there: napari runs without its manifest
            return chosen_keys({})
        if settings is not self._settings:
            self._settings = settings
            settings.events.connect(self._on_typed)
        wanted = {shortcut.name: getattr(settings, shortcut.name, shortcut.key) for shortcut in SHORTCUTS}
        return chosen_keys(wanted)

    def _on_typed(self, _: object = None) -> None:
        workspace = self._workspace()
        if workspace is None or workspace.viewer is None:
            return
        if self._typing is None:
            self._typing = QTimer()
            self._typing.setSingleShot(True)
            self._typing.setInterval(_TYPED_MS)
            self._typing.timeout.connect(self.follow)
        self._typing.start()

    def follow(self) -> None:
        """Put the keys of the preferences in force."""
        keys, self.problems = self._read()
        self._warn()
        if keys == self.keys:
            return
        self.keys = keys
        for layer in list(self._bound):
            self._unbind(layer)
        for layer in list(self._bound):
            self._bind(layer, isinstance(layer, Points) and self._is_clusters(layer))
        self.changed.emit()

    def _is_clusters(self, layer: Layer) -> bool:
        workspace = self._workspace()
        return workspace is not None and any(group.clusters.points is layer for group in workspace.groups)

    def _warn(self) -> None:
        for sentence in self.problems:
            if sentence not in self._warned:
                show_warning(sentence)
        self._warned = list(self.problems)


def name_of_key(combination: QKeyCombination, keys: Mapping[str, str]) -> str | None:
    """The shortcut that a key pressed in one of our panels stands for.

    Parameters
    ----------
    combination
        The key with its modifiers, as Qt says it.
    keys
        The keys in force by name of the shortcut.

    Returns
    -------
    Its name; None for a key that is none of ours.
    """
    try:
        pressed = qkeysequence2modelkeybinding(QKeySequence(combination))
    except KeyError:  # a key that no shortcut can have
        return None
    return next((name for name, key in keys.items() if coerce_keybinding(key) == pressed), None)
