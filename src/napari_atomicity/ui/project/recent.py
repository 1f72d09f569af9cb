"""Project files that were saved or opened last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_text
from napari_atomicity.kinds import printable
from napari_atomicity.project.blobs import make_folder
from napari_atomicity.project.recovery import recovery_folder
from napari_atomicity.schema import Door, read_bytes

_MOST: Final = 8
_FILE: Final = "recent.json"
_DOOR: Final = Door(list[str])


def recent() -> list[Path]:
    """Project files that were saved or opened last, newest first, as far as they are still there."""
    try:
        names = _DOOR.check(read_bytes(recovery_folder() / _FILE), _FILE)
        return [Path(name) for name in names if Path(name).is_file()]
    except (OSError, ValueError, InputError):
        return []


def remember(path: Path) -> None:
    """`path` is the newest of the recent files."""
    paths = printable([str(path.absolute()), *(str(one) for one in recent() if one != path.absolute())])
    try:
        make_folder(recovery_folder())
        write_text(recovery_folder() / _FILE, json.dumps(paths[:_MOST]))
    except InputError:
        return  # a list of conveniences
