"""Measuring clusters that a person placed or moved: a few at once, more in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from napari.utils.notifications import show_warning

from napari_atomicity.clusters import MEASURED
from napari_atomicity.document import edits
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import measure_steps
from napari_atomicity.progress import drain
from napari_atomicity.ui.workspace.tasks import TaskRunner

if TYPE_CHECKING:
    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.document.document import Document

_AT_ONCE: Final = 16
_SMALL_IMAGE_PX: Final = 2200 * 2200


class Measuring(TaskRunner):
    """Work of its own, so that a person need not wait for it; what is asked for meanwhile is measured afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[tuple[Document, list[int]]] = []
        self.finished.connect(self._next)

    def measure(self, document: Document | None, ids: list[int]) -> None:
        """Measure the clusters `ids` where they lie inside the image."""
        if document is None or document.micrograph.pixel_size_nm is None or document.micrograph.refusal:
            return
        micrograph, table = document.micrograph, document.table
        height, width = micrograph.shape_yx
        inside = table.rows["y_px"].between(-0.5, height - 0.5) & table.rows["x_px"].between(-0.5, width - 0.5)
        ids_inside = set(table.ids[inside.to_numpy()].tolist())
        ids = [i for i in ids if i in ids_inside]
        small = isinstance(micrograph.data, np.ndarray) and height * width <= _SMALL_IMAGE_PX
        if small and len(ids) <= _AT_ONCE:
            try:
                measured = drain(measure_steps(micrograph, table, ids))
            except InputError as error:  # it stays where the person put it, not measured
                show_warning(str(error))
                return
            _fill_in(document, table, measured, ids)
        elif ids:
            self._waiting.append((document, ids))
            self._next()

    def forget(self, document: Document) -> None:
        """The image of `document` is gone."""
        self._waiting = [(other, ids) for other, ids in self._waiting if other is not document]

    def _next(self, _: str = "") -> None:
        if self.busy or not self._waiting:
            return
        document, ids = self._waiting.pop(0)
        table, micrograph = document.table, document.micrograph

        def apply(measured: ClusterTable) -> None:
            if document.micrograph is micrograph:
                _fill_in(document, table, measured, ids)
            else:  # on other pixels, or at another pixel size
                self.measure(document, ids)

        self.start("Measure", lambda: measure_steps(micrograph, table, ids), apply, document)


def _fill_in(document: Document, before: ClusterTable, measured: ClusterTable, ids: list[int]) -> None:
    """Fill in what was measured, for those of `ids` that are still where they were."""
    now = document.table
    rows, rows_before = now.rows_of(ids), before.rows_of(ids)
    common = (rows >= 0) & (rows_before >= 0)
    stays = (now.places[rows[common]] == before.places[rows_before[common]]).all(axis=1)
    still = now.ids[rows[common][stays]]
    document.amend(edits.measure(now, still, {name: measured.values_of(name, still) for name in MEASURED}))
