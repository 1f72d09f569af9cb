"""What others did to an image that is open: merged into what was done here, and where both differ a person decides."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.utils.notifications import (
    Notification,
    NotificationSeverity,
    notification_manager,
    show_info,
    show_warning,
)
from psygnal import Signal

from napari_atomicity.io.text import clean
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.project import Conflict, fits, merge, resolve
from napari_atomicity.provenance import same_image

if TYPE_CHECKING:
    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.document.document import Document
    from napari_atomicity.io.by_hand import ReadTable
    from napari_atomicity.ui.workspace.workspace import Workspace


_FITS_NOT: Final = "has hardly a cluster where this image has one"
_WHAT_TO_DO: Final = ", so it is not merged; open the image that it belongs to first, then the table."


class Merging:
    """Merges into the documents of one viewer; `changed` tells that there are other differences to decide."""

    changed = Signal()

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = weakref.ref(workspace)
        #: differences found by the last merge of each document, which a person has to decide
        self.conflicts: list[tuple[weakref.ref[Document], Conflict]] = []

    def open_table(self, path: Path) -> bool:
        """Merge the table in a CSV or Parquet file into the image in hand; one of another image only once asked."""
        from napari_atomicity.io.tables import open_table

        workspace = self._workspace()
        document = None if workspace is None else workspace.document
        if workspace is None or document is None:
            show_warning("A table belongs to an image: open that micrograph first, then the table.")
            return False

        micrograph = document.micrograph

        def steps() -> Steps[tuple[ReadTable, bool | None]]:
            yield Progress(0, 0, "Reading the table")
            found = open_table(path)
            return found, same_image(found.facts.get("image"), micrograph)

        def apply(result: tuple[ReadTable, bool | None]) -> None:
            found, same = result
            for remark in found.remarks:
                show_warning(remark)
            if same or (same is None and fits(document.table, found.table, document.micrograph.pixel_size_nm)):
                self._merge_table(document, path.name, found)
            else:
                doubt = _of_another(found.facts) if same is False else _FITS_NOT
                self._ask(document, path.name, found, f"{path.name} {doubt}{_WHAT_TO_DO}")

        return workspace.work.start("Merge the table", steps, apply, document)

    def _ask(self, document: Document, name: str, found: ReadTable, doubt: str) -> None:
        """Say why a table is not merged, with a button for a person who knows better."""
        there = weakref.ref(document)  # what was said is kept until the window closes; the image is not

        def go_on(_: object) -> None:
            document = there()
            if document is not None:
                self._merge_table(document, name, found)

        offer = (("Merge it all the same", go_on),)
        warning = Notification(doubt, NotificationSeverity.WARNING, offer)  # type: ignore[arg-type]  # called with itself
        notification_manager.dispatch(warning)

    def _merge_table(self, document: Document, name: str, found: ReadTable) -> None:
        from napari_atomicity.io.table_metadata import TableMetadata

        self.merge(document, name, found.table, TableMetadata.of(found.facts).pixel_size_nm)
        self.changed.emit()

    def merge(self, document: Document, name: str, theirs: ClusterTable, size: float | None) -> None:
        """One step that can be undone; what differs is listed."""
        done = merge(document.table, theirs, document.micrograph.pixel_size_nm, size)
        if done.added or done.labelled:
            document.commit(f"Merge with {name}", done.table)
        there = weakref.ref(document)
        self.conflicts = [entry for entry in self.conflicts if entry[0]() not in (None, document)]
        self.conflicts += [(there, conflict) for conflict in done.conflicts]
        show_info(done.sentence)

    def decide(self, chosen: Sequence[int], theirs: bool) -> None:
        """Take the other side's version of some listed conflicts, or keep the present one."""
        by_document: dict[Document, list[Conflict]] = {}
        for at in chosen:
            document = self.conflicts[at][0]()
            if document is not None:
                by_document.setdefault(document, []).append(self.conflicts[at][1])
        for document, conflicts in by_document.items() if theirs else ():
            table = document.table
            for conflict in conflicts:
                table = resolve(table, conflict, document.micrograph.pixel_size_nm)
            placed = table.ids[table.rows["diameter_nm"].isna().to_numpy() & ~np.isin(table.ids, document.table.ids)]
            document.edit(f"Take {len(conflicts)} from the merge", table, placed.tolist())
        self.conflicts = [entry for at, entry in enumerate(self.conflicts) if at not in set(chosen)]
        self.changed.emit()


def _of_another(facts: Mapping[str, Any]) -> str:
    """Which image a table is of, in words."""
    image = facts["image"]
    return f"belongs to another image, {clean(image.get('path') or image.get('name'), 300)}"
