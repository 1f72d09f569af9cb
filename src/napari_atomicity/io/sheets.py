"""Tables of people: text as spreadsheets, instruments and editors of any country write it."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_atomicity.errors import InputError
from napari_atomicity.io.files import existing_file

#: a table of a hundred thousand clusters takes some 30 MB
_MOST_BYTES: Final = 256_000_000
_MARKS: Final[Sequence[tuple[bytes, str]]] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: what may part the cells, the likelier first where several would do
_SEPARATORS: Final = ("\t", ";", "|", ",")
#: how Excel names the separator in the first line
_SEP: Final = re.compile(r'"?sep=(.)"?[;,|\t ]*\r?', re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f]")
#: rows in which the heading is looked for, and that show how the cells are parted
_HEAD: Final = 40
#: numbers in a row above the heading that make it a row of data
_NUMBERS: Final = 3
_NUMBER_LIKE: Final = re.compile(r"[-+]?[0-9][0-9.,]*(?:[eE][-+]?[0-9]+)?$")
#: spaces, and the apostrophe of Switzerland, that part thousands
_GROUP: Final = re.compile("(?<=[0-9])[ \u00a0\u2009\u202f'\u2019](?=[0-9]{3}(?![0-9]))")
#: signs with which a cell becomes a formula when a spreadsheet opens it, also as wide letters of Japanese and Chinese
_FORMULA: Final = frozenset("=+-@\t\r\n＝＋－＠")
_LONGEST_NUMBER: Final = 80
_MISSING: Final = frozenset({"", "nan", "na", "n/a", "#n/a", "null", "none", "-", "–"})


@dataclass(frozen=True)
class Sheet:
    """Cells of a table, without the blank rows and columns around them.

    Attributes
    ----------
    heading
        Names of the columns as they stand there; empty where there are none.
    rows
        Cells below the heading, without spaces around them, all as long as the longest.
    lines
        Which row of the file each of them is, counted from 1.
    separator
        What parts the cells.
    lengths
        Cells that each row has in the file; some programs leave out empty ones at its end.
    width
        Cells that the heading has in the file.
    ended
        Whether the last row has its end; a file that was cut has none.
    """

    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    separator: str
    lengths: tuple[int, ...] = ()
    width: int = 0
    ended: bool = True

    def column(self, at: int) -> list[str]:
        """All cells of a column."""
        return [row[at] for row in self.rows]


def content_of(path: str | Path, advice: str) -> bytes:
    """The bytes of a file that may be a table.

    Parameters
    ----------
    path
        The file.
    advice
        What to do where it is far too large; ends the message.

    Raises
    ------
    InputError
        Where it is missing, cannot be read, or is too large for a table.
    """
    path = existing_file(path)
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise InputError(f"{path.name} is too large for a table ({size / 1e6:.0f} MB); {advice}.")
    return path.read_bytes()


def text_of(content: bytes, name: str, advice: str) -> str:
    """The text of a file: UTF-8 or UTF-16 with or without a mark, else one byte a character as Windows has it.

    Parameters
    ----------
    content
        The bytes of the file.
    name, advice
        Of the file, and what to do where it is no text, for the `InputError` that is raised then.

    Raises
    ------
    InputError
        Where it is no text.
    """
    text = decoded(content)
    if _CONTROL.search(text) or (text and not any(" " < character <= "~" for character in text[:2000])):
        raise InputError(f"{name} is not a text file; {advice}.")
    return text


def decoded(content: bytes) -> str:
    """`content` as text in the encoding that it seems to have."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None) or _utf16_without_mark(content)
    for name in (encoding, "utf-8", "cp1252"):
        try:
            if name is not None:
                return content.decode(name).rstrip("\x1a")
        except UnicodeError:
            continue
    return content.decode("latin-1")


def _utf16_without_mark(content: bytes) -> str | None:
    """Every other byte of plain text in UTF-16 is zero."""
    start = content[:4000]
    high, low = start[1::2].count(0), start[0::2].count(0)
    if 2 * max(high, low) < 0.6 * len(start) or min(high, low):
        return None
    return "utf-16-le" if high else "utf-16-be"


def sheet_of(text: str, name: str, known: Callable[[Sequence[str]], int]) -> Sheet:
    """The table in a text, however its cells are parted, whatever stands above it.

    Parameters
    ----------
    text
        The content of the file.
    name
        Of the file, for messages.
    known
        How many of some cells are names of columns; the row with the most is the heading.

    Raises
    ------
    InputError
        Where a quotation mark is not closed.
    """
    text = text.removeprefix("\ufeff")
    first, _, rest = text.partition("\n")
    told = _SEP.fullmatch(first)
    text = rest if told else text
    separator = told[1] if told else _separator(text, name, known)
    rows = _records(text, separator, name)
    filled = [(line, row, n) for line, (row, n) in enumerate(rows, start=1) if any(row)]
    head = max(range(min(len(filled), _HEAD)), key=lambda at: (known(filled[at][1]), -at), default=0)
    headed = bool(filled) and known(filled[head][1]) > 0
    if not headed:  # lines of a title above a table without a heading
        head = next((at for at, (_, row, _) in enumerate(filled) if sum(map(bool, row)) > 1), 0)
    filled = [*filled[head : head + 1], *_sorted_above(filled, head), *filled[head + 1 :]] if headed else filled[head:]
    width = max((len(row) for _, row, _ in filled), default=0)
    cells = [(*row, *[""] * (width - len(row))) for _, row, _ in filled]
    kept = [at for at in range(width) if any(row[at] for row in cells)]
    cells = [tuple(row[at] for at in kept) for row in cells]
    lengths = [sum(at < n for at in kept) for _, _, n in filled]
    return Sheet(
        heading=cells[0] if headed else (),
        rows=tuple(cells[headed:]),
        lines=tuple(line for line, _, _ in filled[headed:]),
        separator=separator,
        lengths=tuple(lengths[headed:]),
        width=lengths[0] if headed else 0,
        ended=text.endswith(("\n", "\r")),
    )


