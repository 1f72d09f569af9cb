"""Which image this is, and which versions of what counted it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from napari_atomicity import __version__
from napari_atomicity.micrograph import Micrograph

if TYPE_CHECKING:
    pass


#: libraries whose version can move a number
_LIBRARIES: Final = ("numpy", "scipy", "pandas", "scikit-image", "torch", "tifffile", "rosettasciio")


def describe_image(micrograph: Micrograph) -> dict[str, Any]:
    """Which image this is: file, hash, shape and calibration; JSON-serialisable."""
    from napari_atomicity.io import hash_of

    source = micrograph.provenance
    sha256, of = hash_of(micrograph)
    return {
        "name": micrograph.name,
        "path": str(source.path) if source.path else None,
        "sha256": sha256,
        "sha256_of": of,
        "reader": source.reader,
        "image_index": source.image_index,
        "title": source.title,
        "frames": micrograph.n_frames,
        "shape_px": list(micrograph.shape_yx),
        "pixel_size_nm": micrograph.pixel_size_nm,
    }


def same_image(described: object, micrograph: Micrograph) -> bool | None:
    """Whether a micrograph is the image that `describe_image` described.

    Parameters
    ----------
    described
        As it was read from a file, which may hold anything.
    micrograph
        The one that it may be.

    Returns
    -------
    None where neither hash nor shape tells.
    """
    if not isinstance(described, dict):
        return None
    now = describe_image(micrograph) if described.get("sha256") else {}
    if now and now["sha256"] and described.get("sha256_of") == now["sha256_of"]:
        names = ("sha256", "image_index") if now["sha256_of"] == "file" else ("sha256",)
        return all(described.get(name) == now[name] for name in names)
    shape = described.get("shape_px")
    return False if isinstance(shape, list) and shape != list(micrograph.shape_yx) else None


def versions() -> dict[str, str]:
    """Versions of this program and of what its numbers rest on."""
    found_versions = {
        "napari-atomicity": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    for name in _LIBRARIES:
        try:
            found_versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return found_versions
