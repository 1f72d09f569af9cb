"""Projects and images that were opened last."""

from __future__ import annotations

import json
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_text
from napari_atomicity.io.samples import sample_dir
from napari_atomicity.kinds import printable
from napari_atomicity.project import SUFFIX
from napari_atomicity.project.blobs import make_folder
from napari_atomicity.project.recovery import recovery_folder
from napari_atomicity.schema import Door, read_bytes

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.ui.workspace.workspace import Workspace

_MOST: Final = 24
_FILE: Final = "recent.json"
_DOOR: Final = Door(list[str])


def recent() -> list[Path]:
    """Files that were saved or opened last, newest first, as far as they are still there."""
    try:
        names = _DOOR.check(read_bytes(recovery_folder() / _FILE), _FILE)
        return [Path(name) for name in names if Path(name).is_file()]
    except (OSError, ValueError, InputError):
        return []


def recent_projects() -> list[Path]:
    """The projects among them."""
    return [path for path in recent() if path.suffix.lower() == SUFFIX]


def remember(path: Path) -> None:
    """`path` is the newest of the recent files."""
    paths = printable([str(path.absolute()), *(str(one) for one in recent() if one != path.absolute())])
    try:
        make_folder(recovery_folder())
        write_text(recovery_folder() / _FILE, json.dumps(paths[:_MOST]))
    except InputError:
        return  # a list of conveniences


class RecentImages:
    """Remembers the files of the images that are opened, by whatever way; samples have a button of their own."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = weakref.ref(workspace)
        self._seen: weakref.WeakSet[Document] = weakref.WeakSet()
        workspace.inserted.connect(self._on_inserted)

    def _on_inserted(self) -> None:
        workspace = self._workspace()
        for group in workspace.groups if workspace is not None else ():
            if group.document in self._seen:
                continue
            self._seen.add(group.document)
            path = group.document.micrograph.provenance.path
            if path is not None and path.is_file() and not _is_sample(path):
                remember(path)


def _is_sample(path: Path) -> bool:
    try:
        return path.absolute().is_relative_to(sample_dir().absolute())
    except InputError:
        return False
