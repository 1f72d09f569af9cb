"""How a person wants many images counted, remembered from one start of the program to the next."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_atomicity.dataset.batch import Batch
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_text
from napari_atomicity.kinds import Entry, printable
from napari_atomicity.pipeline import Settings
from napari_atomicity.project.blobs import make_folder
from napari_atomicity.project.recovery import recovery_folder
from napari_atomicity.schema import Door, read_bytes

_FILE: Final = "many_images.json"
#: folders whose output is remembered
_MOST: Final = 50


@dataclass(frozen=True)
class Wishes:
    """How many images are counted.

    Attributes
    ----------
    model
        Name of the model.
    session_by
        As in `Batch`.
    workers
        Processes; None for as many as there are cores for us.
    again
        Whether images that failed before are tried again.
    outputs
        Folder of the dataset by folder of images, where another than that beside it was chosen.
    """

    model: str = Settings().model
    session_by: str = "none"
    workers: int | None = None
    again: bool = False
    outputs: tuple[tuple[str, str], ...] = ()

    def output(self, images: Path) -> Path:
        """Where the dataset of a folder of images is written."""
        chosen = dict(self.outputs).get(str(images))
        return Path(chosen) if chosen else images.with_name(f"{images.name}-counted")

    def with_output(self, images: Path, text: str) -> tuple[tuple[str, str], ...]:
        """`outputs` with that of one folder of images, as a person wrote it: beside the images where it is relative."""
        others = [pair for pair in self.outputs if pair[0] != str(images)]
        if not text.strip():
            return tuple(others)
        return (*others[1 - _MOST :], (str(images), str(images.parent / Path(text.strip()).expanduser())))

    def batch(self, images: Path) -> Batch:
        """What is asked for; a call that was stopped goes on."""
        return Batch(
            [images],
            self.output(images),
            Settings(adapt="off", model=self.model),
            workers=self.workers,
            resume=True,
            retry_failed=self.again,
            session_by=self.session_by,
        )


class _Kept(Entry):
    model: str
    session_by: str
    workers: int | None
    outputs: dict[str, str]


def remembered() -> Wishes:
    """The wishes of last time; those of a beginning where there are none."""
    from napari_atomicity.counting.bundle import available
    from napari_atomicity.threads import usable_cores

    try:
        kept = Door(_Kept).check(json.loads(read_bytes(recovery_folder() / _FILE)), _FILE)
    except (OSError, ValueError, InputError):
        return Wishes()
    usual = Wishes()
    return Wishes(
        kept.model if kept.model in available() else usual.model,
        kept.session_by if kept.session_by in ("none", "folder") else usual.session_by,
        None if kept.workers is None else max(1, min(kept.workers, usable_cores())),
        outputs=tuple(kept.outputs.items()),
    )


def remember(wishes: Wishes) -> None:
    """Keep the wishes for the next start."""
    kept = {
        "model": wishes.model,
        "session_by": wishes.session_by,
        "workers": wishes.workers,
        "outputs": {key: value for key, value in wishes.outputs if printable([key, value]) == [key, value]},
    }
    try:
        make_folder(recovery_folder())
        write_text(recovery_folder() / _FILE, json.dumps(kept))
    except InputError:
        return  # a convenience
