"""A table of clusters after people and spreadsheets had it: read by its heading, as far as it can be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import (
    FLAGS,
    NO_TRACK,
    OTHER,
    OTHER_PROBABILITY,
    TEXTS,
    WHOLE_NUMBERS,
    ClusterTable,
    class_size,
    class_sizes_of,
    columns,
    probability_column,
)
from napari_atomicity.errors import InputError
from napari_atomicity.io.sheets import Sheet, decimal_mark, number, unquoted
from napari_atomicity.io.table_metadata import MOST_ID, TableMetadata, belongs

Floats = npt.NDArray[np.float64]

#: what a program may leave out at the end of a row where it is empty
_MAY_END: Final = frozenset({"annotation", "source"})
#: a class as a person types it: Pt55, pt 55, 55, 55.0
_CLASS: Final = re.compile(r"([A-Za-z]{0,2}) ?([0-9]{1,6})(?:[.,]0+)?")
_LONGEST_TEXT: Final = 200
#: farther from the corner, in pixels, lies no cluster
_FARTHEST_PX: Final = 1e6
_MOST_FRAMES: Final = 10**7


@dataclass(frozen=True)
class ReadTable:
    """A table, the facts that belong to it, and what a person should hear of the rest.

    Attributes
    ----------
    table
        The clusters.
    facts
        As they were written with it, as far as they belong to it.
    remarks
        Sentences.
    is_as_written
        Whether nobody changed it since this program wrote it.
    extra
        Headings of columns that are not of a table of clusters.
    """

    table: ClusterTable
    facts: dict[str, Any]
    remarks: tuple[str, ...] = ()
    is_as_written: bool = False
    extra: tuple[str, ...] = ()


def word(heading: str) -> str:
    """The name of a column under that heading, however it is written: ``Y_px``, `` y px``, ``"y-px"``."""
    return re.sub(r"[^a-z0-9]+", "_", heading.casefold()).strip("_")


def known(cells: Sequence[str]) -> int:
    """How many of the cells are headings of a table of clusters; 0 where they are too few for one."""
    words = {word(cell) for cell in cells if len(cell) < _LONGEST_TEXT}
    n = sum(each in _NAMES or class_size(each) is not None for each in words)
    return n if n > 1 else 0


_NAMES: Final = frozenset({*columns(()), OTHER_PROBABILITY})


def table_of_sheet(sheet: Sheet, name: str, facts: Sequence[Mapping[str, Any]]) -> ReadTable:
    """The table of clusters in a sheet.

    Parameters
    ----------
    sheet
        The cells as text.
    name
        Of the file, for messages.
    facts
        Contents of files beside tables that may belong to this one, the likeliest first.

    Returns
    -------
    The clusters in the order of the rows, and the facts that do belong to them.

    Raises
    ------
    InputError
        Where it is none, or a cell of it cannot be what its column says, naming row and column.
    """
    cells, extra = _columns(sheet, name)
    marks = [cell for heading, column in cells.items() if heading not in TEXTS for cell in column]
    reader = _Reader(name, cells, sheet.lines, decimal_mark(marks, sheet.separator))
    ids = reader.whole("id", MOST_ID) if "id" in cells else np.arange(len(sheet.rows), dtype=np.int64)
    if len(np.unique(ids)) < len(ids):
        raise InputError(f"{name} holds the same id twice; every cluster needs an id of its own.")
    own_facts, remarks = _own_facts(facts, ids, reader, name)
    metadata = TableMetadata.of(own_facts)
    y_px, x_px = (reader.place(axis, metadata.pixel_size_nm) for axis in "yx")
    if "frame" not in cells and metadata.frames > 1:
        raise InputError(f"{name} is not a cluster table: the column frame of a stack is missing.")
    sizes = _class_sizes(cells, metadata)
    values: dict[str, Any] = {"id": ids, "y_px": y_px, "x_px": x_px}
    for column in columns(sizes):
        if column in values or column not in cells:
            continue
        if column in WHOLE_NUMBERS:
            values[column] = (
                reader.whole(column, MOST_ID, NO_TRACK, NO_TRACK)
                if column == "track"
                else reader.whole(column, _MOST_FRAMES, 0)
            )
        else:
            values[column] = reader.text(column, metadata) if column in TEXTS else reader.numbers(column)
    if metadata.pixel_size_nm is not None:
        values.setdefault("y_nm", y_px * metadata.pixel_size_nm)
        values.setdefault("x_nm", x_px * metadata.pixel_size_nm)
    table = ClusterTable.from_columns(values, sizes)
    # without ids nothing tells which clusters a person placed
    table = metadata.identify(table) if "id" in cells else table
    return ReadTable(table, own_facts, remarks, False, extra)


def _columns(sheet: Sheet, name: str) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """Cells of our columns by name, and the headings of the others."""
    places: dict[str, int] = {}
    extra = []
    for at, heading in enumerate(sheet.heading):
        column = _column_name(word(heading))
        if column is None:
            extra.append(heading or f"column {at + 1}")
        elif column in places:
            raise InputError(f"{name} has the column {column} twice; remove one of them.")
        else:
            places[column] = at
    has_place = [{"y_px", "x_px"} <= set(places), {"y_nm", "x_nm"} <= set(places)]
    if not any(has_place) or not set(places) & {"id", "annotation", "label"}:
        missing = [each for each in ("id", "y_px", "x_px") if each not in places]
        raise InputError(f"{name} is not a cluster table: the column {', '.join(missing)} is missing.")
    _check_lengths(sheet, name, places)
    return {column: sheet.column(at) for column, at in places.items()}, tuple(extra)


def _check_lengths(sheet: Sheet, name: str, places: Mapping[str, int]) -> None:
    """Raise where cells are missing from a row, or a decimal comma made two cells of one."""
    for at, (line, length, row) in enumerate(zip(sheet.lines, sheet.lengths, sheet.rows, strict=True)):
        lacking = {column for column, place in places.items() if place >= length}
        is_cut = at + 1 == len(sheet.rows) and not sheet.ended and lacking
        if is_cut or lacking - _MAY_END or any(row[sheet.width :]):
            raise InputError(f"{name} is damaged: row {line} is not as long as its heading.")
    for at, heading in enumerate(sheet.heading):
        # a note beside the table has no heading either, but it is not in every row
        if not heading and 2 * sum(map(bool, sheet.column(at))) > len(sheet.rows) > 1:
            raise InputError(f"{name} is damaged: column {at + 1} has no heading, so its cells may have slipped.")


def _column_name(heading: str) -> str | None:
    size = class_size(heading)
    if size is not None:
        return probability_column(size)
    return heading if heading in _NAMES else None


def _own_facts(
    facts: Sequence[Mapping[str, Any]], ids: npt.NDArray[np.int64], reader: _Reader, name: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The facts that belong to these clusters, and a remark where some are there that do not."""
    for candidate in facts:
        try:
            places = np.column_stack([reader.place(axis, TableMetadata.of(candidate).pixel_size_nm) for axis in "yx"])
        except _NoPixelSize:
            continue
        if belongs(candidate, ids if "id" in reader.cells else np.arange(0), places):
            return dict(candidate), ()
    if not facts:
        return {}, ()
    return {}, (f"What is written beside {name} belongs to another table, so it is not used.",)


