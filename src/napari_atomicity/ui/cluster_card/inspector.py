"""A closer look at one cluster: its patch, its maps and the library clusters like it, off the interface thread."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_atomicity.clusters import OTHER, PLACE, ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.insight import cluster_card as cards
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.counting import patches_steps
from napari_atomicity.pipeline.explaining import scale_of
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.patches import Patches
    from napari_atomicity.document.document import Document
    from napari_atomicity.insight.attribution import Attribution
    from napari_atomicity.pipeline import Count
    from napari_atomicity.ui.workspace.tasks import TaskRunner

_KEPT: Final = 200
_TITLE: Final = "Look closer"
#: contours are smoothed to this: what a cell shows draws on its neighbours
_CONTOUR_NM: Final = 0.2


@dataclass(frozen=True, eq=False)
class Subject:
    """One cluster as it is now: the thread that works reads nothing that a person may change.

    Attributes
    ----------
    micrograph, table, bundle
        The image, a table of this cluster alone, and the model that counted the image (None before any count).
    patches, features
        Its patch, and its (f,) features, where the last count saw it at this very place; else None.
    target
        Index of the class to explain; None leaves it to the network.
    log_scale
        Logarithm of the whole intensity of one atom in its frame; nan where that is not known.
    decision
        What decided, in a sentence; empty where nothing did.
    """

    micrograph: Micrograph
    table: ClusterTable
    bundle: Bundle | None = None
    patches: Patches | None = None
    features: npt.NDArray[Any] | None = None
    target: int | None = None
    log_scale: float = np.nan
    decision: str = ""

    @classmethod
    def of(cls, document: Document, row: int) -> Subject:
        """The cluster in `row` of the document's table."""
        state, table = document.state, document.table
        cluster = table.take(np.array([row]))
        if state.count is None:
            return cls(state.micrograph, cluster)
        target = cards.target_of(cluster, 0, state.model_in_force.card)
        frame = int(cluster.rows["frame"].iloc[0])
        log_scale = scale_of(state.count, frame)
        seen = _row_seen(state.count.table, cluster)
        if seen is None:
            return cls(state.micrograph, cluster, state.bundle, target=target, log_scale=log_scale)
        patches = state.count.patches.take(np.array([seen]))
        # those of an earlier version are of another kind
        features = state.count.evidence.features[seen] if np.isfinite(log_scale) else None
        decision = _decision(state.count, cluster, frame, seen)
        return cls(state.micrograph, cluster, state.bundle, patches, features, target, log_scale, decision)

    @property
    def key(self) -> tuple[object, ...]:
        """The same for the same cluster at the same place, measured and labelled the same."""
        row = self.table.rows.iloc[0]
        measured = (row[name] for name in ("id", *PLACE, "diameter_nm", "intensity"))
        return (*(str(value) for value in measured), self.target, self.patches is None, self.log_scale)


@dataclass(frozen=True, eq=False)
class Inspection:
    """What is known of a subject. All of it may be missing; `problem` says in a sentence why there is no patch.

    Attributes
    ----------
    channels
        (channels, 64, 64) what the network is fed.
    names
        Name of each channel.
    features
        (f,) last hidden layer.
    attribution, contours
        Grad-CAM of this one cluster, and its contours a channel.
    density
        (64, 64) atoms per nm² that were counted.
    alike, no_library
        What it can be compared with, or why with nothing.
    """

    channels: npt.NDArray[np.float32] | None = None
    names: tuple[str, ...] = ()
    features: npt.NDArray[Any] | None = None
    attribution: Attribution | None = None
    contours: tuple[Any, ...] = ()
    density: npt.NDArray[np.float32] | None = None
    alike: cards.Alike | None = None
    no_library: str = ""
    problem: str = ""


@dataclass(frozen=True, eq=False)
class OwnMeasurement:
    """A model, and what clusters can be compared with in it, or why with nothing."""

    bundle: Bundle | None = None
    alike: cards.Alike | None = None
    no_library: str = ""


