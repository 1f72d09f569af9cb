"""The tree of tags that a DM3 or DM4 file consists of.

Every number in it may be wrong where a bit has flipped, so each claim is held against the bytes that are there, what
lies beyond a fault is left out, and large arrays are noted, not read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from napari_atomicity.io.formats._flat import damaged, opened

#: codes of `struct` for the simple types
_SIMPLE: Final = {2: "h", 3: "i", 4: "H", 5: "I", 6: "f", 7: "d", 8: "b", 9: "b", 10: "B", 11: "q", 12: "Q"}
_STRUCT, _STRING, _ARRAY = 15, 18, 20
_GROUP, _DATA = 20, 21
_DEEPEST: Final = 64
#: a file of a microscope has some thousand
_MOST_TAGS: Final = 200_000
_LONGEST_TEXT: Final = 4096
_MOST_WORDS: Final = 4096
_MOST_FAULTS: Final = 100

Tree = dict[str, Any]


@dataclass(frozen=True)
class Block:
    """An array in the file: where it lies, and its bytes where it is short enough to be a text."""

    start: int
    n_bytes: int
    content: bytes = b""


@dataclass
class Tags:
    """What could be read of a file.

    Attributes
    ----------
    root
        Groups as dictionaries; the members of a list by their index, ``"0"``. Values are numbers or a `Block`.
    order
        Byte order of the values, as NumPy writes it.
    fault
        Where not empty: the sentence why there may be more tags than these.
    """

    root: Tree = field(default_factory=dict)
    order: str = "<"
    fault: str = ""


class _Fault(Exception):
    pass


def read_tags(path: Path) -> Tags:
    """The tags of the file `path`; an `InputError` where it is no DM3 or DM4 file."""
    tags = Tags()
    with opened(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        head = file.read(16)
        version = int.from_bytes(head[:4], "big")
        at = 8 if version == 3 else 12
        if version not in (3, 4) or len(head) < 16 or int.from_bytes(head[at : at + 4], "big") not in (0, 1):
            raise damaged(path, "it does not begin as one")
        tags.order = "<" if int.from_bytes(head[at : at + 4], "big") else ">"
        file.seek(at + 4)
        walk = _Walk(file, size, version, tags.order)
        try:
            walk.group(tags.root, 0)
        except _Fault as fault:
            walk.faults.append(f"{fault} at byte {file.tell()}")
        tags.fault = "; ".join(walk.faults[:2])
    return tags


class _Walk:
    """Goes through the tags of an open file once."""

    def __init__(self, file: Any, size: int, version: int, order: str) -> None:
        self.file, self.size, self.order = file, size, order
        self.count = struct.Struct(">i" if version == 3 else ">q")
        self.has_lengths = version == 4
        self.n_tags = 0
        self.faults: list[str] = []

    def group(self, into: Tree, depth: int) -> None:
        """Read the members of a group `into` a dictionary."""
        if depth > _DEEPEST:
            raise _Fault(f"groups of tags lie more than {_DEEPEST} deep")
        self.bytes(2)  # whether it is sorted and shown open
        for index in range(self.number()):
            self.n_tags += 1
            if self.n_tags > _MOST_TAGS:
                raise _Fault(f"there are more than {_MOST_TAGS} tags")
            kind, length = struct.unpack(">BH", self.bytes(3))
            name = self.bytes(length).decode("latin-1") or str(index)
            length = self.number() if self.has_lengths else 0
            end = self.file.tell() + length
            try:
                self.member(into, kind, name, depth)
            except _Fault as fault:
                # DM4 tells how long each tag is, so that a bad one can be left out
                if not self.has_lengths or end > self.size or len(self.faults) >= _MOST_FAULTS:
                    raise
                self.faults.append(f"{fault} at byte {self.file.tell()}")
                self.file.seek(end)

    def member(self, into: Tree, kind: int, name: str, depth: int) -> None:
        if kind == _GROUP:
            within = into.setdefault(name, {})
            self.group(within if isinstance(within, dict) else {}, depth + 1)
        elif kind == _DATA:
            value = self.value()
            into.setdefault(name, value)
            if isinstance(value, Block) and value.start + value.n_bytes > self.size:
                raise _Fault(f"the file ends within “{name}”")
        else:
            raise _Fault(f"a tag is of kind {kind}")

    def value(self) -> Any:
        if self.bytes(4) != b"%%%%":
            raise _Fault("the mark of a value is missing")
        length = self.number()
        if not 1 <= length <= _MOST_WORDS:
            raise _Fault(f"the type of a value has {length} parts")
        words = self.bytes(length * self.count.size)
        kind, *rest = (word for (word,) in self.count.iter_unpack(words))
        if kind in _SIMPLE:
            (simple,) = struct.unpack(self.order + _SIMPLE[kind], self.bytes(self._item(kind)))
            return simple
        if kind == _STRING and rest:
            return self.block(2 * rest[0])
        if kind == _STRUCT:
            return self.block(self._fields(rest))
        if kind == _ARRAY and len(rest) >= 2:
            return self.block(rest[-1] * (self._fields(rest[1:-1]) if rest[0] == _STRUCT else self._item(rest[0])))
        raise _Fault(f"a value is of type {kind}")

    def block(self, n_bytes: int) -> Block:
        """Note an array and go on behind it."""
        start = self.file.tell()
        if n_bytes < 0:
            raise _Fault("an array has a negative length")
        if n_bytes <= min(_LONGEST_TEXT, self.size - start):
            return Block(start, n_bytes, self.bytes(n_bytes))
        self.file.seek(min(start + n_bytes, self.size))
        return Block(start, n_bytes)

    def _fields(self, words: list[int]) -> int:
        """Bytes of a structure: the length of its name, the number of fields, then length of name and type of each.

        The types that are there count, not the number.
        """
        types = words[3::2]
        return sum(self._item(kind) for kind in types)

    def _item(self, kind: int) -> int:
        if kind not in _SIMPLE:
            raise _Fault(f"a value is of type {kind}")
        return struct.calcsize(self.order + _SIMPLE[kind])

    def number(self) -> int:
        value: int = self.count.unpack(self.bytes(self.count.size))[0]
        if not 0 <= value <= self.size:
            raise _Fault(f"a count is {value}")
        return value

    def bytes(self, n: int) -> bytes:
        if n > self.size:
            raise _Fault("more bytes are claimed than the file has")
        content: bytes = self.file.read(n)
        if len(content) != n:
            raise _Fault("the file ends")
        return content
