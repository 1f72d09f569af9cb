"""What files say about themselves, made safe to show and to keep: one line, printable, bounded, JSON."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

#: characters of a title or name that are kept
MOST_OF_A_TITLE: Final = 200
#: characters of one metadata value, entries of one list or mapping, and levels within each other
_MOST_TEXT: Final = 2000
_MOST_ENTRIES: Final = 200
_MOST_LEVELS: Final = 4


def clean(text: object, most: int = MOST_OF_A_TITLE) -> str:
    """A text on one line, without control characters, terminal escapes and invisible marks.

    Parameters
    ----------
    text
        Anything; its text is taken.
    most
        Characters at which it is cut.
    """
    shown = str(text)[: 4 * most]
    if not shown.isprintable():
        shown = "".join(" " if character.isspace() else _shown(character) for character in shown)
    line = " ".join(shown.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _shown(character: str) -> str:
    # C: control characters (escapes of a terminal), marks that turn the writing direction, halves of a character
    return "" if unicodedata.category(character).startswith("C") else character


def facts(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `entries` that JSON can hold, cleaned and bounded; those that say nothing are left out."""
    kept = _plain(entries, 0)
    return kept if isinstance(kept, dict) else {}


def _plain(value: Any, level: int) -> Any:
    """`value` as JSON knows it, None where it cannot be."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return clean(value, _MOST_TEXT)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value) if abs(int(value)) < 2**63 else None
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if level >= _MOST_LEVELS:
        return None
    if isinstance(value, Mapping):
        pairs = [(clean(key), _plain(entry, level + 1)) for key, entry in list(value.items())[:_MOST_ENTRIES]]
        return {key: entry for key, entry in pairs if entry is not None}
    if isinstance(value, np.ndarray):
        value = value.ravel()[:_MOST_ENTRIES].tolist()
    if isinstance(value, Sequence):
        return [_plain(entry, level + 1) for entry in value[:_MOST_ENTRIES]]
    return None


def size_of(n_bytes: float) -> str:
    """A number of bytes for people, as 1.4 kB or 6.6 GB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.4g} TB"
