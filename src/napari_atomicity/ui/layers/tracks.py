"""The tracks of a movie as a layer of napari, with its merges and splits."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.layers import Image, Layer, Tracks

from napari_atomicity.clusters import NO_TRACK
from napari_atomicity.ui.layers.places import follow, geometry, positions

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_atomicity.document.document import Document

_TAIL: Final = 15
_WIDTH: Final = 3


class TrackLayer:
    """The tracks of one document; there while they are wanted and there are any."""

    def __init__(self, viewer: ViewerModel, image: Image, document: Document) -> None:
        self._viewer = weakref.ref(viewer)
        self._image = weakref.ref(image)
        self.document = document
        self.tracks: Tracks | None = None
        #: whether a person wants to see them
        self.wanted = True
        self._shown: tuple[npt.NDArray[np.float64], dict[int, list[int]]] | None = None
        document.table_changed.connect(self.draw)
        for event in ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels"):
            getattr(image.events, event).connect(self._follow_image)

    def show(self, wanted: bool) -> None:
        """Lay the tracks over the image, or take them off."""
        self.wanted = wanted
        self.draw()

    def draw(self) -> None:
        """Make, renew or remove the layer as the document stands."""
        viewer, image = self._viewer(), self._image()
        if viewer is None or image is None or image not in viewer.layers:
            return
        shown = self.wanted and image.ndim > 2 and self.document.state.movie is not None
        data, atoms = self._data(image) if shown else (None, None)
        if data is None or atoms is None or not len(data):
            self._remove(viewer)
            return
        graph = self._graph(set(data[:, 0].astype(int).tolist()))
        if self.tracks is not None and self._shown is not None:
            before, joined = self._shown
            if joined == graph and np.array_equal(before, data):
                return
        self._shown = (data, graph)
        features = pd.DataFrame({"atoms": atoms})
        if self.tracks is None:
            self._insert(viewer, image, data, graph, features)
        else:
            self._renew(self.tracks, data, graph, features)

    def forget(self, layer: Layer) -> None:
        """A person took the layer off: it stays off."""
        if self.tracks is layer:
            self.tracks, self.wanted, self._shown = None, False, None

    def _data(self, image: Image) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Number of the track and place of each cluster that has one, and its atoms."""
        table, movie = self.document.table, self.document.state.movie
        track = table.rows["track"].to_numpy(dtype=np.int64)
        rows = np.flatnonzero(track != NO_TRACK)
        order = rows[np.lexsort([table.rows["frame"].to_numpy()[rows], track[rows]])]
        atoms = table.rows["n_atoms"].to_numpy(dtype=float).copy()
        if movie is not None:
            at = table.rows_of(movie.points["id"].to_numpy(dtype=np.int64))
            atoms[at[at >= 0]] = movie.points["atoms"].to_numpy(dtype=float)[at >= 0]
        data = np.column_stack([track, positions(self.document, image.ndim)])[order]
        return data, np.nan_to_num(atoms[order])

    def _graph(self, there: set[int]) -> dict[int, list[int]]:
        movie = self.document.state.movie
        graph: dict[int, list[int]] = {}
        links = () if movie is None else zip(movie.graph["child"], movie.graph["parent"], strict=True)
        for child, parent in links:
            if child in there and parent in there:
                graph.setdefault(int(child), []).append(int(parent))
        return graph

    def _insert(
        self,
        viewer: ViewerModel,
        image: Image,
        data: npt.NDArray[np.float64],
        graph: dict[int, Any],
        features: pd.DataFrame,
    ) -> None:
        active = viewer.layers.selection.active
        tracks = Tracks(
            data,
            graph=graph,
            features=features,
            name="tracks",
            tail_length=_TAIL,
            tail_width=_WIDTH,
            blending="translucent_no_depth",
            metadata={"napari_atomicity_overlay": True},
            **geometry(image),
        )
        tracks.color_by = "atoms"
        tracks.mouse_drag_callbacks.append(self._on_mouse)
        self.tracks = tracks
        viewer.layers.insert(viewer.layers.index(image) + 1, tracks)
        # they are there to be looked at; the layer that was worked on stays in hand
        viewer.layers.selection.active = active

    def _renew(
        self, tracks: Tracks, data: npt.NDArray[np.float64], graph: dict[int, Any], features: pd.DataFrame
    ) -> None:
        tracks.color_by = "track_id"  # new data have no features yet, and one that is missing is warned of
        tracks.graph = {}  # one that names tracks that are gone would be refused
        tracks.data = data
        tracks.features = features
        tracks.graph = graph
        tracks.color_by = "atoms"

    def _on_mouse(self, layer: Any, event: Any) -> Iterator[None]:
        """A click on a track selects its clusters in the frame that is shown, or nearest to it; a drag does nothing."""
        yield
        moved = False
        while event.type == "mouse_move":
            moved = True
            yield
        if moved:
            return
        number = layer.get_value(event.position, view_direction=event.view_direction, world=True)
        if number is None:
            return
        frame = round(float(layer.world_to_data(event.position)[-3]))
        self.select(int(number), frame)

    def select(self, track: int, frame: int) -> None:
        """Select the cluster of a track that is nearest in time to a frame."""
        rows = self.document.table.rows
        mine = np.flatnonzero(rows["track"].to_numpy() == track)
        if len(mine):
            nearest = mine[np.abs(rows["frame"].to_numpy()[mine] - frame).argmin()]
            self.document.select([int(rows["id"].to_numpy()[nearest])])

    def _remove(self, viewer: ViewerModel) -> None:
        tracks, self.tracks, self._shown = self.tracks, None, None
        if tracks is not None and tracks in viewer.layers:
            wanted = self.wanted
            viewer.layers.remove(tracks)
            self.wanted = wanted

    def _follow_image(self) -> None:
        follow(self.tracks, self._image())
