"""The patches of known class that a model carries along, and how they are kept in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.patches import PATCH_PX, Patches

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle


def packed(
    raw: npt.NDArray[Any], noise: npt.NDArray[Any], log_atoms: npt.NDArray[Any], class_index: npt.NDArray[Any]
) -> dict[str, npt.NDArray[Any]]:
    """Compress patches to a byte a pixel, with a scale and an offset for each patch.

    Parameters
    ----------
    raw
        (n, 64, 64) patches, 1/nm².
    noise
        (n,) of their background, as in `Patches`.
    log_atoms
        (n,) logarithm of the atoms that the measured integral stands for.
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
        "log_atoms": log_atoms.astype(np.float32),
        "class_index": class_index.astype(np.int64),
    }


def rehearsal_patches(bundle: Bundle) -> Patches:
    """The patches that a model rehearses when it is adapted; one atom is one count in them."""
    return _patches([bundle.rehearsal["raw"].astype(np.float32)], [bundle.rehearsal])


def library_patches(bundle: Bundle) -> tuple[Patches, npt.NDArray[np.int64]]:
    """All patches of known class that a model carries, those that it rehearses first, and the index of their class.

    One atom is one count in them. A model may carry only those that it rehearses, or none at all.
    """
    raw, kept = [], []
    if {"raw", "noise", "log_atoms", "class_index"} <= set(bundle.rehearsal):
        raw.append(np.asarray(bundle.rehearsal["raw"], dtype=np.float32))
        kept.append(bundle.rehearsal)
    if library := bundle.library:
        raw.append(library["scale"][:, None, None] * library["pixels"] + library["offset"][:, None, None])
        kept.append(library)
    index = [np.asarray(arrays["class_index"], dtype=np.int64) for arrays in kept]
    return _patches(raw, kept), np.concatenate([np.zeros(0, dtype=np.int64), *index])


def _patches(raw: list[npt.NDArray[np.float32]], kept: list[Mapping[str, npt.NDArray[Any]]]) -> Patches:
    pixels = np.concatenate([np.zeros((0, PATCH_PX, PATCH_PX), np.float32), *raw])
    noise, log_atoms = (
        np.concatenate([np.zeros(0), *(arrays[name] for arrays in kept)]) for name in ("noise", "log_atoms")
    )
    return Patches(pixels, log_atoms.astype(np.float64), noise.astype(np.float32), np.ones(len(pixels), dtype=bool))
