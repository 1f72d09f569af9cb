"""Chemical elements: their symbols, their atomic numbers, and the names of the metals that clusters are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from napari_atomicity.errors import InputError
from napari_atomicity.kinds import SYMBOLS

#: English names of the metals that are deposited as clusters
NAMES: Final[dict[str, str]] = {
    "Pt": "platinum", "Au": "gold", "Ag": "silver", "Pd": "palladium", "Cu": "copper", "Ni": "nickel", "Co": "cobalt",
    "Fe": "iron", "Ru": "ruthenium", "Rh": "rhodium", "Ir": "iridium", "Os": "osmium", "Re": "rhenium",
    "W": "tungsten", "Mo": "molybdenum", "Ta": "tantalum", "Nb": "niobium", "Ti": "titanium", "Zn": "zinc",
}  # fmt: skip
#: a cluster as people write it: its metal and a number of atoms, nothing before or behind that belongs to a word
_CLUSTER: Final = re.compile(
    rf"(?<![A-Za-z0-9])({'|'.join(sorted(NAMES, key=len, reverse=True))})_?[1-9][0-9]{{0,3}}(?![0-9A-Za-z.])"
)
_WORD: Final = re.compile(rf"\b({'|'.join(NAMES.values())})\b", re.IGNORECASE)
_SYMBOL_OF: Final = {name: symbol for symbol, name in NAMES.items()}
#: no text that names a metal is longer
_LONGEST: Final = 200


def atomic_number(symbol: str) -> int:
    """The number of protons of an element.

    Raises
    ------
    InputError
        For what is no chemical symbol.
    """
    if symbol not in SYMBOLS:
        shown = symbol if len(symbol) <= 20 else f"{symbol[:20]}…"
        raise InputError(f"There is no element {shown!r}; give a chemical symbol such as Au.")
    return SYMBOLS.index(symbol) + 1


def symbol_of(text: str) -> str:
    """The symbol of an element that a person typed as its symbol in any case, or as its English name.

    Raises
    ------
    InputError
        For what is neither.
    """
    typed = text.strip()
    named = _SYMBOL_OF.get(typed.casefold(), typed[:1].upper() + typed[1:].lower())
    atomic_number(named)
    return named


def metal_named_in(texts: Iterable[str], free: bool = False) -> str:
    """The one metal that texts about an image speak of.

    Parameters
    ----------
    texts
        Titles and names: a cluster with its size, such as ``Au55``, names its metal.
    free
        Whether the English name of a metal, such as ``gold``, names it as well: true of what describes a sample, not of
        the name of a file, for grids are made of gold, too.

    Returns
    -------
    Its symbol; empty where none is named, or several are.
    """
    found: set[str] = set()
    for text in texts:
        if len(text) > _LONGEST:
            continue
        found |= {match[1] for match in _CLUSTER.finditer(text.replace("_", " "))}
        if free:
            found |= {_SYMBOL_OF[match[1].casefold()] for match in _WORD.finditer(text)}
    return found.pop() if len(found) == 1 else ""
