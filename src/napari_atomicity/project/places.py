"""Where the image of a project may lie, and which of these places may be looked at without asking.

A project names paths. Whoever made it may be a colleague, or nobody one knows: reading what it names could show a
file that was not meant, and merely touching a name on another machine hands that machine the login of this one.
So the folder of the project, with what lies in it, is free; any other place is asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_atomicity.errors import InputError
from napari_atomicity.io.samples import sample_dir
from napari_atomicity.project.layout import FileEntry

#: a letter before a colon is a drive, more are the beginning of an address
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
#: folders in which a name is enough for the system to reach another machine, or a device
_ELSEWHERE: Final = re.compile(r"/+(net|Network|afs|dev|proc|sys)(/|$)")
#: what Windows keeps for devices, whatever the folder and suffix
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


def reaches_out(path: str | Path) -> bool:
    """Whether looking at `path` would reach beyond the disks of this machine; known from the name alone."""
    text = str(path).replace("\\", "/")
    return bool(text.startswith("//") or _ADDRESS.match(text) or _ELSEWHERE.match(text))


@dataclass(frozen=True)
class Places:
    """Which places may be looked at.

    Attributes
    ----------
    home
        Folder of the project.
    allowed
        Folders that a person said may be read, with what lies in them.
    ours
        The project is this program's own record of what this user did: its places are those of the user.
    """

    home: Path
    allowed: Collection[Path] = ()
    ours: bool = False

    def may_look(self, path: Path, refused: bool = False) -> bool:
        """Whether a path may be read without asking.

        Parameters
        ----------
        path
            The path.
        refused
            Whether a person did not let it be read before.
        """
        if (self.ours and not refused) or any(path.parent == folder for folder in self.allowed):
            return True
        if reaches_out(path) and not _below(path, self.home, follow=False):
            return False
        near = [self.home, *(folder for folder in self.allowed if not reaches_out(folder))]
        return any(_below(path, folder) for folder in near)

    def of(self, file: FileEntry) -> Iterator[Path]:
        """Where the file may be: where it was, in the same place beside the project, in its folder, among samples."""
        yield Path(file.path)
        if file.relative:
            far = reaches_out(file.relative)
            yield Path(file.relative) if far else Path(os.path.normpath(self.home / file.relative))
        # the path may be of another system
        name = file.path.replace("\\", "/").rsplit("/", 1)[-1]
        if name not in ("", ".", "..") and ":" not in name and not _DEVICE.fullmatch(name):
            yield self.home / name

    def sample(self, file: FileEntry) -> Path | None:
        """The file among our samples, where it is one of them."""
        with suppress(InputError):
            for path in sample_dir().iterdir() if file.sample else ():
                if path.name == file.sample:
                    return path
        return None


def _below(path: Path, folder: Path, follow: bool = True) -> bool:
    """Whether `path` lies in `folder`, also after links in it are followed."""
    lies = Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder))
    if not lies or not follow:
        return lies
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
