"""Finding clusters: blobs of 0.5 to 3 nm over an uneven support.

The micrograph is averaged to about 0.1 nm per pixel and searched with scale-normalised Laplacians of Gaussians
(Lindeberg, Int. J. Comput. Vision 30, 79 (1998)). What tells a cluster from noise, a support edge, a detached atom or
a flat patch of carbon is measured for each candidate: its height over the local noise, the fall on every side of it,
its width and its share of signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, sparse, spatial
from scipy.sparse import csgraph
from skimage.filters import threshold_otsu

from napari_atomicity.threads import in_order

Vector = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

SMALLEST_NM: Final = 0.5
LARGEST_NM: Final = 3.2
GRID_NM: Final = 0.1
_SIGMAS_NM: Final = (0.19, 0.27, 0.40, 0.60, 0.90)
_FAINTEST: Final = 0.06
#: responses are compared with their spread in tiles of this size, because thick support is noisier
_TILE_NM: Final = 8.0


@dataclass(frozen=True)
class Candidates:
    """Places worth measuring: centres in pixels of the coarse grid, radius in nm, strength over local noise."""

    y_px: Vector
    x_px: Vector
    radius_nm: Vector
    response: Vector
    significance: Vector

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Candidates:
        """Some of the candidates."""
        return Candidates(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def coarse_grid(image: npt.NDArray[np.floating], pixel_size_nm: float) -> tuple[Image, int]:
    """Average an image over whole pixels to about 0.1 nm.

    Parameters
    ----------
    image
        (y, x) pixel values.
    pixel_size_nm
        Side of a pixel in nm.

    Returns
    -------
    The averaged image, and how many pixels a side became one.
    """
    factor = max(1, int(GRID_NM / pixel_size_nm + 0.25))
    return averaged(image, factor), factor


def averaged(image: npt.NDArray[np.floating], factor: int) -> Image:
    """Average an image over squares of pixels; what does not fill a square is cut off.

    Parameters
    ----------
    image
        (y, x) pixel values.
    factor
        Pixels a side of a square.
    """
    if factor == 1:
        return np.asarray(image, dtype=np.float32)
    height, width = (n // factor * factor for n in image.shape)
    rows = np.asarray(image[:height, :width], dtype=np.float32).reshape(height // factor, factor, width).sum(axis=1)
    # summing slices is several times faster than reducing a short last axis
    total = rows[:, ::factor].copy()
    for start in range(1, factor):
        total += rows[:, start::factor]
    return np.asarray(total / factor**2, dtype=np.float32)


def candidates(coarse: Image, grid_nm: float, threshold: float) -> Candidates:
    """Bright blobs that stand out of the local noise by `threshold` standard deviations.

    Parameters
    ----------
    coarse
        (y, x) micrograph without nan, on the grid of `coarse_grid`.
    grid_nm
        Side of its pixels, nm.
    threshold
        In standard deviations of the filter's response to the support around.
    """
    tile = max(8, int(_TILE_NM / grid_nm))
    filtered = _Filter(coarse, grid_nm)

    def at_scale(sigma: float) -> npt.NDArray[np.float64]:
        response = filtered.response(sigma)
        tiles = _spread_of_tiles(response, tile)
        y, x = _maxima(response, threshold * float(tiles.min()))
        strength, noise = response[y, x].astype(np.float64), _between_tiles(tiles, response.shape, y, x)
        high = strength > threshold * noise
        y, x, strength, noise = y[high], x[high], strength[high], noise[high]
        fine_y, fine_x = _refined(response, y, x)
        radius = np.full(len(y), sigma * np.sqrt(2))
        return np.column_stack([fine_y, fine_x, radius, strength, strength / noise])

    every = np.vstack(list(in_order(at_scale, _SIGMAS_NM, most=2)))
    if not len(every):
        return Candidates(*np.empty((5, 0)))
    every = _strongest_apart(every[every[:, 3] > _faintest(every[:, 3])], grid_nm)
    return Candidates(*every.T)


def _faintest(response: Vector) -> float:
    """Response below which nothing can be a cluster of this frame: far below its typical strong blob.

    The flattest raft of the smallest class responds with a twelfth of the most compact cluster of the largest.
    """
    if len(response) < 20:
        return 0.0
    strong = response[np.log(response) > threshold_otsu(np.log(response))]
    return _FAINTEST * float(np.median(strong)) if len(strong) else 0.0


class _Filter:
    """Scale-normalised Laplacian of Gaussian, positive on bright blobs, from one Fourier transform."""

    def __init__(self, coarse: Image, grid_nm: float) -> None:
        margin = min(int(np.ceil(2.5 * _SIGMAS_NM[-1] / grid_nm)), min(coarse.shape) - 1)
        padded = np.pad(coarse - np.median(coarse[::4, ::4]), margin, mode="reflect")
        self.shape = tuple(fft.next_fast_len(n, real=True) for n in padded.shape)
        self.inside = tuple(slice(margin, margin + n) for n in coarse.shape)
        self.spectrum = fft.rfft2(padded, self.shape)
        fy = fft.fftfreq(self.shape[0], grid_nm).astype(np.float32)
        fx = fft.rfftfreq(self.shape[1], grid_nm).astype(np.float32)
        self.ky2, self.kx2 = (2 * np.pi * fy) ** 2, (2 * np.pi * fx) ** 2

    def response(self, sigma_nm: float) -> Image:
        half = np.float32(0.5 * sigma_nm**2)
        gauss = np.exp(-half * self.ky2)[:, None] * np.exp(-half * self.kx2)
        laplace = (2 * half) * (self.ky2[:, None] + self.kx2)
        return np.asarray(fft.irfft2(self.spectrum * (gauss * laplace), self.shape)[self.inside])


def _spread_of_tiles(response: Image, tile: int) -> Vector:
    """Robust standard deviation in square tiles."""
    height, width = response.shape
    rows, cols = max(1, height // tile), max(1, width // tile)
    high, wide = height // rows, width // cols
    step = max(1, min(high, wide) // 16)
    tiles = response[: rows * high, : cols * wide].reshape(rows, high, cols, wide)[:, ::step, :, ::step]
    tiles = tiles.transpose(0, 2, 1, 3).reshape(rows, cols, -1)
    # the lower half only: clusters fill the upper one
    low, middle = np.percentile(tiles, (10, 45), axis=2)
    spread = ndimage.median_filter((middle - low) / 1.156, 3, mode="nearest")
    return np.asarray(np.maximum(spread, 0.35 * np.median(spread)) + 1e-20, dtype=np.float64)


def _between_tiles(tiles: Vector, shape: tuple[int, ...], y: npt.NDArray[np.int64], x: npt.NDArray[np.int64]) -> Vector:
    """Values of tiles interpolated at pixels."""
    rows, cols = tiles.shape
    places = np.stack([(y + 0.5) * rows / shape[0] - 0.5, (x + 0.5) * cols / shape[1] - 0.5])
    return np.asarray(ndimage.map_coordinates(tiles, places, order=1, mode="nearest"))


def _maxima(response: Image, floor: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Local maxima of 3 × 3 above the floor."""
    y, x = np.nonzero(response > floor)
    if not len(y):
        return y, x
    padded = np.pad(response, 1, mode="constant", constant_values=-np.inf)
    centre = response[y, x]
    top = np.ones(len(y), dtype=bool)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if dy or dx:
                other = padded[y + 1 + dy, x + 1 + dx]
                # one of two equal neighbours wins
                top &= centre > other if (dy, dx) > (0, 0) else centre >= other
    return y[top], x[top]


