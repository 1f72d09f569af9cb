"""Heat maps as image layers over the micrograph, one a channel, in register."""

from __future__ import annotations

import weakref
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Layer
from napari.utils.colormaps import Colormap, ensure_colormap
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_atomicity.report.overlay import HeatOverlay
from napari_atomicity.style import CHANNEL_COLOURS, rgb
from napari_atomicity.ui.layers.clusters import PAUSE_MS, later_visible

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_atomicity.document.document import Document
    from napari_atomicity.pipeline import Explained

#: channels in a word, for the list of layers
_SHORT: Final = {"raw": "raw", "lcn": "local contrast"}
#: of atoms per nm²; clear where nothing is counted, so that its colours are those of its bar
_DENSITY: Final = "inferno"
_CLEAR_BELOW: Final = 0.25


class HeatMaps:
    """The overlays of one document; kept, and given new maps, for every explanation.

    Signal: `changed` when others of them can be seen, or one has another name or other colours.
    """

    changed = Signal()

    def __init__(self, viewer: ViewerModel, image: Image, document: Document) -> None:
        self._viewer = weakref.ref(viewer)
        self._image = weakref.ref(image)
        self.document = document
        self.layers: list[Image] = []
        self.opacity = 0.8
        self._active: Layer | None = None
        self._density = False
        self._where = ""
        #: how many of the layers belong to the maps that are shown; the others are put away
        self._used = 0
        #: whether they are hidden for a while, and which of them could be seen before
        self._aside = False
        self._seen: list[Image] = []
        self._waiting: list[tuple[int, tuple[str, npt.NDArray[np.float32]]]] = []
        document.table_changed.connect(self._clear_stale)
        for event in ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels"):
            getattr(image.events, event).connect(self._follow_image)

    def show(self, explained: Explained) -> None:
        """Lay the maps of `explained` over the image, one a turn of the event loop."""
        viewer = self._viewer()
        self._density = explained.question.method == "density"
        self._where = f", frame {explained.frame}" if self.document.micrograph.n_frames > 1 else ""
        self._used = len(explained.overlay)
        for layer in self.layers[self._used :]:
            _put_away(layer)
        self._waiting = list(enumerate(zip(explained.channel_names, explained.overlay, strict=True)))
        active = viewer.layers.selection.active if viewer is not None else None
        # one of the maps may be active only because it has just been added
        self._active = self._active if active in self.layers and self._active is not None else active
        self._lay_next()

    def _lay_next(self) -> None:
        viewer, image = self._viewer(), self._image()
        if viewer is None or image is None or image not in viewer.layers or not self._waiting:
            return
        channel, (name, plane) = self._waiting.pop(0)
        # short: napari cuts longer ones in the middle
        name = ("atoms per nm²" if self._density else f"why: {_SHORT.get(name, name)}") + self._where
        # removing a layer makes napari collect garbage, which stalls the window: an old one gets the new map
        new = channel >= len(self.layers)
        layer = self._made(image, plane) if new else self.layers[channel]
        layer.data, layer.name = plane, name
        layer.contrast_limits_range, layer.contrast_limits = _range_and_limits(plane, self._density)
        layer.colormap = _density_colours() if self._density else _channel_colours(channel)
        layer.blending = "translucent" if self._density else "additive"
        layer.colorbar.visible = self._density
        if new:
            for event in (layer.events.visible, layer.events.name, layer.events.colormap):
                event.connect(self._on_look)
            self.layers.append(layer)
            viewer.layers.insert(viewer.layers.index(image) + len(self.layers), layer)
            later_visible(layer, lambda: layer in self.layers[: self._used] and not self._aside)
        else:
            layer.visible = not self._aside
        if self._aside and layer not in self._seen:
            self._seen.append(layer)
        # one at a time, with time to paint between
        QTimer.singleShot(3 * PAUSE_MS, self._lay_next if self._waiting else self._give_back)

    def _give_back(self) -> None:
        """The layer that was active before is active again; napari activates new ones."""
        viewer, self._active, active = self._viewer(), None, self._active
        if viewer is not None and active in viewer.layers and viewer.layers.selection.active in self.layers:
            viewer.layers.selection.active = active

    def _made(self, image: Image, plane: npt.NDArray[np.float32]) -> Image:
        """One more layer, in register with the image, which nobody sees yet."""
        return Image(
            plane,
            contrast_limits=(0.0, 1.0),
            blending="additive",
            opacity=self.opacity,
            visible=False,
            metadata={"napari_atomicity_overlay": True},
            **_geometry(image),
        )

    def clear(self) -> None:
        """Empty and hide the maps."""
        self._waiting, self._used = [], 0
        for layer in self.layers:
            _put_away(layer)

    @property
    def shown(self) -> list[Image]:
        """The maps that can be seen."""
        return [layer for layer in self.layers if layer.visible]

    @property
    def key(self) -> list[tuple[str, str]]:
        """Colour and name of each map that can be seen and has no colour bar of its own."""
        shown = [layer for layer in self.shown if not layer.colorbar.visible]
        return [(_brightest(layer), layer.name) for layer in shown]

    @property
    def overlays(self) -> tuple[HeatOverlay, ...]:
        """What can be seen of them, for a figure."""
        at = np.linspace(0.0, 1.0, 256)
        return tuple(
            HeatOverlay(
                layer.name,
                np.asarray(layer.data),
                np.asarray(ensure_colormap(layer.colormap).map(at), dtype=np.float32),
                (float(layer.contrast_limits[0]), float(layer.contrast_limits[1])),
                float(layer.opacity),
                str(layer.blending) == "additive",
            )
            for layer in self.shown
        )

    def put_aside(self, aside: bool) -> None:
        """Hide the maps while something else is looked at, and bring those back that could be seen before."""
        if aside and not self._aside:
            self._seen = self.shown
            for layer in self._seen:
                layer.visible = False
        elif self._aside and not aside:
            for layer in self._seen:
                layer.visible = layer in self.layers[: self._used]
        self._aside = aside

    def forget(self, layer: Layer) -> None:
        """A person took one of the maps off."""
        if layer in self.layers:
            self.layers = [kept for kept in self.layers if kept is not layer]
            self.changed.emit()

    def set_opacity(self, opacity: float) -> None:
        """Opacity of all maps, 0 to 1."""
        self.opacity = opacity
        for layer in self.layers:
            layer.opacity = opacity

    def _on_look(self, _: object = None) -> None:
        self.changed.emit()

    def _clear_stale(self) -> None:
        if self.document.attribution is None:
            self.clear()

    def _follow_image(self) -> None:
        image = self._image()
        if image is not None:
            for layer in self.layers:
                for name, value in _geometry(image).items():
                    setattr(layer, name, value)


