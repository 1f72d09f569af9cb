"""From an image and its clusters to scale-free patches, and from these to what the network sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.threads import in_order

if TYPE_CHECKING:
    import torch

PATCH_PX: Final = 64
NM_PER_PX: Final = 0.05
#: border of a patch that the network does not look at: the background there is known from it
MARGIN_PX: Final = 6
#: pixels along a side of a cell of the network's maps, its side in nm, and cells along a side
CELL_PX: Final = 2
CELL_NM: Final = CELL_PX * NM_PER_PX
CELLS: Final = (PATCH_PX - 2 * MARGIN_PX) // CELL_PX
#: the linear picture is given in units of so many atoms per nm²
UNIT: Final = 20.0
#: a patch of which less than this part lies inside the image is not classified
_LEAST_INSIDE: Final = 0.5
_BATCH: Final = 64
#: the compressed picture is linear up to so many atoms per nm²
_KNEE: Final = 4.0
#: beyond e^9 atoms a scale is a mistake, and numbers must not overflow
_MOST_LOG_ATOMS: Final = 9.0


@dataclass(frozen=True, eq=False)
class Patches:
    """One window a cluster, in the order of the table's rows.

    Attributes
    ----------
    raw
        (n, 64, 64) float32: background-subtracted image divided by the cluster's integral, 1/nm². Gain and black
        level of the detector have dropped out. 0 outside the image.
    log_integral
        (n,) logarithm of the integral in counts·nm²; nan where there is none.
    noise
        (n,) standard deviation of the background around the cluster, in the units of `raw`.
    valid
        (n,) whether the patch can be classified.
    """

    raw: npt.NDArray[np.float32]
    log_integral: npt.NDArray[np.float64]
    noise: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.raw)

    def take(self, rows: npt.NDArray[Any]) -> Patches:
        """The patches of some `rows` (indices or mask)."""
        return Patches(self.raw[rows], self.log_integral[rows], self.noise[rows], self.valid[rows])

    @classmethod
    def join(cls, parts: Sequence[Patches]) -> Patches:
        """The patches of several frames, one after the other."""
        names = ("raw", "log_integral", "noise", "valid")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def extract_patches(image: npt.NDArray[Any], table: ClusterTable, pixel_size_nm: float) -> Patches:
    """Cut out the clusters of one frame, independent of the gain and black level of the detector.

    Parameters
    ----------
    image
        (y, x) counts.
    table
        The clusters of this frame. Each patch is divided by the cluster's ``intensity``, or by the sum over its own
        aperture where that is missing.
    pixel_size_nm
        Pixel size of `image` in nm.

    Returns
    -------
    A patch a row of the table, in its order.
    """
    from napari_atomicity.detection.repair import repaired
    from napari_atomicity.detection.windows import extract_windows

    image = repaired(image, pixel_size_nm).image
    y, x, diameter, intensity = (table.rows[name].to_numpy() for name in ("y_px", "x_px", "diameter_nm", "intensity"))

    def batch(rows: slice) -> Patches:
        windows = extract_windows(image, y[rows], x[rows], pixel_size_nm, PATCH_PX, NM_PER_PX)
        return normalise(windows, diameter[rows], intensity[rows])

    # a few at a time: the sums on the way to a patch take twenty times its memory
    starts = range(0, max(len(table), 1), _BATCH)
    return Patches.join(list(in_order(lambda start: batch(slice(start, start + _BATCH)), starts)))


def normalise(
    windows: npt.NDArray[np.float32], diameter_nm: npt.NDArray[np.float64], intensity: npt.NDArray[np.float64]
) -> Patches:
    """Take the local background off windows of the image, and divide each by the integral of its cluster.

    Parameters
    ----------
    windows
        (n, 64, 64) counts at 0.05 nm per pixel, nan outside the image.
    diameter_nm, intensity
        (n,) what the detector measured, nan where it did not; counts·nm² for the intensity.
    """
    radius = _radius_nm()
    diameter = np.where(np.isfinite(diameter_nm), diameter_nm, 1.2)[:, None, None]
    inside = np.isfinite(windows)
    # beyond the blurred rim of the cluster; large ones leave at least the corners of the patch
    ring = inside & (radius > np.minimum(0.6 * diameter + 0.3, 1.4))
    background, noise = _background(windows, ring)
    signal = np.where(inside, windows - background, 0.0)

    own = (signal * (radius < 0.6 * diameter + 0.15)).sum(axis=(1, 2)) * NM_PER_PX**2
    measured = np.isfinite(intensity) & (intensity > 0)
    integral = np.where(measured, intensity, own)
    valid = (integral > 0) & (inside.mean(axis=(1, 2)) >= _LEAST_INSIDE)
    divisor = np.where(valid, integral, 1.0)
    raw = np.where(valid[:, None, None], signal / divisor[:, None, None], 0.0)
    log_integral = np.where(valid, np.log(divisor), np.nan)
    return Patches(raw.astype(np.float32), log_integral, (noise / divisor).astype(np.float32), valid)


def in_atoms(
    patches: Patches, log_scale: npt.NDArray[Any] | float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Patches and their noise in atoms per nm².

    Parameters
    ----------
    patches
        Of n clusters.
    log_scale
        (n,) logarithm of the intensity of one atom, counts·nm².

    Returns
    -------
    picture
        (n, 64, 64); 0 for a cluster without an integral.
    noise
        (n,) standard deviation of the background.
    """
    atoms = np.exp(np.clip(patches.log_integral - log_scale, -_MOST_LOG_ATOMS, _MOST_LOG_ATOMS))
    atoms = np.where(patches.valid & np.isfinite(atoms), atoms, 0.0).astype(np.float32)
    return patches.raw * atoms[:, None, None], patches.noise * atoms


