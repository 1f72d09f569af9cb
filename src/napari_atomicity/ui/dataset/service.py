"""The list of images of one viewer, what is open of it, and the labels that go back into the dataset."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.layers import Layer
from napari.utils.notifications import show_info
from psygnal import Signal
from qtpy.QtCore import QObject

from napari_atomicity.dataset.batch import Result, batch_steps
from napari_atomicity.dataset.folder import Folder
from napari_atomicity.dataset.outlook import Outlook, outlook
from napari_atomicity.dataset.review import OpenDataset, open_dataset_steps, review_steps, with_labels
from napari_atomicity.dataset.sources import items_of
from napari_atomicity.io.napari_hooks import as_layer
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.dataset.labels import LabelKeeper
from napari_atomicity.ui.dataset.wishes import remember, remembered

if TYPE_CHECKING:
    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.pipeline import ImageState
    from napari_atomicity.ui.workspace.workspace import Workspace

_STOPPED: Final = "Stopped. What was counted is kept, and Analyse all goes on from there."
_FAILED: Final = "It could not be finished. What was counted is kept, and Analyse all goes on from there."

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
    facts
        How many images, and of a dataset clusters and shares.
    """

    path: Path
    rows: tuple[Row, ...]
    dataset: OpenDataset | None = None
    facts: str = ""


class ManyImages(QObject):
    """Opens folders and datasets, counts them, and keeps labels. Signal: `changed` with another list."""

    changed = Signal()

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self.listed: Listed | None = None
        self.wishes = remembered()
        #: what *Analyse all* would do, and how the last one ended
        self.outlook: Outlook | None = None
        self.ended = ""
        self._labels = LabelKeeper(workspace)

    # ------------------------------------------------------------------ lists

    def open(self, path: Path) -> bool:
        """A folder as a list; where it is a dataset, with all that is known of its images.

        Gives whether it was begun, which it is not while other work runs.
        """

        def steps() -> Steps[Listed]:
            if Folder(path).facts.is_file():
                return (yield from _opened_steps(path))
            yield Progress(0, 0, "Listing images")
            rows = tuple({"file": item.name, "path": item.path} for item in items_of([path]))
            return Listed(path, rows, facts=f"{path.name}: {len(rows):,} images, not counted")

        return self.workspace.work.start("Open the list", steps, self._take)

    def wish(self, **wishes: Any) -> None:
        """Count otherwise: fields of `Wishes`, or ``output``, what a person wrote for the folder of the dataset."""
        listed, output = self.listed, wishes.pop("output", None)
        if output is not None and listed is not None:
            wishes["outputs"] = self.wishes.with_output(listed.path, output)
        self.wishes, self.ended = replace(self.wishes, **wishes), ""
        remember(self.wishes)
        self._look()

    def count_all(self) -> bool:
        """Count all images of the list into a dataset, and show it; gives whether it was begun."""
        listed = self.listed
        if listed is None or listed.dataset is not None:
            return False
        running = batch_steps(self.wishes.batch(listed.path))

        def steps() -> Steps[Listed]:
            result: Result = yield from running
            return (yield from _opened_steps(result.folder.path))

        def ended(how: str) -> None:
            self.workspace.work.finished.disconnect(ended)
            # work that was stopped is left where it stood: its processes end and the dataset is free again
            threading.Thread(target=running.close, daemon=True).start()
            self.ended = {"stopped": _STOPPED, "failed": _FAILED}.get(how, "")
            self._look()

        begun = self.workspace.work.start("Analyse all", steps, self._take)
        if begun:
            self.workspace.work.finished.connect(ended)
        return begun

    def _take(self, listed: Listed) -> None:
        self.listed, self.ended = listed, ""
        self._look()

    def _look(self) -> None:
        """What *Analyse all* would do now."""
        listed = self.listed
        plain = listed is not None and listed.dataset is None
        self.outlook = outlook(self.wishes.batch(listed.path), len(listed.rows)) if listed and plain else None
        self.changed.emit()

    # ------------------------------------------------------------------ one image

    def open_image(self, row: Row) -> None:
        """Open an image of the list; of a dataset with its clusters and the labels that it has."""
        listed, viewer = self.listed, self.workspace.viewer
        if listed is None or viewer is None:
            return
        dataset = listed.dataset
        if dataset is None or row.get("status") != "counted":
            self._open_plain(row)
            return
        shown = self._labels.document_of(dataset.folder, row["image"])
        group = next((group for group in self.workspace.groups if group.document is shown), None)
        image = None if group is None else group.image()
        if image is not None:
            self.workspace.choose(image)
            return

        def steps() -> Steps[tuple[ImageState, ClusterTable]]:
            self._labels.finish(dataset.folder, row["image"])
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
        self._labels.keep(document, folder, row["image"])


def _opened_steps(path: Path) -> Steps[Listed]:
    """A dataset as a list."""
    dataset = yield from open_dataset_steps(path)
    counted = [row for row in dataset.rows if row["status"] == "counted"]
    names = [(f"count_{size}", f"Pt{size}") for size in dataset.facts.classes] + [("count_other", "other")]
    counts = {label: sum(row[name] or 0 for row in counted) for name, label in names}
    total = sum(counts.values())
    shares = ", ".join(f"{label} {100 * k / total:.0f} %" for label, k in counts.items() if k) if total else ""
    clusters = sum(row["clusters"] or 0 for row in counted)
    facts = f"{path.name}: {len(dataset.rows):,} images, {len(counted):,} counted, {clusters:,} clusters. {shares}"
    return Listed(path, dataset.rows, dataset, facts.strip())


_SERVICES: weakref.WeakKeyDictionary[Workspace, ManyImages] = weakref.WeakKeyDictionary()


def many_images_of(workspace: Workspace) -> ManyImages:
    """The one list of a workspace: it outlives the panel that shows it."""
    service = _SERVICES.get(workspace)
    if service is None:
        service = _SERVICES[workspace] = ManyImages(workspace)
    return service
