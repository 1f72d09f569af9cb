"""MRC images and stacks: MRC2014, what IMOD, FEI and older programs write under the same name."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

import napari_atomicity
from napari_atomicity.io.formats._flat import Frames, claims, damaged, odd, opened, size
from napari_atomicity.io.raw import RawImage, complex_sentence, unreadable
from napari_atomicity.io.units import Calibration, calibrate, not_believed

_HEADER: Final = 1024
_RECORD: Final = 768
#: pixels by their mode; 3 are complex numbers of two 16-bit integers
_MODES: Final = {0: "i1", 1: "i2", 2: "f4", 3: "u4", 4: "c8", 6: "u2", 12: "f2"}
_COMPLEX: Final = (3, 4)
_IMOD: Final = 1146047817
#: pixel size, x and y, in a record of the extended header that FEI programs write before MRC2014, and since
_FEI_OLD: Final = ("f", 44, 44)
_FEI_NEW: Final = ("d", 156, 164)

_UNSURE: Final = (
    "The header does not say whether its bytes are signed; they are read as signed, as MRC2014 has it. "
    "An older program may have meant 0 to 255: if bright and dark parts are mixed up, export the image as TIFF."
)


@dataclass(frozen=True)
class _Header:
    order: str
    content: bytes

    def integers(self, at: int, n: int) -> tuple[int, ...]:
        return struct.unpack_from(f"{self.order}{n}i", self.content, at)

    def numbers(self, at: int, n: int) -> tuple[float, ...]:
        return struct.unpack_from(f"{self.order}{n}f", self.content, at)

    @property
    def is_sound(self) -> bool:
        """Whether its sizes and mode make sense in this order of bytes."""
        nx, ny, _, mode = self.integers(0, 4)
        return 0 < nx < 2**24 and 0 < ny < 2**24 and 0 <= mode < 2**15

    @property
    def shape(self) -> tuple[int, int, int]:
        nx, ny, nz = self.integers(0, 3)
        return nz, ny, nx


def images(path: Path) -> list[RawImage]:
    """The image or stack of the file."""
    with opened(path) as file:
        header = _header(path, file.read(_HEADER))
        (extended,) = header.integers(92, 1)
        records = file.read(min(max(extended, 0), _RECORD))
        file_size = file.seek(0, 2)
    (mode,) = header.integers(12, 1)
    if mode not in _MODES:
        raise odd(path, f"its pixels are of mode {mode}, which is none of {', '.join(map(str, _MODES))}")
    dtype, warnings = _bytes(header) if mode == 0 else (np.dtype(header.order + _MODES[mode]), ())
    shape = header.shape
    if shape[0] < 1 or extended < 0:
        raise odd(path, f"its header claims {claims(shape, dtype)} after {extended} bytes of extended header")
    frames = Frames.one_after_another(path, dtype, shape, _HEADER + extended)
    if frames.end > file_size:
        raise damaged(path, f"it claims {claims(shape, dtype)}, the file has {size(file_size)}")
    if mode in _COMPLEX:
        return [unreadable("", shape if shape[0] > 1 else shape[1:], np.complex64, complex_sentence())]
    reader = f"napari-atomicity {napari_atomicity.__version__} (MRC)"
    return [
        frames.image(shape[0], title="", calibration=_calibration(header, records), reader=reader, warnings=warnings)
    ]


def _header(path: Path, content: bytes) -> _Header:
    """The header in its own order of bytes: as its machine stamp says, else the one that makes sense."""
    if len(content) < _HEADER:
        raise damaged(path, f"an MRC header has {_HEADER} bytes, {len(content)} are there")
    stamp = {0x44: "<", 0x41: "<", 0x11: ">"}.get(content[212])
    first = stamp or "<"
    for order in (first, "<" if first == ">" else ">"):
        header = _Header(order, content)
        if header.is_sound:
            return header
    shape = _Header(first, content).shape
    raise damaged(path, f"its header claims {' × '.join(str(n) for n in shape)} pixels")


def _bytes(header: _Header) -> tuple[np.dtype[Any], tuple[str, ...]]:
    """Whether bytes are signed: IMOD says so in its flags; else the range of values, else MRC2014, where they are."""
    stamp, flags = header.integers(152, 2)
    low, high = header.numbers(76, 2)
    if stamp == _IMOD:
        return np.dtype("i1" if flags & 1 else "u1"), ()
    if 127 < high <= 255 and 0 <= low <= high:
        return np.dtype("u1"), ()
    (version,) = header.integers(108, 1)
    sure = version in (20140, 20141) or (-128 <= low < 0 and low <= high <= 127)
    return np.dtype("i1"), () if sure else (_UNSURE,)


def _calibration(header: _Header, records: bytes) -> Calibration:
    """Pixel size from the extended header of the microscope where there is one, else from the cell and its grid."""
    scales = _of_microscope(header, records)
    if scales is not None:
        return calibrate((scales[1], "m"), (scales[0], "m"))
    grid, cell = header.integers(28, 3), header.numbers(40, 3)
    column, row, _ = axes if sorted(axes := header.integers(64, 3)) == [1, 2, 3] else (1, 2, 3)
    sides = [(cell[axis - 1], grid[axis - 1]) for axis in (row, column)]
    if any(length == 0 or n < 1 for length, n in sides):
        return Calibration()
    if any(not length > 0 for length, _ in sides) or cell == (1.0, 1.0, 1.0):
        claim = f"a cell of {' × '.join(f'{length:g}' for length in cell)} Å"
        default = "is what programs write where they do not know it" if cell[0] == 1 else "no crystal has"
        return not_believed(claim, default)
    y, x = ((length / n, "Å") for length, n in sides)
    return calibrate(y, x)


def _of_microscope(header: _Header, records: bytes) -> tuple[float, float] | None:
    """Pixel size (x, y) in m."""
    kind = header.content[104:108]
    # words of two bytes that older FEI programs fill in: no integers, 32 reals a section
    old = struct.unpack_from(f"{header.order}2h", header.content, 128) == (0, 32)
    if kind in (b"FEI1", b"FEI2"):
        code, *places = _FEI_NEW
    elif old and not kind.strip(b"\0 "):
        code, *places = _FEI_OLD
    else:
        return None
    if len(records) < places[1] + struct.calcsize(code):
        return None
    x, y = (float(struct.unpack_from(header.order + code, records, at)[0]) for at in places)
    return (x, y) if 0 < x < 1 and 0 < y < 1 else None
