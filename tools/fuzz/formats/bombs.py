"""Streams that unpack to far more than they are, made without packing all of it."""

from __future__ import annotations

import struct
import zlib

_PIECE = 1 << 20


def zeros_deflated(size: int) -> bytes:
    """A raw deflate stream of `size` zero bytes (a whole number of MiB): one packed piece, again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(_PIECE)) + packer.flush(zlib.Z_FULL_FLUSH)
    return piece * (size // _PIECE) + packer.flush(zlib.Z_FINISH)


def zeros_zlib(size: int) -> bytes:
    """The same as a zlib stream; the sum of `size` zeros by Adler's rule is known without looking."""
    return b"\x78\xda" + zeros_deflated(size) + struct.pack(">I", (size % 65521) << 16 | 1)
