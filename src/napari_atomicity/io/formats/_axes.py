"""From axes with names and units to an image (y, x), a stack (t, y, x), or the reason why it is neither."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.io.formats._detectors import Detectors
from napari_atomicity.io.raw import (
    RawImage,
    axes_sentence,
    complex_sentence,
    records_sentence,
    spectrum_sentence,
    unreadable,
)
from napari_atomicity.io.text import clean
from napari_atomicity.io.timing import seconds, timing
from napari_atomicity.io.units import PixelCalibration, is_energy, pixel_calibration


@dataclass(frozen=True)
class Axis:
    """One axis as the file describes it."""

    name: str = ""
    scale: object = None
    unit: str = ""
    #: whether the pixels lie at positions that no single scale describes
    uneven: bool = False


def images(
    axes: Sequence[Axis],
    detectors: Detectors | None,
    *,
    title: str,
    shape: Sequence[int],
    make: Callable[..., RawImage],
    warnings: tuple[str, ...] = (),
    **about: Any,
) -> list[RawImage]:
    """The image that the axes make, see `image`, or one for each of the detectors along one of them.

    Parameters
    ----------
    axes
        One for each dimension of the data.
    detectors
        What lies along one of the axes; None where no detectors do.
    title
        Of the data set; empty where it has none.
    shape
        Lengths of the axes.
    make
        Makes the `RawImage`; called with `warnings` and, for one of several detectors, with `taken`: its axis
        and its place there.
    warnings
        Sentences that belong to all of them.
    about
        What else `image` is told.

    Returns
    -------
    One entry for each, also where it is the reason why there is no image.
    """
    if detectors is None:
        return [image(axes, title=title, shape=shape, make=partial(make, warnings=warnings), **about)]
    at = detectors.axis
    alone = [1 if axis == at else size for axis, size in enumerate(shape)]
    all_warnings = (*warnings, detectors.sentence(clean(title)))
    return [
        image(
            axes,
            title=f"{title} ({name})" if title else name,
            shape=alone,
            make=partial(make, warnings=all_warnings, taken=(at, k)),
            **about,
        )
        for k, name in enumerate(detectors.names)
    ]


def image(
    axes: Sequence[Axis],
    *,
    title: str,
    dtype: Any,
    shape: Sequence[int],
    make: Callable[..., RawImage],
    reader: str,
    signal_type: str = "",
    calibration: PixelCalibration | None = None,
) -> RawImage:
    """The image that `make(order, **fields)` gives for the right order of the axes, or why there is none.

    Parameters
    ----------
    axes
        One a dimension of the stored array; fewer where the file leaves them out.
    title, dtype, shape, signal_type
        As stored; colour pictures have a type with the fields R, G and B.
    make
        Called with the positions of (t,) y and x among the stored axes and the fields of `RawImage`.
    reader
        Name and version of the reader.
    calibration
        What is said elsewhere than in the axes, which counts before them; where both give a size, it has to be one.
    """
    dtype = np.dtype(dtype)
    described = [*axes, *[Axis()] * (len(shape) - len(axes))]
    if why := _no_image(described, dtype, shape, signal_type):
        return unreadable(title, shape, dtype, why)
    long = [k for k, size in enumerate(shape) if size > 1]
    y, x = _plane(described, long)
    order = [*(k for k in long if k not in (y, x)), y, x]
    made = make(
        order, title=title, calibration=_agreed(calibration, _calibration(described[y], described[x])), reader=reader
    )
    lasts = timing(seconds(described[order[0]].scale, described[order[0]].unit)) if len(order) > 2 else {}
    return replace(made, metadata={**made.metadata, **lasts}) if lasts else made


def _no_image(axes: Sequence[Axis], dtype: np.dtype[Any], shape: Sequence[int], signal_type: str) -> str:
    """Why the data are neither an image nor a stack, empty where they are."""
    long = [k for k, size in enumerate(shape) if size > 1]
    if 0 in shape:
        return "it holds no pixels; record or export the image again."
    if dtype.kind == "c" or any("imag" in name.lower() for name in dtype.names or ()):
        return complex_sentence()
    energy = [k for k in long if is_energy(axes[k].unit) or "energy" in axes[k].name.lower()]
    if energy or signal_type.startswith(("EELS", "EDS", "CL")):
        return spectrum_sentence(shape[energy[0] if energy else -1] if shape else 1)
    if dtype.names is not None and not is_colour(dtype):
        return records_sentence([clean(name, 60) for name in dtype.names])
    if dtype.names is None and dtype.kind not in "biuf":
        return "it holds no numbers; open an image."
    return "" if 2 <= len(long) <= 3 else axes_sentence(len(long))


def is_colour(dtype: np.dtype[Any]) -> bool:
    """Whether a compound type holds the colours R, G and B (and perhaps A) of a pixel as plain numbers of one type."""
    if dtype.names is None or not {"R", "G", "B"} <= set(dtype.names) <= {"R", "G", "B", "A"}:
        return False
    kinds = {dtype[name] for name in "RGB"}
    return len(kinds) == 1 and next(iter(kinds)).kind in "uif" and next(iter(kinds)).shape == ()


def _agreed(given: PixelCalibration | None, of_axes: PixelCalibration) -> PixelCalibration:
    """What is said beside the axes, else what they tell; neither where they contradict each other."""
    if given is None or given == PixelCalibration() or of_axes.refusal:
        return of_axes
    given_nm, axes_nm = given.pixel_size_nm, of_axes.pixel_size_nm
    if given_nm is None and axes_nm is not None and not given.refusal:
        return of_axes
    if given_nm is None or axes_nm is None or abs(given_nm - axes_nm) <= _SAME * max(given_nm, axes_nm):
        return given
    return PixelCalibration(
        warnings=(f"The file gives two pixel sizes, {given_nm:.4g} and {axes_nm:.4g} nm; enter the right one.",)
    )


def _calibration(y: Axis, x: Axis) -> PixelCalibration:
    if y.uneven or x.uneven:
        return PixelCalibration(warnings=("The file gives its pixels uneven positions; enter the pixel size in nm.",))
    return pixel_calibration((y.scale, y.unit), (x.scale, x.unit))


def from_positions(positions: npt.NDArray[Any], size: int, name: str, unit: str) -> Axis:
    """The axis of `size` pixels at these positions: one each, the first two of them, or their `size` + 1 edges.

    Parameters
    ----------
    positions
        (n,) along the axis, in `unit`.
    size
        Pixels along the axis.
    name, unit
        Of the axis, as they stand in the file.

    Returns
    -------
    The axis; without a scale where the positions are not even.
    """
    steps = len(positions) - 1
    if positions.dtype.kind not in "iuf" or len(positions) not in (2, size, size + 1) or steps < 1:
        return Axis(name, None, unit)
    positions = positions.astype(np.float64)
    # the mean step: the float32 positions of some formats leave single steps inexact
    scale = float(positions[-1] - positions[0]) / steps
    off = np.abs(positions - (positions[0] + scale * np.arange(steps + 1)))
    even = bool(np.all(off <= max(_UNEVEN * abs(scale), _ROUNDING * np.abs(positions).max())))
    return Axis(name, scale if even else None, unit, uneven=not even)


def _plane(axes: Sequence[Axis], long: Sequence[int]) -> tuple[int, int]:
    """Which axes are y and x: by their names (files keep them in either order), else the last two."""
    words = {k: axes[k].name.strip().lower().removeprefix("r_") for k in long}  # Prismatic: R_x, R_y
    named = {word[:1]: k for k, word in words.items() if word in _NAMES}
    if "y" in named and "x" in named:
        return named["y"], named["x"]
    if "h" in named and "w" in named:
        return named["h"], named["w"]
    return long[-2], long[-1]


_NAMES = frozenset({"x", "y", "height", "width"})
#: share of a step by which a position may miss its place, and what is left to the rounding of float32
_UNEVEN: Final = 0.05
_ROUNDING: Final = 1e-6
#: share by which two pixel sizes that a file gives may differ
_SAME: Final = 0.01
