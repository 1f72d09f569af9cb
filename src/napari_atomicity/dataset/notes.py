"""Which image each worker has in hand: how far the work is, and which image ended a worker."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from napari_atomicity.dataset.folder import Folder
from napari_atomicity.dataset.plan import Piece
from napari_atomicity.dataset.sources import Item


def note_path(folder: Folder, piece: Piece) -> Path:
    """File that says which image of a piece is in hand.

    Parameters
    ----------
    folder, piece
        As in `measure.measure_piece`.
    """
    return folder.running / f"{piece.name}.txt"


def note(folder: Folder, piece: Piece, done: int, item: Item) -> None:
    """Say which image is in hand: where a worker ends, this one is to blame.

    Parameters
    ----------
    folder, piece
        As in `measure.measure_piece`.
    done
        Images of the piece that are done.
    item
        The one in hand.
    """
    with contextlib.suppress(OSError):
        path = note_path(folder, piece)
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_text(f"{done} {item.id}", encoding="ascii")
        beside.replace(path)


def noted(folder: Folder, piece: Piece) -> tuple[int, str]:
    """How many images of a piece are done, and the id of the one in hand; 0 and nothing where that is not known.

    Parameters
    ----------
    folder, piece
        As in `measure.measure_piece`.
    """
    try:
        done, _, item = note_path(folder, piece).read_text(encoding="ascii").partition(" ")
        return int(done), item
    except (OSError, ValueError):
        return 0, ""
