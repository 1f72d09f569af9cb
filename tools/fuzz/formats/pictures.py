"""PNG, JPEG and BMP."""

from __future__ import annotations

import io
import struct
import zlib
from random import Random

import numpy as np
from tools.fuzz import odd
from tools.fuzz.formats.bombs import zeros_zlib
from tools.fuzz.kinds import Field, Files, Good

_SIZES = (0, 1, 2, 16, 255, 256, 4096, 30_000, 65_500, 65_535, 100_000, 2**31 - 1, 2**32 - 1)


def good(image: np.ndarray) -> dict[str, Good]:
    """Grey, 16 bit, colour, palette, transparent; baseline and progressive."""
    from PIL import Image

    grey = Image.fromarray((image / image.max() * 255).astype(np.uint8))
    found = {}
    for name, picture, options in (
        ("grey.png", grey, {}), ("deep.png", Image.fromarray((image % 60_000).astype(np.uint16)), {}),
        ("colour.png", grey.convert("RGB"), {}), ("alpha.png", grey.convert("RGBA"), {}),
        ("palette.png", grey.convert("P"), {}), ("one.png", grey.convert("1"), {}),
        ("grey.jpg", grey, {}), ("progressive.jpeg", grey.convert("RGB"), {"progressive": True}),
        ("cmyk.jpg", grey.convert("CMYK"), {}), ("grey.bmp", grey, {}), ("colour.bmp", grey.convert("RGB"), {}),
        ("two.bmp", grey.convert("1"), {}),
    ):  # fmt: skip
        buffer = io.BytesIO()
        picture.save(
            buffer, {"jpg": "JPEG", "jpeg": "JPEG"}.get(name.split(".")[1], name.split(".")[1].upper()), **options
        )
        fields: tuple[Field, ...] = ()
        if name.endswith("bmp"):
            fields = tuple((at, "<H" if at in (26, 28) else "<I") for at in (2, 10, 14, 18, 22, 26, 28, 30, 34, 38))
        found[name] = Good({name: buffer.getvalue()}, fields=fields)
    return found


def chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG with its right sum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def crafted(rng: Random) -> Files:
    """Pictures that claim a size, and streams that unpack without end."""
    return rng.choice((_png, _png, _jpeg, _bmp))(rng)


def _png(rng: Random) -> Files:
    width, height = rng.choice(_SIZES), rng.choice(_SIZES)
    depth, colour = rng.choice(((8, 0), (16, 0), (8, 2), (8, 6), (1, 0), (8, 3), (16, 6), (7, 9)))
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, rng.choice((0, 0, 1))))]
    size = rng.choice((1, 64, 400)) << 20
    if rng.random() < 0.3:
        parts.append(chunk(rng.choice((b"zTXt", b"iCCP")), b"a\0\0" + zeros_zlib(size)))
    if rng.random() < 0.2:
        parts.append(chunk(b"pHYs", struct.pack(">IIB", odd.whole(rng) % 2**32, odd.whole(rng) % 2**32, 1)))
    if rng.random() < 0.2:
        parts.append(chunk(b"acTL", struct.pack(">II", 10**6, 0)))
    packed = zeros_zlib(size) if rng.random() < 0.6 else zlib.compress(rng.randbytes(300))
    parts.append(chunk(b"IDAT", packed))
    return {"a.png": b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")}


def _jpeg(rng: Random) -> Files:
    """A progressive picture that says it is vast, with many scans."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (16, 16), 7).save(buffer, "JPEG", progressive=rng.random() < 0.6)
    content = bytearray(buffer.getvalue())
    for marker in (b"\xff\xc0", b"\xff\xc2"):
        at = content.find(marker)
        if at > 0:
            struct.pack_into(">HH", content, at + 5, rng.choice((0, 16, 8000, 65500)), rng.choice((0, 16, 8000, 65500)))
    scan = content.find(b"\xff\xda")
    tail = bytes(content[scan:-2])
    return {"a.jpg": bytes(content[:-2]) + tail * rng.choice((0, 1, 300, 3000)) + b"\xff\xd9"}


def _bmp(rng: Random) -> Files:
    width, height = rng.choice((*_SIZES, -1, -5)), rng.choice((*_SIZES, -1, -5))
    bits, packing = rng.choice((1, 4, 8, 16, 24, 32, 7)), rng.choice((0, 0, 1, 2, 3, 9))
    head = struct.pack("<IIIHHIIIIII", 40, width % 2**32, height % 2**32, 1, bits, packing, 0, 2835, 2835, 0, 0)
    pixels = rng.randbytes(rng.choice((0, 100, 5000)))
    return {"a.bmp": b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + head + pixels}
