"""Measuring clusters: centre, diameter and background-subtracted integrated intensity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage, spatial

from napari_atomicity.detection.windows import extract_windows
from napari_atomicity.threads import in_order

Vector = npt.NDArray[np.float64]
Windows = npt.NDArray[np.float32]

NM_PER_PX: Final = 0.05
#: the support is judged on a ring that begins and ends at these distances from the cluster
_RING_NM: Final = (0.3, 1.1)
#: and keeps this distance from neighbours
_APART_NM: Final = 0.3
#: the integral runs over everything within this distance of the half-maximum outline
_TAIL_NM: Final = 0.25
_SMOOTH_NM: Final = 0.08
_BATCH: Final = 64
#: share of a cluster's own pixels at the top of the detector's range that makes it saturated
_SATURATED_SHARE: Final = 0.02


@dataclass(frozen=True)
class Measurement:
    """What was measured on n clusters.

    Attributes
    ----------
    y_px, x_px
        Centres of mass of the background-subtracted signal.
    diameter_nm
        Diameter of the circle with the area of the cluster at half its maximum; nan where nothing stands out.
    intensity
        Background-subtracted integrated intensity, counts nm².
    contrast
        Typical height of the cluster above its background, counts.
    background_sd
        Standard deviation of the (lightly smoothed) background around the cluster, counts.
    flag
        ``ok``, ``border``, ``touching`` or ``saturated``.
    """

    y_px: Vector
    x_px: Vector
    diameter_nm: Vector
    intensity: Vector
    contrast: Vector
    background_sd: Vector
    flag: npt.NDArray[np.object_]

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Measurement:
        """The measurements of some of the clusters."""
        return Measurement(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def measure(
    image: npt.NDArray[np.floating],
    pixel_size_nm: float,
    y_px: npt.NDArray[np.floating],
    x_px: npt.NDArray[np.floating],
    radius_nm: npt.NDArray[np.floating] | None = None,
    recentre: bool = True,
    nm_per_px: float = NM_PER_PX,
) -> Measurement:
    """Measure the clusters at given places.

    Parameters
    ----------
    image
        (y, x) micrograph in counts.
    pixel_size_nm
        Side of a pixel, nm.
    y_px, x_px
        (n,) approximate centres in pixels.
    radius_nm
        (n,) first guess of the radii; 0.6 nm where None.
    recentre
        Move the centres to the centres of mass; False keeps a person's positions.
    nm_per_px
        Sampling of the windows in which the clusters are measured.
    """
    y, x = np.asarray(y_px, dtype=np.float64), np.asarray(x_px, dtype=np.float64)
    radius = np.full(len(y), 0.6) if radius_nm is None else np.asarray(radius_nm, dtype=np.float64)
    if len(y) == 0:
        none = np.empty(0)
        return Measurement(none, none, none, none, none, none, np.empty(0, dtype=object))
    near = _Neighbours.of(y, x, radius, pixel_size_nm)
    full_scale = _full_scale(image)
    # clusters of like size share a batch, so that small ones get small windows; all at once would fill the memory
    order = np.argsort(radius, kind="stable")

    def batch(start: int) -> Measurement:
        rows = order[start : start + _BATCH]
        size = int(np.ceil(2 * (radius[rows].max() + _RING_NM[1]) / nm_per_px))
        windows = extract_windows(image, y[rows], x[rows], pixel_size_nm, size, nm_per_px)
        return _Windows(windows, rows, y, x, radius, near, pixel_size_nm, nm_per_px, full_scale).measured(recentre)

    parts = list(in_order(batch, range(0, len(y), _BATCH)))
    back = np.argsort(order, kind="stable")
    return Measurement(
        **{name: np.concatenate([getattr(p, name) for p in parts])[back] for name in Measurement.__dataclass_fields__}
    )


@dataclass(frozen=True)
class _Neighbours:
    """Of every cluster those that share its window: their numbers, and where they lie from it, in nm."""

    #: (n + 1,) where the neighbours of each cluster begin in the arrays below
    first: npt.NDArray[np.int64]
    other: npt.NDArray[np.int64]
    dy: Vector
    dx: Vector

    @classmethod
    def of(cls, y: Vector, x: Vector, radius: Vector, pixel_size_nm: float) -> _Neighbours:
        places = np.column_stack([y, x]) * pixel_size_nm
        # a neighbour farther away than the ring and its own surroundings changes nothing
        pairs = spatial.cKDTree(places).query_pairs(2 * radius.max() + _RING_NM[1] + _APART_NM, output_type="ndarray")
        apart = np.hypot(*(places[pairs[:, 1]] - places[pairs[:, 0]]).T)
        pairs = pairs[apart < radius[pairs].sum(axis=1) + _RING_NM[1] + _APART_NM]
        both = np.vstack([pairs, pairs[:, ::-1]])
        one, other = both[np.lexsort((both[:, 1], both[:, 0]))].T
        dy, dx = (places[other] - places[one]).T
        return cls(np.searchsorted(one, np.arange(len(y) + 1)), other, dy, dx)

    def around(self, cluster: int) -> Iterator[tuple[int, float, float]]:
        """Number of each neighbour of a cluster, and the way to it."""
        here = slice(self.first[cluster], self.first[cluster + 1])
        return zip(self.other[here], self.dy[here], self.dx[here], strict=True)


def _full_scale(image: npt.NDArray[np.floating]) -> float:
    """Counts at which the image is clipped; infinity where the top of the range is not a plateau."""
    top = float(np.nanmax(image))
    at_top = int(np.count_nonzero(image >= top))
    return top if at_top >= max(8, 2e-6 * image.size) else np.inf


@dataclass
class _Windows:
    """The windows of a batch of clusters; every step is one array operation over them."""

    windows: Windows
    #: numbers of these clusters among all
    rows: npt.NDArray[np.int64]
    y: Vector
    x: Vector
    every_radius: Vector
    neighbours: _Neighbours
    pixel_size_nm: float
    nm_per_px: float
    full_scale: float

    def __post_init__(self) -> None:
        size = self.windows.shape[1]
        self.axis = ((np.arange(size) - (size - 1) / 2) * self.nm_per_px).astype(np.float32)
        self.distance = np.hypot(self.axis[:, None], self.axis[None])
        self.radius = self.every_radius[self.rows].astype(np.float32)

    def measured(self, recentre: bool) -> Measurement:
        valid = np.isfinite(self.windows)
        # a large black level would drown the signal in the rounding of single precision
        level = np.median(np.nan_to_num(self.windows[:, ::4, ::4]), axis=(1, 2), keepdims=True)
        filled = np.where(valid, self.windows - level, 0)
        own, free = self._territories()
        # the support: a plane through the ring around the cluster, without its neighbours
        ring = self._within(_RING_NM[1]) & ~self._within(_RING_NM[0])
        signal, spread = _without_plane(filled, ring & free & valid, self.axis)
        signal *= valid
        smooth = ndimage.gaussian_filter(signal, (0, *[_SMOOTH_NM / self.nm_per_px] * 2), truncate=3)
        height = self._height(smooth, own)
        reach = self.distance < (1.6 * self.radius + 0.2)[:, None, None]
        outline = _connected((smooth > 0.5 * height[:, None, None]) & own & reach)
        pixels = outline.sum(axis=(1, 2))
        diameter = np.where(pixels > 0, np.sqrt(pixels * self.nm_per_px**2 * 4 / np.pi), np.nan)
        body = _grown(outline, round(_TAIL_NM / self.nm_per_px))
        # two clusters touch where the surroundings of one reach into the territory of the other
        touching = np.asarray((body & ~own).any(axis=(1, 2)))
        body &= own
        inside = signal * body
        intensity = inside.sum(axis=(1, 2), dtype=np.float64) * self.nm_per_px**2
        y, x = self.y[self.rows], self.x[self.rows]
        if recentre:
            dy, dx = self._centre_of_mass(np.clip(inside, 0, None))
            y, x = y + dy / self.pixel_size_nm, x + dx / self.pixel_size_nm
        flag = self._flags(body, valid, touching, outline)
        return Measurement(y, x, diameter, intensity, height.astype(np.float64), spread, flag)

    def _within(self, distance_nm: float) -> npt.NDArray[np.bool_]:
        """Pixels nearer to the outline that was guessed than a distance."""
        return np.asarray(self.distance < (self.radius + distance_nm)[:, None, None])

    def _territories(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """For each window: pixels nearer to this cluster than to another, and pixels far from all others."""
        own = np.ones(self.windows.shape, dtype=bool)
        free = np.ones(self.windows.shape, dtype=bool)
        for i, number in enumerate(self.rows):
            for j, dy, dx in self.neighbours.around(number):
                other = np.float32(self.every_radius[j])
                distance = np.hypot(self.axis[:, None] - np.float32(dy), self.axis[None] - np.float32(dx))
                own[i] &= self.distance - self.radius[i] <= distance - other
                free[i] &= distance > other + _APART_NM
        return own, free

    def _height(self, smooth: Windows, own: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Height of the plateau: the mean of the upper fifth of the core, which one bright pixel cannot move."""
        reach = np.maximum(0.75 * self.radius, 0.2)
        middle, half = self.windows.shape[1] // 2, int(np.ceil(reach.max() / self.nm_per_px)) + 1
        inner = slice(max(0, middle - half), middle + half + 1)
        core = own[:, inner, inner] & (reach[:, None, None] > self.distance[inner, inner])
        values = np.sort(np.where(core, smooth[:, inner, inner], -np.inf).reshape(len(smooth), -1), axis=1)[:, ::-1]
        wanted = np.ceil(0.2 * core.sum(axis=(1, 2)))
        upper = np.arange(values.shape[1]) < wanted[:, None]
        total = np.where(upper, values, 0).sum(axis=1)
        return np.asarray(total / np.maximum(wanted, 1), dtype=np.float32)

    def _centre_of_mass(self, signal: Windows) -> tuple[Vector, Vector]:
        total = np.maximum(signal.sum(axis=(1, 2), dtype=np.float64), 1e-30)
        dy = (signal.sum(axis=2) @ self.axis) / total
        dx = (signal.sum(axis=1) @ self.axis) / total
        return dy, dx

    def _flags(
        self,
        body: npt.NDArray[np.bool_],
        valid: npt.NDArray[np.bool_],
        touching: npt.NDArray[np.bool_],
        outline: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.object_]:
        flag = np.full(len(body), "ok", dtype=object)
        flag[touching] = "touching"
        if np.isfinite(self.full_scale):
            clipped = (self.windows >= self.full_scale) & outline
            flag[clipped.sum(axis=(1, 2)) > _SATURATED_SHARE * np.maximum(outline.sum(axis=(1, 2)), 1)] = "saturated"
        flag[(body & ~valid).any(axis=(1, 2))] = "border"
        return flag


