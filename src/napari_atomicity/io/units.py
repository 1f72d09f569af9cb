"""Lengths as microscope software writes them, in nm."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from napari_atomicity.micrograph import Micrograph

_NM: Final = {
    "fm": 1e-6,
    "pm": 1e-3,
    "å": 0.1,
    "a": 0.1,
    "nm": 1.0,
    "μm": 1e3,
    "um": 1e3,
    "mm": 1e6,
    "cm": 1e7,
    "m": 1e9,
}
_WORDS: Final = {
    "femto": "fm",
    "pico": "pm",
    "nano": "nm",
    "micro": "um",
    "milli": "mm",
    "centi": "cm",
    "": "m",
}
#: what files write where they mean "no unit"
_NONE: Final = frozenset(
    {"", "px", "pixel", "pixels", "none", "undefined", "<undefined>", "unitless", "dimensionless", "a.u.", "au", "1"}
)
_RECIPROCAL: Final = re.compile(r"^1/|\^?-1$|^(m|μ|u)?rad$|^deg(ree)?s?$|^°$")
_ENERGY: Final = re.compile(r"^(m|k|M)?eV$")

#: clusters of 0.5 to 3 nm are resolved between these; single atoms ask for the lower end
FINEST_NM: Final = 0.005
COARSEST_NM: Final = 0.12
_SQUARE: Final = 0.01
#: no pixel of a microscope lies outside these (nm): a tenth of a picometre; a print of 500 dpi
_FINEST_THERE_IS: Final = 1e-4
_COARSEST_THERE_IS: Final = 5e4


@dataclass(frozen=True, slots=True)
class PixelCalibration:
    """The pixel size in nm (None where unknown) and the sentences that belong to it."""

    pixel_size_nm: float | None = None
    warnings: tuple[str, ...] = ()
    refusal: str = ""


def plain(unit: object) -> str:
    """`unit` without the decorations of the wild: escapes, brackets, underscores, spaces, two code points for µ."""
    text = unit.decode("utf-8", "replace") if isinstance(unit, bytes) else "" if unit is None else str(unit)
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    text = unicodedata.normalize("NFKC", text).replace("Âμ", "μ").replace("−", "-")
    return re.sub(r"[\s_\[\](){}\x00]", "", text)


def nm_per(unit: object) -> float | None:
    """Length of one `unit` in nm, None where it is not a unit of length."""
    text = plain(unit).lower()
    if text in _NM:
        return _NM[text]
    if text in ("micron", "microns"):
        return 1e3
    if re.fullmatch(r"[åa]ngstr[öo]e?ms?", text):
        return 0.1
    word = re.fullmatch(r"(\w*?)met(?:er|re)s?", text)
    return _NM[_WORDS[word[1]]] if word and word[1] in _WORDS else None


def is_reciprocal(unit: object) -> bool:
    """Whether `unit` belongs to a diffraction pattern or a Fourier transform, such as ``1 / µm`` or ``mrad``."""
    return plain(unit) != "1" and bool(_RECIPROCAL.search(plain(unit).lower()))


def is_energy(unit: object) -> bool:
    """Whether `unit` belongs to a spectrum."""
    return bool(_ENERGY.match(plain(unit)))


def pixel_calibration(y: tuple[object, object], x: tuple[object, object], source: str = "The file") -> PixelCalibration:
    """Pixel size from (scale, unit) of the two axes.

    Parameters
    ----------
    y, x
        Scale a pixel and its unit along each axis, as stored in the file.
    source
        What gives them, as a sentence begins with it.

    Returns
    -------
    PixelCalibration
        Without a pixel size where the file gives none that is a length, or one that cannot be meant (no microscope
        has it, or it is exactly 1 of a unit, as programs write by default); with a refusal where the axes are those
        of reciprocal space or the pixels are not square.
    """
    if is_reciprocal(y[1]) or is_reciprocal(x[1]):
        return PixelCalibration(
            refusal="This is a diffraction pattern or a Fourier transform (its axes are in "
            f"{str(x[1]).strip()}), which holds no clusters; open the micrograph itself."
        )
    if _unit_missing(y[1]) != _unit_missing(x[1]) and _same(_number(y[0]), _number(x[0])):
        y = x = (x[0], y[1] if _unit_missing(x[1]) else x[1])
    unknown = [str(axis[1]).strip() for axis in (y, x) if nm_per(axis[1]) is None and not _unit_missing(axis[1])]
    if unknown:
        return PixelCalibration(
            warnings=(f"{source} gives the pixel size in “{unknown[0]}”, which is not a length; enter it in nm.",)
        )
    sizes = [_length(axis) for axis in (y, x)]
    if sizes[0] is None or sizes[1] is None:
        return PixelCalibration()
    for axis, size in zip((x, y), (sizes[1], sizes[0]), strict=True):
        if doubt := _why_not_believed(axis, size):
            return not_believed(f"{abs(_number(axis[0])):.4g} {str(axis[1]).strip()} a pixel", doubt, source)
    return _square(sizes[0], sizes[1])


def not_believed(claim: str, why: str, source: str = "The file") -> PixelCalibration:
    """No pixel size, and the sentence that asks for it.

    Parameters
    ----------
    claim
        What the file gives, in words: ``1 Å a pixel``.
    why
        Why it is not believed; goes on after "which".
    source
        What gives it, as a sentence begins with it.
    """
    return PixelCalibration(warnings=(f"{source} gives {claim}, which {why}; enter the pixel size in nm.",))


def _why_not_believed(axis: tuple[object, object], size_nm: float) -> str:
    """Why a length that a file gives for its pixels cannot be meant; empty where it can."""
    if not _FINEST_THERE_IS <= size_nm <= _COARSEST_THERE_IS:
        return "no microscope has"
    # also 0.001 µm and 1e-9 m, and what is left of 1 in single precision
    if _same(abs(_number(axis[0])), 1.0) or _same(size_nm, 1.0):
        return "is what programs write where they do not know it"
    return ""


def remark_on(pixel_size_nm: float) -> tuple[str, ...]:
    """A warning where clusters cannot be counted at this pixel size, else nothing."""
    if pixel_size_nm > COARSEST_NM:
        what = "too coarse to count atoms in clusters of 0.5 to 3 nm"
    elif pixel_size_nm < FINEST_NM:
        what = "finer than a microscope resolves"
    else:
        return ()
    return (
        f"A pixel of {pixel_size_nm:.4g} nm is {what} ({FINEST_NM:g} to {COARSEST_NM:g} nm are expected); "
        "check the calibration.",
    )


def recalibrated(micrograph: Micrograph, pixel_size_nm: float) -> Micrograph:
    """A micrograph under another pixel size, with the remark that belongs to that one.

    Parameters
    ----------
    micrograph
        As it was.
    pixel_size_nm
        Side of a pixel in nm from now on.
    """
    old = micrograph.pixel_size_nm
    stale = () if old is None else remark_on(old)
    kept = [warning for warning in micrograph.warnings if warning not in stale]
    warnings = (*dict.fromkeys([*kept, *remark_on(pixel_size_nm)]),)
    return replace(micrograph.with_pixel_size(pixel_size_nm), warnings=warnings)


def _square(y_nm: float, x_nm: float) -> PixelCalibration:
    if not abs(y_nm - x_nm) <= _SQUARE * min(y_nm, x_nm):
        return PixelCalibration(
            x_nm,
            refusal=f"The pixels are not square ({y_nm:.4g} nm high, {x_nm:.4g} nm wide); "
            "resample the image to square pixels and open it again.",
        )
    size = x_nm if _same(y_nm, x_nm) else math.sqrt(y_nm * x_nm)
    return PixelCalibration(size, warnings=remark_on(size))


def _length(axis: tuple[object, object]) -> float | None:
    scale, factor = _number(axis[0]), nm_per(axis[1])
    if factor is None or not math.isfinite(scale) or scale == 0:
        return None
    return abs(scale) * factor


def _unit_missing(unit: object) -> bool:
    return plain(unit).lower() in _NONE


def _same(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=1e-6)


def _number(value: object) -> float:
    try:
        return float(value.decode() if isinstance(value, bytes) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan
