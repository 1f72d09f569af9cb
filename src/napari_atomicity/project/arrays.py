"""Arrays and small tables out of the parts of a project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO, StringIO
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.errors import InputError
from napari_atomicity.project.blobs import BlobReader
from napari_atomicity.project.layout import FrameEntry, Number

#: cells of a table; a frame has some thousand clusters with some twenty numbers
_MOST_CELLS: Final = 4_000_000
_MOST_COLUMNS: Final = 1000
_HEADER: Final = 2**14


def array_of(source: BlobReader, name: str) -> npt.NDArray[Any]:
    """The array in a part: numbers alone, and as many as its header says.

    Parameters
    ----------
    source
        The parts of the project.
    name
        Of the part.

    Raises
    ------
    InputError
        Where the part is missing or damaged.
    """
    content = source.read(name)
    try:
        shape, in_columns, dtype, start = _header(bytes(content[:_HEADER]))
        count = int(np.prod([int(n) for n in shape], dtype=object))
        if dtype.kind not in "biuf" or min(shape, default=1) < 0 or len(content) - start != count * dtype.itemsize:
            raise ValueError(dtype)
        values = np.frombuffer(content, dtype, count, start) if count else np.empty(0, dtype)
        values = values.reshape(shape, order="F" if in_columns else "C")
        return values if dtype.isnative and values.flags.aligned else values.astype(dtype.newbyteorder("="))
    except Exception as error:  # what a damaged header leads to in NumPy has no end of kinds
        raise InputError(f"{source.path.name} is damaged: {name} in it is not an array of numbers.") from error


def _header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    file = BytesIO(head)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(version)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, in_columns, dtype = read(file)
    return shape, in_columns, dtype, file.tell()


def text_of(source: BlobReader, name: str) -> str:
    """The text of a part that is a table; no larger than a table can be.

    Parameters
    ----------
    source
        The parts of the project.
    name
        Of the part.

    Raises
    ------
    InputError
        Where the part is missing or damaged.
    """
    content = source.read(name)
    columns = content.partition(b"\n")[0].count(b",")
    if columns > _MOST_COLUMNS or content.count(b",") + content.count(b"\n") > _MOST_CELLS:
        raise InputError(f"{source.path.name}: the table {name} in it is far larger than any of ours; it is not read.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{source.path.name} is damaged: {name} in it is not text.") from error


def csv_of(source: BlobReader, name: str) -> pd.DataFrame:
    """The table in a part, all of it as text.

    Parameters
    ----------
    source
        The parts of the project.
    name
        Of the part.

    Raises
    ------
    InputError
        Where the part is missing or damaged.
    """
    try:
        return pd.read_csv(StringIO(text_of(source, name)), dtype=str, keep_default_na=False)
    except (ValueError, OverflowError, MemoryError) as error:
        raise InputError(f"{source.path.name} is damaged: {name} in it is not a table.") from error


def frame_of(entry: FrameEntry, source: BlobReader) -> pd.DataFrame:
    """A small table with columns of the types that its entry says.

    Parameters
    ----------
    entry
        Of the table.
    source
        The parts of the project.

    Raises
    ------
    InputError
        Where its part is missing or damaged.
    """
    rows = csv_of(source, entry.rows)
    read: Mapping[str, Callable[[pd.Series[Any]], npt.NDArray[Any]]] = {
        "number": floats,
        "integer": lambda column: np.array([int(value) for value in column], dtype=np.int64),
        "boolean": lambda column: np.array([value == "True" for value in column], dtype=bool),
        "text": lambda column: column.to_numpy(dtype=object),
    }
    values = {name: read[kind](rows[name]) for name, kind in entry.types.items()}
    return pd.DataFrame({name: pd.Series(column, dtype=column.dtype) for name, column in values.items()})


def floats(column: pd.Series[Any]) -> npt.NDArray[np.float64]:
    """Numbers of a column of text; nan where it is empty."""
    return np.array([number(float(value) if value != "" else None) for value in column], dtype=np.float64)


def number(value: Number) -> float:
    """A number that JSON could not write is nan."""
    return float("nan") if value is None else value
