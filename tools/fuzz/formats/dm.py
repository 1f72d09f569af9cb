"""DigitalMicrograph 3 and 4: a tree of tags."""

from __future__ import annotations

import struct
from random import Random
from typing import Any

import numpy as np
from tools.fuzz import odd
from tools.fuzz.kinds import Field, Files, Good

_SIMPLE = {2: "h", 3: "i", 4: "H", 5: "I", 6: "f", 7: "d", 8: "B", 9: "b", 10: "b", 11: "q", 12: "Q"}
_PIXELS = {
    1: (2, "i2"),
    2: (6, "f4"),
    6: (10, "u1"),
    7: (3, "i4"),
    9: (9, "i1"),
    10: (4, "u2"),
    11: (5, "u4"),
    12: (7, "f8"),
}


class Tag:
    """A value with its kind of DigitalMicrograph: `kind` 20 is an array of `of`, 15 a struct."""

    def __init__(self, kind: int, value: Any, of: int = 0, claims: int | None = None) -> None:
        self.kind, self.value, self.of, self.claims = kind, value, of, claims


class Deep:
    """Groups within groups."""

    def __init__(self, levels: int) -> None:
        self.levels = levels


class Writer:
    """Writes a tree (dictionaries and `Tag`), and remembers where its numbers lie."""

    def __init__(self, version: int = 3, little: bool = True) -> None:
        self.version, self.end = version, "<" if little else ">"
        self.long = ">i" if version == 3 else ">q"
        self.out = bytearray()
        self.fields: list[Field] = []

    def file(self, tree: dict[str, Any]) -> bytes:
        """The whole file."""
        self._number(">i", self.version)
        self._number(self.long, 0)
        self._number(">i", int(self.end == "<"))
        self._group(tree)
        self.out += b"\0" * 8
        return bytes(self.out)

    def _number(self, form: str, value: int) -> None:
        self.fields.append((len(self.out), form))
        size = struct.calcsize(form)
        self.out += (value % 2 ** (8 * size)).to_bytes(size, "big")

    def _group(self, tree: dict[str, Any]) -> None:
        self.out += b"\x01\x00"
        self._number(self.long, len(tree))
        for key, value in tree.items():
            self._entry(key, value)

    def _deep(self, levels: int) -> None:
        size = b"" if self.version == 3 else struct.pack(">q", 0)
        one = size + b"\x01\x00" + struct.pack(self.long, 1) + b"\x14\x00\x01g"
        self.out += b"\x14\x00\x04deep" + one * levels + size + b"\x01\x00" + struct.pack(self.long, 0)

    def _entry(self, key: str, value: Any) -> None:
        if isinstance(value, Deep):
            self._deep(value.levels)
            return
        group = isinstance(value, dict)
        self.out += bytes([20 if group else 21])
        name = key.encode("utf-8", "replace") if not key.startswith("#") else b""
        self._number(">H", len(name))
        self.out += name
        size_at = len(self.out)
        if self.version == 4:
            self._number(">q", 0)
        if group:
            self._group(value)
        else:
            self.out += b"%%%%"
            self._data(value)
        if self.version == 4:
            struct.pack_into(">q", self.out, size_at, len(self.out) - size_at - 8)

    def _data(self, tag: Tag) -> None:
        if tag.kind in _SIMPLE:
            for one in (1, tag.kind):
                self._number(self.long, one)
            self.fields.append((len(self.out), self.end + _SIMPLE[tag.kind]))
            self.out += struct.pack(self.end + _SIMPLE[tag.kind], tag.value)
        elif tag.kind == 20 and tag.of in _SIMPLE:
            length = len(tag.value) // struct.calcsize("=" + _SIMPLE[tag.of])
            for one in (3, 20, tag.of, length if tag.claims is None else tag.claims):
                self._number(self.long, one)
            self.out += tag.value
        else:  # an array of structs of whole numbers
            n = len(tag.value)
            for one in (3 + 2 * len(tag.value[0]) + 2, 20, 15, 0, len(tag.value[0])):
                self._number(self.long, one)
            for _ in tag.value[0]:
                self._number(self.long, 0)
                self._number(self.long, 3)
            self._number(self.long, n if tag.claims is None else tag.claims)
            for row in tag.value:
                self.out += struct.pack(f"{self.end}{len(row)}i", *row)


def text(words: str, end: str = "<") -> Tag:
    """A text, as DigitalMicrograph keeps it: an array of 16-bit characters."""
    return Tag(20, words.encode("utf-16-le" if end == "<" else "utf-16-be", "surrogatepass"), of=4)


