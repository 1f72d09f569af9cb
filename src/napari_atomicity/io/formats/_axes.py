"""From axes with names and units to an image (y, x), a stack (t, y, x), or the reason why it is neither."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_atomicity.io.raw import RawImage, axes_sentence, complex_sentence, spectrum_sentence, unreadable
from napari_atomicity.io.units import calibrate, is_energy


@dataclass(frozen=True)
class Axis:
    """One axis as the file describes it."""

    name: str = ""
    scale: object = 1.0
    unit: str = ""


def image(
    axes: Sequence[Axis],
    *,
    title: str,
    dtype: Any,
    shape: Sequence[int],
    make: Callable[..., RawImage],
    reader: str,
    signal_type: str = "",
) -> RawImage:
    """The image that `make(order, **fields)` gives for the right order of the axes, or why there is none.

    Parameters
    ----------
    axes
        One a dimension of the stored array; fewer where the file leaves them out.
    title, dtype, shape, signal_type
        As stored.
    make
        Called with the positions of (t,) y and x among the stored axes and the fields of `RawImage`.
    reader
        Name and version of the reader.
    """
    dtype = np.dtype(dtype)
    described = [*axes, *[Axis()] * (len(shape) - len(axes))]
    long = [k for k, size in enumerate(shape) if size > 1]
    if dtype.kind == "c" or any("imag" in name.lower() for name in dtype.names or ()):
        return unreadable(title, shape, dtype, complex_sentence())
    energy = [k for k in long if is_energy(described[k].unit) or "energy" in described[k].name.lower()]
    if energy or signal_type.startswith(("EELS", "EDS", "CL")):
        return unreadable(title, shape, dtype, spectrum_sentence(shape[energy[0] if energy else -1]))
    colour = dtype.names is not None and {"R", "G", "B"} <= set(dtype.names)
    if not 2 <= len(long) <= 3 or (dtype.names is not None and not colour):
        return unreadable(title, shape, dtype, axes_sentence(len(long)))
    y, x = _plane(described, long)
    order = [*(k for k in long if k not in (y, x)), y, x]
    calibration = calibrate((described[y].scale, described[y].unit), (described[x].scale, described[x].unit))
    return make(order, title=title, calibration=calibration, reader=reader)


def _plane(axes: Sequence[Axis], long: Sequence[int]) -> tuple[int, int]:
    """Which axes are y and x: by their names (files keep them in either order), else the last two."""
    named = {axes[k].name.strip().lower()[:1]: k for k in long if axes[k].name.strip().lower() in _NAMES}
    if "y" in named and "x" in named:
        return named["y"], named["x"]
    if "h" in named and "w" in named:
        return named["h"], named["w"]
    return long[-2], long[-1]


_NAMES = frozenset({"x", "y", "height", "width"})
