"""The ways to open something, as a menu: samples alone, or all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.QtWidgets import QMenu, QPushButton, QWidget

from napari_atomicity.ui.actions.opening import ask_images, open_files, open_sample, samples
from napari_atomicity.ui.actions.project import ask_open
from napari_atomicity.ui.project.recent import recent

if TYPE_CHECKING:
    from napari_atomicity.ui.context import Context

#: so many recent files are offered
RECENT: Final = 6


def sample_menu(owner: QWidget, context: Context) -> QMenu:
    """A menu of the samples.

    Parameters
    ----------
    owner
        The widget that the menu belongs to.
    context
        The services of the viewer where they open.
    """
    menu = QMenu("Open a sample", owner)
    for key, name in samples().items():
        _entry(menu, name, partial(open_sample, context.project, key))
    return menu


def open_menu(owner: QWidget, context: Context) -> QMenu:
    """A menu of an image, a sample, a project, and the files that were opened last.

    Parameters
    ----------
    owner
        The widget that the menu belongs to.
    context
        The services of the viewer where they open.
    """
    menu = QMenu("Open", owner)
    _entry(menu, "Image…", lambda: ask_images(context.project, folder_of(context)))
    samples_below = sample_menu(owner, context)
    samples_below.setTitle("Sample")
    menu.addMenu(samples_below)
    _entry(menu, "Project or table…", lambda: ask_open(context.project))
    menu.addSeparator()
    last = QMenu("Recent", owner)
    menu.addMenu(last)

    def fill() -> None:
        last.clear()
        paths = recent()[:RECENT]
        for path in paths:
            _entry(last, path.name, partial(open_files, context.project, [path]))
        last.setEnabled(bool(paths))

    menu.aboutToShow.connect(fill)
    return menu


def menu_button(text: str, tip: str, make: Callable[[QWidget], QMenu]) -> tuple[QPushButton, QMenu]:
    """A button below which a menu opens; nothing waits for the choice, as it would for a menu that is the button's own.

    Parameters
    ----------
    text
        What stands on the button.
    tip
        What it is for.
    make
        Makes the menu, given the widget that it belongs to.

    Returns
    -------
    The button, and its menu.
    """
    opener = QPushButton(f"{text} ▾")
    opener.setToolTip(tip)
    menu = make(opener)
    opener.clicked.connect(lambda _=False: menu.popup(opener.mapToGlobal(opener.rect().bottomLeft())))
    return opener, menu


def _entry(menu: QMenu, text: str, do: Callable[[], object]) -> None:
    action = menu.addAction(text)
    if action is not None:
        action.triggered.connect(lambda _=False: do())


def folder_of(context: Context) -> Path | None:
    """Where the image in hand lies, or the file that was opened last."""
    document = context.workspace.document
    path = document.micrograph.provenance.path if document is not None else None
    if path is None:
        path = next(iter(recent()), None)
    return path.parent if path is not None else None
