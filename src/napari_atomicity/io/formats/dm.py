"""DigitalMicrograph DM3 and DM4."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from napari_atomicity.io.formats import _rosetta
from napari_atomicity.io.formats._claims import odd
from napari_atomicity.io.raw import RawImage

#: where the header says whether the lowest byte of a number comes first, by version
_ORDER_AT: Final = {3: 8, 4: 12}


def images(path: Path) -> list[RawImage]:
    """The images of the file, without the thumbnail."""
    with path.open("rb") as file:
        head = file.read(16)
    at = _ORDER_AT.get(int.from_bytes(head[:4], "big"))
    if at is not None and len(head) == 16 and int.from_bytes(head[at : at + 4], "big") == 0:
        # the library takes the pixels for those of a PC
        raise odd(
            path, "its numbers are stored with the highest byte first, as DigitalMicrograph on old Macintoshes did"
        )
    return _rosetta.images(path, "digitalmicrograph")
