"""The clusters that the map of features shows, gathered from the documents in view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.document.document import Document
from napari_atomicity.insight.feature_map import Placed
from napari_atomicity.ui.feature_map.placements import Placements
from napari_atomicity.wording import percent

if TYPE_CHECKING:
    from napari_atomicity.pipeline import Count


@dataclass(frozen=True, eq=False)
class MappedClusters:
    """Clusters of one or more documents on the map, row by row the same before and after.

    Attributes
    ----------
    documents, names
        Where they come from, and what these are called.
    document
        (n,) index of the document of each.
    rows
        (n) rows of the documents' tables.
    after, before
        Where the model in force, and the one that it was adapted from, place them; the same where none was adapted.
    row_after
        (n,) row in the classification of its document.
    classified
        Classification of each document.
    """

    documents: tuple[Document, ...]
    names: tuple[str, ...]
    document: npt.NDArray[np.int64]
    rows: pd.DataFrame
    after: Placed
    before: Placed
    row_after: npt.NDArray[np.int64]
    classified: tuple[Count, ...]

    def __len__(self) -> int:
        return len(self.document)

    @property
    def final_labels(self) -> npt.NDArray[np.object_]:
        """What counts: the annotation where there is one, else the label."""
        annotation = self.rows["annotation"].to_numpy(dtype=object)
        return np.where(annotation != "", annotation, self.rows["label"].to_numpy(dtype=object))

    @property
    def annotated(self) -> npt.NDArray[np.bool_]:
        """(n,) a person labelled it."""
        return (self.rows["annotation"] != "").to_numpy()

    @property
    def selected(self) -> npt.NDArray[np.bool_]:
        """(n,) belongs to the selection of its document."""
        ids = self.rows["id"].to_numpy()
        chosen = np.zeros(len(self), dtype=bool)
        for i, document in enumerate(self.documents):
            chosen |= (self.document == i) & np.isin(ids, list(document.selection))
        return chosen

    def select(self, rows: npt.NDArray[np.int64], add: bool) -> None:
        """Make these rows, or add them to, the selection of their documents: the one that image and tables share."""
        ids = self.rows["id"].to_numpy()
        for i, document in enumerate(self.documents):
            mine = frozenset(ids[rows[self.document[rows] == i]].tolist())
            document.select(document.selection | mine if add else mine)

    def patch(self, row: int) -> npt.NDArray[np.float32]:
        """What the network sees of a cluster, (64, 64)."""
        seen: npt.NDArray[np.float32] = self.classified[self.document[row]].patches.raw[self.row_after[row]]
        return seen

    def lines(self, row: int, like: str) -> tuple[str, str]:
        """Who says what of a cluster, and whether it is like the library cluster nearest to it, labelled `like`."""
        cluster, label = self.rows.iloc[row], self.final_labels[row]
        who = "labelled by hand" if cluster["annotation"] else f"{percent(cluster['confidence'], 0)} sure"
        far = self.after.outlier[row]
        said = "unlike every library cluster (crossed)" if far else f"most like {like} of the library"
        return f"cluster {cluster['id']}: {label or 'no label'}, {who}", said

    @property
    def words(self) -> str:
        """What places on the map say, and for how many clusters they say little."""
        far = int(self.after.outlier.sum())
        crossed = f"{far} of {len(self)} clusters (crossed) are unlike every library cluster: their place says little. "
        return f"{crossed if far else ''}Near means alike to the model; how far apart islands lie means nothing."


def gather(
    documents: Sequence[Document], names: Sequence[str], looks: Placements, frame: int | None
) -> MappedClusters | None:
    """The clusters of these documents, of one `frame` or of all (None); None as long as a look is missing.

    Clusters that came after the classification, and those whose patch says nothing, have no place and are left out.
    """
    parts = [_part(document, looks, frame) for document in documents]
    there = [(document, name, part) for document, name, part in zip(documents, names, parts, strict=True) if part]
    if not there:
        return None
    return MappedClusters(
        documents=tuple(document for document, _, _ in there),
        names=tuple(name for _, name, _ in there),
        document=np.repeat(np.arange(len(there)), [len(part["rows"]) for _, _, part in there]),
        rows=pd.concat([part["rows"] for _, _, part in there], ignore_index=True),
        after=_joined([part["after"] for _, _, part in there]),
        before=_joined([part["before"] for _, _, part in there]),
        row_after=np.concatenate([part["row_after"] for _, _, part in there]),
        classified=tuple(part["classified"] for _, _, part in there),
    )


def _part(document: Document, looks: Placements, frame: int | None) -> dict[str, Any] | None:
    classified, adapted = document.state.count, document.state.applied
    after = looks.look(classified)
    before = looks.look(adapted.before) if adapted is not None else after
    if after is None or before is None or classified is None:
        return None
    rows = document.table.rows
    was = classified if adapted is None else adapted.before
    row_after, row_before = (each.table.rows_of(document.table.ids) for each in (classified, was))
    keep = (row_after >= 0) & (row_before >= 0)
    if frame is not None:
        keep &= (rows["frame"] == frame).to_numpy()
    keep[keep] = np.isfinite(after.placed.xy[row_after[keep]]).all(axis=1)
    return {
        "rows": rows[keep].reset_index(drop=True),
        "after": after.placed.take(row_after[keep]),
        "before": before.placed.take(row_before[keep]),
        "row_after": row_after[keep],
        "classified": classified,
    }


def _joined(parts: list[Placed]) -> Placed:
    names = ("xy", "nearest", "distance", "outlier")
    return Placed(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
