"""Counting one image or several of a session, with or without adapting the model to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from napari_atomicity import pipeline
from napari_atomicity.clusters import ClusterTable
from napari_atomicity.document.document import Document
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.adaptation import AppliedAdaptation
from napari_atomicity.progress import Progress, Steps


@dataclass(frozen=True, eq=False)
class Job:
    """One image as it was when the work began: the thread that works reads nothing that a person may change."""

    micrograph: Micrograph
    table: ClusterTable
    settings: pipeline.Settings
    choices: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Document, table: ClusterTable | None = None) -> Job:
        """The document as it is now, or with another table."""
        state = document.state
        return cls(state.micrograph, state.table if table is None else table, document.settings, state.choices)


@dataclass(frozen=True, eq=False)
class Counted:
    """One counted image; `offered` is what it was before a person's choices among candidates."""

    bundle: Any
    classified: pipeline.Classified
    offered: pipeline.Classified
    settings: pipeline.Settings
    adaptation: AppliedAdaptation | None = None
    session: tuple[str, ...] = ()

    def land(self, document: Document, name: str, before: ClusterTable) -> None:
        """Make it the newest step of the document; `before` is the table that it was computed from."""
        document.land(
            name,
            self.classified.table,
            before,
            bundle=self.bundle,
            classified=self.classified,
            offered=self.offered,
            adaptation=self.adaptation,
            settings=self.settings,
            session=self.session,
        )


def model_steps(name: str) -> Steps[Any]:
    """The model `name`; the first time it takes a moment, for PyTorch comes with it."""
    yield Progress(0, 0, "Loading the model")
    from napari_atomicity.counting.bundle import load_bundle

    return load_bundle(name)


def classify_steps(jobs: Sequence[Job], bundle: Any) -> Steps[list[Counted]]:
    """Label the images with one model and, where there are several, one scale."""
    micrographs, tables = [job.micrograph for job in jobs], [job.table for job in jobs]
    settings = [job.settings for job in jobs]
    found = yield from pipeline.classify_session_steps(micrographs, tables, bundle, settings)
    return _counted(jobs, found, bundle)


def count_steps(jobs: Sequence[Job], base: Any) -> Steps[list[Counted]]:
    """Label the images, adapt the model once to all of them, and label anew where that is accepted."""
    before = yield from classify_steps(jobs, base)
    settings = [job.settings for job in jobs]
    if settings[0].adapt == "off" or not any(len(job.table) for job in jobs):
        return before
    seen = [each.classified for each in before]
    adaptation = yield from pipeline.adapt_steps(seen, base, settings[0])
    after: Sequence[Counted | None] = [None] * len(jobs)
    if adaptation.accepted:
        found = pipeline.adapted(seen, adaptation)
        after = _counted(jobs, found, adaptation.bundle)
    anchors = _anchors_of_each(adaptation.anchors, [each.table for each in seen])
    return with_adaptation(adaptation, before, after, anchors, tuple(job.micrograph.name for job in jobs))


def _counted(jobs: Sequence[Job], found: Sequence[pipeline.Classified], bundle: Any) -> list[Counted]:
    names = tuple(job.micrograph.name for job in jobs) if len(jobs) > 1 else ()
    return [
        Counted(bundle, chosen(offered, job.choices, bundle), offered, job.settings, session=names)
        for job, offered in zip(jobs, found, strict=True)
    ]


def with_adaptation(
    adaptation: Any,
    before: Sequence[Counted],
    after: Sequence[Counted | None],
    anchors: Sequence[pd.DataFrame],
    images: tuple[str, ...],
) -> list[Counted]:
    """What was counted `after` an adaptation, or `before` where it was not accepted, with what it did to each image."""
    done = []
    for was, now, own in zip(before, after, anchors, strict=True):
        classified = None if now is None else now.classified
        adapted = AppliedAdaptation(adaptation, was.bundle, was.classified, was.offered, classified, own, images)
        done.append(replace(now or was, adaptation=adapted))
    return done


def chosen(offered: pipeline.Classified, choices: Mapping[int, str], bundle: Any) -> pipeline.Classified:
    """`offered` with a person's choices, where its frames are undecided between the chosen candidate and others."""
    result = offered
    for frame, dominant in choices.items():
        fit = offered.calibrations.get(frame)
        if fit is not None and fit.ambiguous and dominant in {c["dominant"] for c in fit.candidates}:
            result = pipeline.choose(result, frame, dominant, bundle)
    return result


def _anchors_of_each(anchors: pd.DataFrame, tables: Sequence[ClusterTable]) -> list[pd.DataFrame]:
    """The anchors that lie in each image, with its ids; those of several images are numbered one after the other."""
    if len(tables) == 1:
        return [anchors]
    starts = np.cumsum([0, *(len(table) for table in tables)])
    parts = []
    for start, stop, table in zip(starts, starts[1:], tables, strict=False):
        own = anchors[anchors["id"].between(start, stop - 1)]
        parts.append(own.assign(id=table.ids[own["id"].to_numpy() - start]).reset_index(drop=True))
    return parts
