"""What the keys, the buttons of the review and the commands of the palette do to the selected clusters."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.compat import isalive

from napari_atomicity.clusters import OTHER
from napari_atomicity.counting.review import uncertain_after
from napari_atomicity.errors import InputError
from napari_atomicity.ui import actions
from napari_atomicity.ui.centring import look_at

if TYPE_CHECKING:
    from napari_atomicity.ui.bench import Bench
    from napari_atomicity.ui.document import Document

_NOTHING: Final = "Select clusters first: click them with the select tool, or press {next} for the next one."


def do(bench: Bench, name: str) -> None:
    """Do what the shortcut `name` says; what stands in the way is said in the status bar."""
    try:
        _ACTIONS[name.split("_")[0]](bench, name)
    except InputError as error:
        say(bench, str(error))


def say(bench: Bench, sentence: str) -> None:
    """A sentence in the status bar: a dialogue for every key would be in the way."""
    if bench.viewer is not None:
        bench.viewer.status = sentence


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


def label(bench: Bench, text: str) -> None:
    """Label the selected clusters; an empty label takes a person's label back."""
    document, chosen = _chosen(bench)
    _annotate(bench, document, chosen, [text] * len(chosen), f"Label {_clusters(chosen)} as {text}")


def accept(bench: Bench) -> None:
    """Label each selected cluster as the model does."""
    document, chosen = _chosen(bench)
    predicted = dict(zip(document.table.ids.tolist(), document.table.rows["label"], strict=True))
    known = [i for i in chosen if predicted[i]]
    if not known:
        raise InputError("The model has not labelled these clusters yet; count the atoms first (step 3).")
    _annotate(
        bench,
        document,
        known,
        [predicted[i] for i in known],
        f"Accept {_clusters(known)}" + (f" as {predicted[known[0]]}" if len(known) == 1 else ""),
    )


def clear(bench: Bench) -> None:
    """Take a person's labels of the selected clusters back."""
    document, chosen = _chosen(bench)
    _annotate(bench, document, chosen, [""] * len(chosen), f"Take the label of {_clusters(chosen)} back")


def next_uncertain(bench: Bench) -> None:
    """Select and show the least certain cluster that carries no label of a person."""
    document = _document(bench)
    now = next(iter(document.selection)) if len(document.selection) == 1 else None
    found = uncertain_after(document.table, now)
    if found is None:
        raise InputError("Every cluster carries a label of yours; there is nothing left to review.")
    look_at(bench, found)


def step(bench: Bench, by: int) -> None:
    """The next cluster of the review (`by` 1), or the one before (-1)."""
    _document(bench)
    place = bench.place
    assert place is not None
    look_at(bench, place.review.step(by))


def undo(bench: Bench) -> None:
    """One step back."""
    document = _document(bench)
    if not document.undo_name:
        raise InputError("There is nothing to undo.")
    actions.undo(bench)


def redo(bench: Bench) -> None:
    """One step forward."""
    document = _document(bench)
    if not document.redo_name:
        raise InputError("There is nothing to redo.")
    actions.redo(bench)


def show_keys(bench: Bench) -> None:
    """Show the table of keys, or hide it."""
    viewer: Any = bench.viewer
    if viewer is None:
        return
    dock = bench.keys_dock() if bench.keys_dock is not None else None
    if dock is not None and not isalive(dock):  # it was taken off the window
        dock = None
    if dock is not None and dock.isVisible():
        dock.hide()
        return
    first = dock is None
    dock, _ = viewer.window.add_plugin_dock_widget("napari-atomicity", "Keys")
    bench.keys_dock = weakref.ref(dock)
    if first:  # beside the work, not in place of it
        dock.setFloating(True)
        dock.adjustSize()
    dock.show()


# ---------------------------------------------------------------------- parts


def _class(bench: Bench, name: str) -> None:
    labels, place = labels_of(_document(bench)), int(name.split("_")[1])
    if place > len(labels):
        raise InputError(f"The model has {len(labels)} classes ({', '.join(labels)}); there is no class {place}.")
    label(bench, labels[place - 1])


_ACTIONS: Final = {
    "class": _class,
    "other": lambda bench, _: label(bench, OTHER),
    "accept": lambda bench, _: accept(bench),
    "clear": lambda bench, _: clear(bench),
    "next": lambda bench, _: step(bench, 1),
    "previous": lambda bench, _: step(bench, -1),
    "uncertain": lambda bench, _: next_uncertain(bench),
    "undo": lambda bench, _: undo(bench),
    "redo": lambda bench, _: redo(bench),
    "keys": lambda bench, _: show_keys(bench),
}


def _document(bench: Bench) -> Document:
    document = bench.document
    if document is None:
        raise InputError(bench.refusal or "Open a micrograph first.")
    if not len(document.table):
        raise InputError("There are no clusters yet; find them first (step 2).")
    return document


def _chosen(bench: Bench) -> tuple[Document, list[int]]:
    """The document in hand and the selected clusters."""
    if bench.clusters is not None:
        bench.clusters.take_up()
    document = _document(bench)
    if not document.selection:
        raise InputError(_NOTHING.format(**bench.keyboard.keys))
    return document, sorted(document.selection)


def _annotate(bench: Bench, document: Document, ids: Sequence[int], labels: Sequence[str], name: str) -> None:
    """One step of the history, where anything changes; then the review goes on."""
    table = document.table
    order = np.argsort(table.ids)
    where = order[np.searchsorted(table.ids, ids, sorter=order)]
    annotation = table.rows["annotation"].to_numpy(dtype=object).copy()
    if (annotation[where] == np.array(labels, dtype=object)).all():
        say(
            bench,
            f"{_clusters(ids).capitalize()} already labelled so." if labels[0] else "No label of yours to take back.",
        )
    else:
        annotation[where] = labels
        document.commit(name, table.with_columns(annotation=annotation))
        say(bench, f"{name}.")
    place = bench.place
    if labels[0] and place is not None and place.review.goes_on_from(ids):
        ahead = place.review.peek(1)
        if ahead is not None:
            look_at(bench, place.review.step(1))
        else:
            say(bench, "That was the last cluster of the review.")


def _clusters(ids: Sequence[int]) -> str:
    return f"cluster {ids[0]}" if len(ids) == 1 else f"{len(ids)} clusters"
