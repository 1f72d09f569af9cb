"""What decides the numbers of a dataset, what is still to be measured, and in which pieces."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from napari_atomicity import __version__
from napari_atomicity.dataset.sources import Item
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline.settings import Settings

#: images of one piece of work; towards the end less, so that no worker waits long for the last one
MOST_AT_A_TIME: Final = 200
_LEAST_AT_A_TIME: Final = 4
_PIECES_A_WORKER: Final = 4


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the numbers of an image besides its file.

    Attributes
    ----------
    settings
        Of search and count; an image may have a pixel size and deposited sizes of its own.
    model_sha256
        Hash of the weights.
    classes
        Atoms of each class of the model.
    session_by
        As in `sources.items_of`.
    image
        Which image of files with several; the likeliest where None.
    """

    settings: Settings
    model_sha256: str
    classes: tuple[int, ...]
    session_by: str = "none"
    image: int | None = None

    @property
    def has_sessions(self) -> bool:
        """Whether images calibrate each other; a scale that is given is taken as it is."""
        return self.session_by != "none" and self.settings.intensity_per_atom is None

    @property
    def facts(self) -> dict[str, Any]:
        """The same for a file, but for the path of the model: its hash says which it is."""
        settings = {**asdict(self.settings), "model": Path(self.settings.model).stem}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
        return {
            "settings": plain,
            "model_sha256": self.model_sha256,
            "classes": list(self.classes),
            "session_by": self.session_by,
            "image": self.image,
        }

    def of(self, item: Item) -> Settings:
        """The settings of one image."""
        from napari_atomicity.pipeline.settings import read_deposited

        sizes, shares = read_deposited(item.deposited)
        return replace(self.settings, deposited=sizes, fractions=shares) if sizes else self.settings

    def key(self, sha256: str, item: Item, pixel_size_nm: float | None, frame: int) -> str:
        """What the numbers of one image follow from: the same key, the same numbers.

        Parameters
        ----------
        sha256
            Hash of the file.
        item
            The image.
        pixel_size_nm
            The pixel size that counts.
        frame
            Which frame of a stack.
        """
        facts = [self.facts, __version__, sha256, item.deposited, pixel_size_nm, frame]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Shard:
    """The part of a batch that one of several independent calls does: number `number` of `of`, from 1."""

    number: int
    of: int

    @classmethod
    def read(cls, text: str) -> Shard:
        """From ``3/16``.

        Raises
        ------
        InputError
            For anything else.
        """
        number, slash, of = text.partition("/")
        if slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of) <= 10**6:
            return cls(int(number), int(of))
        raise InputError(f"{text[:40]!r} is no part of a batch; give for example 1/16, up to 16/16.")

    def take(self, items: Sequence[Item]) -> list[Item]:
        """Its items: neighbours, which mostly belong to one session."""
        start, stop = (len(items) * n // self.of for n in (self.number - 1, self.number))
        return list(items[start:stop])


@dataclass(frozen=True)
class Piece:
    """Images that one worker measures one after the other, and writes as one part."""

    name: str
    items: tuple[Item, ...]

    @classmethod
    def of(cls, items: Sequence[Item]) -> Piece:
        """The piece of these images, named after them."""
        digest = hashlib.sha256("".join(item.id for item in items).encode()).hexdigest()[:16]
        return cls(f"part-{digest}", tuple(items))


def pieces(items: Sequence[Item], workers: int, most: int = MOST_AT_A_TIME) -> Iterator[Piece]:
    """Cut a batch into pieces of work.

    Parameters
    ----------
    items
        What is to be measured.
    workers
        How many measure at the same time.
    most
        Images of a piece at most.
    """
    workers, start = max(workers, 1), 0
    least = min(_LEAST_AT_A_TIME, -(-len(items) // workers))
    while start < len(items):
        size = min(most, max(least, (len(items) - start) // (_PIECES_A_WORKER * workers)))
        yield Piece.of(items[start : start + size])
        start += size


def to_measure(
    items: Sequence[Item], known: Mapping[str, Mapping[str, Any]], retried: Collection[str] = ()
) -> list[Item]:
    """Which images have no row yet, or one that no longer holds.

    Parameters
    ----------
    items
        All images.
    known
        The rows that are there, by id of the image.
    retried
        States (``failed``, ``refused``) that are tried again.
    """
    return [item for item in items if (row := known.get(item.id)) is None or not _holds(row, item, retried)]


def _holds(row: Mapping[str, Any], item: Item, retried: Collection[str]) -> bool:
    if row["status"] in retried:
        return False
    given = row["pixel_size_given_nm"]
    same_facts = (given, row["deposited"], row["session"]) == (item.pixel_size_nm, item.deposited, item.session)
    if not same_facts or row["size_bytes"] != item.size:
        return False
    if row["modified_ns"] == item.modified_ns:
        return True
    # copied or touched: the same content has the same numbers
    if not row["sha256"] or Path(item.path).is_dir():
        return False
    from napari_atomicity.io.files import image_hash

    try:
        return bool(image_hash(item.path) == row["sha256"])
    except InputError:
        return False
