"""The review of one document: its queue and where a person stands in it. The panel only shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_atomicity.counting.opinions import Opinions, Order
from napari_atomicity.counting.review import Queue
from napari_atomicity.errors import InputError

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.pipeline import ImageState


@dataclass(frozen=True)
class ReviewRound:
    """A round of review as it stands; is saved with its image field by field.

    Attributes
    ----------
    order
        Of the queue that is started next.
    queue
        The clusters in the order in which a person looks at them; None where no round was started.
    at
        The cluster at hand.
    reached
        How many clusters of the queue a person has come to.
    unreviewed
        Whether clusters with a person's label are passed over.
    go_on
        Whether a label leads to the next cluster.
    """

    order: Order = "confidence"
    queue: Queue | None = None
    at: int | None = None
    reached: int = 0
    unreviewed: bool = True
    go_on: bool = True

    def __post_init__(self) -> None:
        ids = () if self.queue is None else self.queue.ids
        if self.queue is not None and sorted(self.queue.predicted) != sorted(ids):
            raise ValueError("a queue of other clusters than those with a prediction")
        if self.reached > len(ids) or self.at not in (None, *ids):
            raise ValueError("a place outside of the queue")


class Review:
    """A queue of clusters and the place in it. Signal: `changed` after every step."""

    changed = Signal()

    def __init__(self, document: Document) -> None:
        self.document = document
        #: the fields of a `ReviewRound`
        self.order: Order = ReviewRound.order
        self.queue: Queue | None = None
        self.at: int | None = None
        self.reached = 0
        self.unreviewed = ReviewRound.unreviewed
        self.go_on = ReviewRound.go_on
        self._opinions: tuple[tuple[Any, Any, Any], Opinions] | None = None

    @property
    def running(self) -> bool:
        """Whether a queue was started."""
        return self.queue is not None

    @property
    def round(self) -> ReviewRound:
        """How it stands now."""
        return ReviewRound(**{one.name: getattr(self, one.name) for one in fields(ReviewRound)})

    def resume(self, saved: ReviewRound) -> None:
        """Go on where a round stood when it was saved."""
        for one in fields(saved):
            setattr(self, one.name, getattr(saved, one.name))
        self.changed.emit()

    @property
    def opinions(self) -> Opinions:
        """What model, diameter, intensity, channels and the model before say now."""
        state = self.document.state
        key = (state.table.rows, state.count, state.adaptation)
        if self._opinions is None or any(a is not b for a, b in zip(self._opinions[0], key, strict=True)):
            self._opinions = key, opinions_of(state)
        return self._opinions[1]

    def choose(self, order: Order) -> None:
        """Another order, for the queue that is started next."""
        self.order = order
        self.changed.emit()

    def allow(self, **ticked: bool) -> None:
        """Set `unreviewed` or `go_on`."""
        for name, value in ticked.items():
            setattr(self, name, value)
        self.changed.emit()

    def start(self, seed: int = 0) -> int:
        """Fix the order of the clusters as they are now; gives the first one.

        Raises
        ------
        InputError
            Where the order cannot be had.
        """
        state = self.document.state
        tuned: list[int] = []
        if state.applied is not None:
            anchors = state.applied.anchors
            tuned = anchors["id"][~anchors["held_back"].to_numpy(dtype=bool)].tolist() if len(anchors) else []
        self.queue = Queue.make(self.opinions, self.order, seed, tuned)
        self.at, self.reached = None, 0
        return self.step(1)

    def stop(self) -> None:
        """No queue any more; labels stay."""
        self.queue, self.at, self.reached = None, None, 0
        self.changed.emit()

    def peek(self, by: int) -> int | None:
        """The next cluster, or the previous one, without going there."""
        if self.queue is None:
            return None
        return self.queue.step(self.document.table, self.at, by, self.unreviewed and by > 0)

    def step(self, by: int) -> int:
        """Go to the next cluster of the queue, or the previous one; starts a queue where there is none.

        Raises
        ------
        InputError
            At the end of the queue, or where its order cannot be had.
        """
        if self.queue is None:
            if self.order not in self.opinions.offered():
                self.order = "listed"
            return self.start()
        cluster = self.peek(by)
        if cluster is None:
            raise InputError("This is the end of the review." if by > 0 else "This is the first one of the review.")
        self.arrived(cluster)
        return cluster

    def arrived(self, cluster: int) -> None:
        """A person looks at a cluster, which need not be in the queue."""
        if self.queue is None or cluster not in self.queue.predicted:
            return
        self.at = cluster
        self.reached = max(self.reached, self.queue.ids.index(cluster) + 1)
        self.changed.emit()

    def goes_on_from(self, ids: Sequence[int]) -> bool:
        """Whether a label of the clusters `ids` leads to the next one."""
        return self.go_on and self.queue is not None and list(ids) == [self.at]


def opinions_of(state: ImageState) -> Opinions:
    """The opinions on the clusters of a state."""
    count = state.count
    if state.bundle is None:
        return Opinions.read(state.table)
    base = state.applied.before.table if state.applied is not None else None
    evidence = count.evidence if count is not None else None
    return Opinions.read(
        state.table,
        state.bundle.card,
        evidence,
        count.calibrations if count is not None else {},
        count.table.ids if count is not None else None,
        base,
    )
