"""What clusters are made of: one metal, or an alloy whose atomic fractions are known within errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from napari_atomicity.errors import InputError
from napari_atomicity.metals.elements import symbol_of

_NUMBER: Final = r"[0-9]{1,3}(?:[.,][0-9]{1,8})?"
#: Co=0.25±0.05, Co 25 ± 5 %, Co:0.25+-0.05
_PART: Final = re.compile(
    rf"([A-Za-z]{{1,12}})\s*[=: ]\s*({_NUMBER})\s*(%?)\s*(?:(?:±|\+/?-)\s*({_NUMBER})\s*(%?))?\s*"
)
_SEPARATOR: Final = re.compile(r"[;\n]|,(?=\s*[A-Za-z])")
_LONGEST: Final = 200
#: fractions that add up to one within this name all metals
_WHOLE: Final = 0.002
_EXAMPLE: Final = "give a metal such as Au, or fractions such as Co=0.25±0.05"


@dataclass(frozen=True)
class Part:
    """One metal of a composition, its atomic fraction and the standard deviation of that."""

    element: str
    fraction: float
    sd: float = 0.0


@dataclass(frozen=True)
class Composition:
    """Atomic fractions that add up to one; the first metal takes up what the errors of the others leave.

    Attributes
    ----------
    parts
        The metals.
    """

    parts: tuple[Part, ...]

    @classmethod
    def of_one(cls, element: str) -> Composition:
        """One metal alone."""
        return cls((Part(element, 1.0),))

    @property
    def host(self) -> str:
        """The metal that takes up the rest."""
        return self.parts[0].element

    @property
    def guests(self) -> tuple[Part, ...]:
        """The other metals."""
        return self.parts[1:]

    @property
    def words(self) -> str:
        """``Au``, or ``Pt with Co 0.25 ± 0.05``."""
        named = [f"{one.element} {one.fraction:g}" + (f" ± {one.sd:g}" if one.sd else "") for one in self.guests]
        return f"{self.host} with {', '.join(named)}" if named else self.host


def read_composition(text: str, host: str) -> Composition:
    """What clusters are made of, as a person types it.

    Parameters
    ----------
    text
        A metal (``Au``, ``gold``), or atomic fractions (``Co=0.25±0.05``, ``Au=70%, Ag=30 ± 5 %``). What is missing to
        one is `host`. The host alone where empty.
    host
        Chemical symbol.

    Returns
    -------
    The composition.

    Raises
    ------
    InputError
        For anything else, a metal twice, and fractions beyond one.
    """
    texts = [part.strip() for part in _SEPARATOR.split(text) if part.strip()] if len(text) <= _LONGEST else [text]
    if not texts:
        return Composition.of_one(host)
    if len(texts) == 1 and re.fullmatch("[A-Za-z]{1,12}", texts[0]):
        return Composition.of_one(symbol_of(texts[0]))
    parts = [_part(one, text) for one in texts]
    named = [part.element for part in parts]
    twice = next((element for element in named if named.count(element) > 1), None)
    if twice is not None:
        raise InputError(f"{twice} is named twice; name each metal of the alloy once.")
    total = sum(part.fraction for part in parts)
    if total > 1 + _WHOLE:
        raise InputError(f"The fractions of {', '.join(named)} add up to {total:g}; together they are 1 at most.")
    if total >= 1 - _WHOLE:
        return Composition(_whole(parts))
    if host in named:
        raise InputError(f"The fractions of {', '.join(named)} add up to {total:g}; name the metal of the rest, too.")
    return Composition((Part(host, 1 - total), *parts))


def _whole(parts: Sequence[Part]) -> tuple[Part, ...]:
    """All metals are named: the commonest takes up the rest."""
    first = max(range(len(parts)), key=lambda at: parts[at].fraction)
    guests = [part for at, part in enumerate(parts) if at != first]
    rest = Part(parts[first].element, 1 - sum(part.fraction for part in guests))
    if len(parts) == 2 and not guests[0].sd:  # of two, either may carry the error
        guests = [Part(guests[0].element, guests[0].fraction, parts[first].sd)]
    return (rest, *guests)


def _part(text: str, whole: str) -> Part:
    match = _PART.fullmatch(text)
    if match is None:
        shown = whole if len(whole) < 60 else f"{whole[:60]}…"
        raise InputError(f"{shown!r} does not say what the clusters are made of; {_EXAMPLE}.")
    element, fraction, percent, sd, sd_percent = match.groups()
    value = float(fraction.replace(",", ".")) / (100 if percent or sd_percent else 1)
    error = float((sd or "0").replace(",", ".")) / (100 if percent or sd_percent else 1)
    if not 0 <= value <= 1 or error > 0.5:
        raise InputError(
            f"A fraction {text!r} is impossible; atomic fractions lie between 0 and 1, their errors up to 0.5."
        )
    return Part(symbol_of(element), value, error)
