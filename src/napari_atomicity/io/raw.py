"""What a format reader hands over: the images of a file, not yet read, with their axes as found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.io import text
from napari_atomicity.io.stack import FrameStack
from napari_atomicity.io.units import PixelCalibration

_SYMBOLS: Final = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb "
    "Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au "
    "Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U"
)
_ELEMENTS: Final = frozenset(_SYMBOLS.split())
_HAADF = re.compile(r"(?<![a-z])haadf", re.IGNORECASE)
_ADF = re.compile(
    r"(?<![a-z])([ml]?a?adf|df(\d|-[sio])?(?![a-z])|annular(?!.?(bright|bf))|dark.?field|z.?contrast)", re.IGNORECASE
)
_BF = re.compile(r"(?<![a-z])(a?bf(?![a-z])|bright.?field)", re.IGNORECASE)
#: a frame above this may be so many times larger than what the file keeps for it; noise does not compress
_LARGE_FRAME: Final = 150_000_000
_MOST_COMPRESSED: Final = 20
#: and a stack, whose frames are read one by one; nothing compresses further than this
_LARGE_STACK: Final = 2**30
_MOST_EMPTY: Final = 1100

#: characters of a sentence
_SENTENCE: Final = 1000
#: warnings and a refusal, each in a sentence
Remarks = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class RawImage:
    """One image of a file; what the file says about it in words is cleaned here, for all formats.

    Attributes
    ----------
    load
        Gives the array (y, x) as NumPy, or (t, y, x) as a `FrameStack` on disk.
    shape, dtype
        What `load` will give; of the stored data where it cannot be opened.
    cannot_open
        Where not empty: the sentence why there is nothing to open.
    broken
        Whether it is an image that cannot be opened (damaged, never written, …), not something else.
    refusal
        Where not empty: the sentence why it can be shown but not counted.
    stored
        Bytes that the file keeps for its pixels, where the format tells; an image that claims far more is not opened.
    together
        Bytes that are unpacked at once to read a frame, where they are more than its own: colours, other frames.
    examine
        Gives the remarks that take a look at the pixels; called only for an image that is opened.
    """

    title: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], Any]
    calibration: PixelCalibration = field(default_factory=PixelCalibration)
    reader: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    refusal: str = ""
    cannot_open: str = ""
    broken: bool = False
    stored: int | None = None
    together: int = 0
    examine: Callable[[], Remarks] | None = None

    def __post_init__(self) -> None:
        own = self.calibration
        sentences = tuple(text.clean(sentence, _SENTENCE) for sentence in own.warnings)
        calibration = replace(own, warnings=sentences, refusal=text.clean(own.refusal, _SENTENCE))
        claims = "" if self.cannot_open else claim_sentence(self.shape, self.dtype, self.stored, self.together)
        cleaned = {
            "title": text.clean(self.title),
            "calibration": calibration,
            "metadata": text.facts(self.metadata),
            "warnings": tuple(text.clean(sentence, _SENTENCE) for sentence in self.warnings),
            "refusal": text.clean(self.refusal, _SENTENCE),
            "cannot_open": text.clean(self.cannot_open or claims, _SENTENCE),
            "broken": self.broken or bool(claims),
        }
        for name, value in cleaned.items():
            object.__setattr__(self, name, value)

    @property
    def says_haadf(self) -> bool:
        """Whether its title names the high-angle detector."""
        return bool(_HAADF.search(self.title))

    @property
    def says_dark_field(self) -> bool:
        """Whether its title names an annular or dark-field detector."""
        return bool(_ADF.search(self.title)) and not _BF.search(self.title)

    @property
    def why_not(self) -> str:
        """Why it cannot be counted as far as the headers tell; empty where they see no reason."""
        return self.cannot_open or self.refusal or self.calibration.refusal or _title_says(self.title)


def says_detector(title: str) -> bool:
    """Whether `title` names a detector of the transmitted electrons."""
    return bool(_HAADF.search(title) or _ADF.search(title) or _BF.search(title))


def unreadable(title: str, shape: Sequence[int], dtype: Any, why: str, broken: bool = False) -> RawImage:
    """An entry for data that is not an image, or that is one which cannot be read.

    Parameters
    ----------
    title
        Of the data; empty where it has none.
    shape, dtype
        Of the data as stored.
    why
        The sentence why there is nothing to open.
    broken
        Whether it should be an image.
    """

    def load() -> Any:
        raise AssertionError("not an image")

    return RawImage(title, tuple(int(n) for n in shape), np.dtype(dtype), load, cannot_open=why, broken=broken)


def lazy_stack(shape: tuple[int, ...], dtype: npt.DTypeLike, frame: Callable[[int], npt.NDArray[Any]]) -> FrameStack:
    """A stack whose frames are read when they are asked for.

    Parameters
    ----------
    shape
        (t, y, x).
    dtype
        Of a pixel.
    frame
        Called with the index of a frame; gives (y, x).
    """
    return FrameStack(shape, dtype, frame)


def complex_sentence() -> str:
    """Why complex numbers are not opened."""
    return (
        "it is a Fourier transform or a wave of complex numbers, not a micrograph; "
        "open the image that it was computed from."
    )


def spectrum_sentence(channels: int) -> str:
    """Why spectra are not opened."""
    return (
        f"it holds spectra ({channels} energy channels a pixel), not a micrograph; "
        "open the HAADF image that was recorded with them."
    )


def claim_sentence(shape: Sequence[int], dtype: np.dtype[Any], stored: int | None, together: int = 0) -> str:
    """Why an image is not opened whose headers claim far more pixels than the file keeps; empty where they do not.

    Parameters
    ----------
    shape, dtype
        Of the image as its headers claim it.
    stored
        Bytes that the file keeps for its pixels; None where the format does not tell.
    together
        Bytes that are unpacked at once to read a frame, where they are more than its own.
    """
    frame = max(together, prod(shape[-2:]) * dtype.itemsize)
    claimed = max(frame, prod(shape) * dtype.itemsize)
    if stored is None or not claimed:
        return ""
    if stored == 0:
        return "its pixels were never written; record or export the image again."
    if not too_much(frame, stored) and claimed <= max(_LARGE_STACK, _MOST_EMPTY * stored):
        return ""
    return (
        f"it claims {' × '.join(str(n) for n in shape)} pixels ({text.size_of(claimed)}), but the file keeps only "
        f"{text.size_of(stored)} for them; export the image again, without compression if it is really that empty."
    )


def too_much(n_bytes: int, stored: int) -> bool:
    """Whether so many bytes of pixels, read at once, cannot come from the `stored` ones of a file.

    Parameters
    ----------
    n_bytes
        Of the unpacked pixels.
    stored
        Bytes of the file that they come from.
    """
    return n_bytes > max(_LARGE_FRAME, _MOST_COMPRESSED * stored)


def records_sentence(names: Sequence[str]) -> str:
    """Why a table of records is not opened."""
    return f"it holds records of {len(names)} fields ({', '.join(names[:5])}), not pixels; open an image."


def axes_sentence(n_axes: int) -> str:
    """Why data with another number of axes is not opened."""
    if n_axes < 2:
        return "it is a line profile or a spectrum, not a micrograph; open an image."
    return (
        f"it has {n_axes} axes (such as a 4D-STEM or multi-channel data set); "
        "save one HAADF image (y, x) or one stack (t, y, x) and open that."
    )


def _title_says(title: str) -> str:
    if _BF.search(title) and not (_HAADF.search(title) or _ADF.search(title)):
        return f"“{title}” is a bright-field image, in which clusters are dark; open the HAADF image."
    return ""


def mark_element_maps(images: Sequence[RawImage]) -> list[RawImage]:
    """`images` with a refusal for the element maps among them, titled ``Pt`` or ``Pt-L``.

    A single image of that title is more likely a micrograph of platinum.
    """
    if len(images) < 2:
        return list(images)
    return [
        replace(image, refusal=f"“{image.title}” is an element map, whose counts are X-rays; open the HAADF image.")
        if _is_element(image.title) and not image.why_not
        else image
        for image in images
    ]


def _is_element(title: str) -> bool:
    in_brackets = re.search(r"\(([^()]*)\)$", title.strip())
    title = in_brackets[1] if in_brackets else title.strip()
    match = re.fullmatch(r"([A-Z][a-z]?)([-_ ]?[KLM][abαβ]?\d?)?( map)?", title)
    return bool(match and match[1] in _ELEMENTS)
