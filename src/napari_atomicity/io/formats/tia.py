"""FEI TIA: SER with the pixels, EMI with their metadata."""

from __future__ import annotations

from pathlib import Path

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats import _rosetta
from napari_atomicity.io.raw import RawImage


def images(path: Path) -> list[RawImage]:
    """The images of a SER file, or of the SER files beside an EMI file."""
    if path.suffix.lower() == ".emi" and not any(path.parent.glob(f"{_escaped(path.stem)}_[0-9]*.ser")):
        raise InputError(
            f"{path.name} holds no pixels; put {path.stem}_1.ser, which does, into the same folder and open that."
        )
    return _rosetta.images(path, ["tia"])


def _escaped(stem: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in stem)
