"""What a person set for a watch, and what follows from it."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from napari_atomicity.errors import InputError
from napari_atomicity.live.advice import GOAL
from napari_atomicity.live.images import Reading
from napari_atomicity.live.order import Order
from napari_atomicity.live.sources.folder import PATIENCE_S, POLL_S
from napari_atomicity.pipeline import Settings

Source = Literal["folder", "replay", "receive", "scans"]
#: where images come from, in words
SOURCES: Final[dict[Source, str]] = {
    "folder": "A folder, as they come",
    "replay": "A folder, one by one",
    "receive": "Another computer",
    "scans": "Nion Swift",
}
#: an address of this computer alone, and all that it has
ALONE: Final = "127.0.0.1"
_ALL: Final = "0.0.0.0"  # only where a person opens it
#: any address that is not this computer's: the system says which of ours would be used to reach it, and sends nothing
_ELSEWHERE: Final = ("10.255.255.255", 9)


@dataclass(frozen=True)
class WatchSettings:
    """What a person set for a watch.

    Attributes
    ----------
    source
        Where images come from.
    folder
        That the microscope writes to.
    into
        Where images that come without a file, and their tables, go.
    goal
        Half width of the shares that is wanted.
    pixel_size_nm
        Instead of what the files say; None where they are believed.
    pace_s
        Seconds between two images of a replay.
    port, is_open, token
        Of the receiver: whether it is open to the network, and what a sender has to know.
    large
        Whether the dock is to be read from a distance.
    poll_s, patience_s
        Seconds between two looks at a folder, and until a file that cannot be read is named.
    """

    source: Source = "folder"
    folder: str = ""
    into: str = ""
    goal: float = GOAL
    pixel_size_nm: float | None = None
    pace_s: float = 2.0
    port: int = 5757
    is_open: bool = False
    token: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    large: bool = False
    poll_s: float = POLL_S
    patience_s: float = PATIENCE_S

    @property
    def has_files(self) -> bool:
        """Whether images lie in a folder already when they come."""
        return self.source in ("folder", "replay")

    @property
    def place(self) -> str:
        """The folder that is asked for: watched, or written to."""
        return (self.folder if self.has_files else self.into).strip()

    @property
    def target(self) -> Path:
        """Where tables go."""
        folder = Path(self.place).expanduser().absolute()
        return folder.with_name(f"{folder.name or 'folder'}-watch") if self.has_files else folder

    def order(self, settings: Settings) -> Order:
        """What is to be done.

        Parameters
        ----------
        settings
            Of the search and the count.

        Raises
        ------
        InputError
            Where no folder is chosen.
        """
        if not self.place:
            raise InputError(
                "Choose the folder that the microscope writes to."
                if self.has_files
                else "Choose the folder that images and tables go to."
            )
        return Order(
            target=self.target,
            settings=settings,
            source=self.source,
            folder=Path(self.folder.strip()).expanduser().absolute(),
            pace_s=self.pace_s,
            token=self.token,
            host=_ALL if self.is_open else ALONE,
            port=self.port,
            goal=self.goal,
            reading=Reading(self.pixel_size_nm),
            poll_s=self.poll_s,
            patience_s=self.patience_s,
        )


def sources() -> dict[Source, str]:
    """Where images can come from here: Nion Swift only where its instrumentation kit is installed."""
    return {source: words for source, words in SOURCES.items() if source != "scans" or _has_swift()}


def _has_swift() -> bool:
    try:
        return find_spec("nion.instrumentation") is not None
    except ModuleNotFoundError:
        return False


def own_address() -> str:
    """Of this computer in its network; that of this computer alone where it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(_ELSEWHERE)
            return str(asking.getsockname()[0])
        except OSError:
            return ALONE
