"""What a batch will do, in one line, before it begins: quick, for the folder of the dataset alone is looked at."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_atomicity import __version__
from napari_atomicity.dataset.batch import Batch
from napari_atomicity.dataset.folder import DatasetFacts, Folder, facts_of
from napari_atomicity.errors import InputError

#: bytes of a dataset for an image, more than most take
_AN_IMAGE: Final = 100_000
_SESSIONS: Final = {"none": "each by itself", "folder": "those of a folder together"}


@dataclass(frozen=True)
class Outlook:
    """What will happen, and whether it can.

    Attributes
    ----------
    words
        One sentence.
    possible
        Whether the batch can begin.
    goes_on
        Whether there is a dataset that it goes on with.
    """

    words: str
    possible: bool = True
    goes_on: bool = False


def outlook(batch: Batch, images: int) -> Outlook:
    """What a batch will do with its folder.

    Parameters
    ----------
    batch
        What is asked for.
    images
        How many there are.
    """
    folder = Folder(batch.output)
    try:
        if folder.facts.is_file():
            differs = _difference(facts_of(folder), batch)
            if differs:
                return Outlook(
                    f"{folder.path} holds another dataset, {differs}; choose another folder, or the same settings.",
                    False,
                )
            return Outlook(f"{_work(batch, images)} The dataset in {folder.path} goes on where it stands.", True, True)
        if folder.path.exists() and (not folder.path.is_dir() or any(folder.path.iterdir())):
            return Outlook(f"{folder.path} holds other things; choose a folder that is empty or new.", False)
        there = next(parent for parent in (folder.path, *folder.path.parents) if parent.exists())
        if not os.access(there, os.W_OK):
            return Outlook(f"{there} cannot be written to; choose another folder.", False)
        short = _short_of_room(there, images)
    except InputError as error:
        return Outlook(str(error), False)
    except OSError as error:
        return Outlook(f"{folder.path} cannot be used ({error.strerror}); choose another folder.", False)
    return Outlook(f"{_work(batch, images)} The dataset is written to {folder.path}.{short}")


def _work(batch: Batch, images: int) -> str:
    many = "1 image is" if images == 1 else f"{images:,} images are"
    workers = "" if batch.workers is None else f" by {batch.workers} process{'es' if batch.workers > 1 else ''}"
    together = _SESSIONS.get(batch.session_by, f"those of the same {batch.session_by} together")
    return f"{many} counted with the model {Path(batch.settings.model).stem}, {together},{workers}.".replace(",.", ".")


def _difference(there: DatasetFacts, batch: Batch) -> str:
    version = there.versions.get("napari-atomicity")
    pairs = [
        ("of the model", there.settings.get("model"), Path(batch.settings.model).stem),
        ("with sessions by", there.session_by, batch.session_by),
        ("with a sensitivity of", there.settings.get("sensitivity"), batch.settings.sensitivity),
        ("of version", version, __version__),
    ]
    return next((f"{name} {theirs}" for name, theirs, ours in pairs if theirs != ours), "")


def _short_of_room(folder: Path, images: int) -> str:
    free = shutil.disk_usage(folder).free
    if free > _AN_IMAGE * images:
        return ""
    return f" The disk has {free / 1e9:.1f} GB left, which may be too little."
