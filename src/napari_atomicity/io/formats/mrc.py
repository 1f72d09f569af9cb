"""MRC images and stacks. rosettasciio has two readers for them, and each fails on some files."""

from __future__ import annotations

from pathlib import Path

from napari_atomicity.io.formats import _rosetta
from napari_atomicity.io.raw import RawImage


def images(path: Path) -> list[RawImage]:
    """The image or stack of the file."""
    return _rosetta.images(path, ["mrc", "mrcz"])
