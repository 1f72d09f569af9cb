"""What decides the numbers of a dataset, what is still to be measured, and in which pieces."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from napari_atomicity import __version__
from napari_atomicity.dataset.sources import Item
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import sweep, write_text
from napari_atomicity.kinds import Entry, Line, Many, Plain, Sha256
from napari_atomicity.pipeline.settings import Settings
from napari_atomicity.provenance import versions
from napari_atomicity.schema import Door, json_of, read_bytes

FORMAT: Final = 1
_KIND: Final = "napari-atomicity dataset"
#: images of one piece of work; with few images less, so that every worker gets several pieces
MOST_AT_A_TIME: Final = 200
_PIECES_A_WORKER: Final = 4
_MOST_JSON: Final = 2**20


class DatasetFacts(Entry):
    """What `dataset.json` holds: what was done, once for all images."""

    kind: Literal["napari-atomicity dataset"]
    format: Literal[1]
    settings: Plain
    model_sha256: Sha256
    classes: Many[int]
    session_by: Line
    image: int | None = None
    versions: Plain


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
    size = max(1, min(most, -(-len(items) // (_PIECES_A_WORKER * max(workers, 1)))))
    for start in range(0, len(items), size):
        yield Piece.of(items[start : start + size])


# ---------------------------------------------------------------------- the folder


@dataclass(frozen=True)
class Folder:
    """Where everything of a dataset lies."""

    path: Path

    @property
    def facts(self) -> Path:
        """Settings, model and versions, once."""
        return self.path / "dataset.json"

    @property
    def measured(self) -> Path:
        """Parts of the first pass, as the workers wrote them."""
        return self.path / "measured"

    @property
    def running(self) -> Path:
        """What each worker has in hand."""
        return self.measured / "running"

    @property
    def manifest(self) -> Path:
        """What was done, and every failure by name."""
        return self.path / "manifest.json"

    @property
    def labels(self) -> Path:
        """Labels that persons gave, a file an image."""
        return self.path / "labels"


def prepare(folder: Folder, recipe: Recipe, goes_on: bool) -> None:
    """Make the folder of a dataset, or see that what is there is the same dataset.

    Parameters
    ----------
    folder
        The dataset.
    recipe
        What decides its numbers.
    goes_on
        Whether the person said that a dataset may be there.

    Raises
    ------
    InputError
        Where it is another one, or one that nobody said is to go on, and where it cannot be written.
    """
    if folder.facts.exists():
        if not goes_on:
            raise InputError(f"{folder.path} holds a dataset; add --resume to go on with it, or choose another folder.")
        check_same(folder, recipe)
    elif folder.path.exists() and (not folder.path.is_dir() or any(folder.path.iterdir())):
        raise InputError(f"{folder.path} holds other things; choose a folder that is empty or new.")
    try:
        folder.running.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder.path} cannot be made ({error.strerror}); choose another one.") from error
    sweep(folder.path)
    sweep(folder.measured)
    if not folder.facts.exists():
        facts = {"kind": _KIND, "format": FORMAT, **recipe.facts, "versions": versions()}
        write_text(folder.facts, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def facts_of(folder: Folder) -> DatasetFacts:
    """What `dataset.json` says.

    Raises
    ------
    InputError
        Where the folder holds no dataset, or one that is damaged or of a later version.
    """
    if not folder.facts.is_file():
        raise InputError(f"{folder.path} holds no dataset; choose the folder that batch wrote to.")
    name = f"{folder.path.name}/{folder.facts.name}"
    return Door(DatasetFacts).check(json_of(read_bytes(folder.facts, _MOST_JSON), name), name)


def check_same(folder: Folder, recipe: Recipe) -> None:
    """Raise where a dataset was made with something else.

    Parameters
    ----------
    folder
        The dataset.
    recipe
        What the numbers that are to come follow from.

    Raises
    ------
    InputError
        With the first thing that differs.
    """
    there, ours = facts_of(folder), recipe.facts
    if there.model_sha256 != ours["model_sha256"]:
        raise InputError(
            f"{folder.path} was counted with another model ({there.settings.get('model')}); "
            "choose that model, or another folder."
        )
    version = there.versions.get("napari-atomicity")
    if version != __version__:
        raise InputError(f"{folder.path} was made by version {version} of this program; choose another folder.")
    mine = {**ours["settings"], "session_by": ours["session_by"], "image": ours["image"]}
    theirs = {**there.settings, "session_by": there.session_by, "image": there.image}
    for name, value in mine.items():
        if theirs.get(name) != value:
            raise InputError(
                f"{folder.path} was made with {name} {theirs.get(name)}, now it is {value}; "
                "give the same options, or choose another folder."
            )


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
