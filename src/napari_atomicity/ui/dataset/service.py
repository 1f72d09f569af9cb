"""The list of images of one viewer, what is open of it, and the labels that go back into the dataset."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.layers import Layer
from napari.utils.notifications import show_info, show_warning
from psygnal import Signal
from qtpy.QtCore import QObject

from napari_atomicity.dataset.batch import Batch, Result, batch_steps
from napari_atomicity.dataset.folder import Folder
from napari_atomicity.dataset.review import OpenDataset, open_dataset_steps, review_steps, save_labels, with_labels
from napari_atomicity.dataset.sources import items_of
from napari_atomicity.errors import InputError
from napari_atomicity.io.napari_hooks import as_layer
from napari_atomicity.pipeline import Settings
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.widgets.controls import later

if TYPE_CHECKING:
    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.document.document import Document
    from napari_atomicity.pipeline import ImageState
    from napari_atomicity.ui.workspace.workspace import Workspace

#: labels are written so many milliseconds after the last one
_PAUSE_MS: Final = 500

Row = Mapping[str, Any]


@dataclass
class Listed:
    """What the list shows: images of a folder, or of a dataset.

    Attributes
    ----------
    path
        The folder.
    rows
        A row an image.
    dataset
        The dataset; None for a folder that is not counted.
    """

    path: Path
    rows: tuple[Row, ...]
    dataset: OpenDataset | None = None

    @property
    def output(self) -> Path:
        """Where the dataset of a folder is written."""
        return self.path.with_name(f"{self.path.name}-counted")


@dataclass
class _Reviewed:
    """An image of a dataset that is open: which one, and its clusters as they were last written."""

    folder: Folder
    image: str
    written: ClusterTable | None = None
    connected: list[Any] = field(default_factory=list)


class ManyImages(QObject):
    """Opens folders and datasets, counts them, and keeps labels. Signal: `changed` with another list."""

    changed = Signal()

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self.listed: Listed | None = None
        self._reviewed: weakref.WeakKeyDictionary[Document, _Reviewed] = weakref.WeakKeyDictionary()
        self._saving = workspace.new_work()
        self._saving.finished.connect(lambda _: self._save_later())
        self._due = later(self, _PAUSE_MS, self._save)
        workspace.removed.connect(self._on_removed)

    # ------------------------------------------------------------------ lists

    def open(self, path: Path) -> bool:
        """A folder as a list; where it is a dataset, with all that is known of its images.

        Gives whether it was begun, which it is not while other work runs.
        """

        def steps() -> Steps[Listed]:
            if Folder(path).facts.is_file():
                dataset = yield from open_dataset_steps(path)
                return Listed(path, dataset.rows, dataset)
            yield Progress(0, 0, "Listing images")
            return Listed(path, tuple({"file": item.name, "path": item.path} for item in items_of([path])))

        return self.workspace.work.start("Open the list", steps, self._take)

    def count_all(self, session_by: str, output: Path | None = None) -> bool:
        """Count all images of the list into a dataset, and show it.

        Parameters
        ----------
        session_by
            As in `Batch`.
        output
            Folder of the dataset; beside the images where None.

        Returns
        -------
        Whether it was begun.
        """
        listed = self.listed
        if listed is None or listed.dataset is not None:
            return False
        target = output or listed.output
        # a call that was stopped goes on
        batch = Batch([listed.path], target, Settings(adapt="off"), session_by=session_by, resume=True)
        running = batch_steps(batch)

        def steps() -> Steps[Listed]:
            result: Result = yield from running
            dataset = yield from open_dataset_steps(result.folder.path)
            return Listed(result.folder.path, dataset.rows, dataset)

        def ended(_: str) -> None:
            self.workspace.work.finished.disconnect(ended)
            # work that was stopped is left where it stood: its processes end and the dataset is free again
            threading.Thread(target=running.close, daemon=True).start()

        begun = self.workspace.work.start("Analyse all", steps, self._take)
        if begun:
            self.workspace.work.finished.connect(ended)
        return begun

    def _take(self, listed: Listed) -> None:
        self.listed = listed
        self.changed.emit()

    # ------------------------------------------------------------------ one image

    def open_image(self, row: Row) -> None:
        """Open an image of the list; of a dataset with its clusters and the labels that it has."""
        listed, viewer = self.listed, self.workspace.viewer
        if listed is None or viewer is None:
            return
        shown = next((one for one, known in self._reviewed.items() if known.image == row.get("image")), None)
        group = next((group for group in self.workspace.groups if group.document is shown), None)
        image = None if group is None or shown is None else group.image()
        if image is not None:
            self.workspace.choose(image)
            return
        if listed.dataset is None or row.get("status") != "counted":
            self._open_plain(row)
            return
        dataset = listed.dataset

        def steps() -> Steps[tuple[ImageState, ClusterTable]]:
            state = yield from review_steps(dataset, row)
            size = state.micrograph.calibrated_pixel_size_nm
            return state, with_labels(dataset.folder, row["image"], state.table, size)

        def show(result: tuple[ImageState, ClusterTable]) -> None:
            self._show(dataset.folder, row, *result)

        self.workspace.work.start(f"Open {row['file']}", steps, show)

    def _open_plain(self, row: Row) -> None:
        from napari_atomicity.dataset.opening import opened

        def steps() -> Steps[Any]:
            yield Progress(0, 0, f"Reading {row['file']}")
            return as_layer(opened(row["path"]))

        def show(data: Any) -> None:
            if self.workspace.viewer is not None:
                self.workspace.viewer.add_layer(Layer.create(*data))
            if row.get("refusal"):
                show_info(f"{row['file']} was not counted: {row['refusal']}")

        self.workspace.work.start(f"Open {row['file']}", steps, show)

    def _show(self, folder: Folder, row: Row, state: ImageState, labelled: ClusterTable) -> None:
        viewer = self.workspace.viewer
        if viewer is None:
            return
        layer = Layer.create(*as_layer(state.micrograph))
        viewer.add_layer(layer)
        document = self.workspace.document_of(layer)  # type: ignore[arg-type]  # it is an image
        if document is None or state.settings is None:
            return
        document.choose(model=state.settings.model, adapt="off", deposited=state.settings.deposited)
        document.apply("Open from the dataset", state, document.state)
        if labelled is not state.table:
            document.commit("Labels of earlier reviews", labelled)
        self._reviewed[document] = _Reviewed(folder, row["image"], document.table)
        document.table_changed.connect(self._save_later)

    # ------------------------------------------------------------------ labels

    def _save_later(self) -> None:
        if any(known.written is not document.table for document, known in self._reviewed.items()):
            self._due.start()

    def _save(self) -> None:
        """Write what changed; what changes meanwhile is written next."""
        if self._saving.busy:
            return
        waiting = [(known, one.table) for one, known in self._reviewed.items() if known.written is not one.table]
        if not waiting:
            return
        for known, table in waiting:
            known.written = table

        def steps() -> Steps[None]:
            for done, (known, table) in enumerate(waiting):
                yield Progress(done, len(waiting), "Saving labels")
                save_labels(known.folder, known.image, table)

        self._saving.start("Save labels", steps, lambda _: None)

    def _on_removed(self, group: Any) -> None:
        """An image that is closed: its last labels are written before it is forgotten."""
        known = self._reviewed.pop(group.document, None)
        if known is None or known.written is group.document.table:
            return
        try:
            save_labels(known.folder, known.image, group.document.table)
        except InputError as error:
            show_warning(str(error))


_SERVICES: weakref.WeakKeyDictionary[Workspace, ManyImages] = weakref.WeakKeyDictionary()


def many_images_of(workspace: Workspace) -> ManyImages:
    """The one list of a workspace: it outlives the panel that shows it."""
    service = _SERVICES.get(workspace)
    if service is None:
        service = _SERVICES[workspace] = ManyImages(workspace)
    return service