class ClusterInspector:
    """Looks at one cluster after the other; of several wanted in a row only the last counts.

    Signal: `looked` once there is more to show than before.
    """

    looked = Signal()

    def __init__(self, work: TaskRunner) -> None:
        self.work = work
        self.work.finished.connect(self._on_finished)
        self._bundle: Bundle | None = None
        # weakly: the image may be taken off the viewer while nothing is selected
        self._micrograph: weakref.ref[Micrograph] | None = None
        self._own = OwnMeasurement()
        self._done: dict[tuple[object, ...], Inspection] = {}
        self._wanted: Subject | None = None
        self._running: Subject | None = None

    def prepare(self, document: Document) -> None:
        """Make ready for questions about clusters of a document; nothing that was asked before is wanted any more."""
        self._wanted = None
        self._turn_to(document.state.bundle, document.micrograph)
        self._start()

    def look(self, subject: Subject) -> Inspection:
        """What can be said at once; the rest is set to work, and told by `looked`."""
        self._turn_to(subject.bundle, subject.micrograph)
        done = self._done.get(subject.key)
        self._wanted = subject if done is None else None
        self._start()
        return done or _at_once(subject, self._own)

    @property
    def waiting(self) -> bool:
        """Whether more is to come."""
        return self._wanted is not None

    def _turn_to(self, bundle: Bundle | None, micrograph: Micrograph) -> None:
        """Forget what was made with another model or on another image."""
        if bundle is not self._bundle:
            self._own = OwnMeasurement()
        if not self._is_of(bundle, micrograph):
            self._done = {}
        self._bundle, self._micrograph = bundle, weakref.ref(micrograph)

    def _is_of(self, bundle: Bundle | None, micrograph: Micrograph) -> bool:
        return bundle is self._bundle and self._micrograph is not None and self._micrograph() is micrograph

    def _start(self) -> None:
        subject, bundle, own = self._wanted, self._bundle, self._own
        if self.work.busy:
            return
        if bundle is not None and own.bundle is None:
            # first, for what a cluster looks like can then be said at once
            self.work.start(_TITLE, lambda: own_steps(bundle), lambda own: self._prepared(bundle, own))
        elif subject is not None:
            self._running = subject
            self.work.start(_TITLE, lambda: look_steps(subject, own), lambda look: self._take(subject, look))

    def _prepared(self, bundle: Bundle, own: OwnMeasurement) -> None:
        if bundle is self._bundle:
            self._own = own

    def _take(self, subject: Subject, look: Inspection) -> None:
        if self._is_of(subject.bundle, subject.micrograph):
            if len(self._done) >= _KEPT:
                self._done.pop(next(iter(self._done)))
            self._done[subject.key] = look

    def _on_finished(self, ending: str) -> None:
        subject, self._running = self._running, None
        if ending != "done":
            self._give_up(subject)
        if self._wanted is not None and self._wanted.key in self._done:
            self._wanted = None
        self._start()
        self.looked.emit()

    def _give_up(self, subject: Subject | None) -> None:
        """Leave it at what is known: the same fault would come again and again."""
        if subject is None:
            self._own = OwnMeasurement(self._bundle)
            return
        self._take(subject, _at_once(subject, self._own))
        if self._wanted is subject:
            self._wanted = None


def look_steps(subject: Subject, own: OwnMeasurement) -> Steps[Inspection]:
    """All that is shown of a cluster beyond its row in the table."""
    try:
        patches = subject.patches
        if patches is None:
            patches = yield from patches_steps(subject.micrograph, subject.table)
    except InputError as error:
        return Inspection(problem=str(error))
    if subject.bundle is None or own.bundle is None or not patches.valid[0]:
        return _inspection(patches, subject.bundle, None, own, subject.log_scale)
    if not np.isfinite(subject.log_scale):
        return _inspection(patches, own.bundle, None, own)
    from napari_atomicity.counting.classify import evidence_steps
    from napari_atomicity.counting.classify import look_steps as seen_steps
    from napari_atomicity.insight.attribution import attribution_steps

    features, scale = subject.features, np.array([subject.log_scale])
    if features is None:
        free = yield from evidence_steps(own.bundle, patches)
        features = (yield from seen_steps(own.bundle, patches, free, scale, np.zeros(1))).features[0]
    attribution = yield from attribution_steps(own.bundle, patches, scale, subject.target, method="grad-cam")
    density = yield from attribution_steps(own.bundle, patches, scale, subject.target)
    lines = tuple(cards.contours(heat, _CONTOUR_NM) for heat in attribution.maps[0])
    found = _inspection(patches, own.bundle, features, own, subject.log_scale)
    return replace(found, attribution=attribution, contours=lines, density=density.maps[0, 0])


def own_steps(bundle: Bundle) -> Steps[OwnMeasurement]:
    """The model with its library."""
    yield Progress(0, 0, _TITLE)
    try:
        return OwnMeasurement(bundle, cards.alike_of(bundle))
    except InputError as error:
        return OwnMeasurement(bundle, no_library=str(error))


def _at_once(subject: Subject, own: OwnMeasurement) -> Inspection:
    return (
        Inspection()
        if subject.patches is None
        else _inspection(subject.patches, subject.bundle, subject.features, own, subject.log_scale)
    )


def _inspection(
    patches: Patches,
    bundle: Bundle | None,
    features: npt.NDArray[Any] | None,
    own: OwnMeasurement,
    log_scale: float = np.nan,
) -> Inspection:
    if not patches.valid[0]:
        return Inspection(problem="Too little of it lies inside the image for the model to see.")
    card = None if bundle is None else bundle.card
    names = ("raw",) if card is None else card.channels
    pictures = cards.channels_of(patches, card, log_scale)[0]
    return Inspection(pictures, names, features, alike=own.alike, no_library=own.no_library)


def _decision(count: Count, cluster: ClusterTable, frame: int, row: int) -> str:
    """What decided between the two likeliest classes of a cluster that was counted, in a sentence.

    Empty for one that was taken for none of them: which class it would be otherwise decided nothing.
    """
    from napari_atomicity.insight.decision import decision_of

    fit, card = count.calibrations.get(frame), count.evidence.card
    if fit is None or cluster.class_sizes != card.class_sizes or cluster.rows["label"].iloc[0] == OTHER:
        return ""
    chances = dict(zip(card.labels, cluster.probabilities[0].tolist(), strict=True))
    found = decision_of(count.evidence, fit, row, chances)
    return "" if found is None else found.words


def _row_seen(counted: ClusterTable, cluster: ClusterTable) -> int | None:
    """Row of the same cluster in the table that was counted; None where it is new or was moved since then."""
    row = counted.row_of(int(cluster.ids[0]))
    return row if row is not None and np.array_equal(counted.places[row], cluster.places[0]) else None
