"""What an option may hold; anything else is refused in one line, before any work."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable
from glob import escape, glob
from pathlib import Path
from typing import Final

from napari_atomicity.errors import InputError

#: what is longer than that is no number
_LONGEST_NUMBER: Final = 40
_MOST_ATOMS: Final = 100_000
#: sides of a simulated frame; as many pixels as the largest cameras have
_SIDES_PX: Final = (32, 16384)
_MOST_PX: Final = 8192 * 8192
_PATTERN: Final = frozenset("*?[")


def place(text: str) -> Path:
    """A file or folder; an empty name would mean the present folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("a name is empty; give a file or folder, or . for the present folder")
    if "\x00" in text:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be a name")
    return Path(text)


def name(text: str) -> str:
    """A name that is not empty."""
    if not text.strip() or "\x00" in text:
        raise argparse.ArgumentTypeError("the name is empty" if not text.strip() else f"{text!r} cannot be a name")
    return text


def files(texts: list[Path]) -> list[Path]:
    """The files that were named; ``*.tif`` stands for all of them where the shell has not replaced it."""
    named = []
    for path in texts:
        is_name = not _PATTERN & set(str(path)) or os.path.lexists(path)
        named += [path] if is_name else _matching(path) or [path]
    # a file that two patterns name is one file
    return list(dict.fromkeys(named)) if len(named) > len(texts) else named


def _matching(path: Path) -> list[Path]:
    """Files of the pattern, in order; brackets may also be part of their names, or of their folder's."""
    folder = escape(str(path.parent)) if path.parent.is_dir() else str(path.parent)
    for last in (path.name, path.name.replace("[", "[[]")):
        pattern = last if path.parent == Path() else os.path.join(folder, last)  # noqa: PTH118
        matches = sorted(Path(each) for each in glob(pattern))  # noqa: PTH207
        matching = [each for each in matches if each.is_file()]
        if matching:
            return matching
    return []


def number(low: float, high: float, allowed: str, above: bool = False) -> Callable[[str], float]:
    """A reader of finite numbers between two bounds.

    Parameters
    ----------
    low, high
        The bounds.
    allowed
        What may be given, in words.
    above
        Whether `low` itself is too low.
    """

    def read(text: str) -> float:
        try:
            value = float(text.replace(",", ".")) if len(text) <= _LONGEST_NUMBER and "_" not in text else math.nan
        except ValueError:
            value = math.nan
        if not (low < value if above else low <= value) or not value <= high or math.isinf(value):
            raise argparse.ArgumentTypeError(f"{_short(text)} is not {allowed}")
        return value

    return read


def whole(low: int, high: int, allowed: str) -> Callable[[str], int]:
    """A reader of whole numbers between two bounds.

    Parameters
    ----------
    low, high
        The bounds.
    allowed
        What may be given, in words.
    """

    def read(text: str) -> int:
        value = _whole(text)
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{_short(text)} is not {allowed}")
        return value

    return read


def sizes(text: str) -> tuple[int, ...]:
    """Numbers of atoms, with or without their element."""
    atoms = [_whole(re.sub("^[A-Za-z]{1,2}", "", part.strip())) for part in text[:1000].split(",")]
    known = tuple(size for size in atoms if size is not None and 1 <= size <= _MOST_ATOMS)
    if len(known) < len(atoms) or len(text) > 1000:
        raise argparse.ArgumentTypeError(f"{_short(text)} is not a list of atom counts such as 19,30")
    if len(set(known)) < len(known):
        raise argparse.ArgumentTypeError(f"{_short(text)} names a size twice; name each once")
    return known


def deposited(text: str) -> tuple[tuple[int, ...], tuple[float, ...], str]:
    """Sizes, where given for all of them shares, and the metal where it is named."""
    from napari_atomicity.pipeline import metal_of_deposited, read_deposited

    if not text.strip():
        raise argparse.ArgumentTypeError("no size is given; give numbers of atoms such as 19,55")
    try:
        return (*read_deposited(text), metal_of_deposited(text))
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def element(text: str) -> str:
    """The symbol of a metal, from its symbol in any case or its name; empty for none."""
    from napari_atomicity.metals import symbol_of

    try:
        return symbol_of(text) if text else ""
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def composition(text: str) -> str:
    """Atomic fractions of an alloy; the text itself, which is known to be one, or empty."""
    from napari_atomicity.metals import read_composition

    try:
        read_composition(text, "Pt")
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text.strip()


def exponent(text: str) -> tuple[float, float]:
    """Lowest and highest power of the atomic number."""
    from napari_atomicity.metals import read_exponent

    try:
        read = read_exponent(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return read.low, read.high


def expected(text: str) -> dict[int, float]:
    """Amounts from a file or as they are typed."""
    from napari_atomicity.pipeline import load_expected, read_expected

    if not text.strip():
        raise argparse.ArgumentTypeError("no ratio is given; give one such as 19:0.7,55:0.3, or a CSV")
    path = Path(text)
    is_file = len(text) < 4096 and (os.path.lexists(path) or path.suffix.lower() in (".csv", ".tsv", ".txt"))
    try:
        return load_expected(path) if is_file else read_expected(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def half_width(text: str) -> float:
    """Half the width of an interval of shares: 5% or 0.05."""
    bare = text.strip().removesuffix("%").strip()
    value = number(0, 100, "a half width such as 5% or 0.05", above=True)(bare)
    part = value / 100 if bare != text.strip() or value >= 1 else value
    if not 0.001 <= part <= 0.5:
        raise argparse.ArgumentTypeError(f"{_short(text)} is not a half width from 0.1% to 50%, such as 5%")
    return part


def reference(text: str) -> tuple[str, tuple[int, ...]]:
    """The image as it was named, and its sizes."""
    image, mark, atoms = text.rpartition("=")
    if not (mark and image and atoms):
        raise argparse.ArgumentTypeError(f"{_short(text)} does not name an image and its size, such as standard.tif=19")
    return image, sizes(atoms)


def shape(text: str) -> tuple[int, int]:
    """Height and width of a frame that can be simulated."""
    sides = [_whole(part) for part in text[:100].split(",")]
    low, high = _SIDES_PX
    if len(sides) != 2 or sides[0] is None or sides[1] is None:
        raise argparse.ArgumentTypeError(f"{_short(text)} is not a height and a width such as 1024,1024")
    height, width = sides[0], sides[1]
    if not low <= min(height, width) <= max(height, width) <= high or height * width > _MOST_PX:
        raise argparse.ArgumentTypeError(
            f"{_short(text)} is no size of a frame; each side has {low} to {high} pixels, and both at most 8192 x 8192"
        )
    return height, width


def _whole(text: str) -> int | None:
    text = text.strip()
    if len(text) > _LONGEST_NUMBER or "_" in text:
        return None
    try:
        return int(text)
    except ValueError:
        return None


def _short(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_NUMBER else f"{text[:_LONGEST_NUMBER]}…")
