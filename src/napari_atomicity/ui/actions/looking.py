"""What clicks in a legend do: select the clusters of a label, go from one to the next, hide and show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_atomicity.ui.actions.annotate import say
from napari_atomicity.ui.workspace.camera import look_at
from napari_atomicity.wording import counted

if TYPE_CHECKING:
    from napari_atomicity.ui.workspace.workspace import Workspace


def select_label(workspace: Workspace, label: str, add: bool = False) -> None:
    """Select the clusters of a label that can be seen.

    Parameters
    ----------
    workspace
        With the document in hand.
    label
        That counts: the person's, or else the model's.
    add
        Whether what is selected already stays selected.
    """
    document, ids = workspace.document, _seen(workspace, label)
    if document is None:
        return
    document.select([*ids, *document.selection] if add else ids)
    say(workspace, f"{counted(len(ids), 'cluster')} of {label} selected." if ids else _none(workspace, label))


def next_of_label(workspace: Workspace, label: str) -> None:
    """Go to the next cluster of a label that can be seen, after the last one the first."""
    group, ids = workspace.group, _seen(workspace, label)
    if group is None:
        return
    cluster = group.rings.next_of(label, ids)
    if cluster is None:
        say(workspace, _none(workspace, label))
        return
    look_at(workspace, cluster)
    say(workspace, f"Cluster {cluster}, {sorted(ids).index(cluster) + 1} of {len(ids)} of {label}.")


def show_label(workspace: Workspace, label: str, wanted: bool) -> None:
    """Show or hide the rings of the clusters of a label."""
    if workspace.group is not None:
        workspace.group.rings.show_label(label, wanted)


def _seen(workspace: Workspace, label: str) -> list[int]:
    group = workspace.group
    if group is None:
        return []
    table = group.document.table
    ids: list[int] = table.ids[(table.final_labels == label) & group.rings.seen(table)].tolist()
    return ids


def _none(workspace: Workspace, label: str) -> str:
    document = workspace.document
    there = document is not None and bool((document.table.final_labels == label).any())
    return f"All clusters of {label} are hidden; show them first." if there else f"There is no cluster of {label}."
