"""What the map of features shows, computed off the interface thread and only where something changed."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_atomicity.clusters import OTHER, ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.insight.feature_map import FeatureMap, Placed
    from napari_atomicity.insight.islands import Island
    from napari_atomicity.pipeline import Count
    from napari_atomicity.ui.workspace.tasks import TaskRunner
    from napari_atomicity.ui.workspace.workspace import Workspace

_STOPPED: Final = "The map was stopped before it was done; press Try again."


@dataclass(frozen=True)
class Figures:
    """How well labels keep apart in the features: silhouette and neighbourhood purity; nan where they have none."""

    silhouette: float
    purity: float


@dataclass(frozen=True, eq=False)
class Placement:
    """The clusters of one classified image on the map of one model, in the order of its table."""

    feature_map: FeatureMap
    islands: list[Island]
    placed: Placed
    library: Figures


@dataclass(frozen=True, eq=False)
class _Job:
    classified: Count
    bundle: Any
    labels: npt.NDArray[np.object_]


class Placements:
    """The looks of one viewer's images; `changed` when new ones are there.

    A look belongs to a classification: as long as the image keeps that, nothing is computed again. The figures of its
    clusters follow the labels.
    """

    changed = Signal()

    def __init__(self, work: TaskRunner) -> None:
        #: apart from the workspace's own work, which need not wait for it
        self.work = work
        self.work.progressed.connect(self._on_progress)
        self.work.finished.connect(self._on_finished)
        self.progress: Progress | None = None
        self._looks: weakref.WeakKeyDictionary[Count, Placement] = weakref.WeakKeyDictionary()
        self._figures: weakref.WeakKeyDictionary[Count, tuple[list[object], Figures]] = weakref.WeakKeyDictionary()
        self._refused: weakref.WeakKeyDictionary[Count, str] = weakref.WeakKeyDictionary()
        self._running: Steps[Any] | None = None
        self._asked: list[_Job] = []

    def look(self, classified: Count | None) -> Placement | None:
        """The look of a classification; None as long as it is not computed."""
        return None if classified is None else self._looks.get(classified)

    def figures(self, classified: Count | None) -> Figures | None:
        """Figures of its clusters by the labels last asked for; None as long as they are not computed."""
        known = None if classified is None else self._figures.get(classified)
        return None if known is None else known[1]

    def refusal(self, classified: Count | None) -> str:
        """Why there is no look; empty where there is one, or none was tried."""
        return "" if classified is None else self._refused.get(classified, "")

    def want(self, documents: Iterable[Document]) -> None:
        """Compute what is missing to show these documents, before and after their adaptation."""
        if self.work.busy:
            return
        jobs = [job for document in documents for job in _jobs(document) if self._is_missing(job)]
        if not jobs:
            return
        self._asked = jobs
        self.work.start("Feature map", lambda: self._begin(jobs), self._land)

    def stop(self) -> None:
        """Stop; what was being computed waits until it is asked for again."""
        self.work.stop()

    def try_again(self) -> None:
        """Forget what was refused."""
        self._refused.clear()
        self.changed.emit()

    def _is_missing(self, job: _Job) -> bool:
        if job.classified in self._refused:
            return False
        known = self._figures.get(job.classified)
        return job.classified not in self._looks or known is None or known[0] != job.labels.tolist()

    def _begin(self, jobs: list[_Job]) -> Steps[Any]:
        self._running = _looked_steps([(job, self._looks.get(job.classified)) for job in jobs])
        return self._running

    def _land(self, done: list[tuple[_Job, Placement | None, Figures | None, str]]) -> None:
        for job, look, figures, refusal in done:
            if refusal or look is None or figures is None:
                self._refused[job.classified] = refusal
                continue
            self._looks[job.classified] = look
            self._figures[job.classified] = (job.labels.tolist(), figures)

    def _on_progress(self, progress: Progress) -> None:
        self.progress = progress
        self.changed.emit()

    def _on_finished(self, ending: str) -> None:
        if self._running is not None:
            # a thread that was stopped leaves the generator where it was: the process that it waits for goes with it
            self._running.close()
        if ending != "done":
            for job in self._asked:
                self._refused[job.classified] = _STOPPED
        self._running, self._asked, self.progress = None, [], None
        self.changed.emit()


def _jobs(document: Document) -> list[_Job]:
    """The document as the model in force sees it, and as the one did that it was adapted from."""
    state = document.state
    if state.count is None or state.bundle is None:
        return []
    jobs = [_Job(state.count, state.bundle, labels_of(state.count, document.table, document.table))]
    adapted = state.applied
    if adapted is not None:
        labels = labels_of(adapted.before, document.table, adapted.before.table)
        jobs.append(_Job(adapted.before, adapted.base, labels))
    return jobs


def labels_of(classified: Count, table: ClusterTable, said: ClusterTable) -> npt.NDArray[np.object_]:
    """Labels in the rows of `classified`: a person's in `table` first, else those of `said`; empty where deleted."""
    ids = classified.table.ids
    annotation, label = table.values_of("annotation", ids), said.values_of("label", ids)
    return np.where(table.rows_of(ids) >= 0, np.where(annotation != "", annotation, label), "")


def _looked_steps(
    wanted: list[tuple[_Job, Placement | None]],
) -> Steps[list[tuple[_Job, Placement | None, Figures | None, str]]]:
    done: list[tuple[_Job, Placement | None, Figures | None, str]] = []
    for number, (job, look) in enumerate(wanted):
        yield Progress(number, len(wanted), "Placing clusters on the map")
        try:
            look = look or (yield from _look_steps(job))
        except InputError as error:
            done.append((job, None, None, str(error)))
            continue
        named = ~np.isin(job.labels.astype(str), ["", OTHER])
        features = look.feature_map.library.standardised(job.classified.evidence.features)
        done.append((job, look, _figures(features[named], job.labels[named]), ""))
    return done


def _look_steps(job: _Job) -> Steps[Placement]:
    from napari_atomicity.insight.feature_map import feature_map_steps
    from napari_atomicity.insight.islands import islands

    found = yield from feature_map_steps(job.bundle)
    library = found.library
    own = _figures(library.standardised(library.features), np.array(library.labels, dtype=object))
    return Placement(found, islands(found), found.place(job.classified.evidence.features), own)


def _figures(points: npt.NDArray[np.float64], labels: npt.NDArray[np.object_]) -> Figures:
    from napari_atomicity.counting.silhouette import silhouette
    from napari_atomicity.insight.feature_map import purity

    return Figures(silhouette(points, labels.astype(str)), purity(points, labels.astype(str)))


_LOOKS: weakref.WeakKeyDictionary[Workspace, Placements] = weakref.WeakKeyDictionary()


def looks_of(workspace: Workspace) -> Placements:
    """The one keeper of looks of a workspace: it outlives the widgets that show them."""
    looks = _LOOKS.get(workspace)
    if looks is None:
        looks = _LOOKS[workspace] = Placements(workspace.new_work())
    return looks
