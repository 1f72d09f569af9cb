"""MRC files: a header of 1024 bytes and the pixels."""

from __future__ import annotations

import struct
from random import Random

import numpy as np
from tools.fuzz import odd
from tools.fuzz.kinds import Field, Files, Good

_DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 4: "c8", 3: "i2", 12: "f2", 101: "u1"}
#: words of the header that say how much there is, and those of the cell
_FIELDS = [(4 * k, "i") for k in (*range(10), 16, 17, 18, 23, 24, 27)] + [(4 * k, "f") for k in (*range(10, 16), 19)]


def mrc(frames: np.ndarray, mode: int = 2, end: str = "<", pixel_nm: float = 0.03) -> bytes:
    """Frames (t, y, x) as an MRC file."""
    nz, ny, nx = frames.shape
    header = bytearray(1024)
    struct.pack_into(f"{end}4i", header, 0, nx, ny, nz, mode)
    struct.pack_into(f"{end}3i", header, 28, nx, ny, nz)
    struct.pack_into(f"{end}6f", header, 40, *(10 * pixel_nm * n for n in (nx, ny, nz)), 90, 90, 90)
    struct.pack_into(f"{end}3i", header, 64, 1, 2, 3)
    struct.pack_into(f"{end}3f", header, 76, float(frames.min()), float(frames.max()), float(frames.mean()))
    struct.pack_into(f"{end}i", header, 108, 20140)
    header[208:216] = b"MAP " + (b"\x44\x44\0\0" if end == "<" else b"\x11\x11\0\0")
    return bytes(header) + frames.astype(end + _DTYPES[mode]).tobytes()


def fields(end: str) -> tuple[Field, ...]:
    """Where the numbers of the header lie."""
    return tuple((at, end + form) for at, form in _FIELDS)


def good(image: np.ndarray) -> dict[str, Good]:
    """One file of each mode and byte order, and a stack."""
    found = {}
    small = (image.astype(float) / image.max() * 120)[None]
    for mode in (0, 1, 2, 6):
        for end in "<>":
            name = f"mode{mode}{'le' if end == '<' else 'be'}.mrc"
            found[name] = Good({name: mrc(small, mode, end)}, fields=fields(end))
    found["stack.mrc"] = Good({"stack.mrc": mrc(np.repeat(small, 4, axis=0), 1)}, fields=fields("<"))
    return found


def crafted(rng: Random) -> Files:
    """A header that claims what is not there."""
    ny, nx, nz = rng.choice((1, 2, 16, 40)), rng.choice((1, 2, 16, 40)), rng.choice((1, 1, 2, 5))
    mode, end = rng.choice(list(_DTYPES)), rng.choice("<>")
    content = bytearray(mrc(np.arange(ny * nx * nz, dtype=float).reshape(nz, ny, nx) % 99, mode, end))
    for _ in range(rng.choice((0, 1, 2, 4))):
        at, form = rng.choice(_FIELDS)
        if form == "i":
            content[at : at + 4] = (odd.whole(rng) % 2**32).to_bytes(4, "little" if end == "<" else "big")
        else:
            content[at : at + 4] = struct.pack(end + "f", odd.real32(rng))
    if rng.random() < 0.3:
        content[208:216] = rng.choice((b"MAP DD\0\0", b"MAP \x11\x11\0\0", b"\0" * 8, b"XXXX\x44\x41\0\0"))
    if rng.random() < 0.3:
        content[104:108] = rng.choice((b"FEI1", b"FEI2", b"SERI", b"AGAR", b"MRCO", b"CCP4", b"HDF5", b"\x1b[2J"))
    if rng.random() < 0.2:
        struct.pack_into(end + "i", content, 92, rng.choice((80, 1024, 131072, 768)))
        content[1024:1024] = rng.randbytes(rng.choice((0, 80, 1024, 768)))
    return {rng.choice(("a.mrc", "a.MRC")): bytes(content)}
