"""What a format reader hands over: the images of a file, not yet read, with their axes as found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.io.units import Calibration

_SYMBOLS: Final = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb "
    "Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au "
    "Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U"
)
_ELEMENTS: Final = frozenset(_SYMBOLS.split())
_HAADF = re.compile(r"(?<![a-z])haadf", re.IGNORECASE)
_ADF = re.compile(r"(?<![a-z])([ml]?a?adf|df(\d|-[sio])?(?![a-z])|(annular )?dark.?field|z.?contrast)", re.IGNORECASE)
_BF = re.compile(r"(?<![a-z])(a?bf(?![a-z])|bright.?field)", re.IGNORECASE)
_OTHER = re.compile(r"(?<![a-z])(thumbnail|preview jpg|fft|eels|eds|edx|spectrum)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class RawImage:
    """One image of a file.

    Attributes
    ----------
    load
        Gives the array (y, x) as NumPy, or (t, y, x) as dask with one chunk a frame.
    shape, dtype
        What `load` will give; of the stored data where it cannot be opened.
    cannot_open
        Where not empty: the sentence why there is nothing to open.
    refusal
        Where not empty: the sentence why it can be shown but not counted.
    """

    title: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], Any]
    calibration: Calibration = field(default_factory=Calibration)
    reader: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    refusal: str = ""
    cannot_open: str = ""

    @property
    def why_not(self) -> str:
        """Why it cannot be counted as far as the headers tell; empty where they see no reason."""
        return self.cannot_open or self.refusal or self.calibration.refusal or _title_says(self.title)

    @property
    def rank(self) -> tuple[bool, bool, bool, bool, int]:
        """The greater, the more likely this is the image to count."""
        n_pixels = self.shape[-1] * self.shape[-2] if len(self.shape) > 1 else 0
        title = self.title
        return (
            not self.why_not,
            bool(_HAADF.search(title)),
            bool(_ADF.search(title)) and not _BF.search(title),
            not _OTHER.search(title),
            n_pixels,
        )


def unreadable(title: str, shape: Sequence[int], dtype: Any, why: str) -> RawImage:
    """An entry for data that is not an image."""

    def load() -> Any:
        raise AssertionError("not an image")

    return RawImage(title, tuple(int(n) for n in shape), np.dtype(dtype), load, cannot_open=why)


def lazy_stack(shape: tuple[int, ...], dtype: npt.DTypeLike, frame: Callable[[int], npt.NDArray[Any]]) -> Any:
    """Dask array of `shape` (t, y, x), one chunk a frame, that calls ``frame(t)`` for the frames asked for."""
    import dask.array as da
    from dask.delayed import delayed

    read_frame = delayed(frame, pure=False)
    planes = [da.from_delayed(read_frame(t), shape=shape[1:], dtype=dtype) for t in range(shape[0])]
    return da.stack(planes)


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
    match = re.fullmatch(r"([A-Z][a-z]?)([-_ ]?[KLM][abαβ]?\d?)?( map)?", title.strip())
    return bool(match and match[1] in _ELEMENTS)
