"""What a person may choose; everything that decides a table besides the image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.errors import InputError
from napari_atomicity.kinds import SYMBOLS
from napari_atomicity.metals import Exponent, atomic_number, read_composition, symbol_of

Adapt = Literal["auto", "off", "diameter"]
Source = Literal["calibrated", "diameter", "annotations"]

#: a deposited size with or without its element, and with or without its share: 19, Pt55, 19:0.7, 19:70%
_DEPOSITED: Final = re.compile(r"[A-Za-z]{0,2}([0-9]{1,6})(?::([0-9]{0,9}[.,]?[0-9]{1,20})%?)?")
#: characters of a list of sizes, and how many of them are shown where it is none
_LONGEST: Final = 2000
_LONGEST_SHOWN: Final = 60


@dataclass(frozen=True)
class Settings:
    """What a person may choose; everything that decides a table besides the image.

    Attributes
    ----------
    sensitivity
        0 (only clear clusters) to 1 (faint ones too).
    model
        Name of a model that comes with the package (``dual``, ``single``), or path of one.
    adapt
        ``auto``: calibrate intensity and class shares from the image's own clusters, then fine-tune the model to them
        where that helps; ``diameter``: find the scale by what the diameters of the clusters say, and fine-tune on those
        whose diameter speaks for one class; ``off``: calibrate, but leave the network as it is. A scale that is given
        is taken as it is with the latter two, unless deposited sizes are given.
    intensity_per_atom, intensity_per_atom_sd
        Integrated intensity of one atom in this image in counts·nm², where it is known, and its relative standard
        deviation.
    deposited
        Sizes (atoms) that were deposited, where they are known.
    fractions
        Share of each deposited size, in the order of `deposited`, where they are known; in all 1, or 100 (per cent).
    anchors
        What the fine-tuning may rest on, any mix; that of `adapt` where empty.
    seed
        Seed of whatever is random (fine-tuning).
    element
        Chemical symbol of the metal of the clusters, where a person says it; empty where nobody did.
    deposited_element
        The same as it stands before the deposited sizes (``Au55``); `element` goes before it.
    composition
        Atomic fractions of an alloy as a person types them (``Co=0.25±0.05``); the rest is the metal that is said, or
        where none is the metal of the model.
    exponent
        Lowest and highest power of the atomic number that the signal of an atom may grow with, for counts in units of
        another metal; the usual range where empty.
    all_the_same
        Whether to search where an image looks like bright field, a crystal, or saturated.
    """

    sensitivity: float = 0.5
    model: str = "dual"
    adapt: Adapt = "auto"
    intensity_per_atom: float | None = None
    intensity_per_atom_sd: float = 0.02
    deposited: tuple[int, ...] = ()
    fractions: tuple[float, ...] = ()
    anchors: tuple[Source, ...] = ()
    seed: int = 0
    element: str = ""
    deposited_element: str = ""
    composition: str = ""
    exponent: tuple[float, ...] = ()
    all_the_same: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.sensitivity <= 1:
            raise InputError(f"A sensitivity of {self.sensitivity} is outside 0 (few) to 1 (many); 0.5 is usual.")
        if self.adapt not in get_args(Adapt):
            raise InputError(f"There is no adaptation {self.adapt!r}; choose {', '.join(get_args(Adapt))}.")
        unknown = set(self.anchors) - set(get_args(Source))
        if unknown:
            raise InputError(f"There are no anchors {unknown.pop()!r}; choose among {', '.join(get_args(Source))}.")
        if not 0 < self.intensity_per_atom_sd <= 1:
            raise InputError(
                f"A relative standard deviation of {self.intensity_per_atom_sd} of the intensity of one atom is "
                "impossible; give 0.02 for 2 %."
            )
        _ = self.known  # refuses what is impossible
        for symbol in filter(None, (self.element, self.deposited_element)):
            atomic_number(symbol)
        read_composition(self.composition, self.said_element or "Pt")
        if len(self.exponent) not in (0, 2):
            raise InputError("The exponent of the atomic number is a lowest and a highest value, such as 1.46 and 1.7.")
        _ = self.atomic_exponent

    @property
    def said_element(self) -> str:
        """The metal that a person says in whichever way; empty where nobody did."""
        return self.element or self.deposited_element

    @property
    def atomic_exponent(self) -> Exponent:
        """Power of the atomic number that the signal of an atom grows with."""
        return Exponent.within(*self.exponent) if self.exponent else Exponent()

    @property
    def known(self) -> PriorKnowledge:
        """What is known beforehand of an image counted under these settings."""
        return PriorKnowledge(self.intensity_per_atom, self.intensity_per_atom_sd, self.deposited, self.fractions)


def read_deposited(text: str) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Sizes (atoms) and, where they are given, shares of what was deposited: ``19, Pt55`` or ``19:0.7, 55:0.3``.

    Raises
    ------
    InputError
        For anything else, and where only some of the sizes have a share.
    """
    if not text.strip():
        return (), ()
    if len(text) <= _LONGEST:
        text = ":".join(part.strip() for part in text.split(":"))
        # between semicolons a comma may be that of a decimal
        for separators in (r"[\s,;]", r"[\s;]")[: 1 + (";" in text)]:
            matches = [_DEPOSITED.fullmatch(part.strip(",")) for part in re.split(separators, text) if part.strip(",")]
            sizes = tuple(int(match[1]) for match in matches if match)
            shares = tuple(float(match[2].replace(",", ".")) for match in matches if match and match[2])
            if matches and len(sizes) == len(matches) and len(shares) in (0, len(matches)):
                return sizes, shares
    shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    raise InputError(
        f"{shown!r} does not say what was deposited; give numbers of atoms such as 19, 55, or each with its share "
        "such as 19:0.7, 55:0.3."
    )


def metal_of_deposited(text: str) -> str:
    """The metal that a text of `read_deposited` names before its sizes (``Au55``); empty where it names none.

    Raises
    ------
    InputError
        Where it names several.
    """
    named = {match[1].capitalize() for match in re.finditer(r"([A-Za-z]{1,2})[0-9]{1,6}", text)} & set(SYMBOLS)
    if len(named) > 1:
        raise InputError(
            f"The deposited sizes are of {' and '.join(sorted(named))}; name one metal, an alloy by its composition."
        )
    return named.pop() if named else ""


def read_metal(text: str, usual: str = "Pt") -> tuple[str, str]:
    """What clusters are made of, as a person types it in one line, for `element` and `composition` of `Settings`.

    Parameters
    ----------
    text
        A metal (``Au``), an alloy (``Co=0.25±0.05``), or an alloy of a metal (``Au, Ag=0.3``); nothing is nothing.
    usual
        Chemical symbol that takes up the rest where no metal is named.

    Returns
    -------
    Chemical symbol and composition, either may be empty.

    Raises
    ------
    InputError
        For anything else.
    """
    first, _, rest = text.strip().partition(",")
    if not first:
        return "", ""
    if re.fullmatch("[A-Za-z]{1,12}", first.strip()):
        element = symbol_of(first)
        read_composition(rest, element)
        return element, rest.strip()
    read_composition(text, usual)
    return "", text.strip()


def metal_text(settings: Settings) -> str:
    """The same as a person types it."""
    return ", ".join(filter(None, (settings.element, settings.composition)))