def _sorted_above(filled: list[tuple[int, list[str], int]], head: int) -> list[tuple[int, list[str], int]]:
    """Rows of data above the heading, where a spreadsheet was sorted with its heading: a title has fewer numbers."""
    return [row for row in filled[:head] if sum(_NUMBER_LIKE.match(cell) is not None for cell in row[1]) >= _NUMBERS]


def _records(text: str, separator: str, name: str, most: int | None = None) -> list[tuple[list[str], int]]:
    """Cells on one line, without the spaces around them, and how many there are, row by row."""
    blank = separator == " "
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=blank)
    records: list[tuple[list[str], int]] = []
    try:
        for row in reader:
            cells = [" ".join(cell.split()) if "\n" in cell or "\r" in cell else cell.strip() for cell in row]
            records.append((cells, len(cells)))
            if most is not None and len(records) >= most:
                break
    except csv.Error as error:
        raise InputError(
            f"{name}, row {len(records) + 1}: a cell is too long to be one (over 131,072 characters); "
            "is a quotation mark not closed?"
        ) from error
    return records


def _separator(text: str, name: str, known: Callable[[Sequence[str]], int]) -> str:
    """What parts the cells: what makes most of the heading, else most rows of one length."""

    def score(separator: str) -> tuple[int, int]:
        try:
            rows = [row for row, _ in _records(text, separator, name, _HEAD) if any(row)]
        except InputError:
            return 0, 0
        lengths = Counter(len(row) for row in rows if len(row) > 1)
        return max(map(known, rows), default=0), max(lengths.values(), default=0)

    scores = {each: score(each) for each in (*_SEPARATORS, " ")}
    best = max(scores[each] for each in _SEPARATORS)
    if best[1] == 0 and scores[" "][1]:
        return " "
    return next(each for each in _SEPARATORS if scores[each] == best) if best[1] else ","


# ---------------------------------------------------------------------- numbers


def decimal_mark(cells: Iterable[str], separator: str) -> str:
    """What parts the decimals in the cells, as most of those that can only be meant one way say it.

    Parameters
    ----------
    cells
        Numbers as they are written.
    separator
        What parts the cells; where it is a comma, a lone comma is no decimal mark.

    Returns
    -------
    A point or a comma.
    """
    votes: Counter[str] = Counter()
    lone = 0
    for cell in cells:
        points, commas = cell.count("."), cell.count(",")
        if points and commas:
            votes["." if cell.rfind(".") > cell.rfind(",") else ","] += 1
        elif points > 1 or commas > 1:
            votes["," if points else "."] += 1
        elif points or commas:
            mark = "." if points else ","
            votes[mark] += not _is_group(cell, mark)
            lone += mark == ","
    if votes["."] != votes[","]:
        return "." if votes["."] > votes[","] else ","
    return "," if lone and separator != "," else "."


def number(cell: str, decimal: str) -> float | None:
    """The number in a cell; nan for one that is missing, None where it is none.

    Parameters
    ----------
    cell
        As it is written.
    decimal
        What parts the decimals.
    """
    if len(cell) > _LONGEST_NUMBER or "_" in cell:
        return None
    if decimal == "." and cell:
        try:  # nearly all cells, and there may be a million
            return float(cell)
        except ValueError:
            pass
    text = cell.strip().removeprefix("'").replace("−", "-")
    if text.casefold() in _MISSING:
        return math.nan
    text = _GROUP.sub("", text)
    points, commas = text.count("."), text.count(",")
    if points and commas:
        thousands = "," if text.rfind(".") > text.rfind(",") else "."
    elif max(points, commas) > 1:
        thousands = "." if points else ","
    else:
        # a lone mark that is not the decimal one parts thousands only where three digits follow
        other = "," if decimal == "." else "."
        thousands = other if _is_group(text, other) else ""
    if thousands:
        whole, mark, rest = text.partition("." if thousands == "," else ",")
        first, *groups = whole.split(thousands)
        if not 0 < len(first.lstrip("+-")) <= 3 or any(len(group) != 3 for group in groups):
            return None
        text = f"{first}{''.join(groups)}{mark}{rest}"
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def _is_group(text: str, mark: str) -> bool:
    """Whether the only `mark` of a number may part its thousands: ``1,234`` and not ``0,234`` or ``1,23``."""
    whole, _, rest = text.strip().lstrip("+-").partition(mark)
    return len(rest) == 3 and rest.isdecimal() and whole.isdecimal() and len(whole) <= 3 and whole[0] != "0"


# ---------------------------------------------------------------------- cells that a spreadsheet would run


def quoted(cell: str) -> str:
    """`cell` in a form that a spreadsheet shows and does not run as a formula; see `unquoted`."""
    return f"'{cell}" if cell.lstrip("'")[:1] in _FORMULA else cell


def unquoted(cell: str) -> str:
    """The text that `quoted` made into `cell`."""
    return cell[1:] if cell[:1] == "'" and cell.lstrip("'")[:1] in _FORMULA else cell