def _refined(response: Image, y: npt.NDArray[np.int64], x: npt.NDArray[np.int64]) -> tuple[Vector, Vector]:
    """Sub-pixel maxima by a parabola along each axis."""
    padded = np.pad(response, 1, mode="edge").astype(np.float64)
    at = padded[y + 1, x + 1]
    shift = []
    for before, after in ((padded[y, x + 1], padded[y + 2, x + 1]), (padded[y + 1, x], padded[y + 1, x + 2])):
        bend = 2 * at - before - after
        shift.append(np.clip(np.where(bend > 0, 0.5 * (after - before) / np.maximum(bend, 1e-30), 0), -0.5, 0.5))
    return y + shift[0], x + shift[1]


def _strongest_apart(found: npt.NDArray[np.float64], grid_nm: float) -> npt.NDArray[np.float64]:
    """Of blobs that lie inside one another, over all scales, the strongest."""
    found = found[np.argsort(-found[:, 3], kind="stable")]
    places, reach = found[:, :2] * grid_nm, 0.85 * found[:, 2]
    pairs = spatial.cKDTree(places).query_pairs(reach.max(), output_type="ndarray")
    gap = np.hypot(*(places[pairs[:, 1]] - places[pairs[:, 0]]).T)
    pairs = pairs[gap < reach[pairs].max(axis=1)]
    strong, weak = pairs[np.argsort(pairs[:, 0], kind="stable")].T
    first = np.searchsorted(strong, np.arange(len(found) + 1))
    alive = np.ones(len(found), dtype=bool)
    for i in np.unique(strong):
        if alive[i]:
            alive[weak[first[i] : first[i + 1]]] = False
    return found[alive]


