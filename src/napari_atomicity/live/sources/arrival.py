"""One image that has come, and what every source of images can do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from napari_atomicity.micrograph import FileState, Micrograph


@dataclass(frozen=True, eq=False)
class Arrival:
    """One image that has come.

    Attributes
    ----------
    name
        For people, and for the files that are made from it.
    when
        When it was taken or written, in seconds since 1970.
    path, state
        The file, and its state when it was complete; None for an image that is in no file yet.
    micrograph
        The image itself; None where it is to be read from `path`.
    """

    name: str
    when: float
    path: Path | None = None
    state: FileState | None = None
    micrograph: Micrograph | None = None


class FrameSource(Protocol):
    """Gives images one after the other, and can be stopped at any time."""

    @property
    def ended(self) -> bool:
        """Whether nothing will come any more."""

    @property
    def idle(self) -> bool:
        """Whether all that was there is taken."""

    @property
    def waiting(self) -> int:
        """How many have come and were not taken yet."""

    def take(self) -> Arrival | None:
        """The next image; None where there is none at the moment. Takes no longer than one look."""

    def refused(self, arrival: Arrival, why: str) -> bool:
        """Hear that an image could not be counted.

        Parameters
        ----------
        arrival
            The image.
        why
            The reason.

        Returns
        -------
        Whether that is final; else it will be given again later.
        """

    def again(self, arrival: Arrival) -> None:
        """Give an image again, for nothing is wrong with it.

        Parameters
        ----------
        arrival
            The image.
        """

    def remarks(self) -> list[str]:
        """Sentences for a person since this was asked for last."""

    def close(self) -> None:
        """Stop; what is held open is given back."""
