"""MRC images and stacks, through mrcfile: MRC2014, and what IMOD, FEI and older programs write under the same name."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.io.files import watched
from napari_atomicity.io.formats._claims import claims, damaged, odd
from napari_atomicity.io.quiet import without_warnings
from napari_atomicity.io.raw import RawImage, complex_sentence, lazy_stack, unreadable
from napari_atomicity.io.text import size_of
from napari_atomicity.io.units import PixelCalibration, not_believed, pixel_calibration

_HEADER: Final = 1024
_LENGTH_OF_EXTENDED: Final = slice(92, 96)
_COMPLEX: Final = (3, 4)
_IMOD: Final = 1146047817
#: bytes of pixels that are looked at where the header does not say whether they are signed
_LOOKED_AT: Final = 2**20
#: share of the differences between neighbours that the right reading has of those of the wrong one, at most
_SMOOTHER: Final = 0.9
_UNSURE: Final = (
    "The header does not say whether its bytes are signed; they are read as signed, as MRC2014 has it. "
    "An older program may have meant 0 to 255: if bright and dark parts are mixed up, export the image as TIFF."
)


@dataclass(frozen=True)
class _Pixels:
    """Reads the sections of a file, opening it each time so that it stays free between."""

    path: Path
    shape: tuple[int, int, int]
    unsigned: bool

    def read(self, t: int = 0) -> npt.NDArray[Any]:
        """Section `t` as (y, x)."""
        import mrcfile

        try:
            with without_warnings(), mrcfile.mmap(self.path, mode="r", permissive=True) as file:
                plane = np.array(file.data.reshape(self.shape)[t])
        except MemoryError:
            raise
        except Exception as error:  # the file has gone, or is another one now
            raise damaged(self.path, f"section {t} cannot be read") from error
        if self.unsigned:
            plane = plane.view(np.uint8)
        return plane if plane.dtype.isnative else plane.byteswap().view(plane.dtype.newbyteorder("="))


def images(path: Path) -> list[RawImage]:
    """The image or stack of the file."""
    import mrcfile

    with path.open("rb") as file:
        content = file.read(_HEADER)
        file_size = file.seek(0, 2)
    header = _header(path, content)
    shape = (int(header["nz"]), int(header["ny"]), int(header["nx"]))
    extended, mode = int(header["nsymbt"]), int(header["mode"])
    if mode == 3 and min(shape) > 0:
        return [unreadable("", shape, np.complex64, complex_sentence())]
    try:
        dtype = mrcfile.utils.dtype_from_mode(header["mode"]).newbyteorder(header["mode"].dtype.byteorder)
    except ValueError as error:
        raise odd(path, f"its pixels are of the unknown mode {mode}") from error
    if min(shape) < 1 or extended < 0:
        raise odd(path, f"its header claims {claims(shape, dtype)} after {extended} bytes of extended header")
    if _HEADER + extended + math.prod(shape) * dtype.itemsize > file_size:
        raise damaged(path, f"it claims {claims(shape, dtype)}, the file has {size_of(file_size)}")
    said: tuple[str, ...] = ()
    unsigned = False
    if mode == 0:
        unsigned, said = _bytes(header, _first_bytes(path, _HEADER + extended, shape))
    pixels = _Pixels(path, shape, unsigned)
    plain = np.dtype(np.uint8) if unsigned else dtype.newbyteorder("=")
    whole = shape if shape[0] > 1 else shape[1:]
    image = RawImage(
        title="",
        shape=whole,
        dtype=plain,
        load=partial(lazy_stack, whole, plain, watched(path, pixels.read)) if len(whole) == 3 else pixels.read,
        calibration=_calibration(path, header),
        reader=f"mrcfile {mrcfile.__version__}",
        warnings=said,
    )
    return [unreadable("", whole, dtype, complex_sentence())] if mode in _COMPLEX else [image]


def _header(path: Path, content: bytes) -> Any:
    """The header in its own order of bytes."""
    from mrcfile.mrcinterpreter import MrcInterpreter

    # the library would make room for an extended header of any length that is claimed
    alone = bytearray(content)
    alone[_LENGTH_OF_EXTENDED] = bytes(4)
    try:
        with without_warnings():
            form = MrcInterpreter(io.BytesIO(alone), permissive=True, header_only=True).header.dtype
        return np.frombuffer(content, form)[0]
    except ValueError as error:
        raise damaged(path, f"an MRC header has {_HEADER} bytes, {len(content)} are there") from error


def _words(header: Any, at: int, kind: str, n: int) -> list[int]:
    """Entries of the header that only some programs write, at a byte."""
    content = header["extra2"].tobytes()[at - 112 :]
    return [int(word) for word in np.frombuffer(content, header["mode"].dtype.byteorder + kind, n)]


def _first_bytes(path: Path, start: int, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """The first rows of the first section, as unsigned bytes."""
    rows = max(1, min(shape[1], _LOOKED_AT // shape[2]))
    with path.open("rb") as file:
        file.seek(start)
        content = file.read(rows * min(shape[2], _LOOKED_AT))
    return np.frombuffer(content, np.uint8).reshape(rows, -1)


def _bytes(header: Any, pixels: npt.NDArray[np.uint8]) -> tuple[bool, tuple[str, ...]]:
    """Whether bytes are unsigned: as the flags of IMOD say, else the range of values, else the pixels themselves."""
    stamp, flags = _words(header, 152, "i4", 2)
    low, high = float(header["dmin"]), float(header["dmax"])
    if stamp == _IMOD:
        return not flags & 1, ()
    if 127 < high <= 255 and 0 <= low <= high:
        return True, ()
    if -128 <= low < 0 and low <= high <= 127:
        return False, ()
    # read the wrong way, bytes jump from the lowest to the highest value where the image hardly changes
    as_signed, as_unsigned = (_roughness(pixels.view(kind)) for kind in (np.int8, np.uint8))
    if as_unsigned < _SMOOTHER * as_signed:
        return True, ()
    is_new = int(header["nversion"]) in (20140, 20141)
    sure = is_new or as_signed < _SMOOTHER * as_unsigned or not np.any(pixels > 127)
    return False, () if sure else (_UNSURE,)


def _roughness(pixels: npt.NDArray[Any]) -> float:
    return float(np.abs(np.diff(pixels.astype(np.int16), axis=-1)).mean()) if pixels.shape[-1] > 1 else 0.0


def _calibration(path: Path, header: Any) -> PixelCalibration:
    """Pixel size from the extended header of the microscope where there is one, else from the cell and its grid."""
    if scales := _of_microscope(path, header):
        return pixel_calibration((scales[1], "m"), (scales[0], "m"))
    cell = tuple(float(header["cella"][side]) for side in "xyz")
    grid = [int(header[side]) for side in ("mx", "my", "mz")]
    axes = [int(header[side]) for side in ("mapc", "mapr", "maps")]
    column, row, _ = axes if sorted(axes) == [1, 2, 3] else (1, 2, 3)
    (height, n_rows), (width, n_columns) = ((cell[axis - 1], grid[axis - 1]) for axis in (row, column))
    if 0 in (height, width) or n_rows < 1 or n_columns < 1:
        return PixelCalibration()
    claim = f"a cell of {' × '.join(f'{length:g}' for length in cell)} Å"
    if not (height > 0 and width > 0):
        return not_believed(claim, "cannot be")
    if cell == (1.0, 1.0, 1.0):
        return not_believed(claim, "is what programs write where they do not know it")
    return pixel_calibration((height / n_rows, "Å"), (width / n_columns, "Å"))


def _of_microscope(path: Path, header: Any) -> tuple[float, float] | None:
    """Pixel size (x, y) in m from the first record of an extended header that FEI programs write."""
    from mrcfile.dtypes import get_ext_header_dtype

    kind, order = header["exttyp"].tobytes(), header["mode"].dtype.byteorder
    if kind in (b"FEI1", b"FEI2"):
        form = np.dtype(get_ext_header_dtype(kind, order))
        names = ("Pixel size X", "Pixel size Y")
    elif not kind.strip(b"\0 ") and _words(header, 128, "i2", 2) == [0, 32]:
        # before MRC2014: 32 numbers a section, of which one is the pixel size
        form = np.dtype({"names": ["pixel"], "formats": [f"{order}f4"], "offsets": [44], "itemsize": 128})
        names = ("pixel", "pixel")
    else:
        return None
    with path.open("rb") as file:
        file.seek(_HEADER)
        record = file.read(min(form.itemsize, int(header["nsymbt"])))
    if len(record) < form.itemsize:
        return None
    x, y = (float(np.frombuffer(record, form)[0][name]) for name in names)
    return (x, y) if 0 < x < 1 and 0 < y < 1 else None
