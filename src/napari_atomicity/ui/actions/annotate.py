"""What the keys, the buttons of the review and the commands of the palette do to the selected clusters."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QMainWindow

from napari_atomicity.clusters import OTHER
from napari_atomicity.counting.review import uncertain_after
from napari_atomicity.errors import InputError
from napari_atomicity.ui.actions import single
from napari_atomicity.ui.workspace.camera import look_at
from napari_atomicity.ui.workspace.docks import open_dock
from napari_atomicity.wording import counted

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.ui.shortcuts.bindings import ShortcutBindings
    from napari_atomicity.ui.workspace.workspace import Workspace


#: of the table of keys from the corner of the window: its frame lies outside of it
_MARGIN_PX: Final = 32


class _NothingSelected(InputError):
    """No cluster is selected."""


def do(workspace: Workspace, shortcuts: ShortcutBindings, name: str, only: int | None = None) -> None:
    """Do what a shortcut says; what stands in the way is said in the status bar.

    Parameters
    ----------
    workspace, shortcuts
        Of the viewer.
    name
        Of the shortcut.
    only
        The cluster to label; all that are selected where None.
    """
    try:
        if name == "keys":
            show_keys(workspace, shortcuts)
        else:
            _ACTIONS[name.split("_")[0]](workspace, name, only)
    except _NothingSelected as error:
        say(workspace, f"{error}, or press {shortcuts.keys['next']} for the next one.")
    except InputError as error:
        say(workspace, str(error))


def say(workspace: Workspace, sentence: str) -> None:
    """A sentence in the status bar: a dialogue for every key would be in the way."""
    if workspace.viewer is not None:
        workspace.viewer.status = sentence


def labels_of(document: Document | None) -> tuple[str, ...]:
    """Labels of the classes: of the model that counted, or else of the one that is chosen."""
    if document is None:
        return ()
    if document.state.bundle is not None:
        return tuple(document.state.bundle.card.labels)
    from napari_atomicity.counting.bundle import load_card

    try:
        return tuple(load_card(document.settings.model).labels)
    except InputError:
        return ()


def label(workspace: Workspace, text: str, only: int | None = None) -> None:
    """Label the selected clusters, or `only` one."""
    document, chosen = _chosen(workspace, only)
    _annotate(workspace, document, chosen, [text] * len(chosen), f"Label {_clusters(chosen)} as {text}")


def accept(workspace: Workspace, only: int | None = None) -> None:
    """Label each selected cluster, or `only` one, as the model does."""
    document, chosen = _chosen(workspace, only)
    predicted = dict(zip(document.table.ids.tolist(), document.table.rows["label"], strict=True))
    known = [i for i in chosen if predicted[i]]
    if not known:
        raise InputError("The model has not labelled these clusters yet; count the atoms first (step 3).")
    _annotate(
        workspace,
        document,
        known,
        [predicted[i] for i in known],
        f"Accept {_clusters(known)}" + (f" as {predicted[known[0]]}" if len(known) == 1 else ""),
    )


def clear(workspace: Workspace, only: int | None = None) -> None:
    """Take a person's labels of the selected clusters, or of `only` one, back."""
    document, chosen = _chosen(workspace, only)
    _annotate(workspace, document, chosen, [""] * len(chosen), f"Take the label of {_clusters(chosen)} back")


def delete(workspace: Workspace) -> None:
    """Delete the selected clusters."""
    document, chosen = _chosen(workspace)
    name = f"Delete {counted(len(chosen), 'cluster')}"
    document.edit(name, document.table.drop(chosen), [])
    say(workspace, f"{name}.")


def next_uncertain(workspace: Workspace) -> None:
    """Select and show the least certain cluster that carries no label of a person."""
    document = _document(workspace)
    now = next(iter(document.selection)) if len(document.selection) == 1 else None
    found = uncertain_after(document.table, now)
    if found is None:
        raise InputError("Every cluster carries a label of yours; there is nothing left to review.")
    look_at(workspace, found)


def step(workspace: Workspace, by: int) -> None:
    """The next cluster of the review (`by` 1), or the one before (-1)."""
    _document(workspace)
    group = workspace.group
    assert group is not None
    look_at(workspace, group.review.step(by))


