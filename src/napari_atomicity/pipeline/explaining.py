"""What the network looked at, laid over the micrograph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import ClusterTable, find_rows
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.counting import patches_steps
from napari_atomicity.progress import Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.insight.attribution import Attribution
    from napari_atomicity.insight.question import Question
    from napari_atomicity.insight.radial import RadialProfiles
    from napari_atomicity.pipeline.counting import Count

#: columns of the table that a patch depends on; the place decides where it is cut, the measurements how it is scaled
_OF_THE_PATCH = ["y_px", "x_px", "diameter_nm", "intensity"]


@dataclass(frozen=True, eq=False)
class Explained:
    """Heat maps of one frame, in register with it.

    Attributes
    ----------
    frame
        Which frame of the stack.
    ids
        (n,) ids of the explained clusters; row i of `attribution` is cluster ``ids[i]``.
    overlay
        (channels, y, x) float32 on the pixels of the image: atoms per nm² of a density, else in parts of each cluster's
        strongest place; 0 where nothing is attributed.
    question
        What was asked of the model.
    table
        The explained clusters as they were.
    asked
        (n,) index of the class that was to be explained; -1 where the network was left to choose.
    bundle, micrograph
        What was asked, and what it was shown.
    log_scale
        Logarithm of the whole intensity of one atom in the frame, counts·nm²; nan where it is not counted.
    reused
        How many maps were taken over from an explanation before, because nothing that they depend on had changed.
    """

    frame: int
    ids: npt.NDArray[np.int64]
    attribution: Attribution
    overlay: npt.NDArray[np.float32]
    question: Question
    table: ClusterTable
    asked: npt.NDArray[np.int64]
    bundle: Bundle
    micrograph: Micrograph
    log_scale: float
    reused: int = 0

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Name of each channel of `overlay`."""
        return tuple(self.attribution.channel_names)

    @cached_property
    def profiles(self) -> RadialProfiles:
        """Radial profiles of the heat maps by the clusters' classes; merged, cut and saturated ones take no part."""
        from napari_atomicity.insight.radial import radial_profiles

        rows, labels = self.table.rows, self.table.final_labels
        sized = self.table.sizeable & np.isin(labels, self.bundle.card.labels)
        labels = np.where(sized, labels, "")
        return radial_profiles(self.attribution, rows["diameter_nm"].to_numpy(), labels)

    def clusters(self) -> pd.DataFrame:
        """One row a cluster.

        id, frame, label, target and against (what was explained); the lead of the target in log-odds by brightness and
        by the shape in each channel of the model; and of each map its strongest place, whether nothing in it speaks for
        the class, and its agreement with another method.
        """
        attribution = self.attribution
        labels = np.array([*self.bundle.card.labels, ""], dtype=object)
        columns: dict[str, Any] = {
            "id": self.ids,
            "frame": np.full(len(self.ids), self.frame),
            "label": self.table.final_labels,
            "target": labels[attribution.target],
            "against": self.question.against or "next smaller",
            "method": attribution.method,
        }
        for name, part in zip(("brightness", *self.bundle.card.channels), attribution.parts.T, strict=True):
            columns["log_odds_brightness" if name == "brightness" else f"log_odds_shape_{name}"] = part
        for i, name in enumerate(self.channel_names):
            columns[f"strongest_{name}"] = attribution.maps[:, i].max(axis=(1, 2), initial=0.0)
            columns[f"silent_{name}"] = attribution.empty[:, i]
            columns[f"agreement_{name}"] = attribution.agreement[:, i]
        return pd.DataFrame(columns)


