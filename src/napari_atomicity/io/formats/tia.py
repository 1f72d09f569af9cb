"""FEI TIA: SER with the pixels, EMI with their metadata."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats import _guard, _rosetta
from napari_atomicity.io.raw import RawImage, unreadable
from napari_atomicity.io.text import clean


def images(path: Path) -> list[RawImage]:
    """The images of a SER file, or of the SER files beside an EMI file."""
    if path.suffix.lower() != ".emi":
        return _rosetta.images(path, "tia")
    beside = sorted(path.parent.glob(f"{_escaped(path.stem)}_[0-9]*.ser"))
    if not beside:
        stem = clean(path.stem)
        raise InputError(
            f"{stem}.emi holds no pixels; put {stem}_1.ser, which does, into the same folder and open that."
        )
    try:
        return _rosetta.images(path, "tia", beside)
    except InputError as error:
        if len(beside) == 1 or isinstance(error, _guard.NotStarted):
            raise
    # one of the files is damaged; the others are read without what the EMI file knows about them
    return [image for one in beside for image in _or_why_not(one)]


def _or_why_not(path: Path) -> list[RawImage]:
    try:
        return _rosetta.images(path, "tia")
    except InputError as error:
        return [unreadable(path.name, (), np.uint8, str(error), broken=True)]


def _escaped(stem: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in stem)
