"""DigitalMicrograph DM3 and DM4."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from napari_atomicity.io.formats import _rosetta
from napari_atomicity.io.raw import RawImage

#: where the header says whether the lowest byte of a number comes first, by version
_ORDER_AT: Final = {3: 8, 4: 12}


def images(path: Path) -> list[RawImage]:
    """The images of the file, without the thumbnail."""
    with path.open("rb") as file:
        head = file.read(16)
    at = _ORDER_AT.get(int.from_bytes(head[:4], "big"), 16)
    # old Macintoshes put the highest byte first, which the library knows for tags but not for pixels
    swapped = head[at : at + 4] == bytes(4)
    return _rosetta.images(path, "digitalmicrograph", swapped=swapped)
