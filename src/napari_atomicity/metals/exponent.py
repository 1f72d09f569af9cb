"""How the signal of an atom grows with its atomic number: a power that depends on the detector, known as a range."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from napari_atomicity.errors import InputError
from napari_atomicity.metals.elements import atomic_number

_NUMBER: Final = r"([0-9](?:[.,][0-9]{1,6})?)"
_TEXT: Final = re.compile(rf"{_NUMBER}(?:\s*(?:-|–|to|:)\s*{_NUMBER})?")
#: no annular detector is below or above these
_LEAST, _MOST = 1.0, 2.0


@dataclass(frozen=True)
class Exponent:
    """The power n of the atomic number with which the dark-field signal of an atom grows, and its range.

    Attributes
    ----------
    low, high
        Within these n lies; every value alike.
    value
        The one that is reckoned with.

    Raises
    ------
    InputError
        For a range that no annular dark-field detector has.
    """

    low: float = 1.46
    high: float = 1.7
    value: float = 1.6

    def __post_init__(self) -> None:
        if not _LEAST <= self.low <= self.value <= self.high <= _MOST:
            raise InputError(
                f"An exponent of the atomic number from {self.low:g} to {self.high:g} is impossible; it lies between "
                f"{_LEAST:g} and {_MOST:g}, at usual dark-field angles from 1.46 to 1.7."
            )

    @classmethod
    def within(cls, low: float, high: float) -> Exponent:
        """A range; 1.6 is reckoned with where it lies in it, else the middle.

        Parameters
        ----------
        low, high
            Its ends.
        """
        return cls(low, high, cls.value if low <= cls.value <= high else (low + high) / 2)

    @property
    def sd(self) -> float:
        """Standard deviation of an even distribution over the range."""
        return (self.high - self.low) / math.sqrt(12)

    @property
    def words(self) -> str:
        """``n = 1.6 (1.46 to 1.7)``."""
        return f"n = {self.value:g}" + (f" ({self.low:g} to {self.high:g})" if self.high > self.low else "")

    def signal(self, element: str, of: str) -> float:
        """Signal of an atom in units of that of an atom of another element.

        Parameters
        ----------
        element, of
            Chemical symbols.
        """
        return float((atomic_number(element) / atomic_number(of)) ** self.value)


def read_exponent(text: str) -> Exponent:
    """A range as a person types it, ``1.46-1.7``, or one value, ``1.6``; the usual range where it is empty.

    Raises
    ------
    InputError
        For anything else.
    """
    if not text.strip():
        return Exponent()
    match = _TEXT.fullmatch(text.strip()) if len(text) < 60 else None
    if match is None:
        shown = text if len(text) < 40 else f"{text[:40]}…"
        raise InputError(f"{shown!r} is no exponent of the atomic number; give a range such as 1.46-1.7, or one value.")
    ends = [float(part.replace(",", ".")) for part in match.groups() if part]
    return Exponent.within(ends[0], ends[-1])
