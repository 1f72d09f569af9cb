"""A watch: images are taken from a source and counted, one after the other, until there is enough or somebody stops."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_text
from napari_atomicity.live.advice import GOAL, Advice, advice, needed_sentence
from napari_atomicity.live.images import Counted, NotWritten
from napari_atomicity.live.seen import Seen
from napari_atomicity.live.session import LiveSession
from napari_atomicity.live.shares import LiveShares
from napari_atomicity.live.sources import Arrival, FrameSource
from napari_atomicity.progress import Milestone, Progress, Steps

#: seconds between two looks at a source that has nothing
_PAUSE_S: Final = 0.1
#: times that the disk may refuse, one after another, before all that was to be counted once is given up
_TRIES: Final = 5
_SUMMARY: Final = "session.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Look:
    """How far a watch has come.

    Attributes
    ----------
    shares, needed, goal
        Shares of the classes, how many more clusters are needed, and for what half width.
    advice
        What to do next.
    warnings
        What has left its band.
    images, failed
        Counted images, and those to take again.
    waiting
        Images that came and were not counted yet.
    newest
        The image that was counted just now; None where none was.
    said
        Sentences since the last look.
    """

    shares: LiveShares
    needed: int | None
    goal: float
    advice: Advice
    warnings: Sequence[str]
    images: Sequence[Seen]
    failed: Sequence[Seen]
    waiting: int
    newest: Counted | None = None
    said: Sequence[str] = field(default_factory=tuple)

    @property
    def enough(self) -> bool:
        """Whether every share is known to the goal, and nothing is undecided."""
        return self.advice.what == "enough"

    @property
    def sentence(self) -> str:
        """About how many more clusters are needed."""
        return needed_sentence(self.shares, self.needed, self.goal)


def look_at(
    session: LiveSession, goal: float = GOAL, waiting: int = 0, newest: Counted | None = None, said: Sequence[str] = ()
) -> Look:
    """How far a session has come.

    Parameters
    ----------
    session
        The session.
    goal
        The half width that is wanted.
    waiting, newest, said
        As in `Look`.
    """
    shares, warnings = session.shares(), session.warnings()
    needed = session.needed(shares, goal)
    images = session.ledger.counted
    tip = advice(images, shares, needed, goal)
    return Look(shares, needed, goal, tip, warnings, images, session.ledger.failed, waiting, newest, said)


def watch_steps(
    source: FrameSource, session: LiveSession, goal: float = GOAL, stop_when_enough: bool = False, once: bool = False
) -> Steps[Look]:
    """Count what comes; each `Milestone` holds a `Look`.

    Parameters
    ----------
    source
        Where images come from; closed in the end.
    session
        What they join.
    goal
        Half width of the shares that is wanted.
    stop_when_enough
        End once it is reached.
    once
        End once all that is there is counted.

    Returns
    -------
    The last look.

    Raises
    ------
    InputError
        Where all that is there is to be counted `once`, and the disk does not take it.
    """
    unwritten = 0
    try:
        yield Milestone(0, 0, "Watching", look_at(session, goal, source.waiting))
        while not source.ended:
            said = source.remarks()
            arrival = source.take()
            newest = None
            if arrival is not None:
                newest, more, written = yield from _taken_steps(arrival, source, session)
                said += more
                unwritten = 0 if written else unwritten + 1
                if once and unwritten == _TRIES:
                    raise InputError(more[-1])
            elif (stale := session.stale()) is not None:
                newest, more = yield from _recounted_steps(stale, session)
                said += more
            elif once and source.idle:
                break
            else:
                time.sleep(_PAUSE_S)
            if newest is None and not said:
                yield Progress(0, 0, "Watching")
                continue
            look = look_at(session, goal, source.waiting, newest, said)
            yield Milestone(0, 0, "Watching", look)
            if stop_when_enough and look.enough:
                break
        # labels that rest on an early scale are brought up to date before the end
        while (stale := session.stale()) is not None:
            yield from _recounted_steps(stale, session)
    finally:
        source.close()
    return look_at(session, goal)


def _taken_steps(
    arrival: Arrival, source: FrameSource, session: LiveSession
) -> Steps[tuple[Counted | None, list[str], bool]]:
    """Count an image; one that fails is kept in the list and stops nothing. Also whether the disk took it."""
    try:
        return (yield from session.take_steps(arrival)), [], True
    except NotWritten as error:
        source.again(error.arrival)
        return None, [f"{arrival.name}: {error}"], False
    except InputError as error:
        why = str(error)
    except Exception as error:  # a fault of ours in one image must not end an hour at the microscope
        _log.exception("%s could not be counted", arrival.name)
        why = f"unexpected fault, {type(error).__name__}: {error}"
    if not source.refused(arrival, why):
        return None, [], True
    try:
        session.fail(arrival, why)
    except InputError as error:
        source.again(arrival)
        return None, [f"{arrival.name}: {error}"], False
    return None, [f"{arrival.name}: {why}"], True


def _recounted_steps(seen: Seen, session: LiveSession) -> Steps[tuple[Counted | None, list[str]]]:
    try:
        return (yield from session.recount_steps(seen)), []
    except InputError as error:
        return None, [f"{seen.name}: {error}"]
    except Exception as error:
        _log.exception("%s could not be counted again", seen.name)
        return None, [f"{seen.name}: unexpected fault, {type(error).__name__}: {error}"]


def write_summary(session: LiveSession, look: Look) -> None:
    """Write the numbers of a session beside its tables.

    Parameters
    ----------
    session
        The session.
    look
        How far it has come.

    Raises
    ------
    InputError
        Where the disk does not take it.
    """
    content = json.dumps(described(look), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(session.folder / _SUMMARY, content + "\n")


def described(look: Look) -> dict[str, Any]:
    """The numbers of a look, JSON-serialisable."""
    shares = look.shares
    columns = zip(
        shares.labels, shares.share, shares.low, shares.high, shares.usual_low, shares.usual_high, strict=True
    )
    return {
        "images": len(look.images),
        "failed": [{"name": seen.name, "why": seen.why} for seen in look.failed],
        "clusters": shares.clusters,
        "worth": shares.worth,
        "goal": look.goal,
        "needed": look.needed,
        "advice": look.advice.sentence,
        "warnings": list(look.warnings),
        "shares": [
            {
                "label": label,
                "share": float(share) if shares.clusters else None,
                "low": float(low),
                "high": float(high),
                "usual_low": float(usual_low),
                "usual_high": float(usual_high),
            }
            for label, share, low, high, usual_low, usual_high in columns
        ],
    }
