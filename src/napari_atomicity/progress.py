"""Long work is a generator: it yields `Progress` at every step and returns its result.

Whoever runs it decides where: in a thread, to its end at once (`drain`), or step by step. It can be stopped between two
steps. Nothing is changed until the generator returns, so stopping it leaves the previous state intact.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of work has come: step `done` of `total`, doing `what`."""

    done: int
    total: int
    what: str


Steps = Generator[Progress, None, Result]


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
