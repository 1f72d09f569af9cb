"""DigitalMicrograph DM3 and DM4."""

from __future__ import annotations

from pathlib import Path

from napari_atomicity.io.formats import _rosetta
from napari_atomicity.io.raw import RawImage


def images(path: Path) -> list[RawImage]:
    """The images of the file, without the thumbnail."""
    return _rosetta.images(path, ["digitalmicrograph"])
