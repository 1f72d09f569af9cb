"""Whether a person has seen the tour: a file beside the list of recent files."""

from __future__ import annotations

from typing import Final

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_text
from napari_atomicity.project.blobs import make_folder
from napari_atomicity.project.recovery import recovery_folder

_FILE: Final = "tour_seen"


def tour_seen() -> bool:
    """Whether the tour was shown on this computer, to this person."""
    return (recovery_folder() / _FILE).exists()


def remember_tour() -> None:
    """It was shown; it comes again only where a person asks for it."""
    try:
        make_folder(recovery_folder())
        write_text(recovery_folder() / _FILE, "")
    except InputError:
        return  # shown once more, which harms nobody
