"""Saving and opening, as the buttons and commands ask for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_atomicity.project import SUFFIX
from napari_atomicity.ui.actions.asking import ask_where

if TYPE_CHECKING:
    from napari_atomicity.ui.project.controller import ProjectController


_FILES: Final = f"Project (*{SUFFIX})"


_OPENED: Final = f"Project or table (*{SUFFIX} *.csv *.parquet)"


def save(project: ProjectController) -> None:
    """Write to the file that is open, or ask for one."""
    if project.path is None:
        save_as(project)
    else:
        project.save()


def save_as(project: ProjectController) -> None:
    """Ask for a file and write to it."""
    if path := ask_where(window_in_front(), "Save the project", _proposal(project), _FILES):
        project.save(path)


def ask_open(project: ProjectController) -> None:
    """Ask for a file and open it."""
    path, _ = QFileDialog.getOpenFileName(window_in_front(), "Open a project", str(_proposal(project).parent), _OPENED)
    if path:
        project.open(Path(path))


def _proposal(project: ProjectController) -> Path:
    if project.path is not None:
        return project.path
    document = project.workspace.document
    path = document.micrograph.provenance.path if document is not None else None
    name = document.micrograph.name if document is not None else "session"
    return (Path(path).parent if path is not None else Path.home()) / f"{name}{SUFFIX}"


def window_in_front() -> QWidget | None:
    """The window that a dialog belongs to."""
    from qtpy.QtWidgets import QApplication

    return QApplication.activeWindow()
