"""MATLAB files: refused, with the way out."""

from __future__ import annotations

from pathlib import Path

from napari_atomicity.errors import InputError
from napari_atomicity.io.raw import RawImage
from napari_atomicity.io.text import clean


def images(path: Path) -> list[RawImage]:
    """Refuse: StatSTEM keeps its image inside a MATLAB object, which only MATLAB can open.

    Raises
    ------
    InputError
        Always.
    """
    raise InputError(
        f"{clean(path.name)} is a MATLAB file (such as a StatSTEM object), which cannot be read here; "
        "save its image as TIFF in MATLAB, or open the microscope's own file."
    )