@cache
def _channel_colours(channel: int) -> Colormap:
    """Black to the colour of a channel: they add up on a grey image without hiding it."""
    colour = CHANNEL_COLOURS[channel % len(CHANNEL_COLOURS)]
    return Colormap([(0.0, 0.0, 0.0, 1.0), (*rgb(colour), 1.0)], name=f"channel {channel + 1}")


def _brightest(layer: Image) -> str:
    """``#rrggbb`` of the highest values, also where a person chose other colours."""
    red, green, blue = (round(255 * float(part)) for part in layer.colormap.map(np.ones(1))[0, :3])
    return f"#{red:02x}{green:02x}{blue:02x}"


@cache
def _density_colours() -> Colormap:
    """The colours of a density: clear at nothing, opaque from a quarter of the highest on."""
    at = np.linspace(0.0, 1.0, 256)
    colours = ensure_colormap(_DENSITY).map(at)
    colours[:, 3] = np.clip(at / _CLEAR_BELOW, 0.0, 1.0)
    return Colormap(colours, name="atoms per nm²")


def _put_away(layer: Image) -> None:
    """Hide a map, and empty it: whoever brings it back by hand must not see what is no longer true."""
    layer.visible = False
    layer.colorbar.visible = False
    if layer.data.any():
        layer.data = np.zeros(layer.data.shape, dtype=np.float32)


def _range_and_limits(plane: npt.NDArray[np.float32], density: bool) -> tuple[tuple[float, float], tuple[float, float]]:
    """Range of the slider and contrast limits of a map: what is faint beside the strongest stays dark at first."""
    if not density:
        return (0.0, 1.0), (0.15, 1.0)
    present = plane[plane > 0]
    if not len(present):
        return (0.0, 1.0), (0.0, 1.0)
    return (0.0, float(present.max())), (0.0, float(np.quantile(present, 0.995)))


def _geometry(image: Image) -> dict[str, Any]:
    """Register of a (y, x) plane with the image, which may be a stack."""
    if image.ndim == 2:
        return {
            name: getattr(image, name)
            for name in ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
        }
    return {name: getattr(image, name)[-2:] for name in ("scale", "translate", "units", "axis_labels")}
