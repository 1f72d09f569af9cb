"""Odd values: numbers at the edges of their kinds, names that no one would give, deep and wide trees."""

from __future__ import annotations

import math
from random import Random
from typing import Any, Final

WHOLE: Final = (
    0, 1, -1, 2, 3, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 10**6, 2**24, 2**31 - 1, 2**31, -(2**31),
    2**32 - 1, 2**32, 2**40, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**64 - 1,
)  # fmt: skip
REAL: Final = (
    0.0, -0.0, math.nan, math.inf, -math.inf, -1.0, 1e-300, 1e300, 5e-324, 1e17, 1e-45, 0.5, 1e9, -1e9,
)  # fmt: skip
NAMES: Final = (
    "", " ", ".", "..", "a/b", "/etc/passwd", "C:\\x", "\x00", "a\x00b", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07",
    "line\nbreak", "tab\tname", "\x7f", "\x9b31m", "\u202egnp.exe", "ä → β", "𝕏" * 3, "=cmd|'/c calc'!A1", "+1+1",
    "@SUM(1)", "-2", "nan", "None", "true", "1e999", "9" * 5000, "x" * 70_000, "\ud800", "con", "%s%n", "{0}", "<b>&x;",
)  # fmt: skip
#: stand for numbers that a serialiser would not write; put in after it, see `spelled_out`
_LONG: Final = "__5000_digits__"
_DEEP: Final = "__deep__"


def whole(rng: Random) -> int:
    """A whole number, often at the edge of some kind."""
    return rng.choice(WHOLE) if rng.random() < 0.8 else rng.randint(-(2**20), 2**20)


def real(rng: Random) -> float:
    """A number, often none that a measurement could give."""
    return rng.choice(REAL) if rng.random() < 0.8 else rng.uniform(-1e3, 1e3)


def real32(rng: Random) -> float:
    """A number that fits into 32 bits."""
    found = real(rng)
    return found if abs(found) < 3e38 or not math.isfinite(found) else math.copysign(math.inf, found)


def name(rng: Random) -> str:
    """A name."""
    return rng.choice(NAMES)


def value(rng: Random, depth: int = 0) -> Any:
    """Any value that JSON can hold, and some that it cannot."""
    kind = rng.randrange(12)
    if kind < 2:
        return whole(rng)
    if kind < 4:
        return real(rng)
    if kind < 6:
        return name(rng)
    if kind == 6:
        return None
    if kind == 7:
        return rng.random() < 0.5
    if kind == 8:
        return _LONG
    if kind == 9 and depth == 0:
        return _DEEP
    if kind == 10:
        return [value(rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 3, 50)) if depth < 2 else 0)]
    return {name(rng): value(rng, depth + 1) for _ in range(rng.choice((0, 1, 3)) if depth < 2 else 0)}


def spelled_out(text: str, rng: Random) -> str:
    """`text`, with numbers of 5,000 digits and deep brackets where `value` left their marks."""
    depth = rng.choice((100, 900, 1500, 20_000, 200_000))
    left, right = ("[", "]") if rng.random() < 0.7 else ('{"a":', "}")
    deep = left * depth + "1" + (right * depth if rng.random() < 0.8 else "")
    text = text.replace(f'"{_LONG}"', rng.choice(("", "-")) + "9" * 5000 + rng.choice(("", ".5", "e5000")))
    return text.replace(f'"{_DEEP}"', deep).replace(_LONG, "7" * 5000).replace(_DEEP, "[" * depth)