def explain_steps(
    micrograph: Micrograph,
    table: ClusterTable,
    bundle: Bundle,
    frame: int = 0,
    ids: Iterable[int] | None = None,
    question: Question | None = None,
    before: Explained | None = None,
    count: Count | None = None,
) -> Steps[Explained]:
    """Heat maps of the clusters of one frame, laid over the micrograph.

    Parameters
    ----------
    micrograph
        The image; it must be calibrated.
    table
        Its clusters.
    bundle
        The model.
    frame
        Which frame of the stack.
    ids
        Which clusters; all of the frame where None.
    question
        What to explain, and how; each cluster's most probable class in the table where None.
    before
        An explanation whose maps are taken over for clusters about which nothing has changed.
    count
        What the labels rest on: it says at which scale the clusters were looked at. Without it nothing is explained.

    Returns
    -------
    The heat maps; those of `before` where nothing has changed.

    Raises
    ------
    InputError
        For a class that the model lacks.
    """
    from napari_atomicity.insight.attribution import Attribution, attribution_steps
    from napari_atomicity.insight.overlay import compose
    from napari_atomicity.insight.question import Question

    question = question or Question()
    chosen = (table.rows["frame"] == frame).to_numpy()
    if ids is not None:
        chosen = chosen & np.isin(table.ids, list(ids))
    explained = table.take(chosen)
    target, against = question.target_index(bundle.card), question.against_index(bundle.card)
    asked = _likeliest(explained, bundle) if target is None else np.full(len(explained), target)
    log_scale = scale_of(count, frame)
    request = Explained(
        frame, explained.ids, _NOTHING, _NOTHING, question, explained, asked, bundle, micrograph, log_scale
    )
    old_rows = _known(before, request)
    anew = np.flatnonzero(old_rows < 0)
    if before is not None and len(explained) and not len(anew) and np.array_equal(before.ids, explained.ids):
        return replace(request, attribution=before.attribution, overlay=before.overlay, reused=len(explained))
    patches = yield from patches_steps(micrograph, explained.take(anew))
    attribution = yield from attribution_steps(
        bundle, patches, np.full(len(anew), log_scale), asked[anew], against, question.method
    )
    if before is not None and len(anew) < len(explained):
        order = np.argsort(np.concatenate([np.flatnonzero(old_rows >= 0), anew]))
        attribution = Attribution.join(before.attribution.take(old_rows[old_rows >= 0]), attribution).take(order)
    overlay = compose(attribution, explained.centres_px, micrograph.shape_yx, micrograph.calibrated_pixel_size_nm)
    return replace(request, attribution=attribution, overlay=overlay, reused=len(explained) - len(anew))


def scale_of(count: Count | None, frame: int) -> float:
    """Logarithm of the whole intensity of one atom that the clusters of a frame were looked at with, counts·nm².

    Parameters
    ----------
    count
        What the labels rest on; None without a count.
    frame
        Which frame.

    Returns
    -------
    float
        nan where it is not counted, where nothing in it could be looked at, or where a version counted it that did not
        look at clusters with a scale.
    """
    if count is None or count.evidence.log_scale is None or count.evidence.shift is None:
        return float("nan")
    if frame not in count.calibrations:
        return float("nan")
    rows = np.flatnonzero(count.table.rows["frame"].to_numpy() == frame)
    return float(count.evidence.log_scale[rows[0]] + count.evidence.shift[rows[0]]) if len(rows) else float("nan")


#: stands in for what is not computed yet
_NOTHING: Any = None


def _known(before: Explained | None, request: Explained) -> npt.NDArray[np.int64]:
    """For each wanted cluster, the row of `before` that holds its map; -1 where it must be computed."""
    rows = np.full(len(request.ids), -1, dtype=np.int64)
    if before is None or before.bundle is not request.bundle or before.frame != request.frame:
        return rows
    if not np.array_equal(before.log_scale, request.log_scale, equal_nan=True):
        return rows
    if (before.question.against, before.question.method) != (request.question.against, request.question.method):
        return rows
    old, new = before.micrograph, request.micrograph
    if old.data is not new.data or old.pixel_size_nm != new.pixel_size_nm:
        return rows
    before_row = find_rows(request.ids, before.ids)
    shared = np.flatnonzero(before_row >= 0)
    was = before.table.rows.loc[before_row[shared], _OF_THE_PATCH].to_numpy(dtype=np.float64)
    now = request.table.rows.loc[shared, _OF_THE_PATCH].to_numpy(dtype=np.float64)
    same = np.isclose(was, now, rtol=0, atol=0, equal_nan=True).all(axis=1)
    same &= before.asked[before_row[shared]] == request.asked[shared]
    rows[shared[same]] = before_row[shared[same]]
    return rows


def _likeliest(table: ClusterTable, bundle: Bundle) -> npt.NDArray[np.int64]:
    """Index of each cluster's most probable class; -1 for one that this model has not classified."""
    if table.class_sizes != bundle.card.class_sizes:
        return np.full(len(table), -1, dtype=np.int64)
    chance = np.nan_to_num(table.probabilities, nan=-1.0)
    return np.where(chance.max(axis=1) < 0, -1, chance.argmax(axis=1))