def channel_pictures(
    picture: npt.NDArray[np.float32], noise: npt.NDArray[np.float32], channels: int, lcn_window_nm: float
) -> torch.Tensor:
    """The channels that the network looks at: the picture itself and, for two, its local contrast.

    Local contrast normalisation subtracts the mean and divides by the standard deviation within a Gaussian window of
    `lcn_window_nm` (full width at half maximum). The noise of the background and one atom per nm² are the floor of that
    standard deviation, so that empty support does not swell to full contrast.

    Parameters
    ----------
    picture, noise
        As by `in_atoms`, of n clusters.
    channels
        1: raw; 2: raw and local contrast.
    lcn_window_nm
        Width of the window in nm.

    Returns
    -------
    (n, channels, 64, 64) float32.
    """
    import torch

    raw = torch.from_numpy(np.ascontiguousarray(picture))[:, None]
    if channels == 1:
        return raw
    floor = torch.from_numpy(np.ascontiguousarray(noise))[:, None, None, None]
    kernel = _gaussian(lcn_window_nm / NM_PER_PX / 2.355)
    mean = _blur(raw, kernel)
    spread = torch.sqrt(_blur((raw - mean) ** 2, kernel) + 0.25 * floor**2 + 1.0)
    return torch.cat([raw, (raw - mean) / spread], dim=1)


def network_input(
    picture: npt.NDArray[np.float32], noise: npt.NDArray[np.float32], channels: int, lcn_window_nm: float
) -> torch.Tensor:
    """What the network is fed: the middle of the channels, the raw one both linear and compressed.

    Parameters
    ----------
    picture, noise, channels, lcn_window_nm
        As in `channel_pictures`.

    Returns
    -------
    (n, 2 or 3, 52, 52) float32.
    """
    import torch

    seen = channel_pictures(picture, noise, channels, lcn_window_nm)
    seen = seen[:, :, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    raw = seen[:, :1]
    seen = torch.cat([raw / UNIT, torch.asinh(raw / _KNEE) / 3.0, seen[:, 1:]], dim=1)
    return seen.contiguous(memory_format=torch.channels_last)


def _gaussian(sigma_px: float) -> torch.Tensor:
    """Weights of a Gaussian out to 2.5 standard deviations, in all 1."""
    import torch

    half = max(1, round(2.5 * sigma_px))
    x = torch.arange(-half, half + 1, dtype=torch.float32)
    weights = torch.exp(-0.5 * (x / sigma_px) ** 2)
    return weights / weights.sum()


def _blur(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Gaussian blur as one matrix on either side: several times faster than a convolution of one channel."""
    import torch

    n, half = x.shape[-1], len(kernel) // 2
    index = torch.arange(n)[:, None] + torch.arange(-half, half + 1)[None, :]
    matrix = torch.zeros(n, n)
    matrix.scatter_add_(1, index.clamp(0, n - 1), kernel.expand(n, -1))
    return matrix @ x @ matrix.T


def _radius_nm() -> npt.NDArray[np.float64]:
    """(64, 64) distance of each pixel from the centre of a patch."""
    y, x = np.indices((PATCH_PX, PATCH_PX)) - (PATCH_PX - 1) / 2
    radius: npt.NDArray[np.float64] = np.hypot(y, x) * NM_PER_PX
    return radius


def _background(
    windows: npt.NDArray[np.float32], ring: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """A plane a window fitted to the ring around the cluster, without bright neighbours; and the noise about it."""
    n = len(windows)
    y, x = (np.indices((PATCH_PX, PATCH_PX)) / (PATCH_PX - 1) - 0.5).reshape(2, -1)
    basis = np.stack([np.ones_like(y), y, x], axis=1)
    products = np.stack([np.ones_like(y), y, x, y * y, y * x, x * x], axis=1)
    values = np.where(ring, windows, 0.0).reshape(n, PATCH_PX**2).astype(np.float64)
    ring = ring.reshape(n, PATCH_PX**2)
    level, noise = _median_and_noise(values, ring)
    plane = np.zeros((n, 3))
    plane[:, 0] = level
    lopsided = ring.mean(axis=1) < 0.25  # the image's border leaves too little for a slope
    for _ in range(3):
        residual = values - plane @ basis.T
        # bright outliers are neighbours and satellites: cut them closer than the dark side
        keep = ring & (residual < 2.0 * noise[:, None]) & (residual > -3.0 * noise[:, None])
        weights = keep.astype(np.float64)
        normal = (weights @ products)[:, [[0, 1, 2], [1, 3, 4], [2, 4, 5]]]
        normal += np.eye(3) * 1e-6 + np.where(lopsided[:, None, None], np.diag([0.0, 1e6, 1e6]), 0.0)
        right = (weights * values) @ basis
        fitted = np.linalg.solve(normal, right[..., None])[..., 0]
        plane = np.where(keep.any(axis=1, keepdims=True), fitted, plane)
    residual = values - plane @ basis.T
    _, noise = _median_and_noise(residual, ring)
    return (plane @ basis.T).reshape(n, PATCH_PX, PATCH_PX), noise


def _median_and_noise(
    values: npt.NDArray[np.float64], mask: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Level and noise of each row from its lower half, free of bright neighbours; 0 and 1 for an empty row."""
    count = mask.sum(axis=1)
    ordered = np.sort(np.where(mask, values, np.inf), axis=1)
    last = np.maximum(count - 1, 0)
    rows = np.arange(len(values))
    median = ordered[rows, last // 2]
    low = ordered[rows, np.round(0.16 * last).astype(int)]
    empty = count < 8
    median = np.where(empty, 0.0, median)
    return median, np.where(empty, 1.0, np.maximum(median - np.where(empty, 0.0, low), 1e-12))
