"""Where clusters lie on a layer, and which of a layer's points are which clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Layer

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document


def compare(
    places: npt.NDArray[np.float64],
    names: npt.NDArray[Any],
    known: npt.NDArray[np.float64],
    ids: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], dict[int, int], list[int]]:
    """What happened to points, whatever way it happened.

    A point at the very place of a known cluster is that cluster; of the rest, one that still carries the id of a
    missing cluster was moved; any other is new (napari gives a new point the features, and so the id, of another).

    Parameters
    ----------
    places, names
        (n, 3) frame, y, x of the points of the layer, and the ids in their features.
    known, ids
        (m, 3) places and ids of the clusters in the table.

    Returns
    -------
    Rows of new points, {id: row} of moved ones, and ids of those that are gone.
    """
    unclaimed: dict[tuple[float, ...], list[int]] = {}
    for place, name in zip(map(tuple, known.tolist()), ids.tolist(), strict=True):
        unclaimed.setdefault(place, []).append(name)
    missing = set(ids.tolist())
    unknown = []
    for row, place in enumerate(map(tuple, places.tolist())):
        if at_place := unclaimed.get(place):
            missing.discard(at_place.pop(0))
        else:
            unknown.append(row)
    moved: dict[int, int] = {}
    added = []
    for row in unknown:
        name = int(names[row]) if np.isfinite(names[row]) else -1
        if name in missing:
            moved[name] = row
            missing.discard(name)
        else:
            added.append(row)
    return np.array(added, dtype=np.int64), moved, sorted(missing)


def geometry(image: Image) -> dict[str, Any]:
    """Register of a layer of the same dimensions with the image."""
    names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    return {name: getattr(image, name) for name in names}


def follow(layer: Layer | None, image: Image | None) -> None:
    """Bring a layer into register with the image again.

    Parameters
    ----------
    layer
        One that shows something of the image; it stays as it is while the image has other axes.
    image
        The image.
    """
    if layer is not None and image is not None and layer.ndim == image.ndim:
        for name, value in geometry(image).items():
            setattr(layer, name, value)


def positions(document: Document, ndim: int) -> npt.NDArray[np.float64]:
    """(n, ndim) centres of the clusters in data coordinates of the image."""
    table = document.table
    # axes before the frames have length 1
    return table.centres_px if ndim == 2 else np.pad(table.places, ((0, 0), (ndim - 3, 0)))


def world_point(image: Image, frame: float, y: float, x: float) -> tuple[float, ...]:
    """World coordinates of a place in an image or stack, as many as the image has axes.

    Parameters
    ----------
    image
        The layer.
    frame, y, x
        In pixels; the frame is ignored where the image has none.
    """
    place = (*(0.0,) * (image.ndim - 3), frame, y, x)[-image.ndim :]
    return tuple(float(value) for value in image.data_to_world(place))


def places_of(positions: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """(n, 3) frame, y, x of positions on a single image or a stack."""
    positions = np.asarray(positions, dtype=np.float64)
    if positions.shape[1] == 2:
        return np.column_stack([np.zeros(len(positions)), positions])
    return np.column_stack([np.round(positions[:, -3]), positions[:, -2:]])
