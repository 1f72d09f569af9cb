"""What others did to an image that is open: merged into what was done here, and where both differ a person decides."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.utils.notifications import show_info, show_warning
from psygnal import Signal

from napari_atomicity.progress import Progress, Steps
from napari_atomicity.project import Conflict, merge, resolve

if TYPE_CHECKING:
    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.document.document import Document
    from napari_atomicity.io.by_hand import ReadTable
    from napari_atomicity.ui.workspace.workspace import Workspace


class Merging:
    """Merges into the documents of one viewer; `changed` tells that there are other differences to decide."""

    changed = Signal()

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = weakref.ref(workspace)
        #: differences found by the last merge of each document, which a person has to decide
        self.conflicts: list[tuple[weakref.ref[Document], Conflict]] = []

    def open_table(self, path: Path) -> bool:
        """Merge the table in a CSV or Parquet file into the image in hand."""
        from napari_atomicity.io.table_metadata import TableMetadata
        from napari_atomicity.io.tables import open_table

        workspace = self._workspace()
        document = None if workspace is None else workspace.document
        if workspace is None or document is None:
            show_warning("A table belongs to an image: open that micrograph first, then the table.")
            return False

        def steps() -> Steps[ReadTable]:
            yield Progress(0, 0, "Reading the table")
            return open_table(path)

        def apply(found: ReadTable) -> None:
            for remark in found.remarks:
                show_warning(remark)
            self.merge(document, path.name, found.table, TableMetadata.of(found.facts).pixel_size_nm)
            self.changed.emit()

        return workspace.work.start("Merge the table", steps, apply, document)

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
