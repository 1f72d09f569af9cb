"""FEI TIA: SER with the pixels, EMI with their metadata."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats import _guard, _rosetta
from napari_atomicity.io.raw import RawImage, says_detector, unreadable
from napari_atomicity.io.text import clean

_NOT_TOLD: Final = (
    "What can be read of the EMI file does not name the detector of each image; check that this is the HAADF image, "
    "bright field may come first."
)


def images(path: Path) -> list[RawImage]:
    """The images of a SER file, or of the SER files beside an EMI file.

    Raises
    ------
    InputError
        Where an EMI file has no SER file beside it, or none can be read.
    """
    if path.suffix.lower() != ".emi":
        return _rosetta.images(path, "tia")
    beside = sorted(path.parent.glob(f"{_escaped(path.stem)}_[0-9]*.ser"))
    if not beside:
        stem = clean(path.stem)
        raise InputError(
            f"{stem}.emi holds no pixels; put {stem}_1.ser, which does, into the same folder and open that."
        )
    try:
        return _unsure(_rosetta.images(path, "tia", beside))
    except InputError as error:
        if len(beside) == 1 or isinstance(error, _guard.NotStarted):
            raise
    # one of the files is damaged; the others are read without what the EMI file knows about them
    return _unsure([image for ser in beside for image in _or_why_not(ser)])


def _unsure(images: list[RawImage]) -> list[RawImage]:
    """The images, with a warning where there are several and no name of a detector tells which is which."""
    open_ones = [image for image in images if not image.cannot_open]
    if len(open_ones) < 2 or any(says_detector(image.title) for image in open_ones):
        return images
    return [replace(image, warnings=(*image.warnings, _NOT_TOLD)) for image in images]


def _or_why_not(path: Path) -> list[RawImage]:
    try:
        return _rosetta.images(path, "tia")
    except InputError as error:
        return [unreadable(path.name, (), np.uint8, str(error), broken=True)]


def _escaped(stem: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in stem)
