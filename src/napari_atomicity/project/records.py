"""The records of a project: what it holds, each object stored once however many steps share it."""

from __future__ import annotations

import json
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.project.blobs import BlobWriter


@dataclass(frozen=True, eq=False)
class Record:
    """One entry of the table of contents.

    Attributes
    ----------
    kind, key
        List that it stands in, and its name there.
    content
        JSON.
    parts
        Parts that it refers to.
    uses
        Records that it refers to.
    """

    kind: str
    key: str
    content: Mapping[str, Any]
    parts: tuple[str, ...] = ()
    uses: tuple[Record, ...] = ()


class RecordStore:
    """What was stored already: the same object gives the same record, without looking into it again.

    Parameters
    ----------
    writer
        Where the parts go.
    home
        Folder of the project file, where it is known.
    """

    def __init__(self, writer: BlobWriter, home: Path | None = None) -> None:
        self.writer = writer
        #: folder of the project file, where it is known: images beside it are found again when both move
        self.home = home
        self._known: weakref.WeakKeyDictionary[Any, Record] = weakref.WeakKeyDictionary()
        self._numbers: Counter[str] = Counter()

    def record_of(self, value: Any, make: Callable[[RecordStore, Any], Record]) -> Record:
        """The record of an object, made at the first time.

        Parameters
        ----------
        value
            The object.
        make
            Makes the record; called with this store and the object.
        """
        record = self._known.get(value)
        if record is None:
            record = self._known[value] = make(self, value)
        return record

    def known(self, value: Any) -> Record | None:
        """The record of `value` where it was stored before."""
        return self._known.get(value)

    def add(
        self, kind: str, content: Mapping[str, Any], parts: Iterable[str] = (), uses: Iterable[Record | None] = ()
    ) -> Record:
        """A new record with a key of its own.

        Parameters
        ----------
        kind
            List of the table of contents that it stands in.
        content
            JSON.
        parts
            Names of the parts that it refers to.
        uses
            Records that it refers to; None is passed over.
        """
        self._numbers[kind] += 1
        used = tuple(record for record in uses if record is not None)
        return Record(kind, f"{kind.rstrip('s')}{self._numbers[kind]}", content, tuple(parts), used)

    def forget_all_but(self, records: Iterable[Record]) -> None:
        """What the project no longer refers to would have to be stored again."""
        kept = set(records)
        for value, record in list(self._known.items()):
            if record not in kept:
                del self._known[value]

    # ------------------------------------------------------------------ parts

    def array(self, folder: str, values: npt.NDArray[Any]) -> str:
        """Store an array as a NumPy file.

        Parameters
        ----------
        folder
            Of the part.
        values
            Numbers of any shape.

        Returns
        -------
        The name of the part.
        """
        buffer = BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(values), allow_pickle=False)
        return self.writer.put(folder, buffer.getvalue(), ".npy")

    def text(self, folder: str, text: str, suffix: str) -> str:
        """Store a text.

        Parameters
        ----------
        folder
            Of the part.
        text
            Its content.
        suffix
            Of the part, with its dot.

        Returns
        -------
        The name of the part.
        """
        return self.writer.put(folder, text.encode(), suffix)

    def json(self, folder: str, content: Any) -> str:
        """Store JSON.

        Parameters
        ----------
        folder
            Of the part.
        content
            What JSON can hold.

        Returns
        -------
        The name of the part.
        """
        return self.text(folder, as_json(content), ".json")


def reached(roots: Iterable[Record]) -> list[Record]:
    """The `roots` and all that they refer to, each once."""
    seen: dict[Record, None] = {}
    waiting = list(roots)
    while waiting:
        record = waiting.pop()
        if record not in seen:
            seen[record] = None
            waiting.extend(record.uses)
    return list(seen)


def as_json(content: Any) -> str:
    """JSON for people: indented, numbers with all their digits, never ``NaN``."""
    return json.dumps(plain(content), indent=1, ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """`value` as JSON knows it; numbers that are none become null, what it does not know its text."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    # a name that is not UTF-8 holds halves of characters, which no file can
    return str(value).encode(errors="replace").decode()
