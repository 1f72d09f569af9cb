"""Pictures of clusters on one length scale, cut out of the micrograph off the interface thread and kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from psygnal import Signal
from qtpy.QtGui import QImage

from napari_atomicity.detection.windows import extract_windows
from napari_atomicity.insight.cluster_card import as_grey
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.widgets.thumbnails import grey_picture

if TYPE_CHECKING:
    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.ui.workspace.tasks import TaskRunner

#: frame, y and x in pixels
Place = tuple[float, float, float]
Levels = tuple[float, float]

_SIDE_PX: Final = 64
#: at most as many are cut out at a time, so that what is seen by then comes soon
_BATCH: Final = 160
#: 4 kB each
_KEPT: Final = 8000
#: pictures are so many times as wide as all but the largest clusters, in steps of 0.4 nm
_ROOM: Final = 1.7
_STEP_NM: Final = 0.4
_WIDEST_NM: Final = 12.0
_UNMEASURED_NM: Final = 2.4


@dataclass(frozen=True, eq=False)
class Source:
    """What pictures are cut out of, and how.

    Attributes
    ----------
    micrograph
        Image or stack.
    table
        Its clusters, whose brightness chooses the common scale of grey.
    side_nm
        Side of a picture; nan where no pixel size is known: it is 64 pixels then.
    one_grey
        Whether the pictures of a frame share their scale of grey.
    """

    micrograph: Micrograph
    table: ClusterTable
    side_nm: float
    one_grey: bool

    def makes_the_same_as(self, other: Source | None) -> bool:
        """Whether its pictures are those of another one."""
        if other is None or self.micrograph.data is not other.micrograph.data or self.one_grey != other.one_grey:
            return False
        if not len(other.table) <= 2 * len(self.table) <= 4 * len(other.table):
            return False  # the brightness of a few clusters says little of that of many
        same_scale = self.micrograph.pixel_size_nm == other.micrograph.pixel_size_nm
        return same_scale and (self.side_nm == other.side_nm or np.isnan([self.side_nm, other.side_nm]).all().item())


def side_nm(table: ClusterTable, pixel_size_nm: float | None) -> float:
    """Side of the pictures of these clusters; nan where no pixel size is known.

    Parameters
    ----------
    table
        Clusters with their diameters.
    pixel_size_nm
        Of the image.
    """
    if pixel_size_nm is None:
        return float("nan")
    diameter = table.rows["diameter_nm"].to_numpy(dtype=float)
    known = diameter[np.isfinite(diameter)]
    largest = float(np.quantile(known, 0.98)) if len(known) else _UNMEASURED_NM / _ROOM
    return float(np.clip(np.ceil(_ROOM * largest / _STEP_NM) * _STEP_NM, _STEP_NM * 4, _WIDEST_NM))


class Crops:
    """Pictures by place; those that are wanted and missing are made, a batch of one frame at a time.

    Signal: `made` when there are new ones.
    """

    made = Signal()

    def __init__(self, work: TaskRunner) -> None:
        #: apart from the workspace's own work, which need not wait for it
        self.work = work
        self.work.finished.connect(self._on_finished)
        self._source: Source | None = None
        #: when the first of the pictures was made
        self._first: Source | None = None
        self._pictures: dict[Place, QImage] = {}
        self._levels: dict[int, Levels] = {}
        self._wanted: list[Place] = []
        self._failed = False

    def turn_to(self, source: Source) -> None:
        """Cut out of this from now on; what was made stays where it would be made the same."""
        if not source.makes_the_same_as(self._first):
            self._pictures, self._levels, self._wanted, self._failed = {}, {}, [], False
            self._first = source
        self._source = source

    def forget(self, micrograph: Micrograph) -> None:
        """An image is gone: nothing holds its pixels any more."""
        if self._source is not None and self._source.micrograph.data is micrograph.data:
            self._source = self._first = None
            self._pictures, self._levels, self._wanted = {}, {}, []

    def picture(self, place: Place) -> QImage | None:
        """The picture of the cluster at a place; None as long as it is not made."""
        return self._pictures.get(place)

    def want(self, places: list[Place]) -> None:
        """These are wanted next, the first ones first; nothing that was wanted before is wanted any more."""
        self._wanted = [place for place in places if place not in self._pictures]
        self._start()

    def _start(self) -> None:
        source = self._source
        if source is None or self.work.busy or not self._wanted or self._failed:
            return
        frame = int(self._wanted[0][0])
        batch = [place for place in self._wanted if int(place[0]) == frame][:_BATCH]
        levels = self._levels.get(frame)
        self.work.start(
            "Cut out pictures",
            lambda: cut_steps(source, frame, batch, levels),
            lambda cut: self._take(source, frame, batch, cut),
        )

    def _take(self, source: Source, frame: int, batch: list[Place], cut: tuple[npt.NDArray[np.uint8], Levels]) -> None:
        if not source.makes_the_same_as(self._first):
            return
        greys, self._levels[frame] = cut
        for place, grey in zip(batch, greys, strict=True):
            self._pictures[place] = grey_picture(grey)
        while len(self._pictures) > _KEPT:
            self._pictures.pop(next(iter(self._pictures)))

    def _on_finished(self, ending: str) -> None:
        # the same fault would come again and again
        self._failed = ending == "failed"
        self._wanted = [place for place in self._wanted if place not in self._pictures]
        if ending == "done":
            self.made.emit()
        self._start()


def cut_steps(
    source: Source, frame: int, places: list[Place], levels: Levels | None
) -> Steps[tuple[npt.NDArray[np.uint8], Levels]]:
    """Pictures of clusters of one frame, and its scale of grey.

    Parameters
    ----------
    source
        What they are cut out of.
    frame
        Which one.
    places
        Of the clusters.
    levels
        Black and white of this frame, where they are known already.
    """
    yield Progress(0, 1, "Cut out pictures")
    plane = _plane(source.micrograph, frame)
    if levels is None:
        levels = _levels(plane, source.table, frame)
    pixel = source.micrograph.pixel_size_nm
    nm_per_px = source.side_nm / _SIDE_PX if pixel else 1.0
    _, y, x = np.array(places, dtype=np.float64).T
    windows = extract_windows(plane, y, x, pixel or 1.0, _SIDE_PX, nm_per_px)
    return np.stack(list(_greys(windows, levels if source.one_grey else None))), levels


def _plane(micrograph: Micrograph, frame: int) -> npt.NDArray[Any]:
    """One frame; counts as they are where they can be cut without a copy of the whole."""
    plane = micrograph.data[frame] if micrograph.data.ndim == 3 else micrograph.data
    as_it_is = isinstance(plane, np.ndarray) and not isinstance(plane, np.ma.MaskedArray) and plane.dtype.kind in "iuf"
    return plane if as_it_is else micrograph.frame(frame)


def _levels(plane: npt.NDArray[Any], table: ClusterTable, frame: int) -> Levels:
    """Black and white: the support, and the middle of nearly the brightest clusters."""
    step = max(1, int(np.sqrt(plane.size / 2e5)))
    some = np.asarray(plane[::step, ::step], dtype=np.float64)
    some = some[np.isfinite(some)]
    low = float(np.percentile(some, 5)) if some.size else 0.0
    of = table.rows["frame"].to_numpy() == frame
    y, x = (
        np.clip(np.round(values), 0, n - 1).astype(np.int64)
        for values, n in zip(table.centres_px[of].T, plane.shape, strict=True)
    )
    middles = np.asarray(plane[y, x], dtype=np.float64)
    middles = middles[np.isfinite(middles)]
    high = float(np.percentile(middles, 97)) if middles.size else low
    return low, high if high > low else low + 1.0


def _greys(windows: npt.NDArray[np.float32], levels: Levels | None) -> Iterator[npt.NDArray[np.uint8]]:
    """Grey levels, black where the image has no pixels."""
    for window in windows:
        known = np.isfinite(window)
        if not known.any():
            yield np.zeros(window.shape, dtype=np.uint8)
        elif levels is None:
            yield np.where(known, as_grey(np.where(known, window, window[known].min())), 0).astype(np.uint8)
        else:
            low, high = levels
            yield np.nan_to_num(np.clip(255 * (window - low) / (high - low), 0, 255)).astype(np.uint8)
