"""What a person did to the points of a layer, by hand or with other plug-ins: the table that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from napari_atomicity.clusters import ClusterTable, is_label
from napari_atomicity.document import edits
from napari_atomicity.ui.layers.places import compare, places_of, positions
from napari_atomicity.ui.layers.ring_style import differing
from napari_atomicity.wording import counted

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.ui.layers.cluster_points import ClusterPoints

_NOT_YOURS: Final = (
    "Only the column annotation of the features can be changed by hand; everything else in them is as it was."
)


@dataclass(frozen=True)
class HandEdit:
    """What a person did to the points.

    Attributes
    ----------
    name
        Of the step of the history; empty where nothing is to go into the table.
    table
        The clusters after it.
    fresh
        Ids of those that are to be measured.
    refused
        Sentences that say what the table cannot take.
    """

    name: str
    table: ClusterTable
    fresh: list[int]
    refused: list[str]


def untouched(points: ClusterPoints, document: Document) -> bool:
    """Whether nothing was done to the points and their features; it is asked at every key.

    Parameters
    ----------
    points
        The layer.
    document
        What it shows.
    """
    rows = document.table.rows
    return (
        len(points.data) == len(rows)
        and np.array_equal(points.data, positions(document, points.ndim))
        and not _differ(points.rows, rows)
    )


def edit_of(points: ClusterPoints, document: Document) -> HandEdit:
    """Additions, moves, deletions and labels that were made on the layer.

    Parameters
    ----------
    points
        The layer.
    document
        What it showed before that.
    """
    before, size = document.table, document.micrograph.pixel_size_nm
    features = points.rows
    names = features["id"].to_numpy() if "id" in features else np.full(len(features), -1)
    labels, refused = _labels(features, before)
    somewhere = np.isfinite(points.data).all(axis=1)
    places = places_of(points.data[somewhere])
    # other layers may make the slider longer than this image is
    places[:, 0] = np.clip(places[:, 0], 0, document.micrograph.n_frames - 1)
    known = places_of(positions(document, points.ndim))
    added, moved, deleted = compare(places, names[somewhere], known, before.ids)
    if not somewhere.all():
        deleted = sorted(set(deleted) - set(names[~somewhere].tolist()))
        n = int((~somewhere).sum())
        none = f"{counted(n, 'point')} {'has' if n == 1 else 'have'} no place"
        refused.append(f"{none} (nan or infinite) and cannot be taken over; give y and x in pixels.")
    table = before.annotate(list(labels), list(labels.values())).drop(deleted) if labels or deleted else before
    table = edits.move(table, list(moved), places[list(moved.values())], size)
    table = edits.place(table, places[added], size)
    name = _name(labels, len(added), len(moved), len(deleted))
    if not name and not refused and np.array_equal(names, before.ids) and _differ(features, before.rows):
        refused.append(_NOT_YOURS)
    return HandEdit(name, table, [*moved, *range(before.next_id, before.next_id + len(added))], refused)


def _differ(features: pd.DataFrame, rows: pd.DataFrame) -> bool:
    return not set(rows.columns) <= set(features.columns) or bool(differing(rows, features))


def _labels(features: pd.DataFrame, table: ClusterTable) -> tuple[dict[int, str], list[str]]:
    """Labels that were written into the features, by id, and a sentence on those that are none."""
    if not {"id", "annotation"} <= set(features.columns):
        return {}, []
    # napari gives a new point, below the others, the features of another one: the first of an id is the one
    said: dict[Any, Any] = dict(zip(features["id"][::-1].tolist(), features["annotation"][::-1].tolist(), strict=True))
    labels, none = {}, []
    for cluster, known in zip(table.ids.tolist(), table.rows["annotation"].tolist(), strict=True):
        word = said.get(cluster, known)
        label = "" if pd.isna(word) else str(word).strip()
        if label == known:
            continue
        if label and not is_label(label):
            none.append(label)
        else:
            labels[cluster] = label
    sentence = "“{}” is no label; write an element and a number of atoms, as in Pt55, or “other”."
    return labels, [sentence.format(none[0][:40])] if none else []


def _name(labels: dict[int, str], added: int, moved: int, deleted: int) -> str:
    parts = [(added, "Add"), (moved, "Move"), (deleted, "Delete")]
    words = [f"{verb} {counted(n, 'cluster')}" for n, verb in parts if n]
    said = sorted(set(labels.values()))
    if said == [""]:
        words.append("Take labels back")
    elif said:
        words.append(f"Label {len(labels)}" + (f" as {said[0]}" if len(said) == 1 else ""))
    return ", ".join(words)