def undo(workspace: Workspace) -> None:
    """One step back."""
    _in_hand(workspace)
    if not single.undo_name(workspace):
        raise InputError("There is nothing to undo.")
    single.undo(workspace)


def redo(workspace: Workspace) -> None:
    """One step forward."""
    document = _in_hand(workspace)
    if not document.redo_name:
        raise InputError("There is nothing to redo.")
    single.redo(workspace)


def show_keys(workspace: Workspace, shortcuts: ShortcutBindings) -> None:
    """Show the table of keys, or hide it."""
    dock = shortcuts.table_dock() if shortcuts.table_dock is not None else None
    if dock is not None and not isalive(dock):  # it was taken off the window
        dock = None
    if dock is not None and dock.isVisible():
        dock.hide()
        return
    first = dock is None
    dock = open_dock(workspace.viewer, "Keys")
    if dock is None:
        return
    shortcuts.table_dock = weakref.ref(dock)
    if first:  # beside the work, not in place of it
        window = dock.parentWidget()
        dock.setFloating(True)
        dock.adjustSize()
        if isinstance(window, QMainWindow):  # below the layers: the middle of the image is for the cluster at hand
            dock.move(window.mapToGlobal(QPoint(_MARGIN_PX, window.height() - dock.height() - _MARGIN_PX)))


# ---------------------------------------------------------------------- parts


def _class(workspace: Workspace, name: str, only: int | None) -> None:
    labels, place = labels_of(_document(workspace)), int(name.split("_")[1])
    if place > len(labels):
        raise InputError(f"The model has {len(labels)} classes ({', '.join(labels)}); there is no class {place}.")
    label(workspace, labels[place - 1], only)


_ACTIONS: Final[dict[str, Callable[[Workspace, str, int | None], None]]] = {
    "class": _class,
    "other": lambda workspace, _, only: label(workspace, OTHER, only),
    "accept": lambda workspace, _, only: accept(workspace, only),
    "clear": lambda workspace, _, only: clear(workspace, only),
    "next": lambda workspace, *_: step(workspace, 1),
    "previous": lambda workspace, *_: step(workspace, -1),
    "uncertain": lambda workspace, *_: next_uncertain(workspace),
    "undo": lambda workspace, *_: undo(workspace),
    "redo": lambda workspace, *_: redo(workspace),
}


def _in_hand(workspace: Workspace) -> Document:
    document = workspace.document
    if document is None:
        raise InputError(workspace.why_no_document)
    return document


def _document(workspace: Workspace) -> Document:
    document = _in_hand(workspace)
    if not len(document.table):
        raise InputError("There are no clusters yet; find them first (step 2).")
    return document


def _chosen(workspace: Workspace, only: int | None = None) -> tuple[Document, list[int]]:
    """The document in hand, and the selected clusters or `only` one."""
    if workspace.clusters is not None:
        workspace.clusters.sync_from_layer()
    document = _document(workspace)
    if only is not None and document.table.row_of(only) is not None:
        return document, [only]
    if not document.selection:
        raise _NothingSelected("Select clusters first: click them with the select tool")
    return document, sorted(document.selection)


def _annotate(workspace: Workspace, document: Document, ids: Sequence[int], labels: Sequence[str], name: str) -> None:
    """One step of the history, where anything changes; then the review goes on."""
    table = document.table
    if (table.values_of("annotation", ids) == np.array(labels, dtype=object)).all():
        say(
            workspace,
            f"{_clusters(ids).capitalize()} already labelled so." if labels[0] else "No label of yours to take back.",
        )
    else:
        document.commit(name, table.annotate(ids, labels))
        say(workspace, f"{name}.")
    group = workspace.group
    if labels[0] and group is not None and group.review.goes_on_from(ids):
        ahead = group.review.peek(1)
        if ahead is not None:
            look_at(workspace, group.review.step(1))
        else:
            say(workspace, "That was the last cluster of the review.")


def _clusters(ids: Sequence[int]) -> str:
    return f"cluster {ids[0]}" if len(ids) == 1 else f"{len(ids)} clusters"
