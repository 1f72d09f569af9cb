"""How long a frame takes and how strong the beam is, as files write it, under the names that all formats share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from napari_atomicity.io.units import plain
from napari_atomicity.micrograph import CURRENT, DWELL_TIME, FRAME_TIME

_SECONDS: Final = {
    "ns": 1e-9, "μs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "min": 60.0,
    "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
}  # fmt: skip


def seconds(value: object, unit: object = "s") -> float | None:
    """A time in seconds.

    Parameters
    ----------
    value
        A number, or a text of one.
    unit
        Of the time.

    Returns
    -------
    None where it is no time above zero.
    """
    factor = _SECONDS.get(plain(unit).lower())
    number = _positive(value)
    return None if factor is None or number is None else number * factor


def timing(
    frame_time: object = None, dwell_time: object = None, current: object = None, ampere: float = 1.0
) -> dict[str, Any]:
    """Entries of the metadata; what is missing, zero or no number is left out: many programs write 0 for unknown.

    Parameters
    ----------
    frame_time, dwell_time
        Seconds of a frame, and of a pixel.
    current
        Of the beam.
    ampere
        Its unit in ampere.
    """
    found = {FRAME_TIME: _positive(frame_time), DWELL_TIME: _positive(dwell_time), CURRENT: _positive(current)}
    entries = {name: value for name, value in found.items() if value is not None}
    if CURRENT in entries:
        entries[CURRENT] *= ampere
    return entries


def entry(tree: Any, *keys: str) -> Any:
    """What lies at keys within each other, None where anything else does.

    Parameters
    ----------
    tree
        Entries of a file.
    keys
        From the outermost one.
    """
    for key in keys:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def _positive(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None