def merged(found: Candidates, coarse: Image, grid_nm: float) -> Candidates:
    """Candidates of one cluster joined into one.

    Two blobs belong to one cluster where the signal hardly falls between them: by less than a share of the weaker
    one's height, on the line that joins them.

    Parameters
    ----------
    found
        The candidates.
    coarse
        (y, x) the image that they were found in, averaged; see `coarse_grid`.
    grid_nm
        Side of one of its pixels in nm.
    """
    if len(found.y_px) < 2:
        return found
    signal = ndimage.gaussian_filter(coarse, _SADDLE_SMOOTH_NM / grid_nm)
    places = np.column_stack([found.y_px, found.x_px])
    pairs = spatial.cKDTree(places * grid_nm).query_pairs(LARGEST_NM, output_type="ndarray")
    apart = np.hypot(*(places[pairs[:, 0]] - places[pairs[:, 1]]).T) * grid_nm
    pairs = pairs[apart < 1.3 * (found.radius_nm[pairs[:, 0]] + found.radius_nm[pairs[:, 1]]) + 0.3]
    fall = _falls(signal, places, found.response / _RESPONSE_OF_A_DISC, pairs, grid_nm)
    apart = np.hypot(*(places[pairs[:, 0]] - places[pairs[:, 1]]).T) * grid_nm
    group = _groups(len(places), pairs[(fall < _FALL) | (apart < _NEAREST_NM)])
    return _joined(found, group)


#: one cluster where the signal between two blobs falls by less than this share of the weaker one's height
_FALL: Final = 0.45
#: the centres of two clusters are never nearer than this: a smaller blob there is a part, or an atom beside
_NEAREST_NM: Final = 0.8
_SADDLE_SMOOTH_NM: Final = 0.1
_ACROSS_NM: Final = (-0.3, -0.15, 0.0, 0.15, 0.3)
#: scale-normalised Laplacian at the middle of a disc of height one, at its best scale
_RESPONSE_OF_A_DISC: Final = 0.74


def _falls(signal: Image, places: Vector, height: Vector, pairs: npt.NDArray[np.int64], grid_nm: float) -> Vector:
    """How far the signal falls between the two of each pair, as a share of the weaker one's height.

    It is averaged across the line that joins them: the gap between two clusters is long, holes between the atoms of
    one are not.
    """
    if not len(pairs):
        return np.empty(0)
    along = np.linspace(0, 1, 33)
    start, end = places[pairs[:, 0]], places[pairs[:, 1]]
    line = start[:, None] * (1 - along)[:, None] + end[:, None] * along[:, None]
    across = (end - start)[:, ::-1] * [1, -1] / np.maximum(np.hypot(*(end - start).T), 1e-9)[:, None] / grid_nm
    values = np.zeros(line.shape[:2])
    for offset in _ACROSS_NM:
        at = line + offset * across[:, None]
        values += ndimage.map_coordinates(signal, at.reshape(-1, 2).T, order=1, mode="nearest").reshape(len(pairs), -1)
    values /= len(_ACROSS_NM)
    weaker = np.minimum(values[:, :11].max(axis=1), values[:, -11:].max(axis=1))
    return np.asarray((weaker - values.min(axis=1)) / height[pairs].min(axis=1), dtype=np.float64)


def _groups(n: int, joined: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Number of the group that each of n candidates belongs to."""
    graph = sparse.coo_matrix((np.ones(len(joined)), (joined[:, 0], joined[:, 1])), shape=(n, n))
    return np.asarray(csgraph.connected_components(graph, directed=False)[1], dtype=np.int64)


def _joined(found: Candidates, group: npt.NDArray[np.int64]) -> Candidates:
    count = int(group.max()) + 1
    weight = found.response * found.radius_nm**2
    total = np.bincount(group, weight, count)

    def mean(values: Vector) -> Vector:
        return np.asarray(np.bincount(group, weight * values, count) / total)

    def largest(values: Vector) -> Vector:
        top = np.full(count, -np.inf)
        np.maximum.at(top, group, values)
        return top

    area = np.bincount(group, found.radius_nm**2, count)
    radius = np.maximum(largest(found.radius_nm), np.minimum(np.sqrt(0.8 * area), LARGEST_NM / 2))
    return Candidates(mean(found.y_px), mean(found.x_px), radius, largest(found.response), largest(found.significance))
