"""The tables of a session on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_atomicity.errors import InputError
from napari_atomicity.io.tables import earlier, write_table
from napari_atomicity.provenance import describe_image, versions

if TYPE_CHECKING:
    from napari_atomicity.pipeline import ImageState


def table_path(folder: Path, stem: str) -> Path:
    """Where the table of an image lies.

    Parameters
    ----------
    folder
        Of the session.
    stem
        Of the files of the image.
    """
    return folder / f"{stem}.clusters.csv"


def make_folder(folder: Path) -> None:
    """Make a folder for tables where there is none.

    Parameters
    ----------
    folder
        The folder.

    Raises
    ------
    InputError
        Where the system does not let us.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The folder {folder} cannot be made ({error.strerror or error}); make room there, or choose another one."
        ) from error


def is_labelled(path: Path) -> bool:
    """Whether a person labelled clusters in a table: it is theirs from then on, and never written over."""
    existing = earlier(path)
    return existing is not None and existing.labels > 0


def save_counted(state: ImageState, path: Path, facts: Mapping[str, Any] | None = None) -> None:
    """Write the table of a counted image.

    Parameters
    ----------
    state
        The image.
    path
        Of the table.
    facts
        What its numbers depend on; image, versions and model where None.

    Raises
    ------
    InputError
        Where labels of a person would be lost, or the disk does not take it.
    """
    if is_labelled(path):
        raise InputError(f"{path} holds labels that a person gave; it stays as it is.")
    card = state.model_in_force.card
    usual = {
        "image": describe_image(state.micrograph),
        "versions": versions(),
        "model": {"name": card.name, "version": card.version, "file_sha256": card.sha256},
    }
    write_table(state.table, path, dict(facts or usual))
