"""The patches of known class that a model carries along, and how they are kept in bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.patches import Patches

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle


def packed(
    raw: npt.NDArray[Any], noise: npt.NDArray[Any], class_index: npt.NDArray[Any]
) -> dict[str, npt.NDArray[Any]]:
    """Compress patches to a byte a pixel, with a scale and an offset for each patch.

    Parameters
    ----------
    raw
        (n, 64, 64) patches, 1/nm².
    noise
        (n,) of their background, as in `Patches`.
    class_index
        (n,) class of each.

    Returns
    -------
    The arrays of the field `library` of a bundle, without its map.
    """
    values = raw.astype(np.float32)
    offset = values.min(axis=(1, 2))
    scale = np.maximum((values.max(axis=(1, 2)) - offset) / 255, np.finfo(np.float32).tiny)
    pixels = np.round((values - offset[:, None, None]) / scale[:, None, None])
    return {
        "pixels": pixels.astype(np.uint8),
        "scale": scale.astype(np.float32),
        "offset": offset.astype(np.float32),
        "noise": noise.astype(np.float32),
        "class_index": class_index.astype(np.int64),
    }


def library_patches(bundle: Bundle) -> tuple[Patches, npt.NDArray[np.int64]]:
    """All patches of known class that a model carries, those that it rehearses first, and the index of their class.

    A model of an old version carries only those that it rehearses, or none at all.
    """
    raw, noise, index = [], [], []
    if {"raw", "noise", "class_index"} <= set(bundle.rehearsal):
        raw.append(np.asarray(bundle.rehearsal["raw"], dtype=np.float32))
        noise.append(np.asarray(bundle.rehearsal["noise"], dtype=np.float32))
        index.append(np.asarray(bundle.rehearsal["class_index"], dtype=np.int64))
    if bundle.library:
        kept = bundle.library
        raw.append(kept["scale"][:, None, None] * kept["pixels"] + kept["offset"][:, None, None])
        noise.append(kept["noise"])
        index.append(kept["class_index"])
    if not raw:
        empty = np.zeros(0)
        return Patches(np.zeros((0, 64, 64), np.float32), empty, empty.astype(np.float32), empty > 0), empty.astype(int)
    pixels = np.concatenate(raw)
    n = len(pixels)
    return Patches(pixels, np.zeros(n), np.concatenate(noise), np.ones(n, dtype=bool)), np.concatenate(index)
