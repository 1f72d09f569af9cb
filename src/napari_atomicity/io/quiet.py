"""Readers of other libraries, which warn of what means nothing to a person."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Final

#: Python has one list of filters for all threads: where two put it back crosswise, the warnings of all stay off
_ONE_AT_A_TIME: Final = RLock()


@contextmanager
def without_warnings() -> Iterator[None]:
    """Within, no warning is shown; what was set before comes back, also where several threads read."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
