"""Things that a project holds, each stored once however many steps share it."""

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
        Things that it refers to.
    """

    kind: str
    key: str
    content: Mapping[str, Any]
    parts: tuple[str, ...] = ()
    uses: tuple[Record, ...] = ()


class RecordStore:
    """What was stored already: the same object gives the same thing, without looking into it again."""

    def __init__(self, sink: BlobWriter, home: Path | None = None) -> None:
        self.sink = sink
        #: folder of the project file, where it is known: images beside it are found again when both move
        self.home = home
        self._known: weakref.WeakKeyDictionary[Any, Record] = weakref.WeakKeyDictionary()
        self._numbers: Counter[str] = Counter()

    def store(self, value: Any, make: Callable[[RecordStore, Any], Record]) -> Record:
        """The thing of `value`, made at the first time."""
        thing = self._known.get(value)
        if thing is None:
            thing = self._known[value] = make(self, value)
        return thing

    def known(self, value: Any) -> Record | None:
        """The thing of `value` where it was stored before."""
        return self._known.get(value)

    def thing(
        self, kind: str, content: Mapping[str, Any], parts: Iterable[str] = (), uses: Iterable[Record | None] = ()
    ) -> Record:
        """A new entry with a name of its own."""
        self._numbers[kind] += 1
        used = tuple(one for one in uses if one is not None)
        return Record(kind, f"{kind.rstrip('s')}{self._numbers[kind]}", content, tuple(parts), used)

    def forget_all_but(self, things: Iterable[Record]) -> None:
        """What the project no longer refers to would have to be stored again."""
        kept = set(things)
        for value, thing in list(self._known.items()):
            if thing not in kept:
                del self._known[value]

    # ------------------------------------------------------------------ parts

    def array(self, folder: str, values: npt.NDArray[Any]) -> str:
        """An array as a NumPy file; gives the name of the part."""
        buffer = BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(values), allow_pickle=False)
        return self.sink.put(folder, buffer.getvalue(), ".npy")

    def text(self, folder: str, text: str, suffix: str) -> str:
        """A text; gives the name of the part."""
        return self.sink.put(folder, text.encode(), suffix)

    def json(self, folder: str, content: Any) -> str:
        """JSON; gives the name of the part."""
        return self.text(folder, as_json(content), ".json")


def reached(roots: Iterable[Record]) -> list[Record]:
    """The `roots` and all that they refer to, each once."""
    seen: dict[Record, None] = {}
    waiting = list(roots)
    while waiting:
        thing = waiting.pop()
        if thing not in seen:
            seen[thing] = None
            waiting.extend(thing.uses)
    return list(seen)


def key_of(thing: Record | None) -> str | None:
    """How other things refer to it."""
    return None if thing is None else thing.key


def as_json(content: Any) -> str:
    """JSON for people: indented, numbers with all their digits, never ``NaN``."""
    return json.dumps(plain(content), indent=1, ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """`value` as JSON knows it; numbers that are none become null, what it does not know its text."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
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