def _without_plane(
    windows: Windows, support: npt.NDArray[np.bool_], axis: npt.NDArray[np.float32]
) -> tuple[Windows, Vector]:
    """Subtract a plane fitted to the `support` pixels, twice, the second time without what lies off it."""
    shape = windows.shape[1:]
    y, x = np.broadcast_to(axis[:, None], shape).ravel(), np.broadcast_to(axis[None], shape).ravel()
    basis = np.stack([np.ones_like(y), y, x])
    products = np.stack([np.ones_like(y), y, x, y * y, y * x, x * x])
    flat = windows.reshape(len(windows), -1)
    weight = support.reshape(len(windows), -1).astype(np.float32)
    signal, spread = flat, np.zeros(len(windows))
    for _ in range(2):
        moments = (weight @ products.T).astype(np.float64)
        normal = moments[:, [[0, 1, 2], [1, 3, 4], [2, 4, 5]]]
        right = ((weight * flat) @ basis.T).astype(np.float64)
        # a little ridge on the slopes: where half of the ring is missing a level is safer than a steep plane
        normal += (0.02 * normal[:, :1, :1] + 1e-6) * np.diag([0.0, 1.0, 1.0])
        normal[:, 0, 0] += 1e-6
        plane = np.linalg.solve(normal, right[..., None])[..., 0].astype(np.float32)
        signal = flat - plane @ basis
        total = np.maximum(weight.sum(axis=1), 1)
        spread = np.sqrt((weight * signal**2).sum(axis=1, dtype=np.float64) / total)
        weight = weight * (np.abs(signal) < 2.5 * spread[:, None].astype(np.float32))
    return signal.reshape(windows.shape), spread


def _connected(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """In each window only the largest connected part."""
    structure = np.zeros((3, 3, 3), dtype=bool)
    structure[1] = ndimage.generate_binary_structure(2, 1)
    labels, count = ndimage.label(mask, structure)
    if not count:
        return mask
    size = np.bincount(labels.ravel(), minlength=count + 1)
    size[0] = 0
    largest = size[labels].max(axis=(1, 2), keepdims=True)
    return np.asarray((size[labels] == largest) & mask)


def _grown(mask: npt.NDArray[np.bool_], reach_px: int) -> npt.NDArray[np.bool_]:
    """Everything within a distance of the mask, in each window."""
    grown = np.zeros_like(mask)
    # a disc as a pile of rectangles: near enough, and fast because separable
    for dy in range(0, reach_px + 1, 2):
        dx = round(np.sqrt(max(reach_px**2 - dy**2, 0)))
        part = ndimage.maximum_filter1d(mask.view(np.uint8), 2 * dy + 1, axis=1)
        grown |= ndimage.maximum_filter1d(part, 2 * dx + 1, axis=2).view(bool)
    return grown