def _class_sizes(cells: Mapping[str, Any], metadata: TableMetadata) -> tuple[int, ...]:
    """Of the model that predicted; columns of some classes may have been removed."""
    named = set(class_sizes_of(cells))
    if named and metadata.class_sizes is not None and named <= set(metadata.class_sizes):
        return metadata.class_sizes
    return tuple(sorted(named - {0}))


class _NoPixelSize(InputError):
    """Places are in nm alone, and nothing says how many pixels that is."""


@dataclass(frozen=True)
class _Reader:
    """Columns of a file as values; a cell that cannot be one is named."""

    name: str
    cells: Mapping[str, list[str]]
    lines: Sequence[int]
    decimal: str

    def numbers(self, column: str) -> Floats:
        """Of a column; nan where a cell is empty."""
        values = [number(cell, self.decimal) for cell in self.cells[column]]
        for row, value in enumerate(values):
            if value is None:
                raise self._wrong(row, column, "is no number")
        return np.array(values, dtype=np.float64)

    def whole(self, column: str, most: int, missing: int | None = None, least: int = 0) -> npt.NDArray[np.int64]:
        """Whole numbers from `least` to `most`."""
        values = self.numbers(column)
        if missing is not None:
            values = np.where(np.isnan(values), missing, values)
        bad = ~((values >= least) & (values <= most) & (values == np.floor(values)))
        if bad.any():
            raise self._wrong(int(bad.argmax()), column, "is no whole number as it has to be")
        return values.astype(np.int64)

    def place(self, axis: str, pixel_size_nm: float | None) -> Floats:
        """Centres along an axis in pixels, inside of any image."""
        column = f"{axis}_px" if f"{axis}_px" in self.cells else f"{axis}_nm"
        values = self.numbers(column)
        if column.endswith("_nm"):
            if pixel_size_nm is None:
                raise _NoPixelSize(
                    f"{self.name} holds places in nm alone, and the size of a pixel is not known; "
                    "bring the columns y_px and x_px back."
                )
            values = values / pixel_size_nm
        bad = ~(np.abs(values) < _FARTHEST_PX)
        if bad.any():
            raise self._wrong(
                int(bad.argmax()), column, "is no place in an image (a spreadsheet may have lost its decimal mark)"
            )
        return values

    def text(self, column: str, metadata: TableMetadata) -> npt.NDArray[np.object_]:
        """Texts of a column, labels as the program writes them."""
        texts = [" ".join(unquoted(cell).split()) for cell in self.cells[column]]
        for row, cell in enumerate(texts):
            if len(cell) > _LONGEST_TEXT:
                raise self._wrong(row, column, "is too long for a label")
        if column == "flag":
            texts = [cell.casefold() or "ok" for cell in texts]
            wrong = next((row for row, cell in enumerate(texts) if cell not in FLAGS), None)
            if wrong is not None:
                raise self._wrong(wrong, column, f"is not one of {', '.join(FLAGS)}")
        if column == "annotation":
            element = metadata.element or self._element()
            texts = [as_label(cell, element) for cell in texts]
        return np.array(texts, dtype=object)

    def _element(self) -> str:
        """Of the labels that are there; Pt where there are none."""
        for column in ("label", "annotation"):
            for cell in self.cells.get(column, ()):
                match = _CLASS.fullmatch(cell)
                if match and match[1]:
                    return match[1].capitalize()
        return "Pt"

    def _wrong(self, row: int, column: str, why: str) -> InputError:
        cell = self.cells[column][row]
        shown = cell if len(cell) < 40 else f"{cell[:40]}…"
        return InputError(f"{self.name} is damaged: in row {self.lines[row]}, {column}, {shown!r} {why}.")


def as_label(text: str, element: str) -> str:
    """A label that a person typed as the program writes it: ``pt 55`` and ``55`` are Pt55; other texts stay.

    Parameters
    ----------
    text
        As it was typed.
    element
        Chemical symbol that stands before a number without one.

    Returns
    -------
    The label; `text` itself where it names no class.
    """
    match = _CLASS.fullmatch(text)
    if match is not None:
        return f"{(match[1] or element).capitalize()}{int(match[2])}"
    return OTHER if text.casefold() == OTHER else text
