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
