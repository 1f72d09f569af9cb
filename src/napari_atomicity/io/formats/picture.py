"""PNG, JPEG and BMP: screenshots and exports of micrographs, without calibration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats._claims import odd, why_too_many_passes
from napari_atomicity.io.grey import to_grey, verdict
from napari_atomicity.io.quiet import without_warnings
from napari_atomicity.io.raw import RawImage, Remarks
from napari_atomicity.io.text import clean

#: pixels by the modes of Pillow; the others have bytes
_TYPES: Final = {"1": "?", "I": "i4", "I;16": "u2", "I;16B": "u2", "I;16L": "u2", "F": "f4"}
_JPEG: Final = "JPEG compression has changed the intensities; count on the microscope's own file."


def images(path: Path) -> list[RawImage]:
    """The one picture of the file, grey. Its dpi entry means nothing and is left out."""
    import imageio

    picture = _Picture(path)
    height, width, mode, colours = picture.header()
    dtype = "u2" if mode == "I" and path.suffix.lower() == ".png" else _TYPES.get(mode, "u1")
    return [
        RawImage(
            title="",
            shape=(height, width),
            dtype=np.dtype(dtype),
            load=picture.load,
            reader=f"imageio {imageio.__version__}",
            warnings=(_JPEG,) if path.suffix.lower() in (".jpg", ".jpeg") else (),
            stored=path.stat().st_size,
            # Pillow keeps four bytes a pixel of any colour picture
            together=height * width * (4 if colours > 1 else np.dtype(dtype).itemsize),
            examine=picture.examine,
        )
    ]


class _Picture:
    """Reads the picture once it is asked for, and keeps what its colours tell."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mode: str | None = None
        self.remarks: Remarks | None = None

    def header(self) -> tuple[int, int, str, int]:
        """Height, width, mode and number of colours, without unpacking the pixels."""
        from PIL import Image

        try:
            # it would warn of large pictures; whether one is too large is seen by its bytes
            with without_warnings(), Image.open(self.path) as picture:
                mode, kind, colours = picture.mode, picture.format, len(picture.getbands())
                (width, height) = picture.size
        except Image.DecompressionBombError as error:
            claimed = re.search(r"\d+", str(error))
            raise InputError(
                f"{clean(self.path.name)} claims {claimed[0] if claimed else 'too many'} pixels, more than a picture "
                "is opened with; save it as TIFF, or cut it into parts."
            ) from error
        except MemoryError:
            raise
        except Exception as error:  # Pillow raises whatever its decoders raise
            raise self._damaged() from error
        if kind == "JPEG" and (why := why_too_many_passes(self.path.read_bytes())):
            raise odd(self.path, why)
        # the colours of a print are converted, other modes are read as they are
        self.mode = "RGB" if mode in ("CMYK", "YCbCr", "LAB", "HSV") else None
        return height, width, mode, colours

    def load(self) -> npt.NDArray[Any]:
        """Grey levels (y, x)."""
        from imageio import v3

        try:
            with without_warnings():
                picture = np.asarray(v3.imread(self.path, index=0, plugin="pillow", mode=self.mode))
        except MemoryError:
            raise
        except Exception as error:  # Pillow raises whatever its decoders raise
            raise self._damaged() from error
        self.remarks = verdict(picture) if picture.ndim == 3 else ((), "")
        return to_grey(picture) if picture.ndim == 3 else picture

    def examine(self) -> Remarks:
        """The warnings and the refusal that its colours give reason for."""
        if self.remarks is None:
            self.load()
        return self.remarks or ((), "")

    def _damaged(self) -> InputError:
        return InputError(f"{clean(self.path.name)} is damaged or not a picture; export it again.")
