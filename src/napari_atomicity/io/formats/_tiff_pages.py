"""The pages of a TIFF file as its chain of directories gives them: where each lies, and which are alike.

The chain is walked once, before anything else believes what the file says about itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.io.formats._claims import damaged
from napari_atomicity.io.text import size_of

#: tags that say how the pixels of a page are stored; pages that agree in them are frames of one stack:
#: kind of page, width, length, bits, compression, photometric, samples, planar, tiles, sample format
_LAYOUT: Final = frozenset({254, 256, 257, 258, 259, 262, 277, 284, 322, 323, 339})
#: tags that hold one number each: also the order of bits, rows per strip and predictor
_SINGLE: Final = _LAYOUT - {258, 339} | {266, 278, 317}
#: kinds that are whole numbers: others are text, fractions and floating point
_WHOLE: Final = frozenset({1, 3, 4, 6, 8, 9, 13, 16, 17, 18})
_INLINE: Final = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 16: 8}
#: beyond this the end of a chain is not looked for
_MOST_PAGES: Final = 1_000_000


@dataclass(frozen=True)
class Chain:
    """The pages of a file.

    Attributes
    ----------
    offsets
        The byte at which each page's directory begins, in order.
    layout
        For each page a number; pages of the same one are alike.
    odd
        Layouts in which something else stands where one whole number belongs.
    fault
        Where not empty: the sentence why there may be more pages, or why they are odd.
    """

    offsets: npt.NDArray[np.int64]
    layout: npt.NDArray[np.int64]
    odd: frozenset[int] = frozenset()
    fault: str = ""

    def __len__(self) -> int:
        return len(self.offsets)

    def groups(self) -> list[npt.NDArray[np.int64]]:
        """Indices of the pages that are alike, a group each, in the order of their first page."""
        order = np.argsort(self.layout, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(self.layout[order])) + 1)


@dataclass
class _Form:
    """Classic or BigTIFF, and the order of bytes."""

    order: str
    big: bool
    count: struct.Struct = field(init=False)
    link: struct.Struct = field(init=False)
    tag: struct.Struct = field(init=False)

    def __post_init__(self) -> None:
        self.count = struct.Struct(self.order + ("Q" if self.big else "H"))
        self.link = struct.Struct(self.order + ("Q" if self.big else "I"))
        self.tag = struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))


def chain(path: Path) -> Chain:
    """Walk through the pages of the TIFF file `path`; an `InputError` where there is none or the chain breaks off."""
    with path.open("rb") as file:
        head = file.read(16)
        form = _form(path, head)
        file_size = file.seek(0, 2)
        (at,) = form.link.unpack_from(head, 8 if form.big else 4)
        kinds: dict[Any, int] = {}
        seen: set[int] = set()
        offsets: list[int] = []
        layout: list[int] = []
        odd: set[int] = set()
        fault = ""
        while at:
            if at in seen:
                fault = f"page {len(offsets)} leads back to an earlier one"
                break
            if len(offsets) >= _MOST_PAGES:
                fault = f"there are more than {_MOST_PAGES} pages"
                break
            seen.add(at)
            found = _directory(file, form, at) if at < file_size else None
            if found is None:
                raise damaged(path, f"page {len(offsets)} should lie at byte {at}, the file has {size_of(file_size)}")
            tags, following, sound = found
            if not sound:
                tags = (*tags, "odd")
                odd.add(kinds.get(tags, len(kinds)))
                fault = f"page {len(offsets)} gives something else where one whole number belongs"
            offsets.append(at)
            layout.append(kinds.setdefault(tags, len(kinds)))
            at = following
    if not offsets:
        raise damaged(path, "it has no page")
    return Chain(np.array(offsets, np.int64), np.array(layout, np.int64), frozenset(odd), fault)


def _form(path: Path, head: bytes) -> _Form:
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    number = struct.unpack_from(f"{order}H", head, 2)[0] if order and len(head) == 16 else None
    if order is None or number not in (42, 43):
        raise damaged(path, "it does not begin as one")
    return _Form(order, number == 43)


def _directory(file: Any, form: _Form, at: int) -> tuple[Any, int, bool] | None:
    """What tells the layout of the page at a byte, where the next one is, and whether the page is sound.

    None where the file ends before.
    """
    file.seek(at)
    head = file.read(form.count.size)
    if len(head) < form.count.size:
        return None
    (n_tags,) = form.count.unpack(head)
    length = min(n_tags, 65536) * form.tag.size
    content = file.read(length + form.link.size)
    if len(content) < length + form.link.size or n_tags > 65536:
        return None
    entries = list(form.tag.iter_unpack(content[:length]))
    tags = tuple(
        (code, kind, count, value if _INLINE.get(kind, 99) * count <= len(value) else b"")
        for code, kind, count, value in entries
        if code in _LAYOUT
    )
    sound = all(
        kind in _WHOLE and (count == 1 or code not in _SINGLE)
        for code, kind, count, _ in entries
        if code in _SINGLE or code in _LAYOUT
    )
    return tags, form.link.unpack_from(content, length)[0], sound
