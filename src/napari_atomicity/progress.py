"""Long work is a generator: it yields `Progress` at every step and returns its result.

Whoever runs it decides where: in a thread, to its end at once (`drain`), or step by step. It can be stopped between two
steps. Nothing is changed until the generator returns, so stopping it leaves the previous state intact.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of work has come: step `done` of `total`, doing `what`."""

    done: int
    total: int
    what: str


@dataclass(frozen=True, slots=True)
class Milestone(Progress):
    """Progress with a `result` that is worth showing before the work is done."""

    result: Any


Steps = Generator[Progress, None, Result]


#: of a bar, in thousandths
_WHOLE: Final = 1000
#: of what is left, that one stage takes where nobody knows how many follow
_STAGE: Final = 0.7


def part(steps: Steps[Result], start: float, stop: float) -> Steps[Result]:
    """Work that is one part of a longer one: all parts share one bar, which never goes back.

    Parameters
    ----------
    steps
        The part; it may count anew for each of its own stages.
    start, stop
        Where the bar stands before and after it, from 0 to 1.

    Returns
    -------
    object
        What `steps` returns.
    """
    at = low = start
    share = 0.0
    try:
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            before, share = share, progress.done / progress.total if progress.total else 0.0
            if share < before:
                low = at
            at = max(at, low + _STAGE * (stop - low) * share)
            yield Progress(round(_WHOLE * at), _WHOLE, progress.what)
    finally:
        steps.close()


def drain(steps: Steps[Result], report: Callable[[Progress], None] | None = None) -> Result:
    """Run `steps` to its end and give its result.

    Parameters
    ----------
    steps
        A generator of `Progress` that returns its result.
    report
        Called with every `Progress`; raise from it to stop the work.

    Returns
    -------
    object
        What the generator returns.
    """
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        if report is not None:
            report(progress)
