"""Adapting a model to images, and what that did to one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline.calibrating import rows_by_frame
from napari_atomicity.pipeline.counting import Count, labelled
from napari_atomicity.pipeline.settings import Settings
from napari_atomicity.progress import Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.adapt import Adaptation
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.counting.patches import Patches
    from napari_atomicity.counting.prior import PriorKnowledge


#: a model that is right of so many of the anchors held back fits the image
_FITS: Final = 0.9


@dataclass(frozen=True, eq=False)
class AppliedAdaptation:
    """One image before and after an adaptation; `after` is None where it was not accepted.

    Attributes
    ----------
    adaptation
        Result of `pipeline.adapt_steps`, which may have been made on several images.
    base
        The model before it.
    before, after
        The image as the model before and after it counts it.
    offered
        `before`, as it was before a person chose among the candidates of undecided frames.
    anchors
        Those of the adaptation's anchors that lie in this image, with the ids of its table.
    images
        Names of the images whose anchors it was made on.
    """

    adaptation: Adaptation
    base: Bundle
    before: Count
    offered: Count
    after: Count | None
    anchors: pd.DataFrame
    images: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the adapted model is in force."""
        return self.after is not None

    @property
    def reason(self) -> str:
        """One sentence: what was done, or why nothing was."""
        return self.adaptation.reason

    @property
    def changed(self) -> tuple[int, int]:
        """How many labels it changed, and of how many."""
        before = self.before.table.rows["label"].to_numpy()
        after = before if self.after is None else self.after.table.rows["label"].to_numpy()
        return int(np.count_nonzero(before != after)), len(before)

    @property
    def headline(self) -> str:
        """What it did, in one sentence."""
        if not self.accepted:
            return self._refused
        changed, total = self.changed
        if not changed:
            return "Adapted; no label changed."
        to = f"Adapted to {len(self.images)} images: " if len(self.images) > 1 else ""
        # what another image taught has no anchors here
        to = to or ("" if len(self.anchors) else f"Adapted to {', '.join(self.images)}: ")
        return f"{to}{changed} of {total} labels changed{self._mostly}."

    @property
    def _refused(self) -> str:
        """Why nothing changed."""
        right = self.adaptation.before.get("right")
        if right is None:  # nothing was tuned
            return self.reason
        return f"Nothing changed; {'the model already fits' if right >= _FITS else 'tuning makes it no better here'}."

    @property
    def _mostly(self) -> str:
        """From which label to which it went most often; empty where a label went or came."""
        assert self.after is not None
        pairs = zip(*(count.table.rows["label"].astype(str) for count in (self.before, self.after)), strict=True)
        moves = Counter((old, new) for old, new in pairs if old != new)
        ((old, new), most), *_ = moves.most_common(1)
        if not (old and new):
            return ""
        n = moves.total()
        return f", {'' if n == 1 else 'all ' if most == n else f'{most} of them '}from {old} to {new}"


def adapt_steps(classified: Count | Sequence[Count], bundle: Bundle, settings: Settings) -> Steps[Adaptation]:
    """Fine-tune a copy of `bundle` once to all given images; `adapted` with the result gives their new tables.

    Parameters
    ----------
    classified
        By `bundle`; several images were taken under the same settings of the microscope. What was known of each frame
        goes with it.
    bundle
        The model that counted them.
    settings
        Only `adapt`, `anchors` and `seed` count here.

    Returns
    -------
    The ids in its `anchors` are those of the table; of several images they number the rows of all, one after the other.

    Raises
    ------
    InputError
        Where there is no image.
    """
    from napari_atomicity.counting.adapt import adapt_steps as fine_tune_steps
    from napari_atomicity.counting.holdout import identities

    counts = [classified] if isinstance(classified, Count) else list(classified)
    if not counts:
        raise InputError("There is no image to adapt the model to; classify at least one.")
    table, evidence, patches = _pooled(counts)
    frames = np.zeros(len(table), dtype=np.int64)
    known: list[PriorKnowledge] = []
    calibrations = {}
    for count, start in zip(counts, _starts(counts), strict=True):
        for frame, rows in rows_by_frame(count.table):
            frames[start + rows] = len(known)
            if frame in count.calibrations:
                calibrations[len(known)] = count.calibrations[frame]
            known.append(count.known.get(frame, settings.known))
    return (
        yield from fine_tune_steps(
            bundle,
            patches,
            table,
            evidence,
            mode=settings.adapt,
            seed=settings.seed,
            known=known,
            sources=settings.anchors,
            frames=frames,
            identity=np.concatenate(
                [identities(count.image, count.table.rows["frame"].to_numpy(), count.table.ids) for count in counts]
            ),
            calibrations=calibrations,
        )
    )


def adapted(classified: Sequence[Count], adaptation: Adaptation) -> list[Count]:
    """The images that a model was adapted to, as that model sees them: nothing is cut out or looked at again.

    The calibrations stay: the judge of scales knows the features of the model as shipped, not those of its copy.

    Parameters
    ----------
    classified
        The images as the model before the adaptation counted them.
    adaptation
        Made on these images, in this order.

    Raises
    ------
    InputError
        Where the adaptation was not accepted.
    """
    if adaptation.evidence is None:
        raise InputError("The adaptation was not accepted, so there is nothing to label anew.")
    recounted = []
    for count, start in zip(classified, _starts(classified), strict=True):
        evidence = adaptation.evidence.take(np.arange(start, start + len(count.table)))
        relabelled = labelled(count.table, count.patches, evidence, count.calibrations, adaptation.bundle)
        recounted.append(replace(relabelled, known=count.known, image=count.image))
    return recounted


def _pooled(counts: Sequence[Count]) -> tuple[ClusterTable, Evidence, Patches]:
    """The clusters of several images one after the other, numbered anew; of one image as they are."""
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.counting.patches import Patches

    first = counts[0]
    if len(counts) == 1:
        return first.table, first.evidence, first.patches
    rows = pd.concat([count.table.rows for count in counts], ignore_index=True)
    table = ClusterTable(rows.assign(id=np.arange(len(rows))), first.table.class_sizes)
    return table, Evidence.join([count.evidence for count in counts]), Patches.join([count.patches for count in counts])


def _starts(counts: Sequence[Count]) -> npt.NDArray[np.int64]:
    """(images,) row of the pooled table at which each image begins."""
    return np.cumsum([0, *(len(count.table) for count in counts[:-1])])
