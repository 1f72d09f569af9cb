"""The first pass over many images: pieces of work, given to an engine until every image has a row."""

from __future__ import annotations

import errno
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from napari_atomicity.dataset.engine import Done, Engine, Task, WorkerLost
from napari_atomicity.dataset.folder import Folder
from napari_atomicity.dataset.measure import FAILED, Outcome, Rows, failed_row, measure_piece
from napari_atomicity.dataset.notes import note_path, noted
from napari_atomicity.dataset.plan import MOST_AT_A_TIME, Piece, Recipe, pieces
from napari_atomicity.dataset.sources import Item
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps

#: how often an image may end its worker, and a part fail to be written
_TRIES: Final = 3
#: seconds between two looks at how far the workers are, and before a full disk is tried again
_LOOK_S: Final = 0.5
_DISK_PAUSE_S: Final = 5.0

ENDED: Final = (
    f"The process that measured this image ended {_TRIES} times; the image may need more memory than a worker has."
)


@dataclass
class Tally:
    """How far a batch has come, for the line of progress.

    Attributes
    ----------
    total
        Images to measure in this call.
    images, refused, failed
        Rows that were written, and how many of these hold no count.
    seconds, loading, writing
        That the analysis took, loading the model and writing parts, summed over the workers.
    started
        When the first pass began, on the clock of `time.monotonic`.
    """

    total: int
    images: int = 0
    items: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0
    loading: float = 0.0
    writing: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def add(self, outcome: Outcome, items: int) -> None:
        """Count what came of a piece.

        Parameters
        ----------
        outcome
            What came of it.
        items
            Files of the piece.
        """
        self.items += items
        self.images += outcome.images
        self.refused += outcome.refused
        self.failed += outcome.failed
        self.seconds += outcome.seconds
        self.loading += outcome.loading
        self.writing += outcome.writing

    def line(self, in_hand: int) -> Progress:
        """Images done, images a second, time left, failures.

        Parameters
        ----------
        in_hand
            Images that the workers have done but not written.
        """
        done = min(self.items + in_hand, self.total)
        passed = time.monotonic() - self.started
        rate = done / passed if passed > 0 else 0.0
        text = f"Measuring images: {done:,} of {self.total:,}, {rate:.1f} a second, {_left(self.total - done, rate)}"
        if self.refused or self.failed:
            text += f", {self.refused} refused, {self.failed} failed"
        return Progress(done, self.total, text)


def _left(images: int, rate: float) -> str:
    if not rate:
        return "time left not known yet"
    seconds = images / rate
    if seconds < 90:
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:.0f} min left" if seconds < 5400 else f"{seconds / 3600:.1f} h left"


def measure_steps(
    folder: Folder, recipe: Recipe, items: Sequence[Item], engine: Engine, most: int = MOST_AT_A_TIME
) -> Steps[Tally]:
    """Measure images by an engine; whatever befalls its workers, every image gets a row.

    Parameters
    ----------
    folder
        The dataset.
    recipe
        What decides the numbers.
    items
        What is to be measured.
    engine
        Who computes.
    most
        Images of a piece at most.

    Returns
    -------
    How many came out how.

    Raises
    ------
    InputError
        Where nothing can be written any more; what is measured is kept.
    """
    run = _Run(folder, recipe, engine, Tally(len(items)), deque(pieces(items, engine.workers, most)))
    yield run.tally.line(0)
    while run.waiting or run.in_hand:
        while run.waiting and engine.room > 0:
            run.begin(run.waiting.popleft())
        for done in engine.wait(_LOOK_S):
            run.take(done)
        yield run.tally.line(sum(noted(folder, piece)[0] for piece in run.in_hand.values()))
    return run.tally


@dataclass
class _Run:
    folder: Folder
    recipe: Recipe
    engine: Engine
    tally: Tally
    waiting: deque[Piece]
    in_hand: dict[str, Piece] = field(default_factory=dict)
    #: how often an image ended its worker, a piece was lost, and one could not be written
    ended: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    unwritten: Counter[str] = field(default_factory=Counter)

    def begin(self, piece: Piece) -> None:
        note_path(self.folder, piece).unlink(missing_ok=True)
        self.in_hand[piece.name] = piece
        self.engine.submit(Task(measure_piece, (self.folder, self.recipe, piece)))

    def take(self, done: Done) -> None:
        piece: Piece = done.task.arguments[2]
        self.in_hand.pop(piece.name, None)
        if done.error is None:
            self.tally.add(done.result, len(piece.items))
        elif isinstance(done.error, WorkerLost):
            self._worker_lost(piece)
        elif isinstance(done.error, ConnectionError):
            self.waiting.appendleft(piece)
        else:
            self._not_written(piece, done.error)

    def _worker_lost(self, piece: Piece) -> None:
        """Blame the image that was in hand; where that is not known, find it by halves."""
        _, culprit = noted(self.folder, piece)
        blamed = [item for item in piece.items if item.id == culprit]
        if not blamed:
            self.lost[piece.name] += 1
            if self.lost[piece.name] < _TRIES:
                self.waiting.appendleft(piece)
            elif len(piece.items) == 1:
                self._give_up(piece.items[0])
            else:
                middle = len(piece.items) // 2
                self.waiting.extendleft([Piece.of(piece.items[middle:]), Piece.of(piece.items[:middle])])
            return
        self.ended[culprit] += 1
        rest = [item for item in piece.items if item.id != culprit]
        if self.ended[culprit] >= _TRIES:
            self._give_up(blamed[0])
        else:  # by itself, so that it takes no other down with it
            self.waiting.append(Piece.of(blamed))
        if rest:
            self.waiting.appendleft(Piece.of(rest))

    def _give_up(self, item: Item) -> None:
        rows = Rows([failed_row(item, item.first, FAILED, ENDED)])
        rows.write(self.folder, Piece.of([item]).name, self.recipe.classes)
        self.tally.add(Outcome(1, failed=1), 1)

    def _not_written(self, piece: Piece, error: Exception) -> None:
        self.unwritten[piece.name] += 1
        if self.unwritten[piece.name] >= _TRIES:
            if isinstance(error, InputError):
                raise error
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise InputError(
                    f"The disk of {self.folder.path} is full; make room and start the same batch again."
                ) from error
            raise error
        time.sleep(_DISK_PAUSE_S if isinstance(error, InputError | OSError) else 0.0)
        self.waiting.append(piece)
