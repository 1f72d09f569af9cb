"""What the parts of the fuzzer hand to each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

#: name in the folder of the case -> content; the first one is opened
Files = dict[str, bytes]
#: where a number lies in the first file, and its form for `struct`
Field = tuple[int, str]


@dataclass(frozen=True)
class Good:
    """One whole input.

    Attributes
    ----------
    files
        The one that is opened comes first.
    door
        Which door takes it, see `doors`.
    fields
        Lengths, sizes, offsets and counts in the first file, where they are known.
    """

    files: Files
    door: str = "image"
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Step:
    """One change, named; `change` gives the files as they are after it."""

    name: str
    change: Callable[[Random, Files], Files]


@dataclass(frozen=True)
class Case:
    """What is put before a door.

    Attributes
    ----------
    files
        The one that is opened comes first.
    story
        What was done to make them.
    labels
        By id, what a person had written, where none of it may be lost: another answer than these or a refusal is
        a fault.
    good
        Nothing was done to it: a refusal is a fault.
    """

    door: str
    files: Files
    story: tuple[str, ...]
    labels: Mapping[int, str] = field(default_factory=dict)
    good: bool = False


#: beside the files of a kept case: how it ended
OUTCOME = "outcome.json"


def kept(folder: Path) -> Case:
    """The case that an earlier run kept in `folder`."""
    told = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
    files = {name: (folder / name).read_bytes() for name in told["files"]}
    labels = {int(key): value for key, value in told["labels"].items()}
    return Case(told["door"], files, tuple(told["story"]), labels, told["good"])


def first(files: Files) -> tuple[str, bytes]:
    """Name and content of the file that is opened."""
    return next(iter(files.items()))


def with_first(files: Files, content: bytes) -> Files:
    """The files, with another content of the one that is opened."""
    return {**files, first(files)[0]: content}
