"""Documents become what a project holds, and back."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image, Layer
from qtpy.QtCore import QTimer

from napari_atomicity.document.document import Document
from napari_atomicity.errors import InputError
from napari_atomicity.io.napari_hooks import as_layer
from napari_atomicity.project import HistoryStep, Project, SavedImage
from napari_atomicity.project.view import CAMERA_DOOR, looks_of
from napari_atomicity.ui.layers.clusters import PAUSE_MS

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_atomicity.document.review import Review
    from napari_atomicity.ui.workspace.layer_group import LayerGroup
    from napari_atomicity.ui.workspace.solo import Solo
    from napari_atomicity.ui.workspace.workspace import Workspace

_PLACE: Final = ("translate", "rotate", "shear", "affine")
_LOOKS: Final = ("visible", "opacity", "gamma", "contrast_limits")


def saved_image_of(review: Review, name: str, view: dict[str, Any] | None = None) -> SavedImage:
    """A document with its review as they are now. Only references are taken: its states never change."""
    document = review.document
    steps, now = document.steps
    history = tuple(HistoryStep(title, state) for title, state in steps)
    return SavedImage(name, history, now, document.options, document.selection, view or {}, review.round)


def project_of(
    workspace: Workspace, solo: Solo, groups: Iterable[LayerGroup], more: Iterable[SavedImage] = ()
) -> Project:
    """Documents of a viewer, how it shows them, and `more` images that it no longer shows."""
    shown = list(groups)
    images = [saved_image_of(group.review, group.name, _looks_of(group, solo)) for group in shown]
    in_hand = next((at for at, group in enumerate(shown) if group is workspace.group), 0)
    return Project((*images, *more), in_hand, _view_of(workspace.viewer))


class Restorer:
    """Puts the images of an opened project into a viewer."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def show(self, saved: SavedImage) -> Document | None:
        """A new layer for the image `saved`, with its document as it was."""
        viewer = self._workspace.viewer
        if viewer is None:
            return None
        layer = Layer.create(*as_layer(saved.state.micrograph))
        layer.name = saved.name
        viewer.add_layer(layer)
        document = self._workspace.document_of(layer) if isinstance(layer, Image) else None
        if document is not None:
            self.fill(document, saved)
        return document

    def fill(self, document: Document, saved: SavedImage) -> None:
        """The document as it was when it was saved."""
        document.set_options(**{one.name: getattr(saved.options, one.name) for one in fields(saved.options)})
        document.resume([(step.name, step.state) for step in saved.steps], saved.now)
        document.select(saved.selection)
        if saved.changed:
            document.replace_pixels(document.micrograph)
        group = next((one for one in self._workspace.groups if one.document is document), None)
        if group is not None and saved.view:
            with contextlib.suppress(InputError):  # how it is shown is no reason to fail
                _take_looks(group, looks_of(saved.view))
        if group is not None:  # the contrast that it ends with is the one that was saved
            group.review.resume(saved.review)

    def look(self, project: Project) -> None:
        """The camera as it was."""
        viewer = self._workspace.viewer
        if viewer is None or not project.view:
            return
        try:
            camera = CAMERA_DOOR.check(project.view, "The view")
            viewer.scene.camera.center = tuple(camera.center)  # type: ignore[assignment]  # two or three numbers
            viewer.scene.camera.zoom = camera.zoom
            viewer.dims.current_step = tuple(camera.step)
        except (InputError, TypeError, ValueError, IndexError):
            return  # how it is shown is no reason to fail
        shown = list(viewer.dims.displayed)
        low, high = viewer.layers.extent.world[:, shown]
        centre = viewer.scene.camera.center[-len(shown) :]
        if not all(low <= centre) or not all(centre <= high):  # the images lay elsewhere when it was saved
            viewer.fit_to_view()


def _view_of(viewer: ViewerModel | None) -> dict[str, Any]:
    if viewer is None:
        return {}
    return {
        "center": [float(value) for value in viewer.scene.camera.center],
        "zoom": float(viewer.scene.camera.zoom),
        "step": [int(step) for step in viewer.dims.current_step],
    }


def _looks_of(group: LayerGroup, solo: Solo) -> dict[str, Any]:
    image, points = group.image(), group.clusters.points
    view: dict[str, Any] = {}
    if image is not None:
        view["image"] = {name: getattr(image, name) for name in _LOOKS} | {"colormap": image.colormap.name}
        view["image"]["place"] = _place_of(image)
        view["image"]["visible"] = solo.seen(image)
        # a review that runs has a contrast of its own
        view["image"]["contrast_limits"] = group.look.limits
    if points is not None:
        view["clusters"] = {"visible": solo.seen(points), "opacity": points.opacity}
    if group.rings.active:
        view["rings"] = group.rings.view
    return view


def _take_looks(group: LayerGroup, view: dict[str, Any]) -> None:
    image, points = group.image(), group.clusters.points
    group.rings.resume(view.get("rings", {}))
    if image is not None:
        _set(image, view.get("image", {}), (*_LOOKS, "colormap"))
        _put(image, view.get("image", {}).get("place"))
    if points is not None:
        there = weakref.ref(points)

        # a new layer shows itself a moment after it was added
        def later() -> None:
            if (layer := there()) is not None:
                _set(layer, view.get("clusters", {}), ("visible", "opacity"))

        QTimer.singleShot(2 * PAUSE_MS, later)


def _place_of(image: Image) -> dict[str, Any]:
    """How an image lies in the world: mirrored, moved, turned. Its scale follows from its pixel size."""
    place = {name: np.asarray(getattr(image, name), dtype=float).tolist() for name in _PLACE}
    return place | {"mirrored": (image.scale < 0).tolist()}


def _put(image: Image, place: dict[str, Any] | None) -> None:
    if not place or len(place["mirrored"]) != image.ndim:
        return  # of an earlier version, or of an image that had other axes
    try:
        if not all(np.linalg.det(np.array(place[name], dtype=float)) for name in ("rotate", "affine")):
            return  # what no layer can be like
    except ValueError:  # no matrix
        return
    _set(image, place, _PLACE)
    image.scale = np.abs(image.scale) * np.where(place["mirrored"], -1.0, 1.0)


def _set(layer: Image | Layer, values: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if name in values:
            try:
                setattr(layer, name, values[name])
            except (TypeError, ValueError, KeyError):
                continue  # how it is shown is no reason to fail
