"""A store of clusters imaged by multislice, and how to put them into frames: an evaluation by another forward model.

``python benchmarks/multislice.py --library FILE`` makes such a store; reading one needs neither abTEM nor ASE.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_atomically

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ImagedCluster:
    """One cluster of a store.

    Attributes
    ----------
    images
        (foci, y, x) signal density in lone atoms per nm².
    positions_nm
        (n, 3) atoms: x and y from the middle of the image (the middle of the array, between pixels where its side is
        even), height above the support.
    flatness
        Flatness that was asked of the library of structures.
    """

    images: npt.NDArray[np.float16]
    positions_nm: npt.NDArray[np.float32]
    flatness: float


@dataclass(frozen=True, eq=False)
class MultisliceLibrary:
    """Clusters imaged by multislice.

    Attributes
    ----------
    clusters
        The clusters.
    sampling_nm
        Side of a pixel of the images, nm.
    defocus_nm
        Height in focus of each image of a cluster, nm above the support.
    settings
        Microscope, detector and structures, for the record.
    """

    clusters: tuple[ImagedCluster, ...]
    sampling_nm: float
    defocus_nm: tuple[float, ...]
    settings: dict[str, Any]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Atom counts that there are clusters of."""
        return tuple(sorted({len(cluster.positions_nm) for cluster in self.clusters}))

    def draw(self, n_atoms: int, rng: np.random.Generator, focus: int = 0) -> tuple[Image, Floats]:
        """A cluster of `n_atoms`, turned by a random multiple of 90° and mirrored or not.

        Parameters
        ----------
        n_atoms
            Number of atoms, one of `sizes`.
        rng
            Source of chance.
        focus
            Index into `defocus_nm`.

        Returns
        -------
        image
            (y, x) float32 signal density in lone atoms per nm², `sampling_nm` a pixel.
        positions_nm
            (n, 3) atoms: x and y from the middle of the image, height above the support.

        Raises
        ------
        InputError
            Where the store has no cluster of this size.
        """
        found = [cluster for cluster in self.clusters if len(cluster.positions_nm) == n_atoms]
        if not found:
            raise InputError(f"This store has no cluster of {n_atoms} atoms; it has {_listed(self.sizes)}.")
        cluster = found[rng.integers(len(found))]
        quarters, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        image = np.rot90(cluster.images[focus], quarters).astype(np.float32)
        positions = cluster.positions_nm.astype(float)
        for _ in range(quarters):
            positions = np.column_stack([positions[:, 1], -positions[:, 0], positions[:, 2]])
        if mirrored:
            image = image[:, ::-1]
            positions = positions * [-1, 1, 1]
        return np.ascontiguousarray(image), positions


def paste(
    signal: Image,
    pixel_size_nm: float,
    centre_yx_px: Sequence[float],
    image: Image,
    sampling_nm: float,
    blur_fwhm_nm: float = 0.0,
) -> None:
    """Add the image of a cluster to a frame, in place; what falls inside the frame keeps its integral.

    Parameters
    ----------
    signal
        (y, x) signal density of the frame, per nm².
    pixel_size_nm
        Side of a pixel of the frame, nm.
    centre_yx_px
        Where the middle of `image` comes to lie, y and x in pixels of the frame.
    image
        (y, x) signal density, per nm².
    sampling_nm
        Side of a pixel of `image`, nm.
    blur_fwhm_nm
        Full width of a Gaussian that the image is blurred with first, such as a larger source, nm.
    """
    if blur_fwhm_nm > 0:
        sigma = blur_fwhm_nm / 2.3548 / sampling_nm
        image = gaussian_filter(np.pad(image, int(np.ceil(4 * sigma))), sigma, mode="constant")
    # the running integral of the image, read off at the frame's pixel edges: conserves it at any pixel size
    total, windows = image.astype(float) * sampling_nm**2, []
    for axis, centre in enumerate(centre_yx_px):
        n = total.shape[axis]
        edges = (np.arange(n + 1) - n / 2) * sampling_nm
        low = int(np.clip(np.floor(centre + edges[0] / pixel_size_nm), 0, signal.shape[axis]))
        high = int(np.clip(np.ceil(centre + edges[-1] / pixel_size_nm) + 1, low, signal.shape[axis]))
        wanted = np.clip((np.arange(low, high + 1) - 0.5 - centre) * pixel_size_nm, edges[0], edges[-1])
        running = np.concatenate([np.zeros_like(total.take([0], axis)), np.cumsum(total, axis)], axis)
        total = np.diff(CubicSpline(edges, running, axis=axis)(wanted), axis=axis)
        windows.append(slice(low, high))
    signal[windows[0], windows[1]] += (total / pixel_size_nm**2).astype(signal.dtype)


def save_multislice(library: MultisliceLibrary, path: Path) -> None:
    """Write a store to an .npz file."""
    header = {"sampling_nm": library.sampling_nm, "defocus_nm": library.defocus_nm, "settings": library.settings}
    arrays: dict[str, Any] = {
        "n_atoms": np.array([len(cluster.positions_nm) for cluster in library.clusters]),
        "flatness": np.array([cluster.flatness for cluster in library.clusters]),
        "header": np.array(json.dumps(header)),
    }
    for number, cluster in enumerate(library.clusters):
        arrays[f"images_{number}"] = cluster.images
        arrays[f"positions_nm_{number}"] = cluster.positions_nm

    def write(target: Path) -> None:
        stream: BinaryIO
        with target.open("wb") as stream:
            np.savez_compressed(stream, **arrays)

    write_atomically(path, write)


def load_multislice(path: str | Path) -> MultisliceLibrary:
    """Read a store that `save_multislice` wrote.

    Raises
    ------
    InputError
        Where the file is missing or is no such store.
    """
    try:
        with np.load(path, allow_pickle=False) as found:
            header = json.loads(str(found["header"]))
            clusters = tuple(
                ImagedCluster(found[f"images_{i}"], found[f"positions_nm_{i}"], float(flatness))
                for i, flatness in enumerate(found["flatness"])
            )
    except FileNotFoundError:
        raise InputError(
            f"There is no file {path}; make a store with: python benchmarks/multislice.py --library {path}"
        ) from None
    except (OSError, ValueError, KeyError, BadZipFile, EOFError):
        raise InputError(
            f"{path} is no store of multislice images; make one with: python benchmarks/multislice.py --library FILE"
        ) from None
    return MultisliceLibrary(clusters, float(header["sampling_nm"]), tuple(header["defocus_nm"]), header["settings"])


def _listed(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes)) or "none"
