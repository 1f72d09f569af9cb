"""The folder of a dataset: what lies where, what it was made with, and that nobody else writes to it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from napari_atomicity import __version__
from napari_atomicity.dataset.plan import Recipe
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import sweep, write_text
from napari_atomicity.kinds import Entry, Line, Many, Plain, Sha256
from napari_atomicity.provenance import versions
from napari_atomicity.schema import Door, json_of, read_bytes

FORMAT: Final = 1
_KIND: Final = "napari-atomicity dataset"
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


def prepare(folder: Folder, recipe: Recipe, goes_on: bool) -> bool:
    """Make the folder of a dataset, or see that what is there is the same dataset.

    Parameters
    ----------
    folder
        The dataset.
    recipe
        What decides its numbers.
    goes_on
        Whether the person said that a dataset may be there.

    Returns
    -------
    Whether it was made now.

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
    made = not folder.facts.exists()
    if made:
        facts = {"kind": _KIND, "format": FORMAT, **recipe.facts, "versions": versions()}
        write_text(folder.facts, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return made


def unmake(folder: Folder) -> None:
    """Take away what `prepare` made, where nothing was begun in it: the same call can then be given once more.

    Parameters
    ----------
    folder
        The dataset.
    """
    with suppress(OSError):
        folder.running.rmdir()  # none of these goes unless it is empty
        folder.measured.rmdir()
        folder.facts.unlink()
        folder.path.rmdir()


@contextmanager
def alone(folder: Folder) -> Iterator[None]:
    """While the tables of a dataset are written: a second call would replace them under the hands of the first.

    Parameters
    ----------
    folder
        The dataset.

    Raises
    ------
    InputError
        Where another call of this machine is at it.
    """
    path = folder.path / ".writing"
    own = f"{platform.node()} {os.getpid()}"
    try:
        host, _, process = path.read_text(encoding="utf-8").rpartition(" ")
        if f"{host} {process}" != own and host == platform.node() and _lives(int(process)):
            raise InputError(f"Another call is writing {folder.path} (process {process}); wait for it, or end it.")
    except (OSError, ValueError):
        pass  # nobody, or nobody that can be told
    write_text(path, own)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    if os.name == "nt":  # Windows has no harmless way to ask
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


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
                f"{folder.path} was made with {name.replace('_', ' ')} {theirs.get(name)}, now it is {value}; "
                "give the same options, or choose another folder."
            )
