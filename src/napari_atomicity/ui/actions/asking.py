"""Asking a person where to save."""

from __future__ import annotations

from pathlib import Path

from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QFileDialog, QWidget


def ask_where(parent: QWidget | None, title: str, proposal: Path, kinds: str) -> Path | None:
    """Ask for the path of a file to write; what the dialogue did not ask about is never replaced.

    Parameters
    ----------
    parent
        What asks; None where it is no widget.
    title
        Of the dialogue.
    proposal
        Path that it starts with.
    kinds
        Kinds of files as Qt writes them, ``CSV (*.csv);;Parquet (*.parquet)``: a name without one of their suffixes
        gets that of the chosen kind behind it, so that ``gain 1.5`` stays what it is. A folder is ``Folder (*)``.

    Returns
    -------
    None where nobody chose one, and where the name with its suffix is taken, which is said.
    """
    chosen, kind = QFileDialog.getSaveFileName(parent, title, str(proposal), kinds)
    if not chosen:
        return None
    path = Path(chosen)
    suffixes = [part.split(")")[0] for part in kinds.split("(*")[1:]]
    if suffixes[0] and path.suffix.lower() not in suffixes:
        wanted = kind.partition("(*")[2].partition(")")[0] or suffixes[0]
        path = path.with_name(path.name + wanted)
        if path.exists():
            show_warning(f"{path.name} is there already; choose another name, or choose it to replace it.")
            return None
    return path
