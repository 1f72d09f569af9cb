"""Readers of other libraries, which warn of what means nothing to a person."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Final, Literal

#: Python has one list of filters for all threads: where two put it back crosswise, the warnings of all stay off
_ONE_AT_A_TIME: Final = RLock()


@contextmanager
def without_warnings() -> Iterator[None]:
    """Within, no warning is shown; what was set before comes back, also where several threads read."""
    with _filtered("ignore"):
        yield


@contextmanager
def warnings_raised() -> Iterator[None]:
    """Within, a warning is raised as an error; what was set before comes back, also where several threads read."""
    with _filtered("error"):
        yield


@contextmanager
def without_log(name: str) -> Iterator[None]:
    """Within, a logger says nothing; each who asks for it takes back what is its own, in whatever order they end.

    Parameters
    ----------
    name
        Of the logger. Loggers below it are heard as before.
    """

    def nothing(_: logging.LogRecord) -> bool:
        return False

    log = logging.getLogger(name)
    log.addFilter(nothing)
    try:
        yield
    finally:
        log.removeFilter(nothing)


@contextmanager
def _filtered(action: Literal["ignore", "error"]) -> Iterator[None]:
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter(action)
        yield