def image_tree(image: np.ndarray, kind: int = 2, pixel: Any = 0.03, unit: str = "nm", end: str = "<") -> dict[str, Any]:
    """The tags of one image (y, x) or (t, y, x), as rosettasciio looks for them."""
    of, dtype = _PIXELS[kind]
    shape = image.shape[::-1]
    axes = {
        f"#{k}": {"Origin": Tag(6, 0.0), "Scale": Tag(6, pixel), "Units": text(unit, end)} for k in range(len(shape))
    }
    brightness = {"Origin": Tag(6, 0.0), "Scale": Tag(6, 1.0), "Units": text("", end)}
    return {
        "ImageData": {
            "Calibrations": {"Brightness": brightness, "Dimension": axes},
            "Data": Tag(20, image.astype(end + dtype).tobytes(), of=of),
            "DataType": Tag(5, kind),
            "Dimensions": {f"#{k}": Tag(5, n) for k, n in enumerate(shape)},
            "PixelDepth": Tag(5, np.dtype(dtype).itemsize),
        },
        "ImageTags": {"Microscope Info": {"Voltage": Tag(7, 300e3), "Illumination Mode": text("STEM NANOPROBE", end)}},
        "Name": text("HAADF", end),
        "UniqueID": {f"#{k}": Tag(5, 7 + k) for k in range(4)},
    }


def whole(*images: dict[str, Any]) -> dict[str, Any]:
    """A file's tree that holds these images."""
    return {
        "ApplicationBounds": Tag(20, struct.pack("<4i", 0, 0, 900, 1400), of=3),
        "ImageList": {f"#{k}": image for k, image in enumerate(images)},
        "InImageMode": Tag(8, 1),
        "MinVersionList": {"#0": {"RequiredVersion": Tag(5, 50659328)}},
    }


def good(image: np.ndarray) -> dict[str, Good]:
    """Both versions, both byte orders, several types, a stack, two images."""
    found = {}
    wanted = [(3, True, 2), (3, True, 1), (3, False, 10), (4, True, 2), (4, True, 7), (4, True, 6), (4, True, 11)]
    for version, little, kind in wanted:
        end = "<" if little else ">"
        name = f"kind{kind}{'' if little else 'be'}.dm{version}"
        found[name] = _good(name, version, little, whole(image_tree(image / image.max() * 100, kind, end=end)))
    stack = np.repeat(image[None], 3, axis=0)
    found["stack.dm4"] = _good("stack.dm4", 4, True, whole(image_tree(stack)))
    found["two.dm3"] = _good("two.dm3", 3, True, whole(image_tree(image // 7, 1), image_tree(image)))
    return found


def _good(name: str, version: int, little: bool, tree: dict[str, Any]) -> Good:
    writer = Writer(version, little)
    content = writer.file(tree)
    return Good({name: content}, fields=tuple(writer.fields))


def crafted(rng: Random) -> Files:
    """Trees that are deep, wide, or claim more than there is."""
    version, little = rng.choice((3, 4)), rng.random() < 0.8
    end = "<" if little else ">"
    image = np.arange(rng.choice((64, 256, 1024)), dtype=float).reshape(8, -1)
    one = image_tree(image, rng.choice(list(_PIXELS)), odd.real32(rng), odd.name(rng)[:200], end)
    tree = whole(one)
    for _ in range(rng.choice((1, 1, 2))):
        _spoil(rng, tree, one, end)
    return {f"a.dm{version}": Writer(version, little).file(tree)}


def _spoil(rng: Random, tree: dict[str, Any], one: dict[str, Any], end: str) -> None:
    what = rng.randrange(11)
    data = one.get("ImageData", {})
    if not isinstance(data, dict):
        return
    if what == 0:
        data["Dimensions"] = {f"#{k}": Tag(5, odd.whole(rng) % 2**32) for k in range(rng.choice((0, 1, 2, 3, 5)))}
    elif what == 1 and isinstance(data.get("Data"), Tag):
        data["Data"].claims = rng.choice((0, -1, 2**31 - 1, 10**8, 2**40))
    elif what == 2:
        data["DataType"] = Tag(5, rng.randrange(40))
    elif what == 3:
        tree["deep"] = Deep(rng.choice((50, 400, 3000, 30_000)))
    elif what == 4:
        tree["wide"] = {f"t{k}": Tag(3, k) for k in range(rng.choice((1000, 40_000)))}
    elif what == 5:
        claims = rng.choice((10**6, 2**31 - 1, 10**7))
        tree["long"] = Tag(20, b"\0" * 64, of=rng.choice(list(_SIMPLE)), claims=claims)
    elif what == 6:
        tree["structs"] = Tag(20, [(1, 2, 3)] * 4, of=15, claims=rng.choice((10**6, 2**31 - 1, 0, -5)))
    elif what == 7:
        one["Name"] = text(odd.name(rng)[:2000], end)
    elif what == 8:
        _lose(rng, rng.choice((tree, one, data, data.get("Calibrations", {}))))
    elif what == 9:
        tree["Thumbnails"] = {"#0": {"ImageIndex": Tag(5, rng.choice((0, 1, 99)))}}
    else:
        holder = rng.choice((one, data, one.get("ImageTags", {})))
        if holder:
            holder[rng.choice(list(holder))] = rng.choice((Tag(3, 7), text("odd", end), {}))


def _lose(rng: Random, holder: Any) -> None:
    if isinstance(holder, dict) and holder:
        del holder[rng.choice(list(holder))]
